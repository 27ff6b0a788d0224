// The house rules that a machine can check: who may include whom (DESIGN.md section 2), how long a file may
// be, that a header opens with its room card, and that nothing names a path or a host of one machine.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

// Room: what a quoted include may begin with.
const std::map<std::string, Strings> kRooms = {
    {"runtime/base", {"base/", "cllm/cllm.h"}},
    {"runtime/kernels", {"base/", "kernels/", "hwy/"}},
    {"runtime/model",
     {"base/", "model/", "schemas/model_generated.h", "schemas/delta_generated.h", "flatbuffers/",
      "cllm/cllm.h"}},
    {"runtime/plan", {"base/", "model/", "plan/", "cllm/cllm.h"}},
    {"runtime/tokens", {"base/", "kernels/", "model/", "tokens/", "cllm/cllm.h"}},
    {"runtime/session", {"base/", "kernels/", "model/", "plan/", "tokens/", "session/", "cllm/cllm.h"}},
    {"runtime/trainer",
     {"base/", "kernels/", "model/", "plan/", "tokens/", "session/", "trainer/", "cllm/cllm.h"}},
    {"runtime/store", {"base/", "store/", "cllm/cllm.h", "cllm/store.h"}},
    {"runtime/update",
     {"base/", "model/", "store/", "update/", "cllm/cllm.h", "cllm/store.h", "cllm/update.h"}},
    {"runtime/api",
     {"base/", "kernels/", "model/", "plan/", "tokens/", "session/", "trainer/", "store/", "update/", "api/",
      "cllm/"}},
    {"platforms", {"cllm/", "posix/", "platforms/", "cortex_m/", "wasm/"}},
    {"examples", {"cllm/", "cortex_m/", "examples/"}},
    {"converter",
     {"converter/", "base/", "kernels/", "model/", "plan/", "tokens/", "session/", "trainer/", "update/",
      "api/", "cllm/cllm.h", "posix/", "platforms/posix/", "schemas/", "flatbuffers/", "absl/", "nlohmann/",
      "CLI/"}},
};

// Standard headers that the runtime may use: no heap, streams, threads, exceptions or libm behind them.
const std::set<std::string> kRuntimeStandard = {
    "algorithm", "array",       "atomic",  "cfloat",   "climits",    "cstddef",   "cstdint",
    "cstring",   "limits",      "new",     "stddef.h", "stdint.h",   "tuple",     "type_traits",
    "utility",   "string_view", "float.h", "limits.h", "arm_acle.h", "arm_mve.h", "arm_neon.h",
};

// Compiles Highway's own source in such a way that it does not print, and so must see its headers first.
const std::string kHighwayWrapper = "runtime/kernels/highway.cc";

bool IsSource(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".cc" || extension == ".h" || extension == ".c";
}

Strings Lines(const fs::path& path) {
  std::ifstream in(path);
  Strings lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// All regular files below the repository's rooms, as paths from its root.
Strings Files() {
  Strings files;
  for (const char* top :
       {"runtime", "converter", "schemas", "platforms", "toolchains", "examples", "tests", ".ci"}) {
    if (!fs::exists(top)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(top)) {
      if (entry.is_regular_file()) files.push_back(entry.path().generic_string());
    }
  }
  for (const auto& entry : fs::directory_iterator(".")) {
    const std::string name = entry.path().filename().generic_string();
    if (entry.is_regular_file() && name != ".git") files.push_back(name);
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool StartsWithAny(const std::string& text, const Strings& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& p) { return text.rfind(p, 0) == 0; });
}

// Empty if `file` may include `target`; else why not.
std::string Objection(const std::string& file, const std::string& target, bool quoted) {
  const auto room = std::find_if(kRooms.begin(), kRooms.end(),
                                 [&](const auto& r) { return file.rfind(r.first + "/", 0) == 0; });
  if (room == kRooms.end()) return "";
  const bool runtime = file.rfind("runtime/", 0) == 0;
  const bool library = target.find('/') != std::string::npos;
  if (!quoted && !library) {
    if (!runtime || file == kHighwayWrapper || kRuntimeStandard.contains(target)) return "";
    return "is no standard header that the runtime may use";
  }
  if (!quoted && !runtime && target.rfind("sys/", 0) == 0) return "";
  if (StartsWithAny(target, room->second)) return "";
  return "is not open to " + room->first;
}

TEST_CASE("the include table holds") {
  const std::regex include(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  size_t seen = 0;
  for (const std::string& file : Files()) {
    if (!IsSource(file)) continue;
    for (const std::string& line : Lines(file)) {
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      ++seen;
      const std::string objection = Objection(file, match[2], match[1] == "\"");
      if (!objection.empty()) FAIL_CHECK(file << ": \"" << match[2].str() << "\" " << objection);
    }
  }
  CHECK(seen > 100);
}

TEST_CASE("the include table refuses what it should") {
  CHECK_FALSE(Objection("runtime/base/x.h", "kernels/norm.h", true).empty());
  CHECK_FALSE(Objection("runtime/kernels/x.cc", "model/model.h", true).empty());
  CHECK_FALSE(Objection("runtime/session/x.cc", "schemas/model_generated.h", true).empty());
  CHECK_FALSE(Objection("runtime/session/x.cc", "absl/status/status.h", true).empty());
  CHECK_FALSE(Objection("runtime/api/x.cc", "converter/export/write.h", true).empty());
  CHECK_FALSE(Objection("runtime/api/x.cc", "vector", false).empty());
  CHECK_FALSE(Objection("runtime/plan/x.cc", "iostream", false).empty());
  CHECK_FALSE(Objection("converter/train/x.cc", "examples/quickstart/story.h", true).empty());
  CHECK_FALSE(Objection("examples/a/x.c", "model/model.h", true).empty());
  CHECK_FALSE(Objection("platforms/posix/x.cc", "base/layout.h", true).empty());
  CHECK(Objection("runtime/kernels/x.cc", "hwy/highway.h", true).empty());
  CHECK(Objection("converter/export/x.cc", "schemas/model_generated.h", true).empty());
}

TEST_CASE("files are short") {
  constexpr size_t kMostLines = 400, kMostOfInterface = 700;  // the latter is half comments
  for (const std::string& file : Files()) {
    if (!IsSource(file)) continue;
    const size_t count = Lines(file).size();
    const size_t most = file == "runtime/include/cllm/cllm.h" ? kMostOfInterface : kMostLines;
    if (count > most) FAIL_CHECK(file << " has " << count << " lines, more than " << most);
  }
}

TEST_CASE("headers open with their room card") {
  for (const std::string& file : Files()) {
    if (fs::path(file).extension() != ".h" || file.rfind("runtime/include/", 0) == 0) continue;
    if (file.rfind("runtime/", 0) != 0 && file.rfind("converter/", 0) != 0) continue;
    const Strings lines = Lines(file);
    if (lines.empty() || lines[0].rfind("// Room: ", 0) != 0) FAIL_CHECK(file << " has no room card");
  }
}

TEST_CASE("no path or package host of one machine") {
  // Spelled with breaks, so that this file passes its own test.
  const std::regex forbidden(
      "(^|[^.\\w/])/(wo"
      "rk|ho"
      "me/\\w+|ro"
      "ot)/|(deb|security)\\.deb"
      "ian\\.org|pypi\\.o"
      "rg|npmjs\\.");
  for (const std::string& file : Files()) {
    size_t number = 0;
    for (const std::string& line : Lines(file)) {
      ++number;
      if (line.size() < 2000 && std::regex_search(line, forbidden))
        FAIL_CHECK(file << ":" << number << ": " << line);
    }
  }
}

}  // namespace
