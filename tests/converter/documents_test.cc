#include "converter/data/documents.h"

#include <doctest/doctest.h>

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
  CHECK(SeparatesDocuments("<|endoftext|> \r", DocumentSplit::kMarker));
  CHECK_FALSE(SeparatesDocuments("a <|endoftext|> inside a line", DocumentSplit::kMarker));
  CHECK_FALSE(SeparatesDocuments("", DocumentSplit::kMarker));
  for (const DocumentSplit split :
       {DocumentSplit::kWhole, DocumentSplit::kParagraphs, DocumentSplit::kLines}) {
    CHECK(SplitDocuments("", split).empty());
  }
  CHECK(SplitDocuments("\n \n\n", DocumentSplit::kParagraphs).empty());
  CHECK(SplitDocuments("<|endoftext|>\n<|endoftext|>", DocumentSplit::kMarker).empty());
}

}  // namespace
}  // namespace cllm
