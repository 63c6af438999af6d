// Markdown: what it becomes, that nothing in it becomes markup, that a stream ends as the whole
// does, and that no text makes it slow.
import assert from "node:assert/strict";
import test from "node:test";
import { made, newElement } from "./dom_shim.mjs";
import { parseBlocks } from "../../web/chat/markdown/blocks.js";
import { parseInline, safeHref } from "../../web/chat/markdown/inline.js";
import { renderBlock } from "../../web/chat/markdown/render.js";
import { MarkdownStream } from "../../web/chat/markdown/stream.js";

function render(text) {
  const root = newElement("div");
  root.append(...parseBlocks(text).map(renderBlock));
  return root;
}

const shape = (text) => render(text).children.map((child) => child.shape).join(" ");

// The text as a stream in pieces of `size` characters.
function streamed(text, size) {
  const root = newElement("div");
  const stream = new MarkdownStream(root);
  for (let end = size; end < text.length + size; end += size) stream.update(text.slice(0, end));
  return root.children.map((child) => child.shape).join(" ");
}

const rows = [
  ["plain", "p[plain]"],
  ["a\nb\n\nc", "p[abr[]b] p[c]"],
  ["# One\n## Two ##\n#no", "h3[One] h4[Two] p[#no]"],
  ["**b** *i* `c` ~~d~~", "p[strong[b] em[i] code[c] del[d]]"],
  ["***both*** __b__ _i_", "p[strong[em[both]] strong[b] em[i]]"],
  ["**not closed and *this neither", "p[**not closed and *this neither]"],
  ["snake_case_name and 2 * 3 * 4", "p[snake_case_name and 2 * 3 * 4]"],
  ["\\*plain\\* and \\q", "p[*plain* and \\q]"],
  ["``a ` b``", "p[code[a ` b]]"],
  ["`open", "p[`open]"],
  ["- a\n- b\n  - c\n- d", "ul[li[p[a]]li[p[b]ul[li[p[c]]]]li[p[d]]]"],
  ["3. a\n4. b", "ol[li[p[a]]li[p[b]]]"],
  ["1. a\n\n2. b\n   more\n\nend", "ol[li[p[a]]li[p[bbr[]more]]] p[end]"],
  ["1. a\n  - b", "ol[li[p[a]ul[li[p[b]]]]]"],
  ["> a\n> > b", "blockquote[p[a]blockquote[p[b]]]"],
  ["***\n- - -", "hr[] hr[]"],
  ["text\n- item", "p[text] ul[li[p[item]]]"],
  ["in 2024\n2024. was a year", "p[in 2024br[]2024. was a year]"],
  ["[x](https://a.example/b?c=d)", "p[a[x]]"],
  ["[x](javascript:alert(1))", "p[x]"],
  ["[x](data:text/html,y) ![alt](https://a.example/i.png)", "p[x a[alt]]"],
  ["see https://a.example/x. Or (https://b.example)!",
   "p[see a[https://a.example/x]. Or (a[https://b.example])!]"],
  ["<https://a.example> <b>", "p[a[https://a.example] <b>]"],
  ["[no link] [x](", "p[[no link] [x](]"],
];

for (const [text, wanted] of rows)
  test(`markdown: ${JSON.stringify(text)}`, () => assert.equal(shape(text), wanted));

test("code keeps its text and names its language", () => {
  const block = render("```cpp\nint x = 1 < 2;\n\n**no**\n```\nafter");
  assert.equal(block.children[0].querySelector("pre").textContent, "int x = 1 < 2;\n\n**no**");
  assert.equal(block.children[0].querySelector("span").textContent, "cpp");
  assert.equal(block.children[1].shape, "p[after]");
  assert.equal(render("~~~\n```\n~~~").querySelector("pre").textContent, "```");
  assert.equal(render("- x\n  ```\n  y\n  ```").querySelector("pre").textContent, "y");
});

test("a table has its columns aligned and its cells filled", () => {
  const table = render("words\n| a | b |\n|:--|--:|\n| 1 | **2** |\n| 3\\|4 |\n").children[1];
  assert.equal(table.querySelector("table").shape,
    "table[thead[tr[th[a]th[b]]]tbody[tr[td[1]td[strong[2]]]tr[td[3|4]td[]]]]");
  assert.equal(shape("a | b\nno table"), "p[a | bbr[]no table]");
});

test("markup of HTML stays text", () => {
  const attack = '<img src=x onerror="alert(1)"> <script>alert(2)</script>';
  assert.equal(shape(attack), `p[${attack}]`);
  assert.equal(shape(`# ${attack}`), `h3[${attack}]`);
  assert.equal(render(`\`\`\`"><img>\n${attack}\n\`\`\``).querySelector("pre").textContent, attack);
});

test("only addresses of the web become links", () => {
  assert.equal(safeHref("https://a.example"), "https://a.example/");
  for (const bad of ["javascript:alert(1)", "JaVaScRiPt:x", "data:text/html,x", "//a.example", "/x",
                     "vbscript:x", "https:alert(1)", "http://", " https://a.example",
                     `https://a.example/${"x".repeat(3000)}`])
    assert.equal(safeHref(bad), null, bad);
});

const long_text = [
  "# Title", "", "A paragraph with **bold", "text** and `code`.", "", "- one", "- two", "  - three",
  "", "  still two", "", "1. first", "", "2. second", "", "```js", "const a = 1;", "", "// ``",
  "```", "", "> quote", "> more", "", "| a | b |", "|---|---|", "| 1 | 2 |", "", "---", "---abc",
  "end",  "   ```", "   indented", "   ```", "last *words", "",
].join("\n");

test("a stream ends as the whole text does, in pieces of any size", () => {
  const whole = shape(long_text);
  for (const size of [1, 2, 3, 5, 7, 16, 1000]) assert.equal(streamed(long_text, size), whole);
});

test("every prefix of a stream looks as that prefix alone", () => {
  const root = newElement("div");
  const stream = new MarkdownStream(root);
  for (let end = 1; end <= long_text.length; ++end) {
    const prefix = long_text.slice(0, end);
    stream.update(prefix);
    assert.equal(root.children.map((child) => child.shape).join(" "), shape(prefix));
  }
});

// Counts the elements made, so that no clock decides.
function tagsMadeFor(text, size) {
  made.tags = 0;
  streamed(text, size);
  return made.tags;
}

test("twice the text costs about twice the nodes", () => {
  const paragraph = "Some **words** of an answer.\n\n";
  for (const unit of [paragraph, "```\nline of code\n```\n\n"]) {
    const once = tagsMadeFor(unit.repeat(200), 10);
    const twice = tagsMadeFor(unit.repeat(400), 10);
    assert.ok(twice < 2.2 * once, `${once} and ${twice}`);
  }
  const code = (lines) => "```\n" + "a line of code\n".repeat(lines);
  assert.equal(tagsMadeFor(code(4000), 10), tagsMadeFor(code(40), 10));
});

test("no text makes the parser run away", () => {
  const n = 20000;
  const hostile = ["*a ".repeat(n), "**a".repeat(n), "_a_".repeat(n), "`a ".repeat(n),
                   "[".repeat(n), "[a](".repeat(n), "<".repeat(n), "> ".repeat(n),
                   "- ".repeat(n), "#".repeat(n),
                   "\\".repeat(n), "| ".repeat(n) + "\n" + "|-".repeat(n), "~~a".repeat(n),
                   "`".repeat(n), Array.from({ length: 150 }, (_, i) => "`".repeat(i)).join(" "),
                   " ".repeat(n) + "x", "1. ".repeat(n), "https://".repeat(n), "-\n".repeat(n)];
  for (const text of hostile) parseBlocks(text).forEach(renderBlock);
});

test("what was not markup is still there", () => {
  const flat = (nodes) => nodes.map((node) => node.text ?? flat(node.nodes ?? [])).join("");
  for (const text of ["a * b", "[a]", "![", "**", "~~~", "a_b_c", "x](y", "***a** b*", "~a~"])
    assert.equal(flat(parseInline(text)).replaceAll("*", ""), text.replaceAll("*", ""), text);
});
