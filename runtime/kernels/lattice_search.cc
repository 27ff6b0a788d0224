#include "kernels/lattice_search.h"

#include "base/layout.h"
#include "kernels/lattice_code.h"
#include "kernels/lattice_halves.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/lattice_search.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

using Tag = hn::CappedTag<float, kPanel>;
using Vector = hn::Vec<Tag>;

constexpr float kFar = 1e30f;

struct alignas(64) SearchLanes {
  float lane[kPanel];
};

// Costs by the parity of the sum of n.
struct Parities {
  SearchLanes of[2];
};

// As many lanes as a vector has, from number `first` on.
class Search {
 public:
  Search(int fine_bits, const SearchLanes* targets, size_t first)
      : fine_bits_(fine_bits), targets_(targets), first_(first) {}

  // The least squared distance of any point, and its pattern + 256 * parity.
  HWY_INLINE void Find(SearchLanes* cost, SearchLanes* choice) {
    Vector least = hn::Set(d_, kFar), chosen = hn::Zero(d_);
    for (size_t parity = 0; parity < 2; ++parity) Coset(parity, least, chosen);
    hn::Store(least, d_, cost->lane + first_);
    hn::Store(chosen, d_, choice->lane + first_);
  }

  // The nearest integers of patterns with magnitudes m, of the parities (0 or 1) of their sums: each the
  // nearest of its level, and if the sum is of the other parity, the one changed for which that costs least.
  HWY_INLINE void Nearest(const SearchLanes* m, const SearchLanes& parity, SearchLanes* n) const {
    const Vector wanted = Load(parity), one = hn::Set(d_, 1.0f);
    const Vector offset = hn::Add(hn::Mul(hn::Set(d_, 0.5f), wanted), hn::Set(d_, 0.25f));
    Vector sum = hn::Zero(d_), least = hn::Set(d_, kFar), change = hn::Zero(d_);
    SearchLanes others[kLatticeGroup];
    for (size_t i = 0; i < kLatticeGroup; ++i) {
      Vector even = hn::Zero(d_), odd = hn::Zero(d_);
      Vector even_cost = hn::Set(d_, kFar), odd_cost = even_cost;
      NearestOfLevel(hn::Sub(Load(targets_[i]), offset), Load(m[i]), even, even_cost, odd, odd_cost);
      const auto is_odd = hn::Lt(odd_cost, even_cost);
      hn::Store(hn::IfThenElse(is_odd, odd, even), d_, n[i].lane + first_);
      hn::Store(hn::IfThenElse(is_odd, even, odd), d_, others[i].lane + first_);
      sum = hn::Add(sum, hn::IfThenElseZero(is_odd, one));
      const Vector extra = hn::Abs(hn::Sub(odd_cost, even_cost));
      const auto cheaper = hn::Lt(extra, least);
      least = hn::IfThenElse(cheaper, extra, least);
      change = hn::IfThenElse(cheaper, hn::Set(d_, static_cast<float>(i)), change);
    }
    const auto wrong = hn::Ne(OddOf(sum), wanted);
    for (size_t i = 0; i < kLatticeGroup; ++i) {
      const auto changed = hn::And(wrong, hn::Eq(change, hn::Set(d_, static_cast<float>(i))));
      hn::Store(hn::IfThenElse(changed, Load(others[i]), Load(n[i])), d_, n[i].lane + first_);
    }
  }

 private:
  HWY_INLINE Vector Load(const SearchLanes& lanes) const { return hn::Load(d_, lanes.lane + first_); }

  // 1 for odd whole numbers, 0 for even ones; x >= 0.
  HWY_INLINE Vector OddOf(Vector x) const {
    const Vector half = hn::Trunc(hn::Mul(x, hn::Set(d_, 0.5f)));
    return hn::Sub(x, hn::Add(half, half));
  }

  // Keeps the nearest to t of the even and of the odd integers of levels m.
  HWY_INLINE void NearestOfLevel(Vector t, Vector m, Vector& even, Vector& even_cost, Vector& odd,
                                 Vector& odd_cost) const {
    const Vector one = hn::Set(d_, 1.0f);
    const Vector lowest = hn::Mul(m, hn::Set(d_, static_cast<float>(1 << fine_bits_)));
    for (int fine = 0; fine < 1 << fine_bits_; ++fine) {
      const Vector magnitude = hn::Add(lowest, hn::Set(d_, static_cast<float>(fine)));
      const Vector opposite = hn::Sub(hn::Neg(magnitude), one);  // of the other parity
      const auto is_odd = hn::Eq(OddOf(magnitude), one);
      Keep(t, hn::IfThenElse(is_odd, opposite, magnitude), even, even_cost);
      Keep(t, hn::IfThenElse(is_odd, magnitude, opposite), odd, odd_cost);
    }
  }

  HWY_INLINE void Keep(Vector t, Vector n, Vector& nearest, Vector& nearest_cost) const {
    const Vector miss = hn::Sub(t, n), cost = hn::Mul(miss, miss);
    const auto better = hn::Lt(cost, nearest_cost);
    nearest_cost = hn::IfThenElse(better, cost, nearest_cost);
    nearest = hn::IfThenElse(better, n, nearest);
  }

  // The smaller of the cost and that of n.
  HWY_INLINE Vector Least(Vector t, int n, Vector cost) const {
    const Vector miss = hn::Sub(t, hn::Set(d_, static_cast<float>(n)));
    return hn::Min(cost, hn::Mul(miss, miss));
  }

  // Squared distance of t to the nearest integer of each level, of either parity.
  HWY_INLINE void LevelCosts(Vector t, Parities* levels) const {
    for (int level = 0; level < static_cast<int>(kLevels); ++level) {
      Vector even = hn::Set(d_, kFar), odd = even;
      for (int fine = 0; fine < 1 << fine_bits_; ++fine) {
        const int magnitude = (level << fine_bits_) + fine, opposite = -1 - magnitude;
        even = Least(t, magnitude % 2 == 0 ? magnitude : opposite, even);
        odd = Least(t, magnitude % 2 == 0 ? opposite : magnitude, odd);
      }
      hn::Store(even, d_, levels[level].of[0].lane + first_);
      hn::Store(odd, d_, levels[level].of[1].lane + first_);
    }
  }

  // Of both together.
  HWY_INLINE void Join(const Parities& a, const Parities& b, Parities* sum) const {
    const Vector a0 = Load(a.of[0]), a1 = Load(a.of[1]), b0 = Load(b.of[0]), b1 = Load(b.of[1]);
    hn::Store(hn::Min(hn::Add(a0, b0), hn::Add(a1, b1)), d_, sum->of[0].lane + first_);
    hn::Store(hn::Min(hn::Add(a0, b1), hn::Add(a1, b0)), d_, sum->of[1].lane + first_);
  }

  // Costs of the halves on either side for points whose sum of n has this parity.
  HWY_INLINE void Halves(size_t parity) {
    const Vector offset = hn::Set(d_, parity == 0 ? 0.25f : 0.75f);
    for (size_t side = 0; side < 2; ++side) {
      Parities pairs[2][kPairLevels];
      for (size_t pair = 0; pair < 2; ++pair) {
        Parities levels[2][kLevels];
        const SearchLanes* const targets = targets_ + 4 * side + 2 * pair;
        for (size_t i = 0; i < 2; ++i) LevelCosts(hn::Sub(Load(targets[i]), offset), levels[i]);
        for (size_t i = 0; i < kPairLevels; ++i)
          Join(levels[0][i / kLevels], levels[1][i % kLevels], &pairs[pair][i]);
      }
      for (size_t half = 0; half < kLatticeHalves.count; ++half) {
        const uint8_t* const of = kLatticeHalves.pairs[half];
        Join(pairs[0][of[0]], pairs[1][of[1]], &sides_[side][half]);
      }
    }
  }

  HWY_INLINE void Coset(size_t parity, Vector& least, Vector& chosen) {
    Halves(parity);
    const Vector one = hn::Set(d_, 1.0f);
    Vector choice = hn::Set(d_, static_cast<float>(kLatticePatterns * parity));
    for (size_t pattern = 0; pattern < kLatticePatterns; ++pattern) {
      const Parities& left = sides_[0][kLatticeHalves.left[pattern]];
      const Parities& right = sides_[1][kLatticeHalves.right[pattern]];
      const Vector cost = hn::Min(hn::Add(Load(left.of[0]), Load(right.of[parity])),
                                  hn::Add(Load(left.of[1]), Load(right.of[1 - parity])));
      chosen = hn::IfThenElse(hn::Lt(cost, least), choice, chosen);
      least = hn::Min(least, cost);
      choice = hn::Add(choice, one);
    }
  }

  const Tag d_;
  const int fine_bits_;
  const SearchLanes* const targets_;
  const size_t first_;
  Parities sides_[2][kMostHalves];
};

// n: as floats. parity: of each lane's point.
void FindClosest(int fine_bits, const SearchLanes* targets, SearchLanes* n, SearchLanes* parity,
                 SearchLanes* distances) {
  const size_t lanes = hn::Lanes(Tag());
  SearchLanes choice, m[kLatticeGroup];
  for (size_t first = 0; first < kPanel; first += lanes) {
    Search search(fine_bits, targets, first);
    search.Find(distances, &choice);
    for (size_t l = first; l < first + lanes; ++l) {
      const size_t chosen = static_cast<size_t>(choice.lane[l]);
      parity->lane[l] = static_cast<float>(chosen / kLatticePatterns);
      for (size_t i = 0; i < kLatticeGroup; ++i) m[i].lane[l] = LatticePattern(chosen % kLatticePatterns, i);
    }
    search.Nearest(m, *parity, n);
  }
}

void ToBytes(const SearchLanes* n, int8_t* bytes) {
  for (size_t i = 0; i < kLatticeGroup; ++i) {
    for (size_t l = 0; l < kPanel; ++l) bytes[i * kPanel + l] = static_cast<int8_t>(n[i].lane[l]);
  }
}

void FindPoints(int fine_bits, const float* targets, int8_t* n, float* distances) {
  SearchLanes numbers[kLatticeGroup], parity;
  FindClosest(fine_bits, reinterpret_cast<const SearchLanes*>(targets), numbers, &parity,
              reinterpret_cast<SearchLanes*>(distances));
  ToBytes(numbers, n);
}

// Weights of a group to targets, in units of the lattice and well within the search's bounds.
HWY_INLINE void ScaleGroup(const LatticePanelRounding& rounding, size_t block, size_t group,
                           const float* weights, SearchLanes* targets) {
  const Tag d;
  constexpr float kMost = 1000.0f;
  for (size_t l = 0; l < kPanel; l += hn::Lanes(d)) {
    const Vector scale = hn::Load(d, rounding.scales + l);
    const Vector unit =
        hn::Mul(hn::Mul(hn::Set(d, 4.0f), scale), hn::Load(d, rounding.multipliers + block * kPanel + l));
    const Vector inverse = hn::IfThenElseZero(hn::Gt(scale, hn::Zero(d)), hn::Div(hn::Set(d, 1.0f), unit));
    for (size_t i = 0; i < kLatticeGroup; ++i) {
      const size_t column = block * kLatticeBlock + LatticeColumn(group, i);
      Vector target = hn::Zero(d);
      if (column < rounding.columns) target = hn::Mul(hn::Load(d, weights + column * kPanel + l), inverse);
      hn::Store(hn::Clamp(target, hn::Set(d, -kMost), hn::Set(d, kMost)), d, targets[i].lane + l);
    }
  }
}

// As files are decoded: the multiple of the scale is a whole number, exactly.
HWY_INLINE void StoreGroup(const LatticePanelRounding& rounding, size_t block, size_t group,
                           const SearchLanes* n, const SearchLanes& parity, float* rounded) {
  const Tag d;
  for (size_t l = 0; l < kPanel; l += hn::Lanes(d)) {
    const Vector scale = hn::Load(d, rounding.scales + l);
    const Vector multiplier = hn::Load(d, rounding.multipliers + block * kPanel + l);
    const Vector odd = hn::Load(d, parity.lane + l);
    const Vector offset = hn::Add(hn::Set(d, 1.0f), hn::Add(odd, odd));
    for (size_t i = 0; i < kLatticeGroup; ++i) {
      const size_t column = block * kLatticeBlock + LatticeColumn(group, i);
      if (column >= rounding.columns) continue;
      const Vector point = hn::Add(hn::Mul(hn::Set(d, 4.0f), hn::Load(d, n[i].lane + l)), offset);
      hn::Store(hn::Mul(scale, hn::Mul(multiplier, point)), d, rounded + column * kPanel + l);
    }
  }
}

void RoundPanel(const LatticePanelRounding& rounding, const float* weights, float* rounded, int8_t* n) {
  constexpr size_t kGroups = kLatticeBlock / kLatticeGroup;
  const size_t groups = (rounding.columns + kLatticeBlock - 1) / kLatticeBlock * kGroups;
  SearchLanes targets[kLatticeGroup], numbers[kLatticeGroup], parity, distances;
  for (size_t at = 0; at < groups; ++at) {
    const size_t block = at / kGroups, group = at % kGroups;
    ScaleGroup(rounding, block, group, weights, targets);
    FindClosest(rounding.fine_bits, targets, numbers, &parity, &distances);
    StoreGroup(rounding, block, group, numbers, parity, rounded);
    if (n != nullptr) ToBytes(numbers, n + at * kLatticeGroup * kPanel);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(FindPoints);
HWY_EXPORT(RoundPanel);

void ClosestLatticePoints(int fine_bits, const float targets[8][16], int8_t n[8][16], float distances[16]) {
  HWY_DYNAMIC_DISPATCH(FindPoints)(fine_bits, targets[0], n[0], distances);
}

void RoundLatticePanel(const LatticePanelRounding& rounding, const float* weights, float* rounded,
                       int8_t* n) {
  HWY_DYNAMIC_DISPATCH(RoundPanel)(rounding, weights, rounded, n);
}

}  // namespace cllm
#endif  // HWY_ONCE
