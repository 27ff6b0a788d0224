#include "converter/train/documents.h"

#include <doctest/doctest.h>

#include "converter/tokenizer/train.h"

namespace cllm {
namespace {

using Texts = std::vector<std::string_view>;

TEST_CASE("documents end where they should") {
  const std::string_view text = "\n\nOne.\nTwo.\n \t\r\n\nThree.\r\n<|endoftext|>\nFour.";
  CHECK(SplitDocuments(text, DocumentSplit::kWhole) == Texts{text});
  CHECK(SplitDocuments(text, DocumentSplit::kParagraphs) ==
        Texts{"One.\nTwo.", "Three.\r\n<|endoftext|>\nFour."});
  CHECK(SplitDocuments(text, DocumentSplit::kLines) ==
        Texts{"One.", "Two.", "Three.", "<|endoftext|>", "Four."});
  CHECK(SplitDocuments(text, DocumentSplit::kMarker) == Texts{"One.\nTwo.\n \t\r\n\nThree.", "Four."});
  CHECK(HasDocumentMarker(text));
  CHECK_FALSE(HasDocumentMarker("a <|endoftext|> inside a line"));
  for (const DocumentSplit split :
       {DocumentSplit::kWhole, DocumentSplit::kParagraphs, DocumentSplit::kLines}) {
    CHECK(SplitDocuments("", split).empty());
  }
  CHECK(SplitDocuments("\n \n\n", DocumentSplit::kParagraphs).empty());
  CHECK(SplitDocuments("<|endoftext|>\n<|endoftext|>", DocumentSplit::kMarker).empty());
}

TEST_CASE("each document stands between begin and end where there are such tokens") {
  TokenizerTables tables = TrainCharacters({"abc"}).value();  // 0 begin, 1 end, 2 a, 3 b, 4 c
  CHECK(EncodeDocuments(tables, {"ab", "c"}).value() == std::vector<uint32_t>{0, 2, 3, 1, 0, 4, 1});
  tables.begin_token = tables.end_token = CLLM_NO_TOKEN;
  CHECK(EncodeDocuments(tables, {"ab", "c"}).value() == std::vector<uint32_t>{2, 3, 4});
  CHECK_FALSE(EncodeDocuments(tables, {"ab", "x"}).ok());
}

}  // namespace
}  // namespace cllm
