// One WebSocket to /ws for all generations of this page (docs/websocket.md). It reconnects by
// itself; a generation that was cut by a lost connection ends with an error, never silently.
import { keyProtocols, readKey } from "../common/key.js";
import { backOff } from "./back_off.js";

const credit_frames = 64;   // unread frames that may be under way
const ping_ms = 25000;      // keeps proxies from taking the connection for dead
const max_first_tries = 2;  // never been open: this server, or a proxy, has no WebSocket

export class GenerationSocket {
  #address;
  #onstate;
  #socket = null;
  #running = new Map();  // id -> {handlers, unread}
  #attempts = 0;
  #was_open = false;
  #timer = 0;
  #next_id = 1;

  // onstate({state: "open"|"waiting"|"unusable", retry_ms})
  constructor(address, onstate) {
    this.#address = address;
    this.#onstate = onstate;
    addEventListener("online", () => this.#retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.#retryNow());
    setInterval(() => this.isOpen && this.#send({ type: "ping", id: "alive" }), ping_ms);
    this.#connect();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  // handlers: {accepted(id), data(object), finished(frame), error(error)}; returns how to cancel.
  generate(path, body, handlers) {
    const id = `g${this.#next_id++}`;
    this.#running.set(id, { handlers, unread: 0 });
    this.#send({ type: "generate", id, path, body, credit: credit_frames });
    return () => this.#running.has(id) && this.isOpen && this.#send({ type: "cancel", id });
  }

  #send(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  #connect() {
    this.#timer = 0;
    const socket = this.#open();
    if (socket === null) return;
    this.#socket = socket;
    socket.onopen = () => {
      this.#was_open = true;
      this.#attempts = 0;
      this.#onstate({ state: "open" });
    };
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = () => this.#lost();
  }

  // A key with characters that no subprotocol may have goes by HTTP alone.
  #open() {
    try {
      return new WebSocket(this.#address, keyProtocols(readKey()));
    } catch (error) {
      this.#onstate({ state: "unusable" });
      return null;
    }
  }

  #lost() {
    const cut = [...this.#running.values()];
    this.#running.clear();
    const message = "The connection to the server was lost before the answer ended.";
    for (const { handlers } of cut) handlers.error({ status: 0, message });
    ++this.#attempts;
    if (!this.#was_open && this.#attempts >= max_first_tries)
      return this.#onstate({ state: "unusable" });
    const retry_ms = backOff(this.#attempts - 1);
    this.#timer = setTimeout(() => this.#connect(), retry_ms);
    if (this.#was_open) this.#onstate({ state: "waiting", retry_ms });
    return undefined;
  }

  #retryNow() {
    if (this.#timer === 0) return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  #receive(frame) {
    const entry = this.#running.get(frame.id);
    if (entry === undefined) return;
    const { handlers } = entry;
    if (frame.type === "accepted") {
      handlers.accepted(frame.request_id);
    } else if (frame.type === "tokens") {
      this.#grant(frame.id, entry);
      handlers.data(frame.data);
    } else if (frame.type === "finished" || frame.type === "error") {
      this.#running.delete(frame.id);
      if (frame.type === "finished") handlers.finished(frame);
      else handlers.error(frame.error);
    }
  }

  #grant(id, entry) {
    if (++entry.unread < credit_frames / 2) return;
    this.#send({ type: "credit", id, frames: entry.unread });
    entry.unread = 0;
  }
}
