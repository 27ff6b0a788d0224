#include "converter/inspect/diagnose.h"

#include <cstdint>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/layout.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/export/weight_formats.h"
#include "model/head.h"
#include "model/tensors.h"

namespace cllm {
namespace {

std::string Found(uint64_t byte, std::string_view field, std::string_view expected, std::string_view found) {
  return absl::StrFormat("byte %u, %s: expected %s, found %s", byte, std::string(field),
                         std::string(expected), std::string(found));
}

// The first number of the configuration that is out of the range of schemas/FORMAT.md.
std::string DiagnoseConfig(const schema::Config& c, uint64_t byte) {
  struct Limit {
    const char* name;
    uint64_t value, least, most;
  };
  const Limit limits[] = {{"vocabulary_size", c.vocabulary_size(), 1, kMaxVocabulary},
                          {"context", c.context(), 1, kMaxContext},
                          {"width", c.width(), 1, kMaxWidth},
                          {"layers", c.layers(), 1, kMaxLayers},
                          {"heads", c.heads(), 1, kMaxWidth},
                          {"kv_heads", c.kv_heads(), 1, c.heads()},
                          {"head_size", c.head_size(), 2, kMaxWidth},
                          {"hidden", c.hidden(), 1, kMaxWidth},
                          {"heads * head_size", uint64_t{c.heads()} * c.head_size(), 2, kMaxWidth},
                          {"rotary_size", c.rotary_size(), 0, c.head_size()},
                          {"sliding_window", c.sliding_window(), 0, kMaxContext},
                          {"sliding_window_period", c.sliding_window_period(), 1, 1024}};
  for (const Limit& l : limits) {
    if (l.value >= l.least && l.value <= l.most) continue;
    return Found(byte, absl::StrCat("config.", l.name), absl::StrCat(l.least, " to ", l.most),
                 absl::StrCat(l.value));
  }
  if (c.head_size() % 2 != 0)
    return Found(byte, "config.head_size", "an even number", absl::StrCat(c.head_size()));
  if (c.heads() % c.kv_heads() != 0) {
    return Found(byte, "config.heads", absl::StrCat("a multiple of kv_heads, ", c.kv_heads()),
                 absl::StrCat(c.heads()));
  }
  if (!(c.norm_epsilon() > 0)) {
    return Found(byte, "config.norm_epsilon", "a positive number", absl::StrCat(c.norm_epsilon()));
  }
  const uint64_t turns = c.rope_turns() != nullptr ? c.rope_turns()->size() : 0;
  return Found(byte, "config", "numbers in the ranges of schemas/FORMAT.md",
               absl::StrCat(turns, " rope_turns, or a scale, that do not fit the others"));
}

std::string NameOf(uint32_t role, uint32_t layer) {
  return role <= static_cast<uint32_t>(Role::kHead) ? TensorName({static_cast<Role>(role), layer})
                                                    : absl::StrFormat("role %u, layer %u", role, layer);
}

std::string DiagnoseTensor(const schema::Tensor& tensor, const TensorPlace& place, const Config& config,
                           uint64_t byte) {
  const std::string found = NameOf(static_cast<uint32_t>(tensor.role()), tensor.layer()),
                    expected = TensorName({place.role, place.layer});
  if (static_cast<uint8_t>(tensor.role()) != static_cast<uint8_t>(place.role) ||
      tensor.layer() != place.layer) {
    return Found(byte, "the tensor table", expected, found);
  }
  const TensorShape shape = ShapeOf(config, place.role);
  const auto dtype = static_cast<Dtype>(tensor.dtype());
  if (tensor.rows() != shape.rows || tensor.columns() != shape.columns) {
    return Found(byte, absl::StrCat("rows and columns of ", expected),
                 absl::StrCat(shape.rows, " x ", shape.columns),
                 absl::StrCat(tensor.rows(), " x ", tensor.columns()));
  }
  const bool known = dtype <= Dtype::kLattice4;
  if (!known ||
      (IsVector(place.role) ? dtype != Dtype::kF32 : IsInteger(dtype) != IsInteger(config.weights))) {
    return Found(byte, absl::StrCat("dtype of ", expected),
                 IsVector(place.role) ? "f32" : "that of the other matrices' kind",
                 absl::StrCat(static_cast<int>(tensor.dtype())));
  }
  const uint64_t bytes = StoredBytes(config, place.role, dtype);
  if (tensor.segment()->bytes() != bytes) {
    return Found(byte, absl::StrCat("bytes of ", expected), absl::StrCat(bytes),
                 absl::StrCat(tensor.segment()->bytes()));
  }
  return "";
}

// The first segment that does not begin at a multiple of 64, behind the one before, and end in the file.
std::string DiagnoseSegment(const schema::Segment& s, const std::string& name, uint64_t byte, uint64_t size,
                            uint64_t* end) {
  if (s.offset() % kAlignment != 0) {
    return Found(byte, absl::StrCat("offset of ", name), "a multiple of 64", absl::StrCat(s.offset()));
  }
  if (s.offset() < *end) {
    return Found(byte, absl::StrCat("offset of ", name),
                 absl::StrCat("at least ", *end, ", the end of what is before"), absl::StrCat(s.offset()));
  }
  if (s.offset() > size || s.bytes() > size - s.offset()) {
    return Found(byte, absl::StrCat("end of ", name), absl::StrCat("at most ", size, ", the end of the file"),
                 absl::StrCat(s.bytes(), " bytes from ", s.offset(), " on"));
  }
  *end = s.offset() + s.bytes();
  return "";
}

std::string DiagnoseTable(const schema::Model& root, const uint8_t* file, const Head& head, uint64_t size) {
  Config config = {};
  const auto at = [file](const auto* table) {
    return static_cast<uint64_t>(reinterpret_cast<const uint8_t*>(table) - file);
  };
  if (CheckSwitches(*root.config()) != CLLM_OK) return "";
  if (ReadConfig(*root.config(), file, &config) != CLLM_OK)
    return DiagnoseConfig(*root.config(), at(root.config()));
  const auto& tensors = *root.tensors();
  for (const auto* tensor : tensors) {
    const auto dtype = static_cast<Dtype>(tensor->dtype());
    if (Narrowness(dtype) > Narrowness(config.weights)) config.weights = dtype;
  }
  uint64_t end = head.bytes;
  for (uint32_t i = 0; i < TensorCount(config); ++i) {
    const TensorPlace place = PlaceOf(config, i);
    const std::string name = TensorName({place.role, place.layer});
    if (i >= tensors.size())
      return Found(at(&tensors), "the tensor table", name, absl::StrCat("its end, after ", i, " tensors"));
    const schema::Tensor& tensor = *tensors.Get(i);
    if (std::string text = DiagnoseTensor(tensor, place, config, at(&tensor)); !text.empty()) return text;
    if (std::string text = DiagnoseSegment(*tensor.segment(), name, at(tensor.segment()), size, &end);
        !text.empty()) {
      return text;
    }
  }
  if (tensors.size() > TensorCount(config)) {
    return Found(at(&tensors), "the tensor table", absl::StrCat(TensorCount(config), " tensors"),
                 absl::StrCat(tensors.size()));
  }
  if (root.tokenizer() == nullptr) return "";
  const schema::Tokenizer& t = *root.tokenizer();
  for (const auto& [segment, name] : {std::pair(t.pieces(), "tokenizer.pieces"),
                                      {t.scores(), "tokenizer.scores"},
                                      {t.merges(), "tokenizer.merges"},
                                      {t.index(), "tokenizer.index"},
                                      {t.byte_tokens(), "tokenizer.byte_tokens"},
                                      {t.words(), "tokenizer.words"},
                                      {t.added(), "tokenizer.added"}}) {
    if (segment == nullptr) continue;
    if (std::string text = DiagnoseSegment(*segment, name, at(segment), size, &end); !text.empty())
      return text;
  }
  return absl::StrFormat(
      "byte %u, tokenizer: a token id, an offset of a piece or a table's size is not below its limit",
      at(&t));
}

}  // namespace

std::string DiagnoseModel(std::string_view file) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(file.data());
  if (file.size() < 16) return Found(0, "the file", "at least 16 bytes", absl::StrCat(file.size()));
  if (file.substr(8, 4) != "CLLM") {
    return Found(8, "the identifier", "\"CLLM\"",
                 absl::StrCat("\"", absl::CHexEscape(std::string(file.substr(8, 4))), "\""));
  }
  uint32_t prefix;
  std::memcpy(&prefix, bytes, sizeof(prefix));
  if (uint64_t{prefix} + sizeof(prefix) > file.size()) {
    return Found(0, "the head's length", absl::StrCat("at most ", file.size() - sizeof(prefix)),
                 absl::StrCat(prefix));
  }
  Head head;
  switch (VerifyHead(bytes, file.size(), &head)) {
    case CLLM_OK: break;
    case CLLM_FILE_HEAD:
      return Found(4, "the head", "a FlatBuffer of schemas/model.fbs", "offsets or sizes that leave it");
    default: return "";
  }
  if (head.root->file_bytes() != file.size()) {
    const auto at = static_cast<uint64_t>(reinterpret_cast<const uint8_t*>(head.root) - bytes);
    return Found(at, "file_bytes", absl::StrCat(file.size(), ", the file's size"),
                 absl::StrCat(head.root->file_bytes()));
  }
  return DiagnoseTable(*head.root, bytes, head, file.size());
}

}  // namespace cllm
