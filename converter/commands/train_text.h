// Room: converter/commands. The text that `cllm train` learns from, and the vocabulary made of it.
#ifndef CLLM_CONVERTER_COMMANDS_TRAIN_TEXT_H_
#define CLLM_CONVERTER_COMMANDS_TRAIN_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/commands/train_options.h"
#include "converter/train/documents.h"

namespace cllm {

struct TrainingText {
  std::vector<std::string> files;
  std::vector<std::string_view> documents;  // in `files`
  uint64_t bytes = 0;

  std::vector<std::string> Digests() const;  // SHA-256 of each file
};

// Errors: a file that cannot be read, nothing but empty lines.
absl::StatusOr<TrainingText> ReadTrainingText(const TrainCommandOptions& options);

// Of the kind that the options or the configuration say, or from a file. A text that is one document gets a
// vocabulary without begin and end.
absl::StatusOr<TokenizerTables> MakeTokenizer(const TrainCommandOptions& options, uint32_t vocabulary,
                                              const TrainingText& text);

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_TRAIN_TEXT_H_
