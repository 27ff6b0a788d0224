// Room: converter/inspect. Whether a model fits a microcontroller, before anything is flashed: memories from
// the makers' manuals, code and stack from the firmware's measured budgets (tests/budget), room from the
// plan.
#ifndef CLLM_CONVERTER_INSPECT_DEVICE_H_
#define CLLM_CONVERTER_INSPECT_DEVICE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "converter/import/model_file.h"
#include "converter/inspect/inspect.h"

namespace cllm {

// Bytes are those of the largest memory in one piece.
struct Device {
  const char* name;
  const char* core;
  const char* board;  // whose budget in tests/budget is that of this core; empty: code is not measured
  uint64_t flash_bytes;
  uint64_t model_flash_bytes;  // of a memory of its own for the model; 0: the model is in flash, too
  uint64_t ram_bytes;
  const char* source;  // of these numbers
};

absl::Span<const Device> Devices();

// Errors: NotFound, with the names that there are.
absl::StatusOr<Device> FindDevice(const std::string& name);

// What the firmware of examples/firmware takes at most, by its budget. Zeros for a core without one.
struct FirmwareCost {
  uint64_t code_bytes;  // code and constants, everything but the model
  uint64_t stack_bytes;
  uint64_t program_bytes;  // variables besides the room
};
FirmwareCost CostOn(const Device& device);

struct DeviceReport {
  Device device;
  FirmwareCost cost;
  uint64_t model_bytes;  // in flash, with what aligns it to 64
  uint64_t room_bytes;
  uint64_t flash_bytes;  // in all
  uint64_t ram_bytes;
  bool flash_fits;
  bool ram_fits;
  uint32_t largest_context;  // whose room fits, with the plan's batch and cache; 0: none
};

// For the limits of the report's memory plan. Errors: Unimplemented for weights whose code is not measured.
absl::StatusOr<DeviceReport> CheckDevice(const ModelFile& file, const ModelReport& report,
                                         const Device& device);

}  // namespace cllm

#endif  // CLLM_CONVERTER_INSPECT_DEVICE_H_
