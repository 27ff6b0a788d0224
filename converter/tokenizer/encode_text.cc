#include "converter/tokenizer/encode_text.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "api/model_view.h"
#include "converter/tokenizer/segments.h"
#include "converter/tokenizer/text_encoder.h"
#include "tokens/decode.h"
#include "tokens/encode.h"
#include "tokens/split.h"

namespace cllm {
namespace {

constexpr size_t kPartBytes = size_t{1} << 20;

// Length of the next part to encode: texts of characters fall apart anywhere, and are cut so that the
// buffers stay small. Those of words are cut by the encoder; the other ways of encoding know no such places.
size_t PartBytes(const TokenizerView& tokenizer, std::string_view text) {
  if (tokenizer.kind != TokenizerKind::kCharacters || text.size() <= kPartBytes) return text.size();
  for (size_t end = kPartBytes; end < text.size(); ++end) {
    if (static_cast<uint8_t>(text[end]) < 0x80) return end;
  }
  return text.size();
}

absl::Status ExplainNotEncodable(const TokenizerView& tokenizer, std::string_view text, size_t part_start) {
  if (tokenizer.kind == TokenizerKind::kCharacters) {
    for (size_t i = part_start; i < text.size();) {
      const uint32_t size = CharacterBytes(text.data() + i, text.size() - i);
      uint32_t token = 0;
      uint64_t count = 0;
      if (Encode(tokenizer, text.data() + i, size, nullptr, &token, 1, &count) != CLLM_OK) {
        return absl::InvalidArgumentError(absl::StrCat(
            "The vocabulary has no token for '", absl::Utf8SafeCHexEscape(std::string(text.substr(i, size))),
            "', byte ", i,
            " of the text. Leave it out, or train with a text that has it or with --tokenizer bpe."));
      }
      i += size;
    }
  }
  if (text.size() - part_start > kMaxTextBytes) {
    return absl::InvalidArgumentError(absl::StrCat("The text has a part of ", text.size() - part_start,
                                                   " bytes without a line break; at most ", kMaxTextBytes,
                                                   " can be encoded at once."));
  }
  return absl::InvalidArgumentError("The text has a character that the vocabulary cannot express.");
}

absl::Status InWords(cllm_status status) {
  if (status == CLLM_UNSUPPORTED_TOKENIZER) {
    return absl::FailedPreconditionError("The model has no tokenizer, so it cannot read or write text.");
  }
  return absl::InvalidArgumentError(cllm_status_name(status));
}

}  // namespace

absl::StatusOr<std::vector<uint32_t>> EncodeText(const TokenizerView& tokenizer, std::string_view text,
                                                 Specials specials) {
  std::vector<uint32_t> tokens;
  TextEncoder encoder(tokenizer);
  for (size_t start = 0; start < text.size();) {
    const std::string_view part = text.substr(start, PartBytes(tokenizer, text.substr(start)));
    const cllm_status status = encoder.Append(part, &tokens, specials);
    if (status == CLLM_TEXT_NOT_ENCODABLE) return ExplainNotEncodable(tokenizer, text, start);
    if (status != CLLM_OK) return encoder.unsupported().ok() ? InWords(status) : encoder.unsupported();
    start += part.size();
  }
  return tokens;
}

absl::StatusOr<std::vector<uint32_t>> EncodeText(const cllm_model& model, std::string_view text,
                                                 Specials specials) {
  Model view;
  const cllm_status status = GetView(&model, &view);
  if (status != CLLM_OK) return InWords(status);
  return EncodeText(view.tokenizer, text, specials);
}

absl::StatusOr<std::vector<uint32_t>> EncodeText(const TokenizerTables& tables, std::string_view text) {
  const absl::StatusOr<TokenizerSegments> segments = PackTokenizer(tables);
  if (!segments.ok()) return segments.status();
  return EncodeText(ViewOfSegments(tables, *segments), text);
}

absl::StatusOr<std::string> DecodeTokens(const TokenizerView& tokenizer, absl::Span<const uint32_t> tokens) {
  std::string text;
  uint32_t previous = CLLM_NO_TOKEN;
  for (const uint32_t token : tokens) {
    const char* bytes = nullptr;
    uint32_t count = 0;
    const cllm_status status = Decode(tokenizer, previous, token, &bytes, &count);
    if (status == CLLM_TOKEN_RANGE) {
      return absl::InvalidArgumentError(
          absl::StrCat("Token ", token, " is not in the vocabulary of ", tokenizer.count, "."));
    }
    if (status != CLLM_OK) return InWords(status);
    text.append(bytes, count);
    previous = token;
  }
  return text;
}

absl::StatusOr<std::string> DecodeTokens(const cllm_model& model, absl::Span<const uint32_t> tokens) {
  Model view;
  const cllm_status opened = GetView(&model, &view);
  if (opened != CLLM_OK) return InWords(opened);
  return DecodeTokens(view.tokenizer, tokens);
}

}  // namespace cllm
