#include "converter/commands/train_data.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cllm/cllm.h"
#include "converter/commands/tokenizer_kinds.h"
#include "converter/data/corpus.h"
#include "converter/export/sha256.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/tokenizer_file.h"
#include "converter/tokenizer/train.h"
#include "nlohmann/json.hpp"

namespace cllm {
namespace {

namespace fs = std::filesystem;

// A model cannot learn where documents begin and end from a single one, so its vocabulary does without.
void DropBeginAndEnd(TokenizerTables* tables) {
  static_assert(kTrainedBeginToken == 0 && kTrainedEndToken == 1);
  constexpr uint32_t kDropped = 2;
  tables->begin_token = tables->end_token = CLLM_NO_TOKEN;
  tables->pieces.erase(tables->pieces.begin(), tables->pieces.begin() + kDropped);
  if (tables->unknown_token != CLLM_NO_TOKEN) tables->unknown_token -= kDropped;
  if (tables->byte_token_base != CLLM_NO_TOKEN) tables->byte_token_base -= kDropped;
  for (TokenizerTables::Merge& merge : tables->merges) {
    merge = {merge.left - kDropped, merge.right - kDropped, merge.result - kDropped};
  }
}

// A vocabulary should not be fitted to the validation part; but a character that only this part has, or that
// only stands between documents, must be in it all the same.
absl::Status AddText(const Corpus& corpus, bool characters, double validation_fraction,
                     VocabularyTrainer* trainer) {
  uint64_t left = UINT64_MAX;
  if (!characters && !corpus.splits_by_document()) {
    left = static_cast<uint64_t>(static_cast<double>(corpus.bytes()) * (1 - validation_fraction));
  }
  const CorpusPart part = characters ? CorpusPart::kFiles : CorpusPart::kTraining;
  return corpus.ForEach(part, true, [&](const DocumentPart& document) {
    const std::string_view text = document.text.substr(0, left);
    trainer->Add(text);
    left -= text.size();
    return absl::OkStatus();
  });
}

absl::StatusOr<TokenizerTables> MakeTokenizer(const TrainCommandOptions& options, uint32_t vocabulary,
                                              const Corpus& corpus) {
  const std::string name = TokenizerName(options);
  const std::optional<TokenizerKind> kind = FindTokenizerKind(name);
  if (!kind) return ReadTokenizerFile(name);
  const bool characters = *kind == TokenizerKind::kCharacters;
  VocabularyTrainer trainer(*kind, vocabulary);
  absl::Status status = AddText(corpus, characters, options.validation_fraction, &trainer);
  if (!status.ok()) return status;
  absl::StatusOr<TokenizerTables> tables = trainer.Train();
  if (!tables.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(characters ? "--tokenizer char" : "--vocab", ": ", tables.status().message()));
  }
  if (corpus.documents() == 1) DropBeginAndEnd(&*tables);
  return tables;
}

absl::StatusOr<Corpus> ScanCorpus(const TrainCommandOptions& options, const std::vector<std::string>& files) {
  std::optional<DocumentSplit> split;
  if (options.documents == "whole") split = DocumentSplit::kWhole;
  if (options.documents == "paragraphs") split = DocumentSplit::kParagraphs;
  if (options.documents == "lines") split = DocumentSplit::kLines;
  absl::StatusOr<Corpus> corpus = Corpus::Scan(files, split ? &*split : nullptr, options.validation_fraction);
  if (corpus.ok() && !corpus->not_utf8().empty() && !options.quiet) {
    absl::FPrintF(stderr, "%s is not all UTF-8; such bytes are learned as they are\n", corpus->not_utf8());
  }
  return corpus;
}

absl::StatusOr<TokenData> MakeTokens(const TrainCommandOptions& options, uint32_t vocabulary,
                                     const TokenizerTables* known, const std::vector<std::string>& files,
                                     const std::string& path, const std::string& key) {
  const absl::StatusOr<Corpus> corpus = ScanCorpus(options, files);
  if (!corpus.ok()) return corpus.status();
  if (known != nullptr) return TokenData::Encode(*corpus, *known, path, key);
  absl::StatusOr<TokenizerTables> tables = MakeTokenizer(options, vocabulary, *corpus);
  if (!tables.ok()) return tables.status();
  return TokenData::Encode(*corpus, *tables, path, key);
}

// Stands for all that the tokens depend on.
absl::StatusOr<std::string> CacheKey(const TrainCommandOptions& options, uint32_t vocabulary,
                                     const TokenizerTables* known, const TrainInputs& inputs) {
  nlohmann::ordered_json all = {{"version", cllm_version()},
                                {"documents", options.documents},
                                {"validation_fraction", options.validation_fraction},
                                {"tokenizer", TokenizerName(options)},
                                {"vocabulary", vocabulary}};
  for (size_t i = 0; i < inputs.files.size(); ++i) all["data"].push_back(inputs.digests[i].digest);
  if (known != nullptr) all["known"] = TokenizerToJson(*known);
  if (const std::string path = TokenizerFile(options); !path.empty()) {
    absl::StatusOr<TokenizerTables> tables = ReadTokenizerFile(path);
    if (!tables.ok()) return tables.status();
    all["known"] = TokenizerToJson(*tables);
  }
  return Hexadecimal(Sha256(JsonText(all)));
}

}  // namespace

absl::StatusOr<TrainInputs> FindInputs(const TrainCommandOptions& options) {
  absl::StatusOr<std::vector<std::string>> files = FindDataFiles(options.data);
  if (!files.ok()) return files.status();
  TrainInputs inputs = {*files, {}};
  if (options.checkpoints.empty() && options.cache.empty()) return inputs;
  for (const std::string& path : {TokenizerFile(options), options.init}) {
    if (!path.empty()) files->push_back(path);
  }
  for (std::string& path : *files) path = fs::absolute(path).string();
  absl::StatusOr<std::vector<DataFile>> digests = DigestDataFiles(*files);
  if (!digests.ok()) return digests.status();
  inputs.digests = *std::move(digests);
  return inputs;
}

absl::StatusOr<TokenData> PrepareTokens(const TrainCommandOptions& options, const TrainInputs& inputs,
                                        uint32_t vocabulary, const TokenizerTables* known) {
  if (options.cache.empty()) return MakeTokens(options, vocabulary, known, inputs.files, "", "");
  const absl::StatusOr<std::string> key = CacheKey(options, vocabulary, known, inputs);
  if (!key.ok()) return key.status();
  std::error_code error;
  fs::create_directories(options.cache, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("--cache: cannot make ", options.cache, ": ", error.message()));
  }
  const std::string path = (fs::path(options.cache) / (key->substr(0, 32) + ".tokens")).string();
  absl::StatusOr<TokenData> cached = TokenData::Open(path, *key);
  if (cached.ok()) {
    if (!options.quiet) absl::FPrintF(stderr, "tokens from %s\n", path);
    return cached;
  }
  if (absl::IsDataLoss(cached.status()) && !options.quiet) {
    absl::FPrintF(stderr, "%s; making it anew\n", cached.status().message());
  }
  return MakeTokens(options, vocabulary, known, inputs.files, path, *key);
}

}  // namespace cllm
