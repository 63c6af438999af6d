// Reads server-sent events out of text that arrives in pieces.

// Feed it text; it returns the `data` of every event that is complete.
export class EventReader {
  #pending = "";
  #data = [];

  push(text) {
    this.#pending += text;
    const done = [];
    for (;;) {
      const end = this.#pending.search(/\r\n|\n|\r(?!$)/);
      if (end < 0) return done;
      const line = this.#pending.slice(0, end);
      const width = this.#pending.startsWith("\r\n", end) ? 2 : 1;
      this.#pending = this.#pending.slice(end + width);
      this.#take(line, done);
    }
  }

  #take(line, done) {
    if (line === "") {
      if (this.#data.length > 0) done.push(this.#data.join("\n"));
      this.#data = [];
    } else if (line.startsWith("data:")) {
      this.#data.push(line.slice(line[5] === " " ? 6 : 5));
    }
  }
}

// The events of a fetch response until `[DONE]` or the end, as parsed JSON.
export async function* jsonEvents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const events = new EventReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    for (const data of events.push(value)) {
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}
