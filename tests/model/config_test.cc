#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "doctest/doctest.h"
#include "model/tensors.h"
#include "support/file_editor.h"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::FileEditor;
using testing::OpenStatus;
using testing::SmallFile;

using Edit = std::function<void(schema::ConfigT&)>;

Status StatusWith(const Edit& edit) {
  FileEditor editor(SmallFile());
  edit(editor.config());
  return OpenStatus(editor.Build());
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST_CASE("each switch that the runtime cannot run is refused by its own status") {
  using schema::ConfigT;
  const std::vector<std::pair<Status, Edit>> refusals = {
      {CLLM_UNSUPPORTED_NORM, [](ConfigT& c) { c.norm = static_cast<schema::Norm>(77); }},
      {CLLM_UNSUPPORTED_NORM_PLACEMENT,
       [](ConfigT& c) { c.norm_placement = static_cast<schema::NormPlacement>(3); }},
      {CLLM_UNSUPPORTED_NORM_PLACEMENT,
       [](ConfigT& c) {
         c.norm_placement = schema::NormPlacement::before_and_after;
         c.parallel_block = true;
       }},
      {CLLM_UNSUPPORTED_ACTIVATION, [](ConfigT& c) { c.activation = static_cast<schema::Activation>(5); }},
      {CLLM_UNSUPPORTED_POSITION, [](ConfigT& c) { c.position = static_cast<schema::Position>(4); }},
      {CLLM_UNSUPPORTED_POSITION, [](ConfigT& c) { c.rope_magnitude = 1.5f; }},
      {CLLM_UNSUPPORTED_POSITION, [](ConfigT& c) { c.rope_magnitude = kNan; }},
      {CLLM_UNSUPPORTED_EMBEDDING_KIND,
       [](ConfigT& c) { c.embedding_kind = schema::EmbeddingKind::residues; }},
      {CLLM_UNSUPPORTED_EMBEDDING_KIND,
       [](ConfigT& c) {
         c.residue_moduli = {7, 11};
       }},
      {CLLM_UNSUPPORTED_HEAD_KIND, [](ConfigT& c) { c.head_kind = schema::HeadKind::two_level; }},
  };
  for (size_t i = 0; i < refusals.size(); ++i) {
    CAPTURE(i);
    CHECK(StatusWith(refusals[i].second) == refusals[i].first);
  }
  CHECK(StatusWith([](ConfigT& c) { c.rotary_size = c.head_size; }) == CLLM_OK);
  CHECK(StatusWith([](ConfigT& c) { c.sliding_window_period = 4; }) == CLLM_OK);
}

TEST_CASE("numbers of the configuration out of range") {
  using schema::ConfigT;
  const std::vector<Edit> edits = {
      [](ConfigT& c) { c.vocabulary_size = 0; },
      [](ConfigT& c) { c.vocabulary_size = (1u << 24) + 1; },
      [](ConfigT& c) { c.context = 0; },
      [](ConfigT& c) { c.context = (1u << 24) + 1; },
      [](ConfigT& c) { c.width = 0; },
      [](ConfigT& c) { c.width = 65537; },
      [](ConfigT& c) { c.layers = 0; },
      [](ConfigT& c) { c.layers = 1025; },
      [](ConfigT& c) { c.hidden = 0; },
      [](ConfigT& c) { c.hidden = 65537; },
      [](ConfigT& c) { c.heads = 0; },
      [](ConfigT& c) { c.heads = 0xFFFFFFFEu; },
      [](ConfigT& c) { c.kv_heads = 0; },
      [](ConfigT& c) { c.kv_heads = 3; },
      [](ConfigT& c) { c.kv_heads = 8; },
      [](ConfigT& c) { c.head_size = 0; },
      [](ConfigT& c) { c.head_size = 5; },
      [](ConfigT& c) { c.head_size = 65536; },
      [](ConfigT& c) { c.norm_epsilon = 0; },
      [](ConfigT& c) { c.norm_epsilon = -1e-5f; },
      [](ConfigT& c) { c.norm_epsilon = 1e-40f; },
      [](ConfigT& c) { c.norm_epsilon = kInfinity; },
      [](ConfigT& c) { c.norm_epsilon = kNan; },
      [](ConfigT& c) { c.rotary_size = 4; },  // and as many turns as before
      [](ConfigT& c) { c.rotary_size = c.head_size + 2; },
      [](ConfigT& c) { c.position = schema::Position::none; },  // and turns
      [](ConfigT& c) { c.logit_softcap = -30; },
      [](ConfigT& c) { c.attention_softcap = kNan; },
      [](ConfigT& c) { c.attention_scale = -0.5f; },
      [](ConfigT& c) { c.embedding_scale = 0; },
      [](ConfigT& c) { c.residual_scale = kInfinity; },
      [](ConfigT& c) { c.logit_scale = kNan; },
      [](ConfigT& c) { c.sliding_window = (1u << 24) + 1; },
      [](ConfigT& c) { c.sliding_window_period = 0; },
      [](ConfigT& c) { c.sliding_window_period = 1025; },
      [](ConfigT& c) { c.sliding_window_phase = 1; },
      [](ConfigT& c) { c.window_rope_turns = c.rope_turns; },  // and no window
      [](ConfigT& c) {
        c.sliding_window = 3;
        c.window_rope_turns.assign(c.rope_turns.size() + 1, 7);
      },
      [](ConfigT& c) { c.rope_turns.clear(); },
      [](ConfigT& c) { c.rope_turns.pop_back(); },
      [](ConfigT& c) { c.rope_turns.push_back(1); },
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    CAPTURE(i);
    CHECK(StatusWith(edits[i]) == CLLM_FILE_CONFIG_RANGE);
  }
}

TEST_CASE("the largest numbers of the format are in range, and no product overflows") {
  Config config = {};
  config.vocabulary_size = kMaxVocabulary;
  config.context = kMaxContext;
  config.width = config.hidden = kMaxWidth;
  config.layers = kMaxLayers;
  config.heads = config.kv_heads = 512;
  config.head_size = 128;
  config.norm_epsilon = 1e-6f;
  CHECK(CheckConfig(config) == CLLM_OK);
  CHECK(ShapeOf(config, Role::kQueryKeyValue).rows == 3 * 65536);
  CHECK(StoredBytes(config, Role::kHead, Dtype::kF32) == uint64_t{1} << 42);
}

TEST_CASE("places and indices of the tensor table are each other's inverse") {
  Config config = {};
  config.layers = 3;
  for (const uint32_t switches : {0, 1, 2, 3}) {
    const bool tied = switches % 2 == 0, norms = switches >= 2;
    config.tied_head = tied;
    config.variant.query_key_norm = norms;
    CHECK(TensorCount(config) == (tied ? 20 : 21) + (norms ? 6 : 0));
    CHECK(HasRole(config, Role::kQueryNorm) == norms);
    uint64_t last = 0;
    for (uint32_t i = 0; i < TensorCount(config); ++i) {
      const TensorPlace place = PlaceOf(config, i);
      CHECK(IndexOf(config, place.role, place.layer) == i);
      const uint64_t key = uint64_t{static_cast<uint8_t>(place.role)} << 32 | place.layer;
      CHECK((i == 0 || key > last));
      last = key;
    }
  }
  config.tied_head = true;
  CHECK(IndexOf(config, Role::kHead, 0) == 0);
}

}  // namespace
}  // namespace cllm
