// Markdown that grows: blocks that can no longer change are rendered once, only the last one again
// and again; the text of an open code block is appended to. So a long answer costs what it is long.
import { parseBlocks } from "./blocks.js";
import { renderBlock } from "./render.js";

export class MarkdownStream {
  #parent;
  #frozen = 0;       // characters of the text whose blocks are final
  #tail = [];        // the nodes of the rest
  #open_code = null; // {node, mark, end}: a code block that the text ends in

  constructor(parent) {
    this.#parent = parent;
  }

  // `text` is everything so far: it may only grow.
  update(text) {
    if (this.#appendCode(text)) return;
    this.#freeze(text);
    const blocks = parseBlocks(text.slice(this.#frozen));
    const nodes = blocks.map(renderBlock);
    for (const node of this.#tail) node.remove();
    this.#parent.append(...nodes);
    this.#tail = nodes;
    this.#open_code = openCode(blocks, nodes, text.length);
  }

  // A line that has not ended may still turn out to continue the block before it, so only whole
  // lines decide what is final.
  #freeze(text) {
    const end = text.lastIndexOf("\n") + 1;
    if (end <= this.#frozen) return;
    const whole = text.slice(this.#frozen, end);
    const blocks = parseBlocks(whole);
    if (blocks.length < 2) return;
    for (const node of this.#tail) node.remove();
    this.#tail = [];
    this.#parent.append(...blocks.slice(0, -1).map(renderBlock));
    let offset = 0;
    for (let line = blocks[blocks.length - 1].line; line > 0; --line)
      offset = whole.indexOf("\n", offset) + 1;
    this.#frozen += offset;
  }

  #appendCode(text) {
    const open = this.#open_code;
    if (open === null) return false;
    // Any mark that might be the closing fence takes the slow way.
    if (text.slice(Math.max(open.end - 3, 0)).includes(open.mark.slice(0, 3))) return false;
    open.node.appendData(text.slice(open.end));
    open.end = text.length;
    return true;
  }
}

function openCode(blocks, nodes, end) {
  const last = blocks[blocks.length - 1];
  if (last?.type !== "code" || last.isClosed || last.isIndented || last.text === "") return null;
  const node = nodes[nodes.length - 1].querySelector("code").firstChild;
  return { node, mark: last.mark, end };
}
