// Room: converter/tokenizer. The trie that unigram encoding walks, as a double array (Aoe 1989): two numbers
// say for any node and byte where the child is.
#ifndef CLLM_CONVERTER_TOKENIZER_TRIE_H_
#define CLLM_CONVERTER_TOKENIZER_TRIE_H_

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "model/model.h"

namespace cllm {

// pieces: with their tokens, each piece once and none empty. The same nodes for the same pieces, in any
// order.
std::vector<TrieNode> BuildTrie(std::vector<std::pair<std::string_view, uint32_t>> pieces);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_TRIE_H_
