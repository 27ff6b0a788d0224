// Models and what CLLM says of them, for other engines to be compared with.
//   peer_cases FOLDER [MODEL PROMPT TOKENS]
// Without a model: small random ones with every switch, variant_N.cllm. For each NAME.cllm, or as model.cllm
// a copy of MODEL: NAME.tokens, the length of the prompt and the ids of it and of its greedy continuation;
// NAME.logits, float32 at each of these positions.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "converter/tokenizer/encode_text.h"
#include "support/file_tools.h"
#include "support/random_model.h"

namespace cllm::testing {
namespace {

void WriteCase(const std::string& name, const ModelFile& file, std::vector<uint32_t> tokens, size_t count) {
  const size_t prompt = tokens.size();
  TestSession session(file, Limits(0, 1));
  std::vector<float> all;
  for (size_t t = 0; t < count; ++t) {
    const std::vector<float> logits = session.Feed(tokens, t, t + 1);
    all.insert(all.end(), logits.begin(), logits.end());
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    if (t + 1 == tokens.size()) tokens.push_back(static_cast<uint32_t>(best));
  }
  std::string text = std::to_string(prompt);
  for (size_t t = 0; t < count; ++t) text.append(1, ' ').append(std::to_string(tokens[t]));
  WriteBytes(name + ".tokens", text + "\n");
  WriteBytes(name + ".logits", {reinterpret_cast<const char*>(all.data()), all.size() * sizeof(float)});
}

void WriteVariants(const std::string& folder) {
  std::mt19937 random(17);
  for (int i = 0; i < 24; ++i) {
    const Architecture a = RandomVariant(random);
    const ModelFile file = MakeModel(RandomCheckpoint(a, random()), Dtype::kF32);
    const std::string name = folder + "/variant_" + std::to_string(i);
    WriteBytes(name + ".cllm", {reinterpret_cast<const char*>(file.bytes()), file.size()});
    const size_t prompt = std::min(a.context, 5u), count = std::min(a.context, 12u);
    WriteCase(name, file, RandomTokens(a.vocabulary_size, prompt, random()), count);
  }
}

void WriteModelCase(const std::string& folder, const std::string& path, const char* prompt, size_t count) {
  const ModelFile file = ModelFile::Open(path).value();
  WriteBytes(folder + "/model.cllm", ReadBytes(path));
  std::vector<uint32_t> tokens = EncodeText(*file.handle(), prompt).value();
  const uint32_t begin = file.model().tokenizer.begin_token;
  if (begin != CLLM_NO_TOKEN) tokens.insert(tokens.begin(), begin);
  WriteCase(folder + "/model", file, tokens, count);
}

}  // namespace
}  // namespace cllm::testing

int main(int argc, char** argv) {
  if (argc == 2) {
    cllm::testing::WriteVariants(argv[1]);
  } else if (argc == 5) {
    cllm::testing::WriteModelCase(argv[1], argv[2], argv[3], std::strtoul(argv[4], nullptr, 10));
  } else {
    std::fprintf(stderr, "usage: peer_cases FOLDER [MODEL PROMPT TOKENS]\n");
    return 2;
  }
  return 0;
}
