#include <cstring>
#include <set>
#include <string>

#include "cllm/cllm.h"
#include "doctest/doctest.h"
#include "support/file_editor.h"
#include "support/file_tools.h"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::AlignedBytes;
using testing::SmallFile;

// The statuses as the public header lists them: "  CLLM_NAME = value".
std::vector<std::pair<std::string, int>> StatusesOfTheHeader() {
  const std::string header = testing::ReadBytes("runtime/include/cllm/cllm.h");
  const size_t begin = header.find("typedef enum cllm_status {");
  const size_t end = header.find("} cllm_status;");
  std::vector<std::pair<std::string, int>> statuses;
  for (size_t at = header.find("\n  CLLM_", begin); at < end; at = header.find("\n  CLLM_", at + 1)) {
    const size_t equals = header.find(" = ", at);
    statuses.emplace_back(header.substr(at + 3, equals - at - 3), std::stoi(header.substr(equals + 3)));
  }
  return statuses;
}

TEST_CASE("every status of the header has its own text, which begins with its name") {
  const auto statuses = StatusesOfTheHeader();
  CHECK(statuses.size() >= 48);
  std::set<std::string> texts;
  for (const auto& [name, value] : statuses) {
    const std::string text = cllm_status_name(static_cast<cllm_status>(value));
    INFO(text);
    CHECK(text.rfind(name + ": ", 0) == 0);
    CHECK(text.size() > name.size() + 6);
    texts.insert(text);
  }
  CHECK(texts.size() == statuses.size());
  CHECK(std::string(cllm_status_name(static_cast<cllm_status>(39))) == "unknown status");
}

TEST_CASE("the version is the header's") {
  CHECK(std::string(cllm_version()) == std::to_string(CLLM_VERSION_MAJOR) + "." +
                                           std::to_string(CLLM_VERSION_MINOR) + "." +
                                           std::to_string(CLLM_VERSION_PATCH));
}

TEST_CASE("what needs an open model refuses any other") {
  cllm_model model = {};
  alignas(CLLM_ALIGNMENT) char room[CLLM_ALIGNMENT];
  uint64_t bytes = 0;
  uint32_t length = 0;
  const char* text = nullptr;
  cllm_session* session = nullptr;
  cllm_trainer* trainer = nullptr;
  const cllm_trainer_limits limits = {sizeof(limits), 1, 1, CLLM_ADAMW, CLLM_FLOAT32};
  CHECK(cllm_session_measure(&model, nullptr, &bytes) == CLLM_MODEL_NOT_OPEN);
  CHECK(cllm_session_create(&model, nullptr, nullptr, room, sizeof(room), &session) == CLLM_MODEL_NOT_OPEN);
  CHECK(cllm_trainer_measure(&model, &limits, &bytes) == CLLM_MODEL_NOT_OPEN);
  CHECK(cllm_trainer_create(&model, &limits, nullptr, room, sizeof(room), &trainer) == CLLM_MODEL_NOT_OPEN);
  CHECK(cllm_tokens_encode_measure(&model, 1, &bytes) == CLLM_MODEL_NOT_OPEN);
  CHECK(cllm_tokens_decode(&model, CLLM_NO_TOKEN, 0, &text, &length) == CLLM_MODEL_NOT_OPEN);
}

TEST_CASE("open and describe") {
  AlignedBytes file(SmallFile(Dtype::kI8));
  cllm_model model;
  CHECK(cllm_model_open(file.data(), file.size(), nullptr) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_model_open(nullptr, 1, &model) == CLLM_NULL_ARGUMENT);
  cllm_model_info info = {};
  info.struct_size = sizeof(info);
  CHECK(cllm_model_describe(&model, &info) == CLLM_MODEL_NOT_OPEN);
  REQUIRE(cllm_model_open(file.data(), file.size(), &model) == CLLM_OK);
  const cllm_model copy = model;
  std::memset(&model, 0xAA, sizeof(model));
  CHECK(cllm_model_describe(nullptr, &info) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_model_describe(&copy, nullptr) == CLLM_NULL_ARGUMENT);
  info.struct_size = 4;
  CHECK(cllm_model_describe(&copy, &info) == CLLM_STRUCT_SIZE);
  info.struct_size = sizeof(info);
  REQUIRE(cllm_model_describe(&copy, &info) == CLLM_OK);
  CHECK(info.vocabulary_size == 270);
  CHECK(info.context == 24);
  CHECK(info.weight_format == CLLM_FORMAT_INT8);
  CHECK(info.tied_head == 0);
  CHECK(info.begin_token == 0);
  CHECK(info.end_token == 1);
  CHECK(info.tensors == 15);
  CHECK(info.parameters == 8030);
}

}  // namespace
}  // namespace cllm
