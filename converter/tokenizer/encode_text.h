// Room: converter/tokenizer. Encoding and decoding for the host: sizes the scratch, puts errors in words.
#ifndef CLLM_CONVERTER_TOKENIZER_ENCODE_TEXT_H_
#define CLLM_CONVERTER_TOKENIZER_ENCODE_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "cllm/cllm.h"
#include "converter/checkpoint/checkpoint.h"
#include "tokens/added.h"

namespace cllm {

// Token ids of a text, without a begin token. Long texts are taken in parts where that changes nothing, so
// that scratch stays small. An error names the first character that the vocabulary cannot express.
absl::StatusOr<std::vector<uint32_t>> EncodeText(const cllm_model& model, std::string_view text,
                                                 Specials specials = Specials::kAsText);

// The same for a view, as ViewOfSegments gives it, and for tables, which are packed at every call.
absl::StatusOr<std::vector<uint32_t>> EncodeText(const TokenizerView& tokenizer, std::string_view text,
                                                 Specials specials = Specials::kAsText);
absl::StatusOr<std::vector<uint32_t>> EncodeText(const TokenizerTables& tables, std::string_view text);

// The text of a sequence of tokens from its start on; special tokens give nothing.
absl::StatusOr<std::string> DecodeTokens(const cllm_model& model, absl::Span<const uint32_t> tokens);
absl::StatusOr<std::string> DecodeTokens(const TokenizerView& tokenizer, absl::Span<const uint32_t> tokens);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_ENCODE_TEXT_H_
