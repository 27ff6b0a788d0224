// Hugging Face folders of GPT-2, GPT-Neo and GPT-NeoX: imported and run in float32 they give the logits of a
// plain forward pass in double.
#include "tests/converter/hugging_face_gpt.h"

namespace cllm {
namespace {

using namespace testing;  // NOLINT: nothing else is here

TEST_CASE("GPT-2, with the prefix of some files and without: the logits of a plain forward pass in double") {
  const std::vector<uint32_t> tokens = RandomTokens(kVocabulary, kContext, 4);
  for (const std::string prefix : {"", "transformer."}) {
    CAPTURE(prefix);
    const Folder folder = MakeGpt2(prefix);
    CheckLogits(folder, tokens, Gpt2Logits(folder, prefix, tokens));
  }
}

TEST_CASE("GPT-Neo: the logits of a plain forward pass in double") {
  const std::vector<uint32_t> tokens = RandomTokens(kVocabulary, kContext, 5);
  const Folder folder = MakeNeo();
  CheckLogits(folder, tokens, NeoLogits(folder, tokens));
}

TEST_CASE("GPT-NeoX, its halves parallel and not: the logits of a plain forward pass in double") {
  const std::vector<uint32_t> tokens = RandomTokens(kVocabulary, kContext, 6);
  for (const bool parallel : {true, false}) {
    CAPTURE(parallel);
    const Folder folder = MakeNeoX(parallel);
    CheckLogits(folder, tokens, NeoXLogits(folder, parallel, tokens));
  }
}

TEST_CASE("what GPT's families need and the runtime lacks is named") {
  const TemporaryDirectory directory;
  const auto error = [&](Folder folder, const char* key, const Json& value) {
    folder.config[key] = value;
    folder.Write(directory.path());
    return std::string(ImportHuggingFace(directory.path()).status().message());
  };
  CHECK(error(MakeGpt2(""), "scale_attn_by_inverse_layer_idx", true).find("attention") != std::string::npos);
  CHECK(error(MakeGpt2(""), "n_head", 5).find("5") != std::string::npos);
  CHECK(error(MakeGpt2(""), "n_inner", 40).find("c_fc") != std::string::npos);
  CHECK(error(MakeNeo(), "num_layers", 4000000000u).find("layers") != std::string::npos);
  CHECK(error(MakeNeo(), "attention_types", 7).find("attention_types") != std::string::npos);
  const Json uneven = Json::parse(R"([[["global"], 2], [["local"], 1]])");
  CHECK(error(MakeNeo(), "attention_types", uneven).find("period") != std::string::npos);
  CHECK(error(MakeNeo(), "attention_types", Json::parse("[[[], 9]]")).find("attention_types") !=
        std::string::npos);
  CHECK(error(MakeNeoX(true), "rotary_pct", 0.1).find("rotate") != std::string::npos);
}

}  // namespace
}  // namespace cllm
