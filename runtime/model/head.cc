#include "model/head.h"

#include <cstring>

#include "base/layout.h"

namespace cllm {
namespace {

constexpr uint64_t kSmallestHead = 16;
constexpr uint64_t kLargestHead = uint64_t{1} << 26;
constexpr uint64_t kIdentifierOffset = 8;

// Enough for every role in every layer; keeps a hostile head from costing more than its size.
flatbuffers::Verifier::Options Limits() {
  flatbuffers::Verifier::Options limits;
  limits.max_depth = 8;
  limits.max_tables = 1u << 16;
  return limits;
}

// Reads the version as soon as it can be read safely: a newer major version need not verify otherwise.
Status CheckVersion(const uint8_t* bytes, size_t head_bytes) {
  flatbuffers::Verifier verifier(bytes, head_bytes, Limits());
  const flatbuffers::uoffset_t root_offset = verifier.VerifyOffset(sizeof(flatbuffers::uoffset_t));
  if (root_offset == 0) return CLLM_FILE_HEAD;
  const uint8_t* at = bytes + sizeof(flatbuffers::uoffset_t) + root_offset;
  const auto* table = reinterpret_cast<const flatbuffers::Table*>(at);
  if (!table->VerifyTableStart(verifier)) return CLLM_FILE_HEAD;
  if (!table->VerifyField<uint16_t>(verifier, schema::Model::VT_FORMAT_MAJOR, sizeof(uint16_t))) {
    return CLLM_FILE_HEAD;
  }
  const uint16_t major = table->GetField<uint16_t>(schema::Model::VT_FORMAT_MAJOR, kFormatMajor);
  return major == kFormatMajor ? CLLM_OK : CLLM_FILE_VERSION;
}

}  // namespace

Status VerifyHead(const uint8_t* bytes, uint64_t size, Head* head) {
  if (size < kSmallestHead) return CLLM_FILE_TRUNCATED;
  if (std::memcmp(bytes + kIdentifierOffset, schema::ModelIdentifier(), 4) != 0) return CLLM_FILE_NOT_CLLM;
  head->bytes =
      uint64_t{flatbuffers::ReadScalar<flatbuffers::uoffset_t>(bytes)} + sizeof(flatbuffers::uoffset_t);
  if (head->bytes > size) return CLLM_FILE_TRUNCATED;
  if (head->bytes < kSmallestHead || head->bytes > kLargestHead) return CLLM_FILE_HEAD;
  const size_t head_bytes = static_cast<size_t>(head->bytes);
  CLLM_RETURN_IF_ERROR(CheckVersion(bytes, head_bytes));
  flatbuffers::Verifier verifier(bytes, head_bytes, Limits());
  if (!schema::VerifySizePrefixedModelBuffer(verifier)) return CLLM_FILE_HEAD;
  head->root = schema::GetSizePrefixedModel(bytes);
  return CLLM_OK;
}

Status SegmentReader::Next(const schema::Segment& segment, const uint8_t** data) {
  const uint64_t offset = segment.offset();
  if (offset % kAlignment != 0) return CLLM_FILE_SEGMENT_ALIGNMENT;
  if (offset < head_bytes_ || offset > file_bytes_ || segment.bytes() > file_bytes_ - offset) {
    return CLLM_FILE_SEGMENT_RANGE;
  }
  if (offset < end_) return CLLM_FILE_SEGMENT_OVERLAP;
  end_ = offset + segment.bytes();
  *data = bytes_ + static_cast<size_t>(offset);
  return CLLM_OK;
}

}  // namespace cllm
