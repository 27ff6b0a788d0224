// node check_tokenizer.mjs PACKAGE FOLDER TEXTS [--ids]: ids and text of each line of TEXTS, JSON with text and
// tokens. --ids: texts come back only as far as tokenizer.json keeps them, so that ids alone are compared.
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";

const [, , packageFolder, folder, texts, only] = process.argv;
const { Tokenizer } = await import(`${packageFolder}/dist/tokenizers.mjs`);
const json = (name) => JSON.parse(readFileSync(`${folder}/${name}`, "utf8"));
const tokenizer = new Tokenizer(json("tokenizer.json"), json("tokenizer_config.json"));
const lines = readFileSync(texts, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
const begin = existsSync(`${folder}/config.json`) ? json("config.json").bos_token_id : null;
for (const { text, tokens } of lines) {
  const { ids } = tokenizer.encode(text);
  const expected = begin === null ? tokens : [begin, ...tokens];
  const back = only === "--ids" ? text : tokenizer.decode(ids, { skip_special_tokens: true });
  if (JSON.stringify(ids) !== JSON.stringify(expected) || back !== text) {
    console.log(`${basename(folder)}: ${JSON.stringify(text)}\ncllm:   ${expected}\ntheirs: ${ids}\nback: ${JSON.stringify(back)}`);
    process.exit(1);
  }
}
console.log(`${basename(folder)}: ${lines.length} texts, the same ids${only === "--ids" ? "" : " and the same text back"}`);
