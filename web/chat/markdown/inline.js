// Inline Markdown as a tree of plain values: text, code, strong, em, del, link, break. Every
// character is looked at a bounded number of times, whatever a model writes.

const max_open = 16;       // delimiters that wait for their end
const max_href = 2048;
const punctuation = /[!-/:-@[-`{-~]/;
const space = /\s/;
const word = /[\p{L}\p{N}]/u;

// Only these schemes become links; null for everything else, relative addresses included.
export function safeHref(text) {
  if (text.length > max_href || !/^https?:\/\//i.test(text)) return null;
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

// Where the runs of backticks begin, by length.
function backtickRuns(text) {
  const runs = new Map();
  for (let i = 0; i < text.length; ++i) {
    if (text[i] !== "`") continue;
    const begin = i;
    while (text[i] === "`") ++i;
    const length = i - begin;
    if (!runs.has(length)) runs.set(length, { begins: [], next: 0 });
    runs.get(length).begins.push(begin);
  }
  return runs;
}

function runLength(text, begin) {
  let end = begin;
  while (text[end] === text[begin]) ++end;
  return end - begin;
}

class InlineParser {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.frames = [{ mark: "", size: 0, nodes: [] }];
    this.runs = backtickRuns(text);
  }

  get top() {
    return this.frames[this.frames.length - 1];
  }

  parse() {
    while (this.at < this.text.length) this.step(this.text[this.at]);
    while (this.frames.length > 1) this.flatten();
    return this.top.nodes;
  }

  step(c) {
    if (c === "\\") return this.escape();
    if (c === "`") return this.code();
    if (c === "*" || c === "_" || c === "~") return this.emphasis(c);
    if (c === "[") return this.open("[", 1, 1);
    if (c === "!" && this.text[this.at + 1] === "[") return this.open("![", 2, 1);
    if (c === "]") return this.closeLink();
    if (c === "<") return this.angle();
    if (c === "\n") return this.lineBreak();
    if (c === "h" && this.bareLink()) return undefined;
    return this.literal(c);
  }

  literal(text, width = text.length) {
    const last = this.top.nodes[this.top.nodes.length - 1];
    if (last?.type === "text") last.text += text;
    else this.top.nodes.push({ type: "text", text });
    this.at += width;
  }

  escape() {
    const next = this.text[this.at + 1];
    if (next !== undefined && punctuation.test(next)) this.literal(next, 2);
    else this.literal("\\");
  }

  code() {
    const length = runLength(this.text, this.at);
    const runs = this.runs.get(length);
    while (runs !== undefined && runs.begins[runs.next] <= this.at) ++runs.next;
    const end = runs?.begins[runs.next];
    if (end === undefined) return this.literal("`".repeat(length));
    let inner = this.text.slice(this.at + length, end).replaceAll("\n", " ");
    if (/^ .*[^ ].* $/.test(inner)) inner = inner.slice(1, -1);
    this.top.nodes.push({ type: "code", text: inner });
    this.at = end + length;
    return undefined;
  }

  // A delimiter that waits for its end; plain text when too many wait already.
  open(mark, width, size) {
    if (this.frames.length > max_open) return this.literal(this.text.substr(this.at, width));
    this.frames.push({ mark, size, nodes: [] });
    this.at += width;
    return undefined;
  }

  // The innermost open delimiter did not end: it was text.
  flatten() {
    const { mark, size, nodes } = this.frames.pop();
    const text = mark.startsWith("[") || mark.startsWith("!") ? mark : mark.repeat(size);
    this.literal(text, 0);
    for (const node of nodes) {
      if (node.type === "text") this.literal(node.text, 0);
      else this.top.nodes.push(node);
    }
  }

  emphasis(mark) {
    const begin = this.at;
    let left = runLength(this.text, begin);
    if (left > 3 || (mark === "~" && left !== 2)) return this.literal(mark.repeat(left));
    const before = this.text[begin - 1] ?? " ";
    const after = this.text[begin + left] ?? " ";
    const within = mark === "_" && word.test(before) && word.test(after);
    if (!space.test(before) && !within) left = this.close(mark, left);
    if (left > 0 && !space.test(after) && !within) {
      if (left >= 2) this.open(mark, 2, 2);
      if (left !== 2) this.open(mark, 1, 1);
    } else if (left > 0) {
      this.literal(mark.repeat(left));
    }
    return undefined;
  }

  // Ends the open delimiters that a run of `left` marks ends; what is left of the run.
  close(mark, left) {
    for (;;) {
      let i = this.frames.length - 1;
      while (i > 0 && !(this.frames[i].mark === mark && this.frames[i].size <= left)) --i;
      if (i <= 0) return left;
      while (this.frames.length - 1 > i) this.flatten();
      const { size, nodes } = this.frames.pop();
      const type = mark === "~" ? "del" : size === 2 ? "strong" : "em";
      this.top.nodes.push({ type, nodes });
      this.at += size;
      left -= size;
      if (left === 0) return 0;
    }
  }

  closeLink() {
    let i = this.frames.length - 1;
    while (i > 0 && !this.frames[i].mark.endsWith("[")) --i;
    if (i <= 0) return this.literal("]");
    while (this.frames.length - 1 > i) this.flatten();
    const target = this.destination(this.at + 1);
    if (target === null) {
      this.flatten();
      return this.literal("]");
    }
    const { nodes } = this.frames.pop();
    this.at = target.end;
    const href = safeHref(target.href);
    if (href) this.top.nodes.push({ type: "link", href, nodes });
    else this.top.nodes.push(...nodes);
    return undefined;
  }

  // `(address)` or `(address "title")` at `begin`.
  destination(begin) {
    if (this.text[begin] !== "(") return null;
    let depth = 0;
    const last = Math.min(this.text.length, begin + max_href);
    for (let i = begin; i < last; ++i) {
      const c = this.text[i];
      if (c === "\n") return null;
      if (c === "(") ++depth;
      if (c === ")" && --depth === 0) {
        const inner = this.text.slice(begin + 1, i).trim();
        return { href: inner.split(/\s/)[0].replace(/^<|>$/g, ""), end: i + 1 };
      }
    }
    return null;
  }

  angle() {
    const end = this.text.slice(this.at, this.at + max_href).search(/[>\s]/);
    const inner = end > 0 ? this.text.slice(this.at + 1, this.at + end) : "";
    const href = this.text[this.at + end] === ">" ? safeHref(inner) : null;
    if (!href) return this.literal("<");
    this.top.nodes.push({ type: "link", href, nodes: [{ type: "text", text: inner }] });
    this.at += end + 1;
    return undefined;
  }

  bareLink() {
    if (word.test(this.text[this.at - 1] ?? " ") || this.frames.some((f) => f.mark === "["))
      return false;
    const rest = this.text.slice(this.at, this.at + max_href);
    const found = /^https?:\/\/[^\s<>"'`*\]]+/.exec(rest);
    if (!found) return false;
    // The end of a sentence or of a parenthesis is not the address's.
    let shown = found[0].replace(/[.,;:!?。,;:!?、]+$/u, "");
    if (shown.endsWith(")") && !shown.includes("(")) shown = shown.slice(0, -1);
    const href = safeHref(shown);
    if (!href) return false;
    this.top.nodes.push({ type: "link", href, nodes: [{ type: "text", text: shown }] });
    this.at += shown.length;
    return true;
  }

  // In a chat a new line is meant as one.
  lineBreak() {
    const last = this.top.nodes[this.top.nodes.length - 1];
    if (last?.type === "text") last.text = last.text.trimEnd();
    this.top.nodes.push({ type: "break" });
    ++this.at;
    while (this.text[this.at] === " ") ++this.at;
  }
}

export function parseInline(text) {
  return new InlineParser(text).parse();
}
