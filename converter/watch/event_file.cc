#include "converter/watch/event_file.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "converter/export/crc32.h"

#ifdef CLLM_HAS_PROTOBUF
#include "converter/watch/tensorboard.pb.h"
#endif

namespace cllm {
namespace {

// So that a record that holds records has no checksum over checksums.
uint32_t Masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xA282EAD8u; }

template <class Number>
std::string_view BytesOf(const Number& number) {
  return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

[[maybe_unused]] double Now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string FramedRecord(std::string_view bytes) {
  const uint64_t length = bytes.size();
  const uint32_t length_crc = Masked(Crc32c(BytesOf(length))), bytes_crc = Masked(Crc32c(bytes));
  std::string record;
  for (const std::string_view part : {BytesOf(length), BytesOf(length_crc), bytes, BytesOf(bytes_crc)}) {
    record += part;
  }
  return record;
}

absl::Status EventFile::Write(const std::string& event) {
  const std::string record = FramedRecord(event);
  file_.write(record.data(), static_cast<std::streamsize>(record.size()));
  file_.flush();
  return file_ ? absl::OkStatus() : absl::UnavailableError("--tensorboard: cannot write " + path_);
}

#ifdef CLLM_HAS_PROTOBUF

absl::Status EventFile::Open(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const double now = Now();
  path_ = (std::filesystem::path(folder) /
           absl::StrCat("events.out.tfevents.", static_cast<int64_t>(now), ".cllm.", getpid()))
              .string();
  file_.open(path_, std::ios::binary);
  if (error || !file_) return absl::UnavailableError("--tensorboard: cannot write " + path_);
  tensorboard::Event event;
  event.set_wall_time(now);
  event.set_file_version("brain.Event:2");
  return Write(event.SerializeAsString());
}

absl::Status EventFile::Add(int64_t step, const std::vector<Scalar>& scalars) {
  tensorboard::Event event;
  event.set_wall_time(Now());
  event.set_step(step);
  for (const auto& [tag, number] : scalars) {
    tensorboard::Summary::Value* value = event.mutable_summary()->add_value();
    value->set_tag(tag);
    value->set_simple_value(static_cast<float>(number));
  }
  return Write(event.SerializeAsString());
}

#else

absl::Status EventFile::Open(const std::string&) {
  return absl::UnimplementedError(
      "--tensorboard: this cllm was built without protobuf; use --log, or build it where libprotobuf-dev and "
      "protobuf-compiler are installed");
}

absl::Status EventFile::Add(int64_t, const std::vector<Scalar>&) { return absl::OkStatus(); }

#endif

}  // namespace cllm
