#include "model/model.h"

#include "base/features.h"
#include "base/layout.h"
#include "model/delta.h"
#include "model/head.h"
#include "model/tensors.h"

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Segments are little endian and are used in place."
#endif

namespace cllm {
namespace {

template <class A, class B>
constexpr bool Same(A a, B b) {
  return static_cast<int>(a) == static_cast<int>(b);
}

static_assert(Same(Role::kTokenEmbedding, schema::Role::token_embedding));
static_assert(Same(Role::kPositionEmbedding, schema::Role::position_embedding));
static_assert(Same(Role::kAttentionNorm, schema::Role::attention_norm));
static_assert(Same(Role::kQueryKeyValue, schema::Role::query_key_value));
static_assert(Same(Role::kQueryKeyValueBias, schema::Role::query_key_value_bias));
static_assert(Same(Role::kQueryNorm, schema::Role::query_norm));
static_assert(Same(Role::kKeyNorm, schema::Role::key_norm));
static_assert(Same(Role::kAttentionOutput, schema::Role::attention_output));
static_assert(Same(Role::kAttentionOutputBias, schema::Role::attention_output_bias));
static_assert(Same(Role::kAttentionPostNorm, schema::Role::attention_post_norm));
static_assert(Same(Role::kFeedForwardNorm, schema::Role::feed_forward_norm));
static_assert(Same(Role::kGateUp, schema::Role::gate_up));
static_assert(Same(Role::kGateUpBias, schema::Role::gate_up_bias));
static_assert(Same(Role::kDown, schema::Role::down));
static_assert(Same(Role::kDownBias, schema::Role::down_bias));
static_assert(Same(Role::kFeedForwardPostNorm, schema::Role::feed_forward_post_norm));
static_assert(Same(Role::kFinalNorm, schema::Role::final_norm));
static_assert(Same(Role::kHead, schema::Role::head));
static_assert(Same(Role::kHead, schema::Role::MAX));
static_assert(Same(Dtype::kF32, schema::Dtype::f32) && Same(Dtype::kI8, schema::Dtype::i8));
static_assert(Same(Dtype::kBf16, schema::Dtype::bf16) && Same(Dtype::kI4, schema::Dtype::i4));
static_assert(Same(Norm::kRms, schema::Norm::rms) && Same(Norm::kLayer, schema::Norm::layer));
static_assert(Same(Norm::kAffine, schema::Norm::affine) && Same(Norm::kBatch, schema::Norm::batch));
static_assert(Same(NormPlacement::kBefore, schema::NormPlacement::before));
static_assert(Same(NormPlacement::kBeforeAndAfter, schema::NormPlacement::before_and_after));
static_assert(Same(NormPlacement::kAfter, schema::NormPlacement::after));
static_assert(Same(Activation::kSilu, schema::Activation::silu));
static_assert(Same(Activation::kGeluTanh, schema::Activation::gelu_tanh));
static_assert(Same(Activation::kGeluErf, schema::Activation::gelu_erf));
static_assert(Same(Activation::kRelu, schema::Activation::relu));
static_assert(Same(Activation::kReluSquared, schema::Activation::relu_squared));
static_assert(Same(Dtype::kLattice2, schema::Dtype::lattice2) &&
              Same(Dtype::kLattice4, schema::Dtype::lattice4));
static_assert(Same(RopePairs::kAdjacent, schema::Position::rope_adjacent));
static_assert(Same(RopePairs::kHalves, schema::Position::rope_halves));
static_assert(Same(TokenizerKind::kNone, schema::TokenizerKind::none));
static_assert(Same(TokenizerKind::kByteBpe, schema::TokenizerKind::byte_bpe));
static_assert(Same(TokenizerKind::kScoredMerges, schema::TokenizerKind::scored_merges));
static_assert(Same(TokenizerKind::kCharacters, schema::TokenizerKind::characters));
static_assert(Same(TokenizerKind::kWordPiece, schema::TokenizerKind::word_piece));
static_assert(Same(TokenizerKind::kWords, schema::TokenizerKind::words));
static_assert(Same(Pretokenizer::kWhole, schema::Pretokenizer::whole));
static_assert(Same(Pretokenizer::kWords, schema::Pretokenizer::words));
static_assert(Same(Pretokenizer::kGpt2, schema::Pretokenizer::gpt2));
static_assert(Same(Pretokenizer::kLlama3, schema::Pretokenizer::llama3));
static_assert(Same(Pretokenizer::kQwen2, schema::Pretokenizer::qwen2));
static_assert(Same(Pretokenizer::kDigits, schema::Pretokenizer::digits));
static_assert(Same(Pretokenizer::kSpaces, schema::Pretokenizer::spaces));

// Strictly ascending by (role, layer): one pass finds doubles and strangers alike.
Status CheckOrder(const flatbuffers::Vector<flatbuffers::Offset<schema::Tensor>>& tensors) {
  uint64_t last = 0;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const schema::Tensor& tensor = *tensors.Get(i);
    const uint64_t key = uint64_t{static_cast<uint8_t>(tensor.role())} << 32 | tensor.layer();
    if (i > 0 && key <= last) return CLLM_FILE_TENSOR_UNKNOWN;
    last = key;
  }
  return CLLM_OK;
}

bool IsBefore(const schema::Tensor& tensor, const TensorPlace& place) {
  const auto role = static_cast<uint8_t>(tensor.role());
  const auto wanted = static_cast<uint8_t>(place.role);
  return role < wanted || (role == wanted && tensor.layer() < place.layer);
}

Status CheckPlace(const schema::Tensor& tensor, const TensorPlace& place) {
  const bool same = static_cast<uint8_t>(tensor.role()) == static_cast<uint8_t>(place.role) &&
                    tensor.layer() == place.layer;
  if (same) return CLLM_OK;
  return IsBefore(tensor, place) ? CLLM_FILE_TENSOR_UNKNOWN : CLLM_FILE_TENSOR_MISSING;
}

Status CheckTensor(const schema::Tensor& tensor, const Config& config, Role role) {
  const TensorShape shape = ShapeOf(config, role);
  const auto dtype = static_cast<Dtype>(tensor.dtype());
  const bool fits = IsVector(role) ? dtype == Dtype::kF32 : IsInteger(dtype) == IsInteger(config.weights);
  const schema::Layout layout = IsVector(role) ? schema::Layout::vector : schema::Layout::panel16;
  const bool agrees = tensor.rows() == shape.rows && tensor.columns() == shape.columns && fits &&
                      tensor.layout() == layout &&
                      tensor.segment()->bytes() == StoredBytes(config, role, dtype);
  return agrees ? CLLM_OK : CLLM_FILE_TENSOR_SHAPE;
}

bool IsRunnable(schema::Dtype dtype) {
  return Same(dtype, Dtype::kF32) || (kHasBf16 && Same(dtype, Dtype::kBf16)) ||
         IsInteger(static_cast<Dtype>(dtype));
}

// Of all dtypes in the table the narrowest. Vectors are float32 anyway.
Dtype NarrowestDtype(const flatbuffers::Vector<flatbuffers::Offset<schema::Tensor>>& tensors) {
  Dtype narrowest = Dtype::kF32;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const auto dtype = static_cast<Dtype>(tensors.Get(i)->dtype());
    if (Narrowness(dtype) > Narrowness(narrowest)) narrowest = dtype;
  }
  return narrowest;
}

const schema::Model& RootOf(const Model& model) { return *static_cast<const schema::Model*>(model.head); }

}  // namespace

Status ReadTensors(const schema::Model& root, SegmentReader* segments, Model* model) {
  const auto& tensors = *root.tensors();
  Config& config = model->config;
  CLLM_RETURN_IF_ERROR(CheckOrder(tensors));
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (!IsRunnable(tensors.Get(i)->dtype())) return CLLM_UNSUPPORTED_DTYPE;
  }
  config.weights = NarrowestDtype(tensors);
  model->tensor_count = TensorCount(config);
  for (uint32_t i = 0; i < model->tensor_count; ++i) {
    if (i >= tensors.size()) return CLLM_FILE_TENSOR_MISSING;
    const schema::Tensor& tensor = *tensors.Get(i);
    const TensorPlace place = PlaceOf(config, i);
    CLLM_RETURN_IF_ERROR(CheckPlace(tensor, place));
    CLLM_RETURN_IF_ERROR(CheckTensor(tensor, config, place.role));
    const uint8_t* data;
    CLLM_RETURN_IF_ERROR(segments->Next(*tensor.segment(), &data));
    model->parameters += uint64_t{tensor.rows()} * tensor.columns();
    model->weight_bytes += tensor.segment()->bytes();
  }
  return tensors.size() == model->tensor_count ? CLLM_OK : CLLM_FILE_TENSOR_UNKNOWN;
}

Status OpenModel(const void* bytes, uint64_t size, Model* model) {
  if (bytes == nullptr || model == nullptr) return CLLM_NULL_ARGUMENT;
  if (reinterpret_cast<uintptr_t>(bytes) % kAlignment != 0) return CLLM_MISALIGNED;
  const auto* file = static_cast<const uint8_t*>(bytes);
  Head head;
  CLLM_RETURN_IF_ERROR(VerifyHead(file, size, &head));
  const schema::Model& root = *head.root;
  if (root.file_bytes() > size) return CLLM_FILE_TRUNCATED;
  if (root.file_bytes() < size) return CLLM_FILE_SEGMENT_RANGE;

  Model result = {};
  result.head = head.root;
  result.bytes = file;
  result.size = size;
  CLLM_RETURN_IF_ERROR(CheckSwitches(*root.config()));
  CLLM_RETURN_IF_ERROR(ReadConfig(*root.config(), file, &result.config));
  SegmentReader segments(file, head.bytes, size);
  CLLM_RETURN_IF_ERROR(ReadTensors(root, &segments, &result));
  CLLM_RETURN_IF_ERROR(
      ReadTokenizer(root.tokenizer(), result.config.vocabulary_size, &segments, &result.tokenizer));
  *model = result;
  return CLLM_OK;
}

uint64_t HeadBytes(const Model& model) {
  return uint64_t{flatbuffers::ReadScalar<flatbuffers::uoffset_t>(model.bytes)} +
         sizeof(flatbuffers::uoffset_t);
}

Tensor FindTensor(const Model& model, Role role, uint32_t layer) {
  if (kHasVariants && role != Role::kHead && !HasRole(model.config, role)) return {};
  return TensorAt(model, IndexOf(model.config, role, layer)).tensor;
}

TableEntry TensorAt(const Model& model, uint32_t index) {
  const schema::Tensor& stored = *RootOf(model).tensors()->Get(index);
  const TensorPlace place = PlaceOf(model.config, index);
  Tensor tensor = {};
  const uint8_t* data = model.bytes + static_cast<size_t>(stored.segment()->offset());
  tensor.data = data;
  tensor.rows = stored.rows();
  tensor.columns = stored.columns();
  tensor.dtype = static_cast<Dtype>(stored.dtype());
  if (IsInteger(tensor.dtype)) {
    const uint64_t scale_bytes = StoredRows(model.config, place.role) * sizeof(uint16_t);
    tensor.scales = reinterpret_cast<const uint16_t*>(
        data + static_cast<size_t>(stored.segment()->bytes() - scale_bytes));
  }
  TableEntry entry = {place.role, place.layer, tensor, stored.segment()->bytes(), {nullptr, 0.0f, 0}};
  if (kHasDeltas && model.delta != nullptr) ChangeByDelta(model, &entry);
  return entry;
}

const uint8_t* ContentDigest(const Model& model) {
  const schema::Digest* digest = RootOf(model).content_digest();
  return digest != nullptr ? digest->sha256()->data() : nullptr;
}

}  // namespace cllm
