// Keeps the end of a growing answer in view, until the reader scrolls up; goes on when they return.

const near = 48;  // pixels from the end that still count as the end

export class Follower {
  #box;
  #button;
  #follows = true;
  #last_top = 0;

  constructor(box, button) {
    this.#box = box;
    this.#button = button;
    box.addEventListener("scroll", () => this.#look(), { passive: true });
    button.addEventListener("click", () => this.toEnd());
  }

  // Called after the content has grown. The reader may have scrolled since the last event told so.
  grown() {
    this.#look();
    if (!this.#follows) return;
    this.#box.scrollTop = this.#box.scrollHeight;
    this.#last_top = this.#box.scrollTop;
  }

  toEnd() {
    this.#follows = true;
    this.#box.scrollTop = this.#box.scrollHeight;
    this.#look();
  }

  get #pixelsLeft() {
    const { scrollHeight, scrollTop, clientHeight } = this.#box;
    return scrollHeight - scrollTop - clientHeight;
  }

  // Only a move is the reader's wish: content that grows moves nothing, and content that shrinks
  // leaves the box at its very end. The first pixel upwards counts, for a smooth scroll starts
  // slowly.
  #look() {
    const top = this.#box.scrollTop;
    if (top > this.#last_top && this.#pixelsLeft < near) this.#follows = true;
    if (top < this.#last_top && this.#pixelsLeft > 1) this.#follows = false;
    this.#last_top = top;
    this.#button.hidden = this.#follows || this.#pixelsLeft < near;
  }
}
