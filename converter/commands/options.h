// Room: converter/commands. Options that check their values strictly: whole numbers in decimal and finite
// numbers, each within its range. CLI11 alone takes "-1" for 2^64 - 1, "010" for 8 and "nan" for a number.
#ifndef CLLM_CONVERTER_COMMANDS_OPTIONS_H_
#define CLLM_CONVERTER_COMMANDS_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "cllm/cllm.h"

namespace cllm {

// `value` holds the default and must outlive the parse; a default in words may replace it in the help text.
struct Range {
  double least;
  double most;
};
CLI::Option* AddCount(CLI::App* app, const std::string& name, uint32_t* value, uint32_t least, uint32_t most,
                      const std::string& description, const std::string& default_words = "");
CLI::Option* AddSeed(CLI::App* app, uint64_t* value, const std::string& description);
CLI::Option* AddNumber(CLI::App* app, const std::string& name, double* value, Range range,
                       const std::string& description, const std::string& default_words = "");

// One of `choices`; the help text lists them as the option's kind of value.
CLI::Option* AddChoice(CLI::App* app, const std::string& name, std::string* value,
                       const std::vector<std::string>& choices, const std::string& description,
                       const std::string& default_words = "");

// --threads; *value becomes the number of cores that this process may use.
CLI::Option* AddThreads(CLI::App* app, uint32_t* value);

// --kv: the format of the session's keys and values.
CLI::Option* AddKv(CLI::App* app, cllm_kv_format* value);

// The positional MODEL or another input path, required.
CLI::Option* AddModel(CLI::App* app, std::string* path);

// --delta: what fine-tuning changed of the model; "": nothing.
CLI::Option* AddDelta(CLI::App* app, std::string* path);

// -o, --output, required.
CLI::Option* AddOutput(CLI::App* app, std::string* path);

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_OPTIONS_H_
