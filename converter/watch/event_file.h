// Room: converter/watch. Numbers over the steps of a run as an event file of TensorBoard.
#ifndef CLLM_CONVERTER_WATCH_EVENT_FILE_H_
#define CLLM_CONVERTER_WATCH_EVENT_FILE_H_

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace cllm {

// A record as TensorFlow frames it (tensorflow/core/lib/io/record_writer.h): length in 8 bytes, its masked
// CRC-32C, the bytes, their masked CRC-32C.
std::string FramedRecord(std::string_view bytes);

class EventFile {
 public:
  // Begins a new file events.out.tfevents.SECONDS.cllm.PROCESS in `folder`, which is made where it is
  // missing. Errors name the folder. Unimplemented: the program was built without protobuf.
  absl::Status Open(const std::string& folder);
  bool is_open() const { return file_.is_open(); }

  using Scalar = std::pair<const char*, double>;  // tag and value
  absl::Status Add(int64_t step, const std::vector<Scalar>& scalars);

 private:
  absl::Status Write(const std::string& event);

  std::string path_;
  std::ofstream file_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_WATCH_EVENT_FILE_H_
