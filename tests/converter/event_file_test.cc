#include "converter/watch/event_file.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstring>
#include <filesystem>

#include "converter/export/crc32.h"
#include "support/file_tools.h"
#ifdef CLLM_HAS_PROTOBUF
#include "converter/watch/tensorboard.pb.h"
#endif

namespace cllm {
namespace {

TEST_CASE("CRC-32C of the examples of RFC 3720") {
  CHECK(Crc32c("") == 0);
  CHECK(Crc32c("123456789") == 0xE3069283u);
  CHECK(Crc32c(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(Crc32c(std::string(32, '\xFF')) == 0x62A8AB43u);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  CHECK(Crc32c(ascending) == 0x46DD794Eu);
}

TEST_CASE("a record is framed as TensorFlow frames it") {
  // An empty record, as TensorFlow writes it: 8 bytes of length, masked CRCs of eight zeros and of nothing.
  const unsigned char expected[] = {0, 0, 0, 0, 0, 0, 0, 0, 0x29, 0x03, 0x98, 0x07, 0xD8, 0xEA, 0x82, 0xA2};
  const std::string record = FramedRecord("");
  REQUIRE(record.size() == sizeof(expected));
  CHECK(std::memcmp(record.data(), expected, sizeof(expected)) == 0);
}

#ifdef CLLM_HAS_PROTOBUF
TEST_CASE("protobuf reads back what was written") {
  const testing::TemporaryDirectory folder;
  EventFile events;
  REQUIRE(events.Open(folder.path() + "/runs/1").ok());
  REQUIRE(events.Add(7, {{"loss", 2.5}, {"rate", 1e-3}}).ok());
  REQUIRE(events.Add(8, {{"loss", 2.25}}).ok());
  const auto entry = *std::filesystem::directory_iterator(folder.path() + "/runs/1");
  CHECK(entry.path().filename().string().rfind("events.out.tfevents.", 0) == 0);
  const std::string bytes = testing::ReadBytes(entry.path().string());
  std::vector<tensorboard::Event> read;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t length = 0;
    REQUIRE(at + 16 <= bytes.size());
    std::memcpy(&length, bytes.data() + at, sizeof(length));
    REQUIRE(length <= bytes.size() - at - 16);
    CHECK(FramedRecord(bytes.substr(at + 12, length)) == bytes.substr(at, length + 16));
    read.emplace_back();
    REQUIRE(read.back().ParseFromString(bytes.substr(at + 12, length)));
    at += length + 16;
  }
  REQUIRE(read.size() == 3);
  CHECK(read[0].file_version() == "brain.Event:2");
  CHECK(read[0].wall_time() > 1.6e9);
  CHECK(read[1].step() == 7);
  REQUIRE(read[1].summary().value_size() == 2);
  CHECK(read[1].summary().value(0).tag() == "loss");
  CHECK(read[1].summary().value(0).simple_value() == 2.5f);
  CHECK(read[1].summary().value(1).simple_value() == 1e-3f);
  CHECK(read[2].step() == 8);
  CHECK(read[2].wall_time() >= read[1].wall_time());
  CHECK_FALSE(EventFile().Open(entry.path().string() + "/below").ok());
}
#else
TEST_CASE("without protobuf the error says so") {
  std::puts("skipped: event files, for the tests are built without protobuf");
  CHECK(std::string(EventFile().Open("anywhere").message()).find("protobuf") != std::string::npos);
}
#endif

}  // namespace
}  // namespace cllm
