#include "converter/signature/seal.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/layout.h"
#include "converter/export/output_file.h"
#include "model/signature.h"
#include "schemas/model_generated.h"

namespace cllm {
namespace {

using WriteAt = absl::FunctionRef<absl::Status(uint64_t offset, std::string_view bytes)>;

std::vector<schema::SegmentT*> SegmentsOf(schema::ModelT* head) {
  std::vector<schema::SegmentT*> segments;
  for (auto& tensor : head->tensors) segments.push_back(tensor->segment.get());
  if (head->tokenizer != nullptr) {
    schema::TokenizerT& t = *head->tokenizer;
    for (auto* table : {&t.pieces, &t.scores, &t.merges, &t.index, &t.byte_tokens, &t.words, &t.added}) {
      if (*table != nullptr) segments.push_back(table->get());
    }
  }
  return segments;
}

std::string Pack(const schema::ModelT& head) {
  flatbuffers::FlatBufferBuilder builder;
  builder.FinishSizePrefixed(schema::Model::Pack(builder, &head), schema::ModelIdentifier());
  return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

// Where a packed head has its signature.
uint64_t SignatureOffset(const std::string& head) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(head.data());
  return static_cast<uint64_t>(schema::GetSizePrefixedModel(bytes)->signature()->data() - bytes);
}

// The digests of the tree over `content`, which ends in so many zeros more, and then its root.
std::string TreeDigests(std::string_view content, uint64_t zeros, uint64_t block_bytes) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(content.data());
  const BlockTree tree = {bytes, content.size(), block_bytes, nullptr, nullptr};
  const uint64_t count = (content.size() + zeros + block_bytes - 1) / block_bytes;
  std::string digests(count * kSha256Bytes, '\0');
  const auto at = [&digests](uint64_t i) {
    return reinterpret_cast<uint8_t*>(digests.data()) + i * kSha256Bytes;
  };
  const uint64_t whole = content.size() / block_bytes;
  for (uint64_t i = 0; i < whole; ++i) BlockDigest(tree, i, at(i));
  if (whole < count) {
    std::string last(content.substr(whole * block_bytes));
    last.resize(content.size() + zeros - whole * block_bytes);
    BlockDigest({reinterpret_cast<const uint8_t*>(last.data()), last.size(), block_bytes, nullptr, nullptr},
                0, at(whole));
  }
  uint64_t first = 0;
  for (uint64_t level = count; level > 1; first += level, level = ParentsOf(level)) {
    const uint64_t parents = ParentsOf(level), end = first + level;
    digests.resize((end + parents) * kSha256Bytes);
    for (uint64_t i = 0; i < parents; ++i) {
      const uint64_t child = first + i * kTreeFanOut;
      ParentDigest(at(child), std::min(kTreeFanOut, end - child), at(end + i));
    }
  }
  return digests;
}

absl::Status Seal(const ModelFile& model, const Signer& signer, uint32_t block_bytes, WriteAt write) {
  std::unique_ptr<schema::ModelT> head(schema::GetSizePrefixedModel(model.bytes())->UnPack());
  if (head->format_minor > 0) {
    return absl::InvalidArgumentError(absl::StrCat(model.path(), ": format ", head->format_major, ".",
                                                   head->format_minor,
                                                   " is newer than this cllm; sign it with a newer one"));
  }
  const uint64_t old_first = RoundUp(HeadBytes(model.model()), kAlignment);
  uint64_t old_end = old_first;
  const std::vector<schema::SegmentT*> segments = SegmentsOf(head.get());
  for (const schema::SegmentT* s : segments) old_end = std::max(old_end, s->offset + s->bytes);
  const std::string_view content(reinterpret_cast<const char*>(model.bytes()) + old_first,
                                 old_end - old_first);

  head->signature.assign(kSignatureBytes, 0);
  head->seal = std::make_unique<schema::Seal>();
  const uint64_t first = RoundUp(Pack(*head).size(), kAlignment);
  for (schema::SegmentT* s : segments) s->offset = s->offset - old_first + first;
  const uint64_t tree_offset = RoundUp(first + content.size(), kAlignment);
  std::string tree = TreeDigests(content, tree_offset - first - content.size(), block_bytes);
  const std::string root = tree.substr(tree.size() - kSha256Bytes);
  tree.resize(tree.size() - kSha256Bytes);
  head->file_bytes = tree_offset + tree.size();
  const auto* root_bytes = reinterpret_cast<const uint8_t*>(root.data());
  const schema::Digest root_digest(flatbuffers::span<const uint8_t, 32>(root_bytes, 32));
  *head->seal = schema::Seal(block_bytes, tree_offset, tree.size(), root_digest,
                             flatbuffers::span<const uint8_t, 32>(signer.key.data(), 32));
  std::string packed = Pack(*head);
  if (RoundUp(packed.size(), kAlignment) != first) return absl::InternalError("the head's length changed");
  const uint64_t at = SignatureOffset(packed);
  uint8_t message[kSignedBytes];
  SignedMessage(reinterpret_cast<const uint8_t*>(packed.data()), packed.size(), at, message);
  const absl::StatusOr<Signature> signature =
      signer.sign({reinterpret_cast<const char*>(message), sizeof(message)});
  if (!signature.ok()) return signature.status();
  std::memcpy(packed.data() + at, signature->data(), signature->size());

  if (absl::Status status = write(0, packed); !status.ok()) return status;
  if (absl::Status status = write(first, content); !status.ok()) return status;
  return write(tree_offset, tree);
}

}  // namespace

absl::Status WriteSigned(const ModelFile& model, const Signer& signer, uint32_t block_bytes,
                         const std::string& path) {
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  const auto write = [&file](uint64_t offset, std::string_view bytes) {
    return file->WriteAt(offset, bytes);
  };
  if (absl::Status status = Seal(model, signer, block_bytes, write); !status.ok()) return status;
  return file->Commit();
}

absl::StatusOr<std::string> SignedToString(const ModelFile& model, const Signer& signer,
                                           uint32_t block_bytes) {
  std::string file;
  const auto write = [&file](uint64_t offset, std::string_view bytes) {
    if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
    std::memcpy(file.data() + offset, bytes.data(), bytes.size());
    return absl::OkStatus();
  };
  if (absl::Status status = Seal(model, signer, block_bytes, write); !status.ok()) return status;
  return file;
}

SealReport VerifySeal(const ModelFile& model, const PublicKey* key) {
  constexpr size_t kMostListed = 16;
  SealReport report;
  if (const uint8_t* signer = SignerOf(model.model()))
    std::memcpy(report.signer.data(), signer, report.signer.size());
  cllm_model opened;
  report.status = cllm_model_open_signed(model.bytes(), model.size(),
                                         (key != nullptr ? *key : report.signer).data(), &opened);
  if (report.status != CLLM_OK) return report;
  cllm_blocks_info info = {};
  info.struct_size = sizeof(info);
  report.status = cllm_model_describe_blocks(&opened, &info);
  report.block_bytes = info.block_bytes;
  report.blocks = info.blocks;
  report.first_offset = info.first_offset;
  for (uint64_t i = 0; i < report.blocks; ++i) {
    if (cllm_model_verify_block(&opened, i) == CLLM_OK) continue;
    if (report.damaged_count++ < kMostListed) report.damaged.push_back(i);
  }
  return report;
}

}  // namespace cllm
