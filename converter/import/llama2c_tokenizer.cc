#include "converter/import/llama2c_tokenizer.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "converter/tokenizer/sentencepiece.h"

namespace cllm {
namespace {

constexpr uint32_t kUnknown = 0;
constexpr uint32_t kBegin = 1;
constexpr uint32_t kEnd = 2;
constexpr uint32_t kByteBase = 3;

// Takes a little-endian value from the front of the bytes.
template <class T>
bool Take(std::string_view* bytes, T* value) {
  if (bytes->size() < sizeof(T)) return false;
  std::memcpy(value, bytes->data(), sizeof(T));
  bytes->remove_prefix(sizeof(T));
  return true;
}

bool HasByteTokens(const TokenizerTables& tables) {
  if (tables.pieces.size() < kByteBase + 256) return false;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    if (tables.pieces[kByteBase + byte] != BytePiece(byte)) return false;
  }
  return true;
}

absl::Status ReadPieces(std::string_view bytes, const std::string& path, uint32_t vocabulary_size,
                        TokenizerTables* tables) {
  const size_t size = bytes.size();
  int32_t longest;
  if (!Take(&bytes, &longest)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " has ", size, " bytes; a tokenizer starts with 4"));
  }
  for (uint32_t token = 0; token < vocabulary_size; ++token) {
    float score;
    int32_t length;
    if (!Take(&bytes, &score) || !Take(&bytes, &length)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, " ends at token ", token, " of the ", vocabulary_size, " that the model has"));
    }
    if (length < 0 || static_cast<size_t>(length) > bytes.size() || !std::isfinite(score)) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": token ", token, " has length ", length,
                                                     " and score ", score, " with ", bytes.size(),
                                                     " bytes left; this is no llama2.c tokenizer"));
    }
    tables->pieces.emplace_back(bytes.substr(0, static_cast<size_t>(length)));
    tables->scores.push_back(score);
    bytes.remove_prefix(static_cast<size_t>(length));
  }
  if (bytes.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, " has ", bytes.size(), " bytes after token ",
                                                 vocabulary_size - 1,
                                                 ", the model's last; it belongs to another vocabulary"));
}

}  // namespace

absl::StatusOr<TokenizerTables> ImportLlama2cTokenizer(const std::string& path, uint32_t vocabulary_size) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  TokenizerTables tables;
  tables.kind = TokenizerKind::kScoredMerges;
  if (absl::Status status = ReadPieces(bytes, path, vocabulary_size, &tables); !status.ok()) return status;
  tables.prefix_space = true;
  tables.unknown_token = kUnknown;
  tables.begin_token = kBegin;
  tables.end_token = kEnd;
  if (!HasByteTokens(tables)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": tokens 3 to 258 are not <0x00> to <0xFF>; this is no llama2.c tokenizer"));
  }
  tables.byte_token_base = kByteBase;
  return tables;
}

}  // namespace cllm
