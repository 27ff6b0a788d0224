// Writes simple children's stories, separated by blank lines: training text for the quick start.
//   stories [--seed N] [--bytes N] > FILE
// The same seed gives the same text on every machine; a longer text begins with the shorter one's stories.
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "examples/quickstart/story.h"

namespace {

constexpr char kUsage[] =
    "usage: stories [--seed N] [--bytes N] > FILE\n"
    "Writes about N bytes (default 1000000) of simple stories, separated by blank lines.\n";

bool ParseNumber(std::string_view text, uint64_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t seed = 1;
  uint64_t bytes = 1000000;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--help" || option == "-h") {
      std::fputs(kUsage, stdout);
      return 0;
    }
    uint64_t* const value = option == "--seed" ? &seed : option == "--bytes" ? &bytes : nullptr;
    if (value == nullptr || i + 1 == argc || !ParseNumber(argv[i + 1], value)) {
      std::fprintf(stderr, "stories: '%s' is unknown or needs a whole number after it\n%s", argv[i], kUsage);
      return 2;
    }
  }

  stories::Collection collection(seed);
  uint64_t written = 0;
  while (written < bytes) {
    std::string story = collection.Next();
    if (written != 0) story.insert(story.begin(), '\n');
    story += '\n';
    if (std::fwrite(story.data(), 1, story.size(), stdout) != story.size()) break;
    written += story.size();
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    std::fprintf(stderr, "stories: cannot write: %s\n", std::strerror(errno));
    return 1;
  }
  return 0;
}
