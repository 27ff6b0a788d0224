// `cllm tokenizer train|encode|decode`: vocabularies from text, and text to tokens and back.
#include <charconv>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/commands/tokenizer_kinds.h"
#include "converter/export/output_file.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/encode_text.h"
#include "converter/tokenizer/segments.h"
#include "converter/tokenizer/tokenizer_file.h"
#include "converter/tokenizer/train.h"
#include "nlohmann/json.hpp"

namespace cllm {
namespace {

struct Options {
  std::vector<std::string> data;
  std::string tokenizer, out, text, kind = "bytes-bpe";
  uint32_t vocabulary = 4096;
  bool special = false, json = false, lines = false;
};

// What --text or --data says, or else stdin.
absl::StatusOr<std::string> ReadInput(const Options& options, bool has_text) {
  if (has_text) return options.text;
  if (!options.data.empty()) return ReadText(options.data.front());
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

// Without --lines all of it is one text. A newline at the end makes no empty line.
std::vector<std::string_view> Texts(std::string_view input, bool lines) {
  if (!lines) return {input};
  if (!input.empty() && input.back() == '\n') input.remove_suffix(1);
  std::vector<std::string_view> texts;
  for (size_t end; (end = input.find('\n')) != input.npos; input.remove_prefix(end + 1)) {
    texts.push_back(input.substr(0, end));
  }
  texts.push_back(input);
  return texts;
}

absl::Status Train(const Options& options) {
  if (absl::Status status = CheckOutputPath(options.out); !status.ok()) return status;
  VocabularyTrainer trainer(*FindTokenizerKind(options.kind), options.vocabulary);
  uint64_t bytes = 0;
  for (const std::string& path : options.data) {
    absl::StatusOr<std::string> text = ReadText(path);
    if (!text.ok()) return text.status();
    bytes += text->size();
    trainer.Add(*text);
  }
  absl::StatusOr<TokenizerTables> tables = trainer.Train();
  if (!tables.ok())
    return absl::Status(tables.status().code(), absl::StrCat("--vocabulary: ", tables.status().message()));
  if (absl::Status status = PackTokenizer(*tables).status(); !status.ok()) return status;
  if (absl::Status status = WriteWholeFile(options.out, TokenizerToJson(*tables)); !status.ok())
    return status;
  absl::FPrintF(stderr, "%s: %s, %s tokens from %s bytes of text\n", options.out, options.kind,
                Grouped(tables->pieces.size()), Grouped(bytes));
  return absl::OkStatus();
}

// A tokenizer in the form in which it encodes and decodes.
struct PackedTokenizer {
  TokenizerTables tables;
  TokenizerSegments segments;

  TokenizerView view() const { return ViewOfSegments(tables, segments); }
};

absl::StatusOr<PackedTokenizer> ReadPacked(const std::string& path) {
  absl::StatusOr<TokenizerTables> tables = ReadTokenizerFile(path);
  if (!tables.ok()) return tables.status();
  absl::StatusOr<TokenizerSegments> segments = PackTokenizer(*tables);
  if (!segments.ok()) return segments.status();
  return PackedTokenizer{*std::move(tables), *std::move(segments)};
}

// Bytes that are no UTF-8 become replacement characters.
std::string JsonLine(const nlohmann::ordered_json& json) { return JsonText(json) + "\n"; }

std::string Shown(const std::vector<uint32_t>& tokens, std::string_view text, const TokenizerTables& tables,
                  bool json) {
  if (!json) return absl::StrJoin(tokens, " ") + "\n";
  std::vector<std::string> pieces;
  for (const uint32_t token : tokens) pieces.push_back(tables.pieces[token]);
  return JsonLine({{"text", text}, {"tokens", tokens}, {"pieces", pieces}});
}

absl::Status Encode(const Options& options, bool has_text) {
  const absl::StatusOr<PackedTokenizer> tokenizer = ReadPacked(options.tokenizer);
  if (!tokenizer.ok()) return tokenizer.status();
  absl::StatusOr<std::string> input = ReadInput(options, has_text);
  if (!input.ok()) return input.status();
  uint64_t bytes = 0, count = 0;
  for (const std::string_view text : Texts(*input, options.lines)) {
    absl::StatusOr<std::vector<uint32_t>> tokens =
        EncodeText(tokenizer->view(), text, options.special ? Specials::kParsed : Specials::kAsText);
    if (!tokens.ok()) return tokens.status();
    const std::string shown = Shown(*tokens, text, tokenizer->tables, options.json);
    std::fwrite(shown.data(), 1, shown.size(), stdout);
    bytes += text.size();
    count += tokens->size();
  }
  absl::FPrintF(stderr, "%s bytes, %s tokens", Grouped(bytes), Grouped(count));
  if (count > 0)
    absl::FPrintF(stderr, ", %.2f bytes a token", static_cast<double>(bytes) / static_cast<double>(count));
  absl::FPrintF(stderr, "\n");
  return absl::OkStatus();
}

// Ids of one line: as `encode` gives them, an array, or an object with an array "tokens".
absl::StatusOr<std::vector<uint32_t>> ParseTokens(std::string_view line) {
  std::vector<uint32_t> tokens;
  if (const size_t first = line.find_first_not_of(" \t");
      first != line.npos && (line[first] == '{' || line[first] == '[')) {
    const nlohmann::json json = ParseJson(line);
    const nlohmann::json& array = json.is_object() && json.contains("tokens") ? json["tokens"] : json;
    if (!array.is_array())
      return absl::InvalidArgumentError("a line has neither an array nor one named \"tokens\"");
    for (const nlohmann::json& token : array) {
      if (!token.is_number_unsigned() || token.get<uint64_t>() > UINT32_MAX) {
        return absl::InvalidArgumentError(absl::StrCat(JsonText(token), " is no token id"));
      }
      tokens.push_back(token);
    }
    return tokens;
  }
  std::istringstream words{std::string(line)};
  for (std::string word; words >> word;) {
    uint32_t token = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), token);
    if (error != std::errc() || stop != word.data() + word.size()) {
      return absl::InvalidArgumentError("'" + word + "' is no token id");
    }
    tokens.push_back(token);
  }
  return tokens;
}

absl::Status Decode(const Options& options, bool has_text) {
  const absl::StatusOr<PackedTokenizer> tokenizer = ReadPacked(options.tokenizer);
  if (!tokenizer.ok()) return tokenizer.status();
  absl::StatusOr<std::string> input = ReadInput(options, has_text);
  if (!input.ok()) return input.status();
  for (const std::string_view line : Texts(*input, true)) {
    absl::StatusOr<std::vector<uint32_t>> tokens = ParseTokens(line);
    if (!tokens.ok()) return tokens.status();
    absl::StatusOr<std::string> text = DecodeTokens(tokenizer->view(), *tokens);
    if (!text.ok()) return text.status();
    if (options.json) {
      text = JsonLine({{"text", *text}});
    } else if (options.lines) {
      *text += '\n';
    }
    std::fwrite(text->data(), 1, text->size(), stdout);
  }
  return absl::OkStatus();
}

Flags AddTrainTokenizer(Flags tokenizer, Options* options) {
  Flags flags = tokenizer.AddCommand("train", "learns a vocabulary from text");
  flags.Add("--data", &options->data, "text files, UTF-8").Required().Kind("FILE");
  AddChoice(flags, "--kind", &options->kind, TokenizerKindChoices(), "see below");
  AddCount(flags, "--vocabulary,--vocab", &options->vocabulary, 1, 1u << 20,
           "tokens, with the special ones; 'characters' takes all of the text's instead");
  flags.Add("-o,--output", &options->out, "the tokenizer to write, JSON").Required().Kind("OUT.json");
  flags.SetFooter(
      "Kinds:\n"
      "  bytes-bpe   byte-level pair encoding: bytes, and what they merge to; any text comes back as it was\n"
      "  wordpiece   words made of the longest pieces that fit, the first of them with the space before it;\n"
      "              a character that the text lacks becomes <|unknown|>\n"
      "  words       the most frequent words, others become <|unknown|>\n"
      "  characters  every character of the text\n"
      "The same text gives the same vocabulary. The file goes to 'cllm train --tokenizer', which puts it "
      "into\n"
      "the model.\n\n"
      "Examples:\n"
      "  cllm tokenizer train --data stories.txt --kind bytes-bpe --vocabulary 4096 -o stories.json\n"
      "  cllm train --data stories.txt --tokenizer stories.json -o stories.cllm");
  return flags;
}

Flags AddCoder(Flags tokenizer, const char* name, const char* summary, Options* options) {
  Flags flags = tokenizer.AddCommand(name, summary);
  flags
      .Add("TOKENIZER", &options->tokenizer,
           "a file of 'cllm tokenizer train', a tokenizer.json, or a .cllm file")
      .Required()
      .Kind("");
  const Flag text = flags.Add("--text", &options->text, "the input itself").Kind("TEXT");
  flags.Add("--data", &options->data, "a file with the input; without it and --text: stdin")
      .Kind("FILE")
      .Once()
      .NotWith(text);
  return flags;
}

}  // namespace

Command AddTokenizer(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("tokenizer", "trains tokenizers; text to tokens and back");
  flags.RequireCommand();
  Flags train = AddTrainTokenizer(flags, options.get());
  Flags encode = AddCoder(flags, "encode", "text to token ids", options.get());
  encode.Add("--lines", &options->lines, "each line is a text of its own, without its newline");
  encode.Add("--special", &options->special,
             "special tokens that the text spells are meant, as <|im_start|>");
  encode.Add("--json", &options->json, "for each text one line of JSON: text, tokens, pieces");
  encode.SetFooter(
      "On stdout: the ids of each text on a line, without begin and end tokens; on stderr how many.\n\n"
      "Examples:\n"
      "  cllm tokenizer encode stories.cllm --text \"Once upon a time\"\n"
      "  cllm tokenizer encode stories.json --data stories.txt --lines --json >tokens.jsonl");
  Flags decode = AddCoder(flags, "decode", "token ids to text", options.get());
  decode.Add("--lines", &options->lines, "a newline after the text of each line");
  decode.Add("--json", &options->json, "for each line one line of JSON: text");
  decode.SetFooter(
      "Each line of the input is a text: ids apart by blanks, a JSON array of them, or an object with an\n"
      "array \"tokens\", as 'encode' prints them. On stdout: the texts; special tokens give nothing.\n\n"
      "Example:\n"
      "  cllm tokenizer encode stories.json --data a.txt | cllm tokenizer decode stories.json | cmp - a.txt");
  return {flags, [=] {
            if (train.called()) return Train(*options);
            return encode.called() ? Encode(*options, encode.given("--text"))
                                   : Decode(*options, decode.given("--text"));
          }};
}

}  // namespace cllm
