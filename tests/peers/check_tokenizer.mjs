// node check_tokenizer.mjs PACKAGE FOLDER TEXTS [--ids]: ids and text of each line of TEXTS, JSON with text and
// tokens; those that FOLDER/left_out matches are not compared. --ids: texts come back only as far as tokenizer.json
// keeps them, so that ids alone are compared.
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";

const [, , packageFolder, folder, texts, only] = process.argv;
const { Tokenizer } = await import(`${packageFolder}/dist/tokenizers.mjs`);
const json = (name) => JSON.parse(readFileSync(`${folder}/${name}`, "utf8"));
const tokenizer = new Tokenizer(json("tokenizer.json"), json("tokenizer_config.json"));
const lines = readFileSync(texts, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
const begin = existsSync(`${folder}/config.json`) ? json("config.json").bos_token_id : null;
const leftOut = existsSync(`${folder}/left_out`) ? new RegExp(readFileSync(`${folder}/left_out`, "utf8"), "u") : null;
// Of two cuts of one score this engine takes another one than Hugging Face's own library does.
const model = json("tokenizer.json").model;
const score = (ids) => ids.reduce((sum, id) => sum + model.vocab[id][1], 0);
// It leaves a run of characters outside a unigram vocabulary unknown, where byte_fallback asks for their bytes.
const isByte = (id) => model.byte_fallback && /^<0x[0-9A-F]{2}>$/.test(model.vocab[id][0]);
const withoutBytes = (ids) =>
  ids.map((id) => (isByte(id) ? model.unk_id : id)).filter((id, i, all) => id !== model.unk_id || all[i - 1] !== id);
let compared = 0, tied = 0;
for (const { text, tokens } of lines) {
  if (leftOut !== null && leftOut.test(text)) continue;
  compared += 1;
  const { ids } = tokenizer.encode(text);
  const given = begin === null ? tokens : [begin, ...tokens];
  const expected = model.type === "Unigram" ? withoutBytes(given) : given;
  const back = only === "--ids" ? text : tokenizer.decode(ids, { skip_special_tokens: true });
  const same = JSON.stringify(ids) === JSON.stringify(expected);
  const tie = !same && model.type === "Unigram" && Math.abs(score(ids) - score(expected)) < 1e-9;
  tied += tie ? 1 : 0;
  if (!(same || tie) || back !== text) {
    console.log(`${basename(folder)}: ${JSON.stringify(text)}\ncllm:   ${expected}\ntheirs: ${ids}\nback: ${JSON.stringify(back)}`);
    process.exit(1);
  }
}
console.log(`${basename(folder)}: ${compared} texts, the same ids${tied > 0 ? ` or, in ${tied}, of the same score` : ""}${only === "--ids" ? "" : " and the same text back"}`);
