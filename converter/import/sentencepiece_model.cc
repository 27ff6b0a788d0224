#include "converter/import/sentencepiece_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "converter/import/wrong.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/normalizer.h"
#include "converter/tokenizer/sentencepiece.h"

namespace cllm {
namespace {

// A field of a message; `bytes` for those of variable length, `number` for the others.
struct Field {
  uint32_t id = 0;
  uint64_t number = 0;
  std::string_view bytes;
};

// The wire format (protobuf.dev/programming-guides/encoding), without groups. Not by the library: cllm can be
// built without it, as cross builds are, and is to import there, too; four messages are read, one level deep,
// nothing is allocated by a number of the file, and an error says at which byte it is.
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
    tables_.block_is_space = tables_.prefix_space = true;
    absl::Status status = ForEach(bytes_, [this](const Field& field) {
      return field.id == 1   ? TakePiece(field.bytes)
             : field.id == 2 ? TakeTrainer(field.bytes)
             : field.id == 3 ? TakeNormalizer(field.bytes)
                             : absl::OkStatus();
    });
    if (status.ok()) status = Check(vocabulary_size);
    if (status.ok()) status = model_type_ == kUnigramModel ? FinishUnigram() : FinishBpe();
    if (status.ok()) status = SetNormalizer();
    if (!status.ok()) return status;
    const size_t size = std::max<size_t>(vocabulary_size, tables_.pieces.size());
    tables_.pieces.resize(size);
    if (model_type_ == kUnigramModel) {
      tables_.log_probabilities.resize(size, kNeverFound);
      tables_.log_probabilities.push_back(UnknownScore());
    } else {
      tables_.scores.resize(size, kNeverMerged);
    }
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
    kinds_.push_back(kind);
    tables_.scores.push_back(score);
    tables_.pieces.push_back(WithSpaces(piece));
    if (!piece.empty() && (kind == kControl || kind == kUnknown)) tables_.added[id] = AddedToken::kControl;
    if (kind == kUnknown) tables_.unknown_token = id;
    if (kind == kControl && (piece == "<s>" || piece == "<bos>")) tables_.begin_token = id;
    if (kind == kControl && (piece == "</s>" || piece == "<eos>")) tables_.end_token = id;
    return absl::OkStatus();
  }

  absl::Status TakeTrainer(std::string_view bytes) {
    has_trainer_ = true;
    return ForEach(bytes, [this](const Field& field) {
      if (field.id == 3) model_type_ = field.number;
      if (field.id == 35) byte_fallback_ = field.number != 0;
      return field.id == 24 && field.number != 0
                 ? absl::UnimplementedError("its spaces are put behind words (treat_whitespace_as_suffix)")
                 : absl::OkStatus();
    });
  }

  absl::Status TakeNormalizer(std::string_view bytes) {
    has_normalizer_ = true;
    return ForEach(bytes, [this](const Field& field) {
      if (field.id == 2) rules_ = field.bytes;
      if (field.id == 3) tables_.prefix_space = field.number != 0;
      if (field.id == 4) squeezes_ = field.number != 0;
      return absl::OkStatus();
    });
  }

  absl::Status Check(uint32_t vocabulary_size) const {
    if (!has_trainer_ || !has_normalizer_)
      return Wrong("it has no ", has_trainer_ ? "normalizer_spec" : "trainer_spec",
                   "; this is no SentencePiece model, or not all of one");
    if (model_type_ != kBpeModel && model_type_ != kUnigramModel)
      return absl::UnimplementedError(
          "its kind of model (trainer_spec.model_type) is neither BPE nor UNIGRAM; train one of these");
    if (bytes_found_ != 256 && (model_type_ == kBpeModel || byte_fallback_))
      return absl::UnimplementedError("its vocabulary has no bytes <0x00> to <0xFF> in a row");
    if (vocabulary_size != 0 && tables_.pieces.size() > vocabulary_size)
      return Wrong("it has ", tables_.pieces.size(), " pieces, and the model a vocabulary of ",
                   vocabulary_size);
    return absl::OkStatus();
  }

  absl::Status FinishBpe() {
    tables_.kind = TokenizerKind::kScoredMerges;
    for (uint32_t id = 0; id < kinds_.size(); ++id) {
      const bool merges = kinds_[id] == kNormal || kinds_[id] == kUserDefined || kinds_[id] == kUnused;
      if (!merges) tables_.scores[id] = kNeverMerged;
      if (kinds_[id] == kUserDefined && !tables_.pieces[id].empty()) tables_.added[id] = 0;
      if (kinds_[id] == kUserDefined && squeezes_)
        return absl::UnimplementedError(
            "it has user_defined_symbols and drops spaces (normalizer_spec.remove_extra_whitespaces), which "
            "a "
            "BPE model is not supported to do together; train it without one of them");
    }
    return absl::OkStatus();
  }

  // User-defined symbols stand in the lattice with a score that lets them win, as the format's own program
  // has it: their bytes times the best score of all, less a tenth.
  absl::Status FinishUnigram() {
    tables_.kind = TokenizerKind::kUnigram;
    tables_.float_sums = tables_.prefix_once = true;
    tables_.squeeze_spaces = squeezes_;
    if (!byte_fallback_) tables_.byte_token_base = CLLM_NO_TOKEN;
    float best = std::numeric_limits<float>::min();
    for (uint32_t id = 0; id < kinds_.size(); ++id) {
      if (kinds_[id] == kNormal) best = std::max(best, tables_.scores[id]);
    }
    for (uint32_t id = 0; id < kinds_.size(); ++id) {
      const std::string& piece = tables_.pieces[id];
      double score = kinds_[id] == kNormal ? double{tables_.scores[id]} : kNeverFound;
      if (kinds_[id] == kUserDefined) {
        const std::string symbol = absl::StrReplaceAll(piece, {{" ", kSpacePiece}});
        score = static_cast<float>(symbol.size()) * best - 0.1;
        kept_.push_back(piece);
        if (squeezes_ && symbol != piece)
          return absl::UnimplementedError(absl::StrCat(
              "its user-defined symbol '", piece,
              "' has a space, while it drops spaces (normalizer_spec.remove_extra_whitespaces)"));
      }
      tables_.log_probabilities.push_back(score);
    }
    tables_.scores.clear();
    return absl::OkStatus();
  }

  double UnknownScore() const {
    float least = std::numeric_limits<float>::max();
    for (uint32_t id = 0; id < kinds_.size(); ++id) {
      if (kinds_[id] == kNormal) least = std::min(least, static_cast<float>(tables_.log_probabilities[id]));
    }
    return least + static_cast<float>(kUnknownPenalty);
  }

  // A BPE's user-defined symbols are found before its text is normalized, a unigram's within it.
  absl::Status SetNormalizer() {
    nlohmann::json steps = nlohmann::json::array();
    if (!rules_.empty())
      steps.push_back(
          {{"type", "Precompiled"}, {"precompiled_charsmap", absl::Base64Escape(std::string(rules_))}});
    if (!rules_.empty() && !kept_.empty()) steps[0]["kept"] = kept_;
    if (squeezes_ && model_type_ == kBpeModel) steps.push_back({{"type", "Squeeze"}});
    if (steps.empty()) return absl::OkStatus();
    tables_.normalizer = JsonText(steps);
    tables_.text_form = TextFormOf(steps);
    return Normalizer::FromSteps(steps).status();
  }

  static constexpr uint64_t kUnigramModel = 1, kBpeModel = 2;

  std::string_view bytes_, rules_;
  TokenizerTables tables_;
  std::vector<uint64_t> kinds_;
  std::vector<std::string> kept_;  // spellings that rules_ must leave alone
  uint32_t bytes_found_ = 0, last_byte_ = 0;
  uint64_t model_type_ = kUnigramModel;  // the format's defaults, here and below
  bool byte_fallback_ = false, squeezes_ = true, has_trainer_ = false, has_normalizer_ = false;
};

}  // namespace

absl::StatusOr<TokenizerTables> ImportSentencePieceModel(std::string_view bytes, uint32_t vocabulary_size) {
  return Reader(bytes).Read(vocabulary_size);
}

}  // namespace cllm
