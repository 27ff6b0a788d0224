#include "converter/data/document_reader.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <random>

#include "support/file_tools.h"
#include "support/packed_text.h"
#include "tests/tokens/plain_tokenizer.h"

namespace cllm {
namespace {

using testing::Gzipped;
using testing::ZstdPacked;

constexpr DocumentSplit kSplits[] = {DocumentSplit::kWhole, DocumentSplit::kParagraphs, DocumentSplit::kLines,
                                     DocumentSplit::kMarker};

struct Read {
  std::vector<std::string> documents;
  size_t parts = 0, longest = 0;
  bool words_whole = true;  // no part ends inside a word
};

Read ReadAll(const std::string& path, DocumentSplit split, bool may_cut, size_t part_bytes) {
  absl::StatusOr<DocumentReader> reader = DocumentReader::Open(path, split, may_cut, part_bytes);
  REQUIRE(reader.ok());
  Read read;
  DocumentPart part;
  bool inside = false;
  std::vector<std::string> words;
  for (;;) {
    const absl::StatusOr<bool> more = reader->Next(&part);
    REQUIRE(more.ok());
    if (!*more) break;
    REQUIRE(part.begins == !inside);
    if (part.begins) {
      read.documents.emplace_back();
      words.clear();
    }
    read.documents.back() += part.text;
    for (std::string& word : plain::Words(std::string(part.text))) words.push_back(word);
    if (part.ends) read.words_whole = read.words_whole && words == plain::Words(read.documents.back());
    inside = !part.ends;
    ++read.parts;
    read.longest = std::max(read.longest, part.text.size());
  }
  REQUIRE_FALSE(inside);
  return read;
}

std::string RandomLines(std::mt19937& random, size_t bytes) {
  static const char* const kPieces[] = {"word", " ",  "a",        "\n", "\n\n", "\r\n", "\n<|endoftext|>\n",
                                        ".",    "  ", "\xC3\xA9", "\t", "12",   "\n \n"};
  std::string text;
  while (text.size() < bytes) text += kPieces[random() % std::size(kPieces)];
  return text;
}

TEST_CASE("a reader gives the documents that splitting the whole text gives") {
  const testing::TemporaryDirectory folder;
  const std::string path = folder.path() + "/text";
  std::mt19937 random(1);
  size_t cuts = 0;
  for (int round = 0; round < 60; ++round) {
    const std::string text = RandomLines(random, 1 + random() % 3000);
    const std::optional<std::string> forms[] = {text, Gzipped(text), ZstdPacked(text)};
    for (const std::optional<std::string>& form : forms) {
      if (!form) continue;
      testing::WriteBytes(path, *form);
      for (const DocumentSplit split : kSplits) {
        const auto expected = SplitDocuments(text, split);
        for (const size_t part_bytes : {size_t{1}, size_t{40}, size_t{100000}}) {
          const Read read = ReadAll(path, split, true, part_bytes);
          REQUIRE(read.documents == std::vector<std::string>(expected.begin(), expected.end()));
          REQUIRE(read.words_whole);
          cuts += read.parts - read.documents.size();
        }
        const Read whole = ReadAll(path, split, false, 1);
        REQUIRE(whole.parts == expected.size());
        REQUIRE(whole.documents == std::vector<std::string>(expected.begin(), expected.end()));
      }
    }
  }
  CHECK(cuts > 10000);
  if (!Gzipped("")) std::puts("skipped: gzip, for the tests are built without zlib");
  if (!ZstdPacked("")) std::puts("skipped: zstd, for the tests are built without libzstd");
}

TEST_CASE("a long document comes in parts of about the length asked for") {
  const testing::TemporaryDirectory folder;
  const std::string path = folder.path() + "/text";
  std::string text;
  for (int i = 0; text.size() < 9000000; ++i) text += "number " + std::to_string(i) + (i % 9 ? " " : "\n");
  for (const std::optional<std::string>& form : {std::optional(text), Gzipped(text), ZstdPacked(text)}) {
    if (!form) continue;
    testing::WriteBytes(path, *form);
    const Read read = ReadAll(path, DocumentSplit::kWhole, true, 100000);
    REQUIRE(read.documents.size() == 1);
    CHECK(read.documents[0] == text);
    CHECK(read.parts > 30);
    CHECK(read.longest < 2200000);
  }
}

TEST_CASE("members and frames one after another; damage is named") {
  const testing::TemporaryDirectory folder;
  const std::string path = folder.path() + "/text";
  const auto message = [&](const std::string& bytes) {
    testing::WriteBytes(path, bytes);
    absl::StatusOr<DocumentReader> reader = DocumentReader::Open(path, DocumentSplit::kWhole, true);
    REQUIRE(reader.ok());
    DocumentPart part;
    absl::StatusOr<bool> more = true;
    while (more.ok() && *more) more = reader->Next(&part);
    return std::string(more.status().message());
  };
  std::mt19937 random(3);
  const std::string text = RandomLines(random, 20000);
  for (const auto& form : {Gzipped(text), ZstdPacked(text)}) {
    if (!form) continue;
    testing::WriteBytes(path, *form + *form);
    CHECK(ReadAll(path, DocumentSplit::kWhole, true, 1000).documents == std::vector{text + text});
    CHECK(message(form->substr(0, form->size() - 9)).find("text: the compressed data is cut off") !=
          std::string::npos);
    std::string damaged = *form;
    for (size_t i = damaged.size() / 2; i < damaged.size() / 2 + 40; ++i) damaged[i] ^= 0x55;
    CHECK(message(damaged).find("the compressed data is ") != std::string::npos);
    CHECK(message(*form + "garbage behind it").find("damaged") != std::string::npos);
  }
}

}  // namespace
}  // namespace cllm
