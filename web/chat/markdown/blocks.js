// Markdown's blocks as plain values. A block depends on its own lines and what follows alone, never
// on what came before it: a stream can freeze every block but the last (stream.js).
//
// Not supported, on purpose: markup in HTML (it stays text), indented code, underlined headings.

const max_depth = 8;

const fence = /^( {0,3})(`{3,}|~{3,})([^`]*)$/;
const heading = /^ {0,3}(#{1,6})(?=[ \t]|$)/;
const rule = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const quote = /^ {0,3}> ?/;
const item = /^( *)([-*+]|\d{1,9}[.)])( +|$)/;

const isBlank = (line) => line.trim() === "";
const indentOf = (line) => line.length - line.trimStart().length;

export function parseBlocks(text) {
  return parseLines(text.split("\n"), 0);
}

// Each block knows its first line, as `line`.
function parseLines(lines, depth) {
  const blocks = [];
  for (let i = 0; i < lines.length;) {
    if (isBlank(lines[i])) {
      ++i;
      continue;
    }
    const { block, next } = readBlock(lines, i, depth);
    blocks.push({ ...block, line: i });
    i = next;
  }
  return blocks;
}

function readBlock(lines, i, depth) {
  const line = lines[i];
  if (fence.test(line)) return readFence(lines, i);
  if (heading.test(line)) return { block: readHeading(line), next: i + 1 };
  if (rule.test(line)) return { block: { type: "rule" }, next: i + 1 };
  if (quote.test(line) && depth < max_depth) return readQuote(lines, i, depth);
  if (isItem(line) && depth < max_depth) return readList(lines, i, depth);
  if (isTable(lines, i)) return readTable(lines, i);
  return readParagraph(lines, i);
}

function readFence(lines, i) {
  const [, indent, mark, info] = fence.exec(lines[i]);
  const strip = new RegExp(`^ {0,${indent.length}}`);
  const body = [];
  for (let j = i + 1; j < lines.length; ++j) {
    const end = /^ {0,3}(`{3,}|~{3,})[ \t]*$/.exec(lines[j]);
    if (end && end[1][0] === mark[0] && end[1].length >= mark.length)
      return { block: code(info, body, { mark, isClosed: true }), next: j + 1 };
    body.push(lines[j].replace(strip, ""));
  }
  const open = { mark, isClosed: false, isIndented: indent !== "" };
  return { block: code(info, body, open), next: lines.length };
}

function code(info, lines, fenced) {
  const language = info.trim().split(/\s/)[0].slice(0, 40);
  return { type: "code", language, text: lines.join("\n"), ...fenced };
}

function readHeading(line) {
  const found = heading.exec(line);
  const text = line.slice(found[0].length).trim().replace(/(^|[ \t])#+$/, "");
  return { type: "heading", level: found[1].length, text: text.trim() };
}

function readQuote(lines, i, depth) {
  const inner = [];
  while (i < lines.length && quote.test(lines[i])) inner.push(lines[i++].replace(quote, ""));
  return { block: { type: "quote", blocks: parseLines(inner, depth + 1) }, next: i };
}

const isItem = (line) => item.test(line) && indentOf(line) < 4;
// "-" lists go with "-", "1." with "2.".
const kindOf = (marker) => (marker.length > 1 ? marker.slice(-1) : marker);

// Does the line begin an item of the list whose first marker stands at `indent`?
function isSibling(line, kind, indent) {
  const found = item.exec(line);
  return found !== null && !rule.test(line) && kindOf(found[2]) === kind &&
    found[1].length < indent + 2;
}

function readList(lines, i, depth) {
  const [, spaces, marker] = item.exec(lines[i]);
  const kind = kindOf(marker);
  const isOrdered = marker.length > 1;
  const list = { type: "list", isOrdered, start: parseInt(marker, 10), items: [] };
  while (i < lines.length && isSibling(lines[i], kind, spaces.length)) {
    const inner = [];
    i = readItem(lines, i, kind, spaces.length, inner);
    list.items.push(parseLines(inner, depth + 1));
  }
  return { block: list, next: i };
}

// Puts one item's lines, without their indent, into `inner`; the first line after it.
function readItem(lines, begin, kind, indent, inner) {
  const [all, , , gap] = item.exec(lines[begin]);
  const width = gap.length > 4 ? all.length - gap.length + 1 : all.length;
  inner.push(lines[begin].slice(width));
  let i = begin + 1;
  for (; i < lines.length; ++i) {
    const line = lines[i];
    const column = indentOf(line);
    if (isBlank(line)) {
      inner.push("");
    } else if (column >= width || (column >= indent + 2 && item.test(line))) {
      inner.push(line.slice(Math.min(column, width)));
    } else if (isSibling(line, kind, indent) || isBlank(lines[i - 1]) || interrupts(lines, i)) {
      break;
    } else {
      inner.push(line.trimStart());
    }
  }
  // Blank lines at its end belong to nobody; the next item may follow them.
  return i;
}

// The cells of `| a | b |`; `\|` is no border.
function splitRow(line) {
  const cells = [""];
  const inner = line.trim().replace(/^\|/, "");
  for (let i = 0; i < inner.length; ++i) {
    if (inner[i] === "\\" && inner[i + 1] === "|") cells[cells.length - 1] += inner[++i];
    else if (inner[i] === "|") cells.push("");
    else cells[cells.length - 1] += inner[i];
  }
  if (cells.length > 1 && isBlank(cells[cells.length - 1])) cells.pop();
  return cells.map((cell) => cell.trim());
}

function isTable(lines, i) {
  const below = lines[i + 1];
  if (below === undefined || !lines[i].includes("|") || !/^[ \t|:-]*-[ \t|:-]*$/.test(below))
    return false;
  const borders = splitRow(below);
  return borders.length === splitRow(lines[i]).length &&
    borders.every((cell) => /^:?-+:?$/.test(cell));
}

function alignment(border) {
  if (border.endsWith(":")) return border.startsWith(":") ? "center" : "right";
  return "left";
}

function readTable(lines, i) {
  const head = splitRow(lines[i]);
  const align = splitRow(lines[i + 1]).map(alignment);
  const rows = [];
  for (i += 2; i < lines.length && lines[i].includes("|"); ++i) {
    const cells = splitRow(lines[i]);
    rows.push(head.map((_, column) => cells[column] ?? ""));
  }
  return { block: { type: "table", head, align, rows }, next: i };
}

// Does the line end a paragraph although no blank line stands before it?
function interrupts(lines, i) {
  const line = lines[i];
  const marker = isItem(line) ? item.exec(line) : null;
  const beginsList = marker !== null && marker[3] !== "" &&
    (marker[2].length === 1 || parseInt(marker[2], 10) === 1);
  return fence.test(line) || heading.test(line) || rule.test(line) || quote.test(line) ||
    beginsList || isTable(lines, i);
}

function readParagraph(lines, i) {
  const text = [lines[i++].trim()];
  while (i < lines.length && !isBlank(lines[i]) && !interrupts(lines, i))
    text.push(lines[i++].trimStart());
  return { block: { type: "paragraph", text: text.join("\n").trimEnd() }, next: i };
}
