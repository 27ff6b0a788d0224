#include "converter/export/torchscript.h"

#include <cstring>
#include <map>

#include "converter/export/crc32.h"
#include "doctest/doctest.h"
#include "support/file_tools.h"
#include "support/random_model.h"

namespace cllm {
namespace {

using testing::ReadBytes;
using testing::TemporaryDirectory;

template <typename T>
T NumberAt(const std::string& bytes, size_t at) {
  T number;
  REQUIRE(at + sizeof(T) <= bytes.size());
  std::memcpy(&number, bytes.data() + at, sizeof(T));
  return number;
}

// Entries by name, by way of the directory at the end; headers, lengths and checksums must fit.
std::map<std::string, std::string> Unzipped(const std::string& zip) {
  const size_t end = zip.size() - 22;
  CHECK(zip.compare(end, 4, "PK\5\6") == 0);
  size_t at = NumberAt<uint32_t>(zip, end + 16);
  std::map<std::string, std::string> entries;
  for (size_t i = 0; i < NumberAt<uint16_t>(zip, end + 10); ++i) {
    CHECK(zip.compare(at, 4, "PK\1\2") == 0);
    const size_t bytes = NumberAt<uint32_t>(zip, at + 24), name_bytes = NumberAt<uint16_t>(zip, at + 28),
                 local = NumberAt<uint32_t>(zip, at + 42);
    const std::string name = zip.substr(at + 46, name_bytes);
    CHECK(zip.compare(local, 4, "PK\3\4") == 0);
    CHECK(zip.compare(local + 4, 24, zip, at + 6, 24) == 0);  // but for the length of the extra field
    CHECK(zip.compare(local + 30, name_bytes, name) == 0);
    const size_t data = local + 30 + name_bytes + NumberAt<uint16_t>(zip, local + 28);
    CHECK(data % 64 == 0);
    entries[name] = zip.substr(data, bytes);
    CHECK(entries[name].size() == bytes);
    CHECK(Crc32(entries[name]) == NumberAt<uint32_t>(zip, at + 16));
    at += 46 + name_bytes;
  }
  CHECK(at == end);
  return entries;
}

TEST_CASE("CRC-32 of the usual nine digits") { CHECK(Crc32("123456789") == 0xCBF43926u); }

TEST_CASE("TorchScript: an archive with code, a pickle and a storage for each weight of each architecture") {
  std::mt19937 random(3);
  const TemporaryDirectory folder;
  const std::string path = folder.path() + "/model.pt";
  for (int i = 0; i < 20; ++i) {
    const Checkpoint checkpoint = testing::RandomCheckpoint(testing::RandomVariant(random), 1);
    const absl::Status status = ExportTorchScript(checkpoint, path);
    REQUIRE_MESSAGE(status.ok(), status.message());
    std::map<std::string, std::string> entries = Unzipped(ReadBytes(path));
    CHECK(entries["model/version"] == "10\n");
    const std::string code = entries["model/code/__torch__.py"], pickle = entries["model/data.pkl"];
    CHECK(code.rfind("class Model(Module):\n", 0) == 0);
    CHECK(code.find("def forward(self: __torch__.Model,\n    input_ids: Tensor) -> Tensor:\n") !=
          std::string::npos);
    CHECK(pickle.front() == '\x80');
    CHECK(pickle.back() == '.');
    // The embedding comes first, as it is.
    const std::vector<float>& embedding = checkpoint.tensors.at({Role::kTokenEmbedding, 0}).values;
    const std::string& first = entries["model/data/0"];
    REQUIRE(first.size() == embedding.size() * sizeof(float));
    CHECK(std::memcmp(first.data(), embedding.data(), first.size()) == 0);
    size_t types = 0;
    for (size_t at = code.find(" : Tensor\n"); at != std::string::npos; at = code.find(" : Tensor\n", at + 1))
      ++types;
    CHECK(types == entries.size() - 5);
    CHECK(entries.count("model/data/" + std::to_string(types - 1)) == 1);
  }
}

}  // namespace
}  // namespace cllm
