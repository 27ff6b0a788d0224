#include "converter/data/documents.h"

#include <algorithm>

namespace cllm {
namespace {

// Calls visit(begin, end) for each line of the text, newline left out.
template <class Visit>
void ForEachLine(std::string_view text, const Visit& visit) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t newline = std::min(text.find('\n', begin), text.size());
    visit(begin, newline);
    begin = newline + 1;
  }
}

}  // namespace

bool SeparatesDocuments(std::string_view line, DocumentSplit split) {
  const size_t last = line.find_last_not_of(" \t\r");
  if (last == std::string_view::npos) return split != DocumentSplit::kMarker;
  return split == DocumentSplit::kMarker && line.substr(0, last + 1) == kDocumentMarker;
}

std::string_view WithoutNewlines(std::string_view text, bool before, bool after) {
  constexpr std::string_view kNewlines = "\r\n";
  if (before) text.remove_prefix(std::min(text.find_first_not_of(kNewlines), text.size()));
  if (after) text = text.substr(0, text.find_last_not_of(kNewlines) + 1);
  return text;
}

std::vector<std::string_view> SplitDocuments(std::string_view text, DocumentSplit split) {
  std::vector<std::string_view> documents;
  if (split == DocumentSplit::kWhole) {
    if (!text.empty()) documents.push_back(text);
    return documents;
  }
  const auto add = [&](size_t begin, size_t end) {
    const std::string_view document = WithoutNewlines(text.substr(begin, end - begin), true, true);
    if (!document.empty()) documents.push_back(document);
  };
  size_t start = 0;
  ForEachLine(text, [&](size_t begin, size_t end) {
    if (SeparatesDocuments(text.substr(begin, end - begin), split)) {
      add(start, begin);
      start = end + 1;
    } else if (split == DocumentSplit::kLines) {
      add(begin, end);
      start = end + 1;
    }
  });
  if (start < text.size()) add(start, text.size());
  return documents;
}

}  // namespace cllm
