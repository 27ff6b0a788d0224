#include "converter/run/generate.h"

#include <doctest/doctest.h>

namespace cllm {
namespace {

TEST_CASE("text goes out in whole characters, however it comes") {
  const std::string text = "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z";  // 1, 2, 3, 4 and 1 bytes
  for (size_t step = 1; step <= text.size(); ++step) {
    Utf8Stream stream;
    std::string all;
    for (size_t at = 0; at < text.size(); at += step) {
      const std::string part = stream.Add(text.substr(at, step));
      if (!part.empty()) CHECK((static_cast<unsigned char>(part[0]) & 0xC0) != 0x80);
      all += part;
    }
    CHECK(all == text);
    CHECK(stream.Rest().empty());
  }
}

TEST_CASE("bytes that are no UTF-8 pass unchanged") {
  Utf8Stream stream;
  CHECK(stream.Add("\x80\x80\x80\x80").size() == 4);
  CHECK(stream.Add("\xFF").empty());
  CHECK(stream.Add("\xFF!") == "\xFF\xFF!");
  CHECK(stream.Add("a\xE2\x82") == "a");
  CHECK(stream.Rest() == "\xE2\x82");
  CHECK(stream.Rest().empty());
}

}  // namespace
}  // namespace cllm
