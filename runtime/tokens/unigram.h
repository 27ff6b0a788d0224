// Room: tokens. The encoder of unigram tokenizers (schemas/TOKENIZER.md): of all ways to cut a text into
// pieces the one with the highest sum of log-probabilities (Kudo 2018, arXiv 1804.10959), by Viterbi's
// algorithm. Writes only to the caller's scratch and output.
#ifndef CLLM_TOKENS_UNIGRAM_H_
#define CLLM_TOKENS_UNIGRAM_H_

#include <cstdint>

#include "base/status.h"
#include "model/model.h"
#include "tokens/output.h"

namespace cllm {

// Longer pieces are not found, so that a hostile trie takes no more time than the text's length.
inline constexpr uint32_t kLongestUnigramPiece = 512;

// About 17 bytes a byte of text.
uint64_t UnigramScratchBytes(uint64_t text_bytes);

// A stretch of a text, bytes > 0. scratch: UnigramScratchBytes, aligned to kAlignment. Error:
// CLLM_TEXT_NOT_ENCODABLE, and CLLM_UNSUPPORTED_TOKENIZER with CLLM_ALL_TOKENIZERS=OFF.
Status EncodeUnigram(const TokenizerView& tokenizer, const char* text, uint64_t bytes, bool is_start,
                     void* scratch, Output* output);

}  // namespace cllm

#endif  // CLLM_TOKENS_UNIGRAM_H_
