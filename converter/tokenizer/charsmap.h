// Room: converter/tokenizer. SentencePiece's precompiled maps of characters: a trie of spellings (a double
// array of 32-bit units, as Darts-clone stores it) and the spellings that they become.
#ifndef CLLM_CONVERTER_TOKENIZER_CHARSMAP_H_
#define CLLM_CONVERTER_TOKENIZER_CHARSMAP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace cllm {

class CharsMap {
 public:
  // map: as a model's normalizer_spec has it. kept: spellings that stay as they are, whatever the map says.
  // InvalidArgument where it is no such map.
  static absl::StatusOr<CharsMap> Read(std::string map, std::vector<std::string> kept);

  // From left to right the longest spelling that the map, or `kept`, has; a byte that is no UTF-8 stays.
  std::string Apply(std::string_view text) const;

 private:
  struct Match {
    size_t bytes = 0;  // 0: there is none
    std::string_view spelling;
  };
  Match LongestAt(std::string_view text) const;
  Match KeptAt(std::string_view text) const;

  std::string map_;
  std::vector<uint32_t> units_;
  size_t spellings_ = 0;  // where they begin in map_
  std::vector<std::string> kept_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_CHARSMAP_H_
