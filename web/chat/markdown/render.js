// Turns the values of blocks.js and inline.js into nodes: by createElement and text nodes alone.
import { parseInline } from "./inline.js";

const inline_tags = { strong: "strong", em: "em", del: "del" };

function make(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function inlineNode(value) {
  switch (value.type) {
    case "text": return document.createTextNode(value.text);
    case "break": return make("br");
    case "code": return make("code", "", value.text);
    case "link": return link(value);
    default: return make(inline_tags[value.type], "", ...value.nodes.map(inlineNode));
  }
}

function link(value) {
  const node = make("a", "", ...value.nodes.map(inlineNode));
  node.setAttribute("href", value.href);
  node.setAttribute("rel", "noopener noreferrer nofollow");
  node.setAttribute("target", "_blank");
  return node;
}

const inlineNodes = (text) => parseInline(text).map(inlineNode);

function codeBlock(block) {
  const copy = make("button", "quiet copy", "Copy");
  copy.setAttribute("type", "button");
  copy.setAttribute("data-copy", "code");
  copy.setAttribute("aria-label", "Copy the code");
  const head = make("div", "code-head", make("span", "", block.language || "text"), copy);
  const body = make("pre", "", make("code", "", document.createTextNode(block.text)));
  // Wide code scrolls: the keyboard must be able to, too.
  body.setAttribute("tabindex", "0");
  body.setAttribute("role", "region");
  body.setAttribute("aria-label", block.language ? `Code, ${block.language}` : "Code");
  return make("div", "code", head, body);
}

function list(block) {
  const node = make(block.isOrdered ? "ol" : "ul", "");
  if (block.isOrdered && block.start !== 1) node.setAttribute("start", String(block.start));
  for (const blocks of block.items) node.append(make("li", "", ...blocks.map(renderBlock)));
  return node;
}

function row(cells, tag, align) {
  const node = make("tr", "");
  cells.forEach((text, column) => {
    const cell = make(tag, align[column] === "left" ? "" : `to-${align[column]}`);
    if (tag === "th") cell.setAttribute("scope", "col");
    cell.append(...inlineNodes(text));
    node.append(cell);
  });
  return node;
}

function table(block) {
  const head = make("thead", "", row(block.head, "th", block.align));
  const body = make("tbody", "", ...block.rows.map((cells) => row(cells, "td", block.align)));
  const frame = make("div", "table-frame", make("table", "", head, body));
  frame.setAttribute("tabindex", "0");
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", "Table");
  return frame;
}

export function renderBlock(block) {
  switch (block.type) {
    case "code": return codeBlock(block);
    case "heading":
      // The page has its own h1 and h2; a model's headings come below them.
      return make(`h${Math.min(block.level + 2, 6)}`, `level-${block.level}`,
                  ...inlineNodes(block.text));
    case "rule": return make("hr");
    case "quote": return make("blockquote", "", ...block.blocks.map(renderBlock));
    case "list": return list(block);
    case "table": return table(block);
    default: return make("p", "", ...inlineNodes(block.text));
  }
}
