// Compare ids written by check_tokenizer.py with those of the npm package @huggingface/tokenizers.
// Usage, in the folder where the package is installed:
//   node check_tokenizer.mjs MODEL_FOLDER ENCODINGS.json
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, casesPath] = process.argv.slice(2);
const require = createRequire(join(process.cwd(), "package.json"));
const { Tokenizer } = require("@huggingface/tokenizers");

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));
const tokenizer = new Tokenizer(
  readJson(join(folder, "tokenizer.json")),
  readJson(join(folder, "tokenizer_config.json")),
);

const exact = { skip_special_tokens: false, clean_up_tokenization_spaces: false };
let wrong = 0;
const cases = readJson(casesPath);
for (const { text, ids, decoded } of cases) {
  const theirs = tokenizer.encode(text, { add_special_tokens: false }).ids;
  const same = theirs.length === ids.length && theirs.every((id, index) => id === ids[index]);
  const back = tokenizer.decode(ids, exact);
  if (!same || back !== decoded) {
    wrong += 1;
    console.log(JSON.stringify({ text, ids, theirs: [...theirs], decoded, back }));
  }
}
console.log(`${cases.length - wrong} of ${cases.length} texts agree`);
process.exit(wrong ? 1 : 0);
