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
    box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    button.addEventListener("click", () => this.toEnd());
  }

  // Called after the content has grown.
  grown() {
    if (this.#follows) this.#box.scrollTop = this.#box.scrollHeight;
    this.#show();
  }

  toEnd() {
    this.#follows = true;
    this.grown();
  }

  get #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#box;
    return scrollHeight - scrollTop - clientHeight < near;
  }

  // Only a move upwards is the reader's wish: content that grows moves nothing.
  #scrolled() {
    if (this.#isAtEnd) this.#follows = true;
    else if (this.#box.scrollTop < this.#last_top) this.#follows = false;
    this.#last_top = this.#box.scrollTop;
    this.#show();
  }

  #show() {
    this.#button.hidden = this.#follows || this.#isAtEnd;
  }
}
