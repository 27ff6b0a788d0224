// A small model that reads and writes letters, in a file.
#ifndef CLLM_TESTS_SUPPORT_LETTER_MODEL_H_
#define CLLM_TESTS_SUPPORT_LETTER_MODEL_H_

#include <stdexcept>
#include <string>

#include "converter/export/write_model.h"
#include "converter/tokenizer/train.h"
#include "support/random_model.h"

namespace cllm::testing {

// A random model with a character vocabulary of "\n !',.?" and letters; with begin and end tokens or without.
inline Checkpoint LetterCheckpoint(bool with_begin_token) {
  TokenizerTables tokenizer =
      TrainCharacters({"\n !',.?abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZäö"}).value();
  Architecture architecture;
  architecture.vocabulary_size = static_cast<uint32_t>(tokenizer.pieces.size());
  architecture.context = 48;
  architecture.width = 24;
  architecture.layers = 2;
  architecture.heads = 4;
  architecture.kv_heads = 2;
  architecture.head_size = 6;
  architecture.hidden = 40;
  Checkpoint checkpoint = RandomCheckpoint(architecture, 7);
  if (!with_begin_token) tokenizer.begin_token = tokenizer.end_token = CLLM_NO_TOKEN;
  checkpoint.tokenizer = tokenizer;
  return checkpoint;
}

// Writes it to folder/letters.cllm, or a name of its format, and returns the path.
inline std::string WriteLetterModel(const std::string& folder, Dtype format, bool with_begin_token = true) {
  const std::string path = folder + (format == Dtype::kI8     ? "/letters8.cllm"
                                     : format == Dtype::kBf16 ? "/letters16.cllm"
                                     : format == Dtype::kI4   ? "/letters4.cllm"
                                     : IsLattice(format)      ? "/letters_lattice.cllm"
                                                              : "/letters.cllm");
  const absl::Status status = WriteModel(LetterCheckpoint(with_begin_token), format, path);
  if (!status.ok()) throw std::runtime_error(std::string(status.message()));
  return path;
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_SUPPORT_LETTER_MODEL_H_
