#include "converter/data/token_data.h"

#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "converter/export/output_file.h"
#include "converter/export/sha256.h"
#include "converter/import/model_file.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/segments.h"
#include "converter/tokenizer/text_encoder.h"
#include "converter/tokenizer/tokenizer_file.h"
#include "nlohmann/json.hpp"

namespace cllm {
namespace {

// A file: the tokens, a head in JSON, its length in 8 bytes, the magic, and the SHA-256 of all before it.
constexpr std::string_view kMagic = "CLLMTOK1";
constexpr size_t kBlockBytes = size_t{1} << 20;

// Bytes go to a file and into its digest, or to memory.
class TokenSink {
 public:
  TokenSink(OutputFile* file, std::string* memory, uint32_t width)
      : file_(file), memory_(memory), width_(width) {}

  absl::Status Append(const std::vector<uint32_t>& tokens) {
    std::string& out = file_ != nullptr ? block_ : *memory_;
    for (const uint32_t token : tokens) {
      out.append(reinterpret_cast<const char*>(&token), width_);
      if (file_ == nullptr || block_.size() < kBlockBytes) continue;
      if (absl::Status status = Flush(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Finish(std::string_view head) {
    block_ += head;
    const uint64_t length = head.size();
    block_.append(reinterpret_cast<const char*>(&length), sizeof(length));
    block_ += kMagic;
    if (absl::Status status = Flush(); !status.ok()) return status;
    const Sha256Digest digest = digest_.Finish();
    const std::string_view end(reinterpret_cast<const char*>(digest.data()), digest.size());
    if (absl::Status status = file_->WriteAt(written_, end); !status.ok()) return status;
    return file_->Commit();
  }

 private:
  absl::Status Flush() {
    digest_.Add(block_);
    if (absl::Status status = file_->WriteAt(written_, block_); !status.ok()) return status;
    written_ += block_.size();
    block_.clear();
    return absl::OkStatus();
  }

  OutputFile* file_;
  std::string* memory_;
  uint32_t width_;
  std::string block_;
  uint64_t written_ = 0;
  Sha256Stream digest_;
};

// The tokens of one part of the corpus; *count: how many.
absl::Status EncodePart(const Corpus& corpus, CorpusPart part, const TokenizerTables& tokenizer,
                        TextEncoder* encoder, TokenSink* sink, uint64_t* count) {
  std::vector<uint32_t> tokens;
  // Characters fall apart wherever our own words do.
  const bool may_cut = (encoder->by_words() && tokenizer.pretokenizer == Pretokenizer::kWords) ||
                       tokenizer.kind == TokenizerKind::kCharacters;
  return corpus.ForEach(part, may_cut, [&](const DocumentPart& document) {
    tokens.clear();
    if (document.begins && tokenizer.begin_token != CLLM_NO_TOKEN) tokens.push_back(tokenizer.begin_token);
    const Status status = encoder->Append(document.text, &tokens);
    if (status != CLLM_OK) {
      return ExplainStatus(status, "the document '" + std::string(document.text.substr(0, 40)) + "'");
    }
    if (document.ends && tokenizer.end_token != CLLM_NO_TOKEN) tokens.push_back(tokenizer.end_token);
    *count += tokens.size();
    return sink->Append(tokens);
  });
}

}  // namespace

absl::StatusOr<TokenData> TokenData::Encode(const Corpus& corpus, const TokenizerTables& tokenizer,
                                            const std::string& path, const std::string& key) {
  absl::StatusOr<TokenizerSegments> segments = PackTokenizer(tokenizer);
  if (!segments.ok()) return segments.status();
  std::optional<OutputFile> file;
  if (!path.empty()) {
    absl::StatusOr<OutputFile> created = OutputFile::Create(path);
    if (!created.ok()) return created.status();
    file.emplace(*std::move(created));
  }
  TokenData data;
  data.tokenizer_ = tokenizer;
  data.documents_ = corpus.documents();
  data.text_bytes_ = corpus.bytes();
  data.width_ = tokenizer.pieces.size() <= 65536 ? 2 : 4;
  TokenSink sink(file ? &*file : nullptr, &data.memory_, data.width_);
  TextEncoder encoder(ViewOfSegments(tokenizer, *segments));
  absl::Status status =
      EncodePart(corpus, CorpusPart::kTraining, tokenizer, &encoder, &sink, &data.training_);
  if (status.ok() && corpus.splits_by_document()) {
    status = EncodePart(corpus, CorpusPart::kValidation, tokenizer, &encoder, &sink, &data.validation_);
  }
  if (!status.ok()) return status;
  if (!file) return data;
  if (status = sink.Finish(data.Head(key)); !status.ok()) return status;
  return Open(path, key);
}

std::string TokenData::Head(const std::string& key) const {
  const nlohmann::ordered_json head = {{"key", key},
                                       {"documents", documents_},
                                       {"text_bytes", text_bytes_},
                                       {"training", training_},
                                       {"validation", validation_},
                                       {"width", width_},
                                       {"tokenizer", TokenizerToJson(tokenizer_)}};
  return JsonText(head);
}

absl::Status TokenData::ReadHead(std::string_view text, const std::string& key) {
  const nlohmann::json head = ParseJson(text);
  if (!head.is_object() || head.value("key", "") != key) {
    return absl::DataLossError("was made of other text, or by another version of cllm");
  }
  documents_ = head.value("documents", uint64_t{0});
  text_bytes_ = head.value("text_bytes", uint64_t{0});
  training_ = head.value("training", uint64_t{0});
  validation_ = head.value("validation", uint64_t{0});
  width_ = head.value("width", 0u);
  absl::StatusOr<TokenizerTables> tokenizer = TokenizerFromJson(head.value("tokenizer", ""));
  if (!tokenizer.ok()) return tokenizer.status();
  tokenizer_ = *std::move(tokenizer);
  return absl::OkStatus();
}

absl::StatusOr<TokenData> TokenData::Open(const std::string& path, const std::string& key) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a token file");
  if (!file.ok()) return file.status();
  const std::string_view bytes = file->bytes();
  const absl::Status damaged = absl::DataLossError(path + " is damaged");
  constexpr size_t kEndBytes = sizeof(uint64_t) + kMagic.size() + sizeof(Sha256Digest);
  if (bytes.size() < kEndBytes) return damaged;
  const std::string_view content = bytes.substr(0, bytes.size() - sizeof(Sha256Digest));
  const Sha256Digest digest = Sha256(content);
  if (std::memcmp(digest.data(), bytes.data() + content.size(), digest.size()) != 0) return damaged;
  if (content.substr(content.size() - kMagic.size()) != kMagic) return damaged;
  uint64_t head_bytes = 0;
  std::memcpy(&head_bytes, bytes.data() + bytes.size() - kEndBytes, sizeof(head_bytes));
  if (head_bytes > bytes.size() - kEndBytes) return damaged;
  const size_t head_at = bytes.size() - kEndBytes - head_bytes;
  TokenData data;
  if (absl::Status status = data.ReadHead(content.substr(head_at, head_bytes), key); !status.ok()) {
    return absl::DataLossError(absl::StrCat(path, ": ", status.message()));
  }
  const bool fits = (data.width_ == 2 || data.width_ == 4) && data.training_ <= head_at &&
                    data.validation_ <= head_at &&
                    (data.training_ + data.validation_) * data.width_ == head_at;
  if (!fits) return damaged;
  data.file_ = *std::move(file);
  return data;
}

}  // namespace cllm
