#include "converter/import/gguf_file.h"

#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/layout.h"

namespace cllm {
namespace {

constexpr uint32_t kString = 8, kArray = 9;
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kMaxAlignment = 1 << 20;

// Reads from the front; where the bytes end too early it says where and what it looked for.
class Cursor {
 public:
  Cursor(std::string_view bytes, const std::string& path) : all_(bytes), path_(path) {}

  uint64_t at() const { return at_; }
  uint64_t left() const { return all_.size() - at_; }

  absl::Status Error(std::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ", byte ", at_, ": ", std::string(what)));
  }

  template <typename T>
  absl::Status Take(const char* what, T* value) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (left() < sizeof(T)) return Error(absl::StrCat("the file ends in ", what));
    std::memcpy(value, all_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return absl::OkStatus();
  }

  absl::Status TakeText(const char* what, std::string_view* text) {
    uint64_t size = 0;
    if (absl::Status status = Take(what, &size); !status.ok()) return status;
    if (size > left())
      return Error(absl::StrCat(what, " of ", size, " bytes, but the file has ", left(), " left"));
    *text = all_.substr(at_, size);
    at_ += size;
    return absl::OkStatus();
  }

 private:
  std::string_view all_;
  const std::string& path_;
  uint64_t at_ = 0;
};

// Calls `use` with a value of the C++ type that belongs to a scalar type's number; false for other numbers.
template <typename Use>
bool WithScalar(uint32_t type, const Use& use) {
  switch (type) {
    case 0: use(uint8_t{}); return true;
    case 1: use(int8_t{}); return true;
    case 2: use(uint16_t{}); return true;
    case 3: use(int16_t{}); return true;
    case 4: use(uint32_t{}); return true;
    case 5: use(int32_t{}); return true;
    case 6: use(float{}); return true;
    case 7: use(bool{}); return true;
    case 10: use(uint64_t{}); return true;
    case 11: use(int64_t{}); return true;
    case 12: use(double{}); return true;
    default: return false;
  }
}

template <typename T>
GgufValue Widened(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value;
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<double>(value);
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<int64_t>(value);
  } else {
    return static_cast<uint64_t>(value);
  }
}

template <typename T>
absl::Status TakeScalar(Cursor* cursor, T* value) {
  if constexpr (std::is_same_v<T, bool>) {
    uint8_t byte = 0;
    absl::Status status = cursor->Take("a truth value", &byte);
    *value = byte != 0;
    return status;
  } else {
    return cursor->Take("a number", value);
  }
}

absl::Status TakeStrings(Cursor* cursor, uint64_t count, GgufValue* value) {
  // Each has a length of 8 bytes.
  if (count > cursor->left() / 8)
    return cursor->Error(absl::StrCat("an array of ", count, " texts does not fit"));
  std::vector<std::string_view> texts(count);
  for (std::string_view& text : texts) {
    if (absl::Status status = cursor->TakeText("a text", &text); !status.ok()) return status;
  }
  *value = std::move(texts);
  return absl::OkStatus();
}

absl::Status TakeArray(Cursor* cursor, GgufValue* value) {
  uint32_t type = 0;
  uint64_t count = 0;
  if (absl::Status status = cursor->Take("an array's type", &type); !status.ok()) return status;
  if (absl::Status status = cursor->Take("an array's length", &count); !status.ok()) return status;
  if (type == kString) return TakeStrings(cursor, count, value);
  absl::Status status;
  const bool known = WithScalar(type, [&](auto zero) {
    using T = decltype(zero);
    if (count > cursor->left() / sizeof(T)) {
      status = cursor->Error(absl::StrCat("an array of ", count, " numbers does not fit"));
      return;
    }
    std::vector<double> numbers(count);
    for (double& number : numbers) {
      T narrow{};
      status = TakeScalar(cursor, &narrow);
      number = static_cast<double>(narrow);
    }
    *value = std::move(numbers);
  });
  return known ? status : cursor->Error(absl::StrCat("an array of type ", type, ", which is unknown here"));
}

absl::Status TakeValue(Cursor* cursor, GgufValue* value) {
  uint32_t type = 0;
  if (absl::Status status = cursor->Take("a value's type", &type); !status.ok()) return status;
  if (type == kArray) return TakeArray(cursor, value);
  if (type == kString) {
    std::string_view text;
    absl::Status status = cursor->TakeText("a text", &text);
    *value = text;
    return status;
  }
  absl::Status status;
  const bool known = WithScalar(type, [&](auto narrow) {
    status = TakeScalar(cursor, &narrow);
    *value = Widened(narrow);
  });
  return known ? status : cursor->Error(absl::StrCat("a value of type ", type, ", which is unknown"));
}

struct Place {
  StoredTensor tensor;
  uint64_t offset = 0, bytes = 0;
};

// Two to four dimensions are rows, one dimension is a single row. Sizes are below 2^32, each and multiplied.
absl::Status TakeShape(Cursor* cursor, const std::string& name, StoredTensor* tensor) {
  constexpr uint64_t kMaxSize = std::numeric_limits<uint32_t>::max();
  uint32_t dimensions = 0;
  if (absl::Status status = cursor->Take("a tensor's shape", &dimensions); !status.ok()) return status;
  if (dimensions == 0 || dimensions > kMaxDimensions)
    return cursor->Error(absl::StrCat("tensor ", name, " has ", dimensions, " dimensions"));
  tensor->rows = tensor->columns = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    uint64_t size = 0;
    if (absl::Status status = cursor->Take("a tensor's shape", &size); !status.ok()) return status;
    if (size == 0 || size > kMaxSize / tensor->rows / tensor->columns)
      return cursor->Error(absl::StrCat("tensor ", name, " has an impossible size, ", size));
    (i == 0 ? tensor->columns : tensor->rows) *= size;
  }
  return absl::OkStatus();
}

// Name, shape, type and offset of one tensor; its bytes are found when all offsets are known.
absl::Status TakeTensor(Cursor* cursor, std::string* name, Place* place) {
  std::string_view text;
  if (absl::Status status = cursor->TakeText("a tensor's name", &text); !status.ok()) return status;
  *name = std::string(text);
  StoredTensor& tensor = place->tensor;
  if (absl::Status status = TakeShape(cursor, *name, &tensor); !status.ok()) return status;
  uint32_t type = 0;
  if (absl::Status status = cursor->Take("a tensor's type", &type); !status.ok()) return status;
  if (absl::Status status = cursor->Take("a tensor's offset", &place->offset); !status.ok()) return status;
  tensor.type = FindStoredType(type);
  if (tensor.type == nullptr) {
    return cursor->Error(absl::StrCat("tensor ", *name, " is of type ", type,
                                      ", which cannot be read; llama-quantize can make it F16 or Q8_0"));
  }
  if (tensor.columns % tensor.type->block_elements != 0) {
    return cursor->Error(absl::StrCat("tensor ", *name, " has rows of ", tensor.columns, " elements; ",
                                      tensor.type->name, " needs a multiple of ",
                                      tensor.type->block_elements));
  }
  place->bytes = tensor.rows * tensor.columns / tensor.type->block_elements * tensor.type->block_bytes;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Alignment(const GgufContents& contents, const Cursor& cursor) {
  const uint64_t* stated = FindGguf<uint64_t>(contents, "general.alignment");
  const uint64_t alignment = stated != nullptr ? *stated : 32;
  if (alignment < 8 || alignment > kMaxAlignment || (alignment & (alignment - 1)) != 0)
    return cursor.Error(
        absl::StrCat("general.alignment is ", alignment, "; it must be a power of two from 8 on"));
  return alignment;
}

struct Counts {
  uint64_t tensors = 0, values = 0;
};

absl::Status TakeHeader(Cursor* cursor, Counts* counts) {
  uint32_t identifier = 0, version = 0;
  if (absl::Status status = cursor->Take("its identifier", &identifier); !status.ok()) return status;
  if (absl::Status status = cursor->Take("its version", &version); !status.ok()) return status;
  if (version != 2 && version != 3)
    return cursor->Error(absl::StrCat("GGUF version ", version, "; 2 and 3 can be read"));
  if (absl::Status status = cursor->Take("the number of tensors", &counts->tensors); !status.ok())
    return status;
  return cursor->Take("the number of values", &counts->values);
}

absl::Status TakeValues(Cursor* cursor, uint64_t count, GgufContents* contents) {
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view key;
    if (absl::Status status = cursor->TakeText("a key", &key); !status.ok()) return status;
    GgufValue value;
    if (absl::Status status = TakeValue(cursor, &value); !status.ok()) return status;
    if (!contents->values.emplace(key, std::move(value)).second)
      return cursor->Error(absl::StrCat("the key ", std::string(key), " is there twice"));
  }
  return absl::OkStatus();
}

}  // namespace

bool IsGguf(std::string_view bytes) { return bytes.substr(0, 4) == "GGUF"; }

absl::StatusOr<GgufContents> ParseGguf(std::string_view bytes, const std::string& path) {
  Cursor cursor(bytes, path);
  if (!IsGguf(bytes)) return cursor.Error("not a GGUF file");
  Counts counts;
  if (absl::Status status = TakeHeader(&cursor, &counts); !status.ok()) return status;
  GgufContents contents;
  if (absl::Status status = TakeValues(&cursor, counts.values, &contents); !status.ok()) return status;
  std::map<std::string, Place> places;
  for (uint64_t i = 0; i < counts.tensors; ++i) {
    std::string name;
    Place place;
    if (absl::Status status = TakeTensor(&cursor, &name, &place); !status.ok()) return status;
    if (!places.emplace(name, place).second)
      return cursor.Error(absl::StrCat("tensor ", name, " is there twice"));
  }
  const absl::StatusOr<uint64_t> alignment = Alignment(contents, cursor);
  if (!alignment.ok()) return alignment.status();
  const uint64_t data = RoundUp(cursor.at(), *alignment);
  for (auto& [name, place] : places) {
    const uint64_t room = data > bytes.size() ? 0 : bytes.size() - data;
    if (place.offset > room || place.bytes > room - place.offset) {
      return cursor.Error(absl::StrCat("tensor ", name, " has ", place.bytes, " bytes from ", place.offset,
                                       " on, beyond the end of the file; it is cut short or damaged"));
    }
    place.tensor.bytes = bytes.substr(data + place.offset, place.bytes);
    contents.tensors.emplace(name, place.tensor);
  }
  return contents;
}

}  // namespace cllm
