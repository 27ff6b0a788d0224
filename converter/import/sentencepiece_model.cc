#include "converter/import/sentencepiece_model.h"

#include <cmath>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "converter/import/wrong.h"
#include "converter/tokenizer/sentencepiece.h"

namespace cllm {
namespace {

// A field of a message; `bytes` for those of variable length, `number` for the others.
struct Field {
  uint32_t id = 0;
  uint64_t number = 0;
  std::string_view bytes;
};

// The wire format (protobuf.dev/programming-guides/encoding), without groups.
class Message {
 public:
  Message(std::string_view bytes, const char* file) : bytes_(bytes), file_(file) {}

  bool done() const { return at_ == bytes_.size(); }

  absl::Status Next(Field* field) {
    uint64_t key = 0;
    if (absl::Status status = Varint(&key); !status.ok()) return status;
    *field = {static_cast<uint32_t>(key >> 3), 0, {}};
    switch (key & 7) {
      case 0: return Varint(&field->number);
      case 1: return Fixed(8, field);
      case 5: return Fixed(4, field);
      case 2: {
        uint64_t size = 0;
        if (absl::Status status = Varint(&size); !status.ok()) return status;
        if (size > bytes_.size() - at_) return Broken("a field goes beyond its end");
        field->bytes = bytes_.substr(at_, size);
        at_ += size;
        return absl::OkStatus();
      }
      default: return Broken("a field of an unknown kind");
    }
  }

 private:
  absl::Status Broken(const char* what) const {
    return Wrong("byte ", bytes_.data() + at_ - file_, ": ", what, "; this is no SentencePiece model");
  }

  absl::Status Varint(uint64_t* value) {
    *value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
      if (done()) return Broken("a number goes beyond its end");
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      *value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return absl::OkStatus();
    }
    return Broken("a number has more than ten bytes");
  }

  absl::Status Fixed(size_t size, Field* field) {
    if (size > bytes_.size() - at_) return Broken("a number goes beyond its end");
    std::memcpy(&field->number, bytes_.data() + at_, size);  // little-endian, as the host is
    at_ += size;
    return absl::OkStatus();
  }

  std::string_view bytes_;
  const char* file_;
  size_t at_ = 0;
};

enum Kind : uint64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  absl::StatusOr<TokenizerTables> Read(uint32_t vocabulary_size) {
    tables_.kind = TokenizerKind::kScoredMerges;
    tables_.block_is_space = tables_.prefix_space = true;
    absl::Status status = ForEach(bytes_, [this](const Field& field) {
      return field.id == 1   ? TakePiece(field.bytes)
             : field.id == 2 ? TakeTrainer(field.bytes)
             : field.id == 3 ? TakeNormalizer(field.bytes)
                             : absl::OkStatus();
    });
    if (status.ok()) status = Check(vocabulary_size);
    if (!status.ok()) return status;
    tables_.pieces.resize(std::max<size_t>(vocabulary_size, tables_.pieces.size()));
    tables_.scores.resize(tables_.pieces.size(), kNeverMerged);
    return tables_;
  }

 private:
  template <class Take>
  absl::Status ForEach(std::string_view bytes, const Take& take) {
    for (Message message(bytes, bytes_.data()); !message.done();) {
      Field field;
      absl::Status status = message.Next(&field);
      if (status.ok()) status = take(field);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status TakePiece(std::string_view bytes) {
    std::string piece;
    uint64_t kind = kNormal;
    float score = 0;
    absl::Status status = ForEach(bytes, [&](const Field& field) {
      if (field.id == 1) piece = std::string(field.bytes);
      if (field.id == 2) std::memcpy(&score, &field.number, sizeof(score));
      if (field.id == 3) kind = field.number;
      return absl::OkStatus();
    });
    const auto id = static_cast<uint32_t>(tables_.pieces.size());
    if (status.ok() && !std::isfinite(score)) status = Wrong("the score of piece ", id, " is no number");
    if (!status.ok()) return status;
    if (kind == kByte && piece == BytePiece(bytes_found_) && (bytes_found_ == 0 || id == last_byte_ + 1)) {
      if (bytes_found_++ == 0) tables_.byte_token_base = id;
      last_byte_ = id;
    }
    const bool merges = kind == kNormal || kind == kUserDefined || kind == kUnused;
    tables_.scores.push_back(merges ? score : kNeverMerged);
    tables_.pieces.push_back(WithSpaces(piece));
    if (!piece.empty() && kind == kUserDefined) tables_.added[id] = 0;
    if (!piece.empty() && (kind == kControl || kind == kUnknown)) tables_.added[id] = AddedToken::kControl;
    if (kind == kUnknown) tables_.unknown_token = id;
    if (kind == kControl && (piece == "<s>" || piece == "<bos>")) tables_.begin_token = id;
    if (kind == kControl && (piece == "</s>" || piece == "<eos>")) tables_.end_token = id;
    return absl::OkStatus();
  }

  absl::Status TakeTrainer(std::string_view bytes) {
    return ForEach(bytes, [this](const Field& field) {
      if (field.id == 3) model_type_ = field.number;
      return field.id == 24 && field.number != 0
                 ? absl::UnimplementedError("its spaces are put behind words (treat_whitespace_as_suffix)")
                 : absl::OkStatus();
    });
  }

  absl::Status TakeNormalizer(std::string_view bytes) {
    return ForEach(bytes, [this](const Field& field) {
      if (field.id == 2) has_rules_ = !field.bytes.empty();
      if (field.id == 3) tables_.prefix_space = field.number != 0;
      if (field.id == 4) squeezes_ = field.number != 0;
      return absl::OkStatus();
    });
  }

  absl::Status Check(uint32_t vocabulary_size) const {
    if (model_type_ != 2) return absl::UnimplementedError("its kind of model is not BPE");
    if (has_rules_) return absl::UnimplementedError("it normalizes texts by rules of its own");
    if (squeezes_) return absl::UnimplementedError("it drops spaces (remove_extra_whitespaces)");
    if (bytes_found_ != 256)
      return absl::UnimplementedError("its vocabulary has no bytes <0x00> to <0xFF> in a row");
    if (vocabulary_size != 0 && tables_.pieces.size() > vocabulary_size)
      return Wrong("it has ", tables_.pieces.size(), " pieces, and the model a vocabulary of ",
                   vocabulary_size);
    return absl::OkStatus();
  }

  std::string_view bytes_;
  TokenizerTables tables_;
  uint32_t bytes_found_ = 0, last_byte_ = 0;
  uint64_t model_type_ = 1;  // the format's defaults, here and below
  bool has_rules_ = false, squeezes_ = true;
};

}  // namespace

absl::StatusOr<TokenizerTables> ImportSentencePieceModel(std::string_view bytes, uint32_t vocabulary_size) {
  return Reader(bytes).Read(vocabulary_size);
}

}  // namespace cllm
