#include "converter/commands/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace cllm {
namespace {

template <class T>
T ParseOrThrow(const std::string& name, const std::string& text, T least, T most, const char* kind) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  // The comparison is written so that a value that is not a number fails it.
  if (error != std::errc() || stop != end || !(value >= least && value <= most)) {
    throw CLI::ValidationError(name,
                               absl::StrCat("'", text, "' is not ", kind, " from ", least, " to ", most));
  }
  return value;
}

template <class T>
CLI::Option* AddParsed(CLI::App* app, const std::string& name, T* value, T least, T most, const char* kind,
                       const std::string& description, const std::string& default_words) {
  return app
      ->add_option_function<std::string>(
          name, [=](const std::string& text) { *value = ParseOrThrow<T>(name, text, least, most, kind); },
          description)
      ->type_name("N")
      ->default_str(default_words.empty() ? absl::StrCat(*value) : default_words);
}

}  // namespace

CLI::Option* AddCount(CLI::App* app, const std::string& name, uint32_t* value, uint32_t least, uint32_t most,
                      const std::string& description, const std::string& default_words) {
  return AddParsed<uint32_t>(app, name, value, least, most, "a whole number", description, default_words);
}

CLI::Option* AddSeed(CLI::App* app, uint64_t* value, const std::string& description) {
  return AddParsed<uint64_t>(app, "--seed", value, 0, UINT64_MAX, "a whole number", description, "");
}

CLI::Option* AddNumber(CLI::App* app, const std::string& name, double* value, Range range,
                       const std::string& description, const std::string& default_words) {
  return AddParsed<double>(app, name, value, range.least, range.most, "a number", description, default_words);
}

CLI::Option* AddChoice(CLI::App* app, const std::string& name, std::string* value,
                       const std::vector<std::string>& choices, const std::string& description,
                       const std::string& default_words) {
  const auto parse = [=](const std::string& text) {
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      throw CLI::ValidationError(
          name, absl::StrCat("there is no '", text, "'; there are ", absl::StrJoin(choices, ", ")));
    }
    *value = text;
  };
  return app->add_option_function<std::string>(name, parse, description)
      ->type_name(absl::StrJoin(choices, "|"))
      ->default_str(default_words.empty() ? *value : default_words);
}

CLI::Option* AddThreads(CLI::App* app, uint32_t* value) {
  *value = std::clamp(std::thread::hardware_concurrency(), 1u, 256u);
  return AddCount(app, "--threads", value, 1, 256, "threads that compute; the result does not depend on it",
                  "all cores");
}

CLI::Option* AddKv(CLI::App* app, cllm_kv_format* value) {
  const auto parse = [=](const std::string& text) {
    if (text != "f32" && text != "int8") {
      throw CLI::ValidationError("--kv", absl::StrCat("there is no '", text, "'; there are f32, int8"));
    }
    *value = text == "int8" ? CLLM_KV_INT8 : CLLM_KV_F32;
  };
  return app
      ->add_option_function<std::string>("--kv", parse, "how keys and values are kept; int8 takes a quarter")
      ->type_name("f32|int8")
      ->default_str("f32");
}

CLI::Option* AddModel(CLI::App* app, std::string* path) {
  return app->add_option("MODEL", *path, "a .cllm file")->required()->type_name("");
}

CLI::Option* AddDelta(CLI::App* app, std::string* path) {
  return app->add_option("--delta", *path, "what 'cllm finetune' changed of this model, put over it")
      ->type_name("FILE");
}

CLI::Option* AddOutput(CLI::App* app, std::string* path) {
  return app->add_option("-o,--output", *path, "the file to write; it is replaced in one step, or not at all")
      ->required()
      ->type_name("OUT.cllm");
}

}  // namespace cllm
