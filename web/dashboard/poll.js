// Asks again and again at a steady pace, but leaves a slow server some rest, and asks nothing while
// nobody looks.

export class Poll {
  #ask;
  #pause_ms;
  #timer = 0;
  #is_asking = false;

  constructor(ask, pause_ms) {
    this.#ask = ask;
    this.#pause_ms = pause_ms;
    document.addEventListener("visibilitychange", () => this.#changed());
    this.#changed();
  }

  #changed() {
    clearTimeout(this.#timer);
    if (!document.hidden && !this.#is_asking) this.#run();
  }

  async #run() {
    this.#is_asking = true;
    const begin = performance.now();
    await this.#ask();
    this.#is_asking = false;
    const rest = Math.max(this.#pause_ms / 4, this.#pause_ms - (performance.now() - begin));
    if (!document.hidden) this.#timer = setTimeout(() => this.#run(), rest);
  }
}
