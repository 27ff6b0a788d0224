#include "converter/inspect/device.h"

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "doctest/doctest.h"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::SmallFile;

// "board name number" lines of the budget that the firmware is tested against.
std::map<std::string, uint64_t> BudgetFile() {
  std::ifstream in("tests/budget/cortex_m.txt");
  std::map<std::string, uint64_t> budget;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string board, name;
    uint64_t most = 0;
    if (line[0] != '#' && words >> board >> name >> most) budget[board + " " + name] = most;
  }
  return budget;
}

DeviceReport Check(const ModelFile& file, const char* name, uint32_t context, uint32_t batch) {
  const auto report = Inspect(file, context, batch, CLLM_KV_INT8);
  REQUIRE(report.ok());
  const auto device = FindDevice(name);
  REQUIRE(device.ok());
  const auto checked = CheckDevice(file, *report, *device);
  REQUIRE(checked.ok());
  CHECK(checked->room_bytes == report->room_bytes);
  return *checked;
}

TEST_CASE("every device with a board costs what the board's budget says") {
  std::map<std::string, uint64_t> budget = BudgetFile();
  for (const Device& device : Devices()) {
    CAPTURE(device.name);
    const FirmwareCost cost = CostOn(device);
    const std::string board(device.board);
    CHECK((cost.code_bytes > 0) == !board.empty());
    CHECK(cost.code_bytes == budget[board + " code_and_constants"]);
    CHECK(cost.stack_bytes == budget[board + " stack_bytes"]);
    CHECK(cost.program_bytes == budget[board + " program_bytes"]);
    CHECK(std::string(device.source).size() > 10);
  }
  CHECK(!FindDevice("PDP-11").ok());
}

TEST_CASE("the emulated boards are those of the linker scripts") {
  std::ifstream in("platforms/cortex_m/boards.cmake");
  size_t seen = 0;
  const auto bytes = [](const std::string& text) {
    return std::stoull(text) * (text.back() == 'K' ? 1024u : 1024u * 1024u);
  };
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("set(board_", 0) != 0) continue;
    std::istringstream words(line.substr(10));
    std::string name, core, flash, flash_bytes, model, model_bytes, ram, ram_bytes;
    words >> name >> core >> flash >> flash_bytes >> model >> model_bytes >> ram >> ram_bytes;
    CAPTURE(name);
    const auto device = FindDevice(name);
    REQUIRE(device.ok());
    CHECK(device->flash_bytes == bytes(flash_bytes));
    CHECK(device->model_flash_bytes == bytes(model_bytes));
    CHECK(device->ram_bytes == bytes(ram_bytes));
    ++seen;
  }
  CHECK(seen >= 5);
}

TEST_CASE("flash and RAM are the sums of their parts, and fit or not") {
  const auto file = ModelFile::FromBytes(SmallFile(Dtype::kI8), "small");
  const DeviceReport fits = Check(*file, "nRF52840", 20, 1);
  CHECK(fits.flash_bytes == fits.cost.code_bytes + file->size() + 64);
  CHECK(fits.ram_bytes == fits.room_bytes + fits.cost.stack_bytes + fits.cost.program_bytes + 64);
  CHECK(fits.flash_fits);
  CHECK(fits.ram_fits);
  CHECK(fits.largest_context == 24);
  CHECK(Check(*file, "mps3-an547", 20, 1).flash_bytes == Check(*file, "mps3-an547", 20, 1).cost.code_bytes);

  Checkpoint checkpoint = testing::SmallCheckpoint();
  checkpoint.architecture.context = 5000;
  const auto large = ModelFile::FromBytes(*WriteModelToString(checkpoint, Dtype::kI8), "large");
  const DeviceReport report = Check(*large, "RP2040", 0, 1);
  CHECK(report.flash_fits);
  CHECK(!report.ram_fits);
  CHECK(report.largest_context > 0);
  CHECK(Check(*large, "RP2040", report.largest_context, 1).ram_fits);
  CHECK(!Check(*large, "RP2040", report.largest_context + 1, 1).ram_fits);

  const auto bf16 = ModelFile::FromBytes(SmallFile(Dtype::kBf16), "bf16");
  CHECK(!CheckDevice(*bf16, *Inspect(*bf16, 0, 0), *FindDevice("RP2040")).ok());
  checkpoint.architecture.head_size = 8;
  const auto eights = ModelFile::FromBytes(
      *WriteModelToString(testing::RandomCheckpoint(checkpoint.architecture, 1), Dtype::kI8), "eights");
  CHECK(CheckDevice(*eights, *Inspect(*eights, 0, 0, CLLM_KV_INT8), *FindDevice("RP2040")).ok());
  CHECK(!CheckDevice(*eights, *Inspect(*eights, 0, 0, CLLM_KV_LATTICE4), *FindDevice("RP2040")).ok());
}

}  // namespace
}  // namespace cllm
