#include "converter/inspect/device.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/layout.h"
#include "converter/inspect/firmware_budgets.h"
#include "plan/session_plan.h"

namespace cllm {
namespace {

constexpr uint64_t kKilo = 1024, kMega = 1024 * 1024;

// The emulated boards as platforms/cortex_m/boards.cmake has them; the others by their makers' documents.
// Where a chip has its RAM in several places, the largest in one piece counts.
constexpr Device kDevices[] = {
    {"mps2-an385", "Cortex-M3", "mps2-an385", 2 * kMega, 2 * kMega, 4 * kMega,
     "platforms/cortex_m/boards.cmake"},
    {"mps2-an386", "Cortex-M4F", "mps2-an386", 2 * kMega, 2 * kMega, 4 * kMega,
     "platforms/cortex_m/boards.cmake"},
    {"mps2-an500", "Cortex-M7", "mps2-an500", 2 * kMega, 2 * kMega, 4 * kMega,
     "platforms/cortex_m/boards.cmake"},
    {"mps2-an505", "Cortex-M33", "mps2-an505", 2 * kMega, 2 * kMega, 4 * kMega,
     "platforms/cortex_m/boards.cmake"},
    {"mps3-an547", "Cortex-M55", "mps3-an547", 512 * kKilo, 8 * kMega, 512 * kKilo,
     "platforms/cortex_m/boards.cmake"},
    {"STM32F407VG", "Cortex-M4F", "mps2-an386", 1 * kMega, 0, 128 * kKilo,
     "ST RM0090: 1 MB flash; SRAM1 112 KB and SRAM2 16 KB, one after the other"},
    {"STM32H743ZI", "Cortex-M7", "mps2-an500", 2 * kMega, 0, 512 * kKilo,
     "ST RM0433: 2 MB flash; AXI SRAM 512 KB"},
    {"nRF52840", "Cortex-M4F", "mps2-an386", 1 * kMega, 0, 256 * kKilo,
     "nRF52840 Product Specification: 1 MB flash, 256 KB RAM"},
    {"nRF5340", "Cortex-M33", "mps2-an505", 1 * kMega, 0, 512 * kKilo,
     "nRF5340 Product Specification, application core: 1 MB flash, 512 KB RAM"},
    {"RP2040", "Cortex-M0+", "cortex-m0plus", 2 * kMega, 0, 264 * kKilo,
     "RP2040 Datasheet: 264 KB SRAM; Raspberry Pi Pico Datasheet: 2 MB flash"},
    {"RP2350", "Cortex-M33", "mps2-an505", 4 * kMega, 0, 520 * kKilo,
     "RP2350 Datasheet: 520 KB SRAM; Raspberry Pi Pico 2 Datasheet: 4 MB flash"},
    {"ESP32-S3", "Xtensa LX7", "", 8 * kMega, 0, 416 * kKilo,
     "ESP32-S3 Technical Reference Manual: internal SRAM 1 416 KB; ESP32-S3-WROOM-1-N8: 8 MB flash"},
};

uint64_t Budget(std::string_view board, std::string_view name) {
  for (const FirmwareBudget& budget : kFirmwareBudgets) {
    if (budget.board == board && budget.name == name) return budget.most;
  }
  return 0;
}

// The largest context whose room has at most `bytes`: rooms grow with it.
uint32_t LargestContext(const Config& config, const ModelReport& report, uint64_t bytes) {
  uint32_t fits = 0, over = config.context + 1;
  while (over - fits > 1) {
    const uint32_t context = fits + (over - fits) / 2;
    const cllm_limits limits = {sizeof(cllm_limits),
                                context,
                                std::min(report.plan_batch, context),
                                0,
                                static_cast<uint32_t>(report.plan_kv_format),
                                0};
    SessionPlan plan;
    const bool small = PlanSession(config, &limits, &plan) == CLLM_OK && plan.room_bytes <= bytes;
    (small ? fits : over) = context;
  }
  return fits;
}

}  // namespace

absl::Span<const Device> Devices() { return kDevices; }

absl::StatusOr<Device> FindDevice(const std::string& name) {
  std::vector<std::string> names;
  for (const Device& device : kDevices) {
    if (device.name == name) return device;
    names.emplace_back(device.name);
  }
  return absl::NotFoundError(absl::StrCat("no device '", name, "' is known; there are ",
                                          absl::StrJoin(names, ", "),
                                          ". For another chip take one with its core, and compare memories"));
}

FirmwareCost CostOn(const Device& device) {
  return {Budget(device.board, "code_and_constants"), Budget(device.board, "stack_bytes"),
          Budget(device.board, "program_bytes")};
}

absl::StatusOr<DeviceReport> CheckDevice(const ModelFile& file, const ModelReport& report,
                                         const Device& device) {
  if (file.model().config.weights == Dtype::kBf16) {
    return absl::UnimplementedError(
        absl::StrCat(file.path(),
                     ": firmware is built without bfloat16 weights, and what they take is not measured; "
                     "`cllm quantize --format int8` makes a smaller model"));
  }
  if (HasLatticeValues(static_cast<uint32_t>(report.plan_kv_format))) {
    return absl::UnimplementedError(
        absl::StrCat(file.path(),
                     ": firmware is built without keys and values on the lattice, and what they take is not "
                     "measured; --kv int8 takes a quarter of float32's room"));
  }
  DeviceReport result{};
  result.device = device;
  result.cost = CostOn(device);
  // The linker starts the model at a multiple of 64.
  result.model_bytes = file.size() + (device.model_flash_bytes == 0 ? kAlignment : 0);
  result.room_bytes = report.room_bytes;
  result.flash_bytes = result.cost.code_bytes + (device.model_flash_bytes == 0 ? result.model_bytes : 0);
  result.flash_fits = result.flash_bytes <= device.flash_bytes &&
                      (device.model_flash_bytes == 0 || result.model_bytes <= device.model_flash_bytes);
  const uint64_t besides = result.cost.stack_bytes + result.cost.program_bytes + kAlignment;
  result.ram_bytes = result.room_bytes + besides;
  result.ram_fits = result.ram_bytes <= device.ram_bytes;
  result.largest_context = LargestContext(file.model().config, report, device.ram_bytes - besides);
  return result;
}

}  // namespace cllm
