// Room: converter/commands. Options that check their values strictly: whole numbers in decimal and finite
// numbers, each within its range. CLI11 alone takes "-1" for 2^64 - 1, "010" for 8 and "nan" for a number.
#ifndef CLLM_CONVERTER_COMMANDS_OPTIONS_H_
#define CLLM_CONVERTER_COMMANDS_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cllm/cllm.h"
#include "converter/commands/flags.h"

namespace cllm {

// `value` holds the default and must outlive the parse; a default in words may replace it in the help text.
struct Range {
  double least;
  double most;
};
Flag AddCount(Flags flags, const std::string& name, uint32_t* value, uint32_t least, uint32_t most,
              const std::string& description, const std::string& default_words = "");
Flag AddSeed(Flags flags, uint64_t* value, const std::string& description);
Flag AddNumber(Flags flags, const std::string& name, double* value, Range range,
               const std::string& description, const std::string& default_words = "");

// One of `choices`; the help text lists them as the option's kind of value.
Flag AddChoice(Flags flags, const std::string& name, std::string* value,
               const std::vector<std::string>& choices, const std::string& description,
               const std::string& default_words = "");

// --threads; *value becomes the number of cores that this process may use.
Flag AddThreads(Flags flags, uint32_t* value);

// --kv: the format of the session's keys and values.
Flag AddKv(Flags flags, cllm_kv_format* value);

// The positional MODEL or another input path, required.
Flag AddModel(Flags flags, std::string* path);

// --delta: what fine-tuning changed of the model; "": nothing.
Flag AddDelta(Flags flags, std::string* path);

// -o, --output, required.
Flag AddOutput(Flags flags, std::string* path);

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_OPTIONS_H_
