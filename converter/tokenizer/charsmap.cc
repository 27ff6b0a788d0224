#include "converter/tokenizer/charsmap.h"

#include <algorithm>
#include <cstring>

#include "tokens/split.h"

namespace cllm {
namespace {

constexpr size_t kLongestSpelling = 64;

// The parts of a unit, as the format packs them.
bool HasLeaf(uint32_t unit) { return (unit >> 8 & 1u) != 0; }
uint32_t Value(uint32_t unit) { return unit & 0x7FFFFFFFu; }
uint32_t Label(uint32_t unit) { return unit & 0x800000FFu; }
uint32_t Offset(uint32_t unit) { return (unit >> 10) << ((unit & 0x200u) >> 6); }

}  // namespace

absl::StatusOr<CharsMap> CharsMap::Read(std::string map, std::vector<std::string> kept) {
  const absl::Status broken =
      absl::InvalidArgumentError("precompiled_charsmap is no map of characters: its sizes contradict it");
  uint32_t bytes = 0;
  if (map.size() < sizeof(bytes)) return broken;
  std::memcpy(&bytes, map.data(), sizeof(bytes));  // little-endian, as the host is
  if (bytes == 0 || bytes % sizeof(uint32_t) != 0 || bytes > map.size() - sizeof(bytes)) return broken;
  CharsMap result;
  result.units_.resize(bytes / sizeof(uint32_t));
  std::memcpy(result.units_.data(), map.data() + sizeof(bytes), bytes);
  result.spellings_ = sizeof(bytes) + bytes;
  // Each spelling ends in a zero, and none is long.
  size_t begin = result.spellings_;
  for (size_t i = begin; i < map.size(); ++i) {
    if (map[i] == '\0') begin = i + 1;
    if (i - begin >= kLongestSpelling && map[i] != '\0') return broken;
  }
  if (begin != map.size()) return broken;
  result.map_ = std::move(map);
  result.kept_ = std::move(kept);
  return result;
}

CharsMap::Match CharsMap::LongestAt(std::string_view text) const {
  Match match;
  uint32_t node = Offset(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    node ^= byte;
    if (node >= units_.size() || Label(units_[node]) != byte) break;
    const uint32_t unit = units_[node];
    node ^= Offset(unit);
    if (!HasLeaf(unit)) continue;
    if (node >= units_.size()) break;
    const size_t at = spellings_ + Value(units_[node]);
    if (at < map_.size()) match = {i + 1, std::string_view(map_.data() + at)};
  }
  return match;
}

CharsMap::Match CharsMap::KeptAt(std::string_view text) const {
  size_t longest = 0;
  for (const std::string& each : kept_) {
    if (each.size() > longest && text.substr(0, each.size()) == each) longest = each.size();
  }
  return {longest, text.substr(0, longest)};
}

std::string CharsMap::Apply(std::string_view text) const {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    Match match = KeptAt(text);
    if (match.bytes == 0) match = LongestAt(text);
    if (match.bytes == 0) {
      match.bytes = CharacterBytes(text.data(), text.size());
      match.spelling = text.substr(0, match.bytes);
    }
    result.append(match.spelling);
    text.remove_prefix(match.bytes);
  }
  return result;
}

}  // namespace cllm
