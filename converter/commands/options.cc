#include "converter/commands/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "converter/export/weight_formats.h"

namespace cllm {
namespace {

template <class T>
T ParseOrThrow(const std::string& name, const std::string& text, T least, T most, const char* kind) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  // The comparison is written so that a value that is not a number fails it.
  if (error != std::errc() || stop != end || !(value >= least && value <= most)) {
    throw UsageError(name, absl::StrCat("'", text, "' is not ", kind, " from ", least, " to ", most));
  }
  return value;
}

template <class T>
Flag AddParsed(Flags flags, const std::string& name, T* value, T least, T most, const char* kind,
               const std::string& description, const std::string& default_words) {
  return flags
      .AddParsed(
          name, [=](const std::string& text) { *value = ParseOrThrow<T>(name, text, least, most, kind); },
          description)
      .Kind("N")
      .Default(default_words.empty() ? absl::StrCat(*value) : default_words);
}

}  // namespace

Flag AddCount(Flags flags, const std::string& name, uint32_t* value, uint32_t least, uint32_t most,
              const std::string& description, const std::string& default_words) {
  return AddParsed<uint32_t>(flags, name, value, least, most, "a whole number", description, default_words);
}

Flag AddSeed(Flags flags, uint64_t* value, const std::string& description) {
  return AddParsed<uint64_t>(flags, "--seed", value, 0, UINT64_MAX, "a whole number", description, "");
}

Flag AddNumber(Flags flags, const std::string& name, double* value, Range range,
               const std::string& description, const std::string& default_words) {
  return AddParsed<double>(flags, name, value, range.least, range.most, "a number", description,
                           default_words);
}

Flag AddChoice(Flags flags, const std::string& name, std::string* value,
               const std::vector<std::string>& choices, const std::string& description,
               const std::string& default_words) {
  const auto parse = [=](const std::string& text) {
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      throw UsageError(name,
                       absl::StrCat("there is no '", text, "'; there are ", absl::StrJoin(choices, ", ")));
    }
    *value = text;
  };
  return flags.AddParsed(name, parse, description)
      .Kind(absl::StrJoin(choices, "|"))
      .Default(default_words.empty() ? *value : default_words);
}

Flag AddThreads(Flags flags, uint32_t* value) {
  *value = std::clamp(std::thread::hardware_concurrency(), 1u, 256u);
  return AddCount(flags, "--threads", value, 1, 256, "threads that compute; the result does not depend on it",
                  "all cores");
}

Flag AddKv(Flags flags, cllm_kv_format* value) {
  const auto parse = [=](const std::string& text) {
    for (const cllm_kv_format kv : {CLLM_KV_F32, CLLM_KV_INT8, CLLM_KV_LATTICE4, CLLM_KV_INT8_LATTICE4}) {
      if (text != KvName(kv)) continue;
      *value = kv;
      return;
    }
    throw UsageError("--kv",
                     absl::StrCat("there is no '", text, "'; there are f32, int8, lattice4, int8-lattice4"));
  };
  return flags
      .AddParsed(
          "--kv", parse,
          "how keys and values are kept; int8 takes a quarter, lattice4 an eighth, int8-lattice4 a fifth")
      .Kind("f32|int8|lattice4|int8-lattice4")
      .Default("f32");
}

Flag AddModel(Flags flags, std::string* path) {
  return flags.Add("MODEL", path, "a .cllm file").Required().Kind("");
}

Flag AddDelta(Flags flags, std::string* path) {
  return flags.Add("--delta", path, "what 'cllm finetune' changed of this model, put over it").Kind("FILE");
}

Flag AddOutput(Flags flags, std::string* path) {
  return flags.Add("-o,--output", path, "the file to write; it is replaced in one step, or not at all")
      .Required()
      .Kind("OUT.cllm");
}

}  // namespace cllm
