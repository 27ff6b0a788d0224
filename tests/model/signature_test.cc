// Signed files: every bit counts, and each way to tamper has its status.
#include "model/signature.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/escaping.h"
#include "converter/export/sha256.h"
#include "converter/signature/seal.h"
#include "doctest/doctest.h"
#include "support/file_editor.h"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::AlignedBytes;
using testing::SmallFile;

// Of the seed 00 01 ... 1f: the key, and the signature of the small file with the blocks below. Machines
// without libsodium check that they agree with those that have it.
constexpr char kKey[] = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
constexpr char kSignature[] =
    "cd9cbc086bb685348de7789b6ab3089c17390d0d3cfc67820a5828e570d5d6a3"
    "fefa770b808eca036dcd2b59aa81c90af78a7861e71dedfb897132d1d09cc207";
constexpr uint32_t kBlock = 1024;

template <class Array>
Array FromDigits(const char* digits) {
  const std::string bytes = absl::HexStringToBytes(digits);
  Array array = {};
  std::copy_n(bytes.data(), std::min(bytes.size(), array.size()), array.data());
  return array;
}

PublicKey Key() { return FromDigits<PublicKey>(kKey); }

std::string SignedFile() {
  const auto model = ModelFile::FromBytes(SmallFile(Dtype::kI8), "small");
  const auto sign = [](std::string_view) {
    return absl::StatusOr<Signature>(FromDigits<Signature>(kSignature));
  };
  return *SignedToString(*model, {Key(), sign}, kBlock);
}

struct Opened {
  explicit Opened(std::string_view bytes, const PublicKey& key = Key()) : file(bytes) {
    status = cllm_model_open_signed(file.data(), file.size(), key.data(), &model);
  }
  // The first block that is damaged, or else what was wrong before.
  cllm_status Everything() {
    if (status != CLLM_OK) return status;
    cllm_blocks_info info = {};
    info.struct_size = sizeof(info);
    if (cllm_model_describe_blocks(&model, &info) != CLLM_OK) return CLLM_SIGNATURE_BLOCKS;
    for (uint64_t i = 0; i < info.blocks; ++i) {
      const cllm_status block = cllm_model_verify_block(&model, i);
      if (block != CLLM_OK) return block;
    }
    return cllm_model_verify_block(&model, info.blocks) == CLLM_INDEX_RANGE ? CLLM_OK : CLLM_INDEX_RANGE;
  }
  AlignedBytes file;
  cllm_model model;
  cllm_status status;
};

TEST_CASE("a signed file opens with its key, and is the same model") {
  const std::string file = SignedFile();
  Opened opened(file);
  REQUIRE(opened.status == CLLM_OK);
  CHECK(opened.Everything() == CLLM_OK);
  cllm_blocks_info info = {};
  info.struct_size = sizeof(info);
  REQUIRE(cllm_model_describe_blocks(&opened.model, &info) == CLLM_OK);
  CHECK(info.block_bytes == kBlock);
  CHECK(info.blocks > 16);  // two levels
  CHECK(info.blocks == (info.bytes + kBlock - 1) / kBlock);
  CHECK(info.first_offset + info.bytes + TreeBytes(info.blocks) == file.size());
  const auto before = ModelFile::FromBytes(SmallFile(Dtype::kI8), "small"),
             after = ModelFile::FromBytes(file, "signed");
  REQUIRE(after.ok());
  CHECK(std::memcmp(ContentDigest(before->model()), ContentDigest(after->model()), 32) == 0);
  for (uint32_t i = 0; i < before->model().tensor_count; ++i) {
    const TableEntry a = TensorAt(before->model(), i), b = TensorAt(after->model(), i);
    CHECK(std::memcmp(a.tensor.data, b.tensor.data, a.bytes) == 0);
  }
}

TEST_CASE("a model with every table of imported tokenizers can be signed, and reads the same") {
  const std::string plain = testing::ImportedFile(Dtype::kI8);
  const auto before = ModelFile::FromBytes(plain, "small");
  REQUIRE(before.ok());
  const auto sign = [](std::string_view) { return absl::StatusOr<Signature>(Signature{}); };
  const auto file = SignedToString(*before, {Key(), sign}, kBlock);
  REQUIRE(file.ok());
  const auto after = ModelFile::FromBytes(*file, "signed");
  REQUIRE_MESSAGE(after.ok(), after.status().message());
  const TokenizerView &a = before->model().tokenizer, &b = after->model().tokenizer;
  CHECK(std::memcmp(a.byte_tokens, b.byte_tokens, 1024) == 0);
  REQUIRE(a.added_count == b.added_count);
  CHECK(std::memcmp(a.added, b.added, sizeof(AddedTokens)) == 0);
  CHECK(a.word_slots == b.word_slots);
  CHECK(std::memcmp(a.words, b.words, a.word_slots * sizeof(uint32_t)) == 0);
}

TEST_CASE("a bit changed anywhere is found, by open or by its block") {
  const std::string file = SignedFile();
  uint32_t prefix;
  std::memcpy(&prefix, file.data(), sizeof(prefix));
  const size_t head = prefix + 4, segments = RoundUp(head, kAlignment);
  std::map<Status, int> counts;
  AlignedBytes bytes(file);
  cllm_model model;
  const PublicKey key = Key();
  REQUIRE(cllm_model_open_signed(bytes.data(), bytes.size(), key.data(), &model) == CLLM_OK);
  for (size_t at = 0; at < segments; at += at + 3 <= head ? 3 : 1) {
    bytes.data()[at] ^= 1 << at % 8;
    cllm_model changed;
    ++counts[cllm_model_open_signed(bytes.data(), bytes.size(), key.data(), &changed)];
    bytes.data()[at] ^= 1 << at % 8;
  }
  CHECK(counts[CLLM_OK] == 0);
  CHECK(counts[CLLM_SIGNATURE_WRONG] > 100);
  CHECK(counts[CLLM_SIGNATURE_KEY] > 5);
  CHECK(counts[CLLM_SIGNATURE_BLOCKS] == static_cast<int>(segments - head));

  // Each changed byte is in one block, or in the digests above one at least.
  cllm_blocks_info info = {};
  info.struct_size = sizeof(info);
  REQUIRE(cllm_model_describe_blocks(&model, &info) == CLLM_OK);
  int missed = 0;
  for (size_t at = segments; at < file.size(); at += at < info.first_offset + info.bytes ? 61 : 7) {
    bytes.data()[at] ^= 0x80;
    bool found = false;
    if (at < info.first_offset + info.bytes) {
      found = cllm_model_verify_block(&model, (at - segments) / kBlock) == CLLM_BLOCK_DAMAGED;
    } else {
      for (uint64_t i = 0; i < info.blocks && !found; ++i)
        found = cllm_model_verify_block(&model, i) != CLLM_OK;
    }
    missed += found ? 0 : 1;
    bytes.data()[at] ^= 0x80;
  }
  CHECK(missed == 0);
}

TEST_CASE("never signed, stripped, another key, another's tree: each has its status") {
  const std::string file = SignedFile(), plain = SmallFile(Dtype::kI8);
  CHECK(Opened(plain).status == CLLM_SIGNATURE_MISSING);
  PublicKey other = Key();
  other[3] ^= 1;
  CHECK(Opened(file, other).status == CLLM_SIGNATURE_KEY);
  const auto edited = [&file](const testing::FileEditor::Edit& edit) {
    AlignedBytes aligned(file);
    std::unique_ptr<schema::ModelT> head(schema::GetSizePrefixedModel(aligned.data())->UnPack());
    edit(*head);
    flatbuffers::FlatBufferBuilder builder;
    builder.FinishSizePrefixed(schema::Model::Pack(builder, head.get()), schema::ModelIdentifier());
    std::string changed = file;
    changed.replace(0, builder.GetSize(), reinterpret_cast<const char*>(builder.GetBufferPointer()),
                    builder.GetSize());
    return changed;
  };
  CHECK(Opened(edited([](schema::ModelT& head) { head.config->context -= 1; })).status ==
        CLLM_SIGNATURE_WRONG);
  CHECK(Opened(edited([](schema::ModelT& head) { head.signature.clear(); })).status ==
        CLLM_SIGNATURE_STRIPPED);
  CHECK(Opened(edited([](schema::ModelT& head) { head.signature.resize(63); })).status ==
        CLLM_SIGNATURE_STRIPPED);
  CHECK(Opened(edited([](schema::ModelT& head) { head.seal.reset(); })).status == CLLM_SIGNATURE_STRIPPED);
  CHECK(Opened(edited([](schema::ModelT& head) { head.signature.assign(64, 0); })).status ==
        CLLM_SIGNATURE_WRONG);
  // Both gone: what is left cannot be told from a file that was never signed.
  CHECK(Opened(edited([](schema::ModelT& head) {
          head.signature.clear();
          head.seal.reset();
        })).status != CLLM_OK);
  CHECK(Opened(file.substr(0, file.size() - 1)).status == CLLM_FILE_TRUNCATED);
  CHECK(Opened(file.substr(0, 100)).status != CLLM_OK);
  // Without a key anything opens, as before, and blocks can be held against the head's root.
  Opened plain_open(plain, Key());
  cllm_model model;
  REQUIRE(cllm_model_open(plain_open.file.data(), plain_open.file.size(), &model) == CLLM_OK);
  CHECK(cllm_model_verify_block(&model, 0) == CLLM_SIGNATURE_MISSING);
  CHECK(cllm_model_open_signed(plain_open.file.data(), plain.size(), nullptr, &model) == CLLM_NULL_ARGUMENT);
}

TEST_CASE("trees of any number of blocks") {
  std::string bytes;
  for (int i = 0; i < 300 * 16; ++i) bytes += static_cast<char>(i * i);
  for (const uint64_t count : {1, 15, 16, 17, 32, 255, 257, 272, 273, 4096, 4097, 4113}) {
    CAPTURE(count);
    // What writers do, over blocks of one byte.
    BlockTree tree = {reinterpret_cast<const uint8_t*>(bytes.data()), count, 1, nullptr, nullptr};
    std::string digests;
    for (uint64_t i = 0; i < count; ++i) {
      digests.resize(digests.size() + 32);
      BlockDigest(tree, i, reinterpret_cast<uint8_t*>(&digests[digests.size() - 32]));
    }
    for (uint64_t first = 0, level = count; level > 1; first += level, level = ParentsOf(level)) {
      for (uint64_t i = 0; i < ParentsOf(level); ++i) {
        digests.resize(digests.size() + 32);
        ParentDigest(reinterpret_cast<const uint8_t*>(&digests[(first + 16 * i) * 32]),
                     std::min<uint64_t>(16, level - 16 * i),
                     reinterpret_cast<uint8_t*>(&digests[digests.size() - 32]));
      }
    }
    CHECK(TreeBytes(count) + 32 == digests.size());
    tree.digests = reinterpret_cast<const uint8_t*>(digests.data());
    tree.root = tree.digests + TreeBytes(count);
    const uint64_t step = count > 300 ? 97 : 1;
    for (uint64_t i = 0; i < count; i += step) CHECK(CheckBlock(tree, i));
    CHECK(CheckBlock(tree, count - 1));
    bytes[count - 1] ^= 1;
    CHECK_FALSE(CheckBlock(tree, count - 1));
    bytes[count - 1] ^= 1;
  }
  // A tree whose digests are all another's is found at the root.
  CHECK(Hexadecimal(Sha256(std::string("\0a", 2))) != Hexadecimal(Sha256(std::string("\1a", 2))));
}

#ifdef CLLM_HAS_SODIUM
TEST_CASE("libsodium makes the signature above, and re-signing replaces it") {
  std::array<uint8_t, 32> seed;
  for (uint8_t i = 0; i < 32; ++i) seed[i] = i;
  const auto key = PrivateKey::FromSeed(seed);
  CHECK(Hexadecimal(key->public_key()) == kKey);
  const auto sign = [&key](std::string_view message) { return key->Sign(message); };
  const auto model = ModelFile::FromBytes(SmallFile(Dtype::kI8), "small");
  const std::string made = *SignedToString(*model, {key->public_key(), sign}, kBlock);
  const auto again = ModelFile::FromBytes(made, "signed");
  REQUIRE(again.ok());
  const uint8_t* signature = SignatureOf(again->model());
  CHECK(absl::BytesToHexString({reinterpret_cast<const char*>(signature), 64}) == kSignature);
  CHECK(made == SignedFile());
  CHECK(*SignedToString(*again, {key->public_key(), sign}, kBlock) == made);
  for (const uint32_t block : {4096u, 65536u}) {
    const std::string other = *SignedToString(*again, {key->public_key(), sign}, block);
    CHECK(Opened(other).Everything() == CLLM_OK);
  }
}
#endif

}  // namespace
}  // namespace cllm
