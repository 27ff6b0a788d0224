// Files for tests: shared data, temporary directories, whole contents.
#ifndef CLLM_TESTS_SUPPORT_FILE_TOOLS_H_
#define CLLM_TESTS_SUPPORT_FILE_TOOLS_H_

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

namespace cllm::testing {

// The path of shared data: under $CLLM_SHARED, else ../shared beside the repository (tests run in its root).
// Says "skipped" and gives "" where it is absent.
inline std::string SharedPath(const std::string& name) {
  const char* shared = std::getenv("CLLM_SHARED");
  const std::string path = (shared != nullptr ? std::string(shared) : std::string("../shared")) + "/" + name;
  if (std::filesystem::exists(path)) return path;
  std::printf("skipped: %s is not there\n", path.c_str());
  return "";
}

inline std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void WriteBytes(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

// Removed with all that is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_(std::filesystem::temp_directory_path() / "cllm-test-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary directory");
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace cllm::testing

#endif  // CLLM_TESTS_SUPPORT_FILE_TOOLS_H_
