// Room: converter/inspect. What is in a model file, as a struct and as JSON.
#ifndef CLLM_CONVERTER_INSPECT_INSPECT_H_
#define CLLM_CONVERTER_INSPECT_INSPECT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "converter/import/model_file.h"

namespace cllm {

struct TensorReport {
  std::string name;
  uint32_t rows;
  uint32_t columns;
  Dtype dtype;
  uint64_t offset;  // of the segment in the file
  uint64_t bytes;
  bool digest_matches;
};

// A part of the file and its bytes: "head", "token_embedding", "attention", "tokenizer", "alignment", ...;
// all parts together are the file.
struct PartReport {
  std::string name;
  uint64_t bytes;
};

struct ModelReport {
  std::string path;
  uint64_t file_bytes;
  uint32_t format_major;
  uint32_t format_minor;
  cllm_model_info info;
  float norm_epsilon;
  RopePairs rope_pairs;
  Variant variant;
  std::string tokenizer;  // as TokenizerKindName gives it
  std::string source;
  std::string licence;
  std::string recipe;
  std::string tool;
  std::vector<TensorReport> tensors;
  std::vector<PartReport> parts;
  std::string content_digest;  // 64 hexadecimal digits
  bool digests_match;          // of every segment, and the content digest of them
  uint32_t plan_context;
  uint32_t plan_batch;
  cllm_kv_format plan_kv_format;
  uint64_t room_bytes;  // of a session for these limits
};

// context and batch: limits of the memory plan; 0: the session's defaults. Reads the whole file.
absl::StatusOr<ModelReport> Inspect(const ModelFile& file, uint32_t context, uint32_t batch,
                                    cllm_kv_format kv_format = CLLM_KV_F32);

// One JSON object, indented by two spaces, with the names of ModelReport and, if there is one, of
// DeviceReport.
struct DeviceReport;  // device.h
std::string ReportJson(const ModelReport& report, const DeviceReport* device = nullptr);

}  // namespace cllm

#endif  // CLLM_CONVERTER_INSPECT_INSPECT_H_
