#include "model/head.h"

#include <cstring>

#include "doctest/doctest.h"
#include "support/file_editor.h"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::AlignedBytes;
using testing::FileEditor;
using testing::OpenStatus;
using testing::SmallFile;

uint32_t HeadBytes(const std::string& file) {
  uint32_t prefix;
  std::memcpy(&prefix, file.data(), sizeof(prefix));
  return prefix + 4;
}

void SetPrefix(std::string* file, uint32_t prefix) { std::memcpy(file->data(), &prefix, sizeof(prefix)); }

TEST_CASE("a file opens as written, and again after the editor took it apart") {
  for (const TokenizerKind kind :
       {TokenizerKind::kNone, TokenizerKind::kByteBpe, TokenizerKind::kScoredMerges,
        TokenizerKind::kCharacters, TokenizerKind::kWordPiece, TokenizerKind::kWords}) {
    for (const Dtype format : {Dtype::kF32, Dtype::kBf16, Dtype::kI8, Dtype::kI4}) {
      const std::string file = SmallFile(format, kind);
      CHECK(OpenStatus(file) == CLLM_OK);
      CHECK(OpenStatus(FileEditor(file).Build()) == CLLM_OK);
    }
  }
}

TEST_CASE("arguments") {
  const std::string file = SmallFile();
  AlignedBytes aligned(file);
  Model model;
  CHECK(OpenModel(nullptr, file.size(), &model) == CLLM_NULL_ARGUMENT);
  CHECK(OpenModel(aligned.data(), file.size(), nullptr) == CLLM_NULL_ARGUMENT);
  for (const size_t shift : {1, 2, 4, 8, 16, 32, 63}) {
    AlignedBytes shifted(file, shift);
    CHECK(OpenModel(shifted.data(), shifted.size(), &model) == CLLM_MISALIGNED);
  }
}

TEST_CASE("truncation at every length is refused") {
  const std::string file = SmallFile(Dtype::kI8);
  for (size_t size = 0; size < file.size(); ++size) {
    const Status status = OpenStatus(std::string_view(file).substr(0, size));
    REQUIRE_MESSAGE(status == CLLM_FILE_TRUNCATED, "length " << size << ": status " << status);
  }
  CHECK(OpenStatus(file + "x") == CLLM_FILE_SEGMENT_RANGE);
}

TEST_CASE("another identifier, another version") {
  std::string file = SmallFile();
  file[8] = 'X';
  CHECK(OpenStatus(file) == CLLM_FILE_NOT_CLLM);
  CHECK(OpenStatus(std::string(4096, '\0')) == CLLM_FILE_NOT_CLLM);
  FileEditor editor(SmallFile());
  editor.head().format_major = 2;
  CHECK(OpenStatus(editor.Build()) == CLLM_FILE_VERSION);
  editor.head().format_major = 0;
  CHECK(OpenStatus(editor.Build()) == CLLM_FILE_VERSION);
}

TEST_CASE("a length of the head that cannot be") {
  std::string file = SmallFile();
  const uint32_t head_bytes = HeadBytes(file);
  SetPrefix(&file, 0);
  CHECK(OpenStatus(file) == CLLM_FILE_HEAD);
  SetPrefix(&file, 0xFFFFFFFFu);
  CHECK(OpenStatus(file) == CLLM_FILE_TRUNCATED);
  for (const uint32_t less : {1u, 4u, 8u, 100u}) {
    SetPrefix(&file, head_bytes - 4 - less);
    CHECK(OpenStatus(file) == CLLM_FILE_HEAD);
  }
  // A head that reaches into the segments.
  SetPrefix(&file, head_bytes - 4 + 256);
  CHECK(OpenStatus(file) == CLLM_FILE_SEGMENT_RANGE);
}

TEST_CASE("a head without what is required, or with a wild offset, does not verify") {
  flatbuffers::FlatBufferBuilder builder;
  schema::ModelBuilder empty(builder);
  empty.add_file_bytes(64);
  const auto start = builder.EndTable(empty.start_);
  builder.FinishSizePrefixed(flatbuffers::Offset<schema::Model>(start), schema::ModelIdentifier());
  std::string file(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
  CHECK(OpenStatus(file) == CLLM_FILE_HEAD);

  std::string wild = SmallFile();
  const uint32_t root = 0x7FFFFFF0;
  std::memcpy(wild.data() + 4, &root, sizeof(root));
  CHECK(OpenStatus(wild) == CLLM_FILE_HEAD);
}

TEST_CASE("segments: range, alignment, overlap, and the file's length") {
  FileEditor editor(SmallFile());
  const auto with = [&editor](uint64_t offset) {
    return OpenStatus(
        editor.Build([offset](schema::ModelT& head) { head.tensors[3]->segment->offset = offset; }));
  };
  const uint64_t size = editor.Build().size();
  CHECK(with(1) == CLLM_FILE_SEGMENT_ALIGNMENT);
  CHECK(with(size / 64 * 64 + 32) == CLLM_FILE_SEGMENT_ALIGNMENT);
  CHECK(with(64) == CLLM_FILE_SEGMENT_RANGE);              // in the head
  CHECK(with(size / 64 * 64) == CLLM_FILE_SEGMENT_RANGE);  // ends beyond the file
  CHECK(with(uint64_t{1} << 63) == CLLM_FILE_SEGMENT_RANGE);
  CHECK(with(~uint64_t{63}) == CLLM_FILE_SEGMENT_RANGE);
  const uint64_t first = editor.head().tensors[0]->segment->offset;
  CHECK(with(first) == CLLM_FILE_SEGMENT_OVERLAP);
  const auto claim = [&editor](uint64_t bytes) {
    return OpenStatus(editor.Build([bytes](schema::ModelT& head) { head.file_bytes = bytes; }));
  };
  CHECK(claim(size + 1) == CLLM_FILE_TRUNCATED);
  CHECK(claim(~uint64_t{0}) == CLLM_FILE_TRUNCATED);
  CHECK(claim(size - 1) == CLLM_FILE_SEGMENT_RANGE);
}

}  // namespace
}  // namespace cllm
