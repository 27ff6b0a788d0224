// Deterministic mutations of small files through the fuzzer's target.
#include <cstring>
#include <map>
#include <random>
#include <string>

#include "doctest/doctest.h"
#include "fuzz/open_fuzzer.h"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::OpenAndRead;
using testing::SmallFile;

Status OpenText(const std::string& file) {
  return OpenAndRead(reinterpret_cast<const uint8_t*>(file.data()), file.size());
}

size_t HeadBytes(const std::string& file) {
  uint32_t prefix;
  std::memcpy(&prefix, file.data(), sizeof(prefix));
  return prefix + 4;
}

const std::pair<Dtype, TokenizerKind> kFiles[] = {{Dtype::kF32, TokenizerKind::kScoredMerges},
                                                  {Dtype::kI8, TokenizerKind::kByteBpe},
                                                  {Dtype::kI4, TokenizerKind::kCharacters},
                                                  {Dtype::kI8, TokenizerKind::kWordPiece},
                                                  {Dtype::kBf16, TokenizerKind::kWords}};

TEST_CASE("every byte of the head, each changed to several values") {
  std::map<Status, int> counts;
  for (const auto& [format, kind] : kFiles) {
    const std::string file = SmallFile(format, kind);
    REQUIRE(OpenText(file) == CLLM_OK);
    for (size_t at = 0; at < HeadBytes(file); ++at) {
      for (const int change : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF, 0x7F}) {
        std::string changed = file;
        changed[at] = static_cast<char>(changed[at] ^ change);
        ++counts[OpenText(changed)];
      }
      for (const char value : {'\x00', '\x01', '\x7F', '\x80', '\xFF'}) {
        std::string changed = file;
        changed[at] = value;
        ++counts[OpenText(changed)];
      }
    }
  }
  // Changes of digests and provenance leave a good file; the rest must meet a good number of refusals.
  CHECK(counts[CLLM_OK] > 0);
  CHECK(counts.size() >= 18);
}

TEST_CASE("words of the head changed to telling numbers") {
  for (const auto& [format, kind] : kFiles) {
    const std::string file = SmallFile(format, kind);
    for (size_t at = 0; at + 4 <= HeadBytes(file); at += 2) {
      for (const uint32_t value : {0u, 1u, 4u, 64u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFCu, 0xFFFFFFFFu,
                                   static_cast<uint32_t>(file.size()), static_cast<uint32_t>(at)}) {
        std::string changed = file;
        std::memcpy(changed.data() + at, &value, sizeof(value));
        OpenText(changed);
      }
    }
  }
}

TEST_CASE("random changes of several bytes, and truncated") {
  std::mt19937 random(7);
  for (const auto& [format, kind] : kFiles) {
    const std::string file = SmallFile(format, kind);
    for (int round = 0; round < 20000; ++round) {
      std::string changed = file;
      const size_t range = random() % 4 == 0 ? file.size() : HeadBytes(file);
      for (uint32_t i = 1 + random() % 8; i > 0; --i) changed[random() % range] = static_cast<char>(random());
      if (random() % 8 == 0) changed.resize(random() % file.size());
      OpenText(changed);
    }
  }
}

TEST_CASE("every tokenizer byte changed") {
  for (const auto& [format, kind] : kFiles) {
    const std::string file = SmallFile(format, kind);
    const size_t tail = file.size() - std::min<size_t>(file.size(), 5000);
    for (size_t at = tail; at < file.size(); ++at) {
      std::string changed = file;
      changed[at] = static_cast<char>(~changed[at]);
      OpenText(changed);
    }
  }
}

}  // namespace
}  // namespace cllm
