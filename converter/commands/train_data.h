// Room: converter/commands. What `cllm train` learns from: the files, as tokens of the vocabulary made of
// them.
#ifndef CLLM_CONVERTER_COMMANDS_TRAIN_DATA_H_
#define CLLM_CONVERTER_COMMANDS_TRAIN_DATA_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "converter/commands/train_options.h"
#include "converter/data/data_files.h"
#include "converter/data/token_data.h"

namespace cllm {

struct TrainInputs {
  std::vector<std::string> files;  // of the data, in order
  // Of every file that goes into the run, by absolute paths: the data, then the tokenizer's file, then the
  // model of --init. Empty unless the options ask for checkpoints or a cache, which need it.
  std::vector<DataFile> digests;
};

absl::StatusOr<TrainInputs> FindInputs(const TrainCommandOptions& options);

// The data as tokens: of `known`, the tokenizer of --init, or else of one from --tokenizer or the
// configuration, with `vocabulary` tokens. With --cache they come from there where they are, and go there.
// A corpus of one document gets a vocabulary without begin and end. Errors name the file or the option.
absl::StatusOr<TokenData> PrepareTokens(const TrainCommandOptions& options, const TrainInputs& inputs,
                                        uint32_t vocabulary, const TokenizerTables* known);

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_TRAIN_DATA_H_
