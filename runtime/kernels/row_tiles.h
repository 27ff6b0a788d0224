// Room: kernels. Rows of a product in register tiles: how many in each, and the function for each number.
#ifndef CLLM_KERNELS_ROW_TILES_H_
#define CLLM_KERNELS_ROW_TILES_H_

#include <cstddef>
#include <utility>

namespace cllm {

// `rows` in tiles of at most `most`: as few as there can be, and those as even as they can be.
class RowTiles {
 public:
  constexpr RowTiles(size_t rows, size_t most)
      : count_((rows + most - 1) / most),
        small_(count_ == 0 ? 0 : rows / count_),
        large_count_(rows - small_ * count_) {}
  constexpr size_t count() const { return count_; }
  constexpr size_t rows(size_t tile) const { return small_ + (tile < large_count_ ? 1 : 0); }

 private:
  size_t count_, small_, large_count_;
};

template <class Function, size_t kMost>
struct TileTable {
  Function of_rows[kMost + 1];  // none for 0 rows
};

template <class Tile, size_t... kIndex>
constexpr auto MakeTileTable(std::index_sequence<kIndex...>) {
  return TileTable<decltype(Tile::template Of<1>()), sizeof...(kIndex)>{
      {nullptr, Tile::template Of<kIndex + 1>()...}};
}

// Tile::Of<rows>() for each number of rows up to kMost.
template <class Tile, size_t kMost>
inline constexpr auto kTiles = MakeTileTable<Tile>(std::make_index_sequence<kMost>());

}  // namespace cllm

#endif  // CLLM_KERNELS_ROW_TILES_H_
