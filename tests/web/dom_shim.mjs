// As much of a document as the Markdown renderer needs, for tests without a browser. Nodes can be
// made from text and tags only, and there is no innerHTML to misuse.

class Node {
  children = [];
  parent = null;

  append(...items) {
    for (const item of items) {
      const node = typeof item === "string" ? new Text(item) : item;
      node.parent = this;
      this.children.push(node);
    }
  }

  remove() {
    this.parent.children = this.parent.children.filter((child) => child !== this);
    this.parent = null;
  }

  get firstChild() {
    return this.children[0] ?? null;
  }

  get textContent() {
    return this.children.map((child) => child.textContent).join("");
  }
}

class Text extends Node {
  constructor(data) {
    super();
    this.data = data;
  }

  appendData(more) {
    this.data += more;
  }

  get textContent() {
    return this.data;
  }

  get shape() {
    return this.data;
  }
}

class Element extends Node {
  className = "";
  attributes = {};

  constructor(tag) {
    super();
    this.tag = tag;
  }

  setAttribute(name, value) {
    this.attributes[name] = value;
  }

  querySelector(tag) {
    for (const child of this.children) {
      if (child.tag === tag) return child;
      const found = child.querySelector?.(tag);
      if (found) return found;
    }
    return null;
  }

  // The tree in one line: tag[text tag[text]].
  get shape() {
    return `${this.tag}[${this.children.map((child) => child.shape).join("")}]`;
  }
}

export const made = { tags: 0 };

globalThis.document = {
  createElement: (tag) => {
    ++made.tags;
    return new Element(tag);
  },
  createTextNode: (text) => new Text(text),
};

export const newElement = (tag) => new Element(tag);
