#include "converter/data/documents.h"

#include <algorithm>

namespace cllm {
namespace {

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kNewlines = "\r\n";
  const size_t first = text.find_first_not_of(kNewlines);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kNewlines) - first + 1);
}

// Calls visit(begin, end) for each line of the text, newline left out, until it returns false.
template <class Visit>
void ForEachLine(std::string_view text, const Visit& visit) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t newline = std::min(text.find('\n', begin), text.size());
    if (!visit(begin, newline)) return;
    begin = newline + 1;
  }
}

}  // namespace

bool SeparatesDocuments(std::string_view line, DocumentSplit split) {
  const size_t last = line.find_last_not_of(" \t\r");
  if (last == std::string_view::npos) return split != DocumentSplit::kMarker;
  return split == DocumentSplit::kMarker && line.substr(0, last + 1) == kDocumentMarker;
}

std::vector<std::string_view> SplitDocuments(std::string_view text, DocumentSplit split) {
  std::vector<std::string_view> documents;
  if (split == DocumentSplit::kWhole) {
    if (!text.empty()) documents.push_back(text);
    return documents;
  }
  const auto add = [&](size_t begin, size_t end) {
    const std::string_view document = Trimmed(text.substr(begin, end - begin));
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
    return true;
  });
  if (start < text.size()) add(start, text.size());
  return documents;
}

}  // namespace cllm
