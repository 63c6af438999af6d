// The conversations, in the reader's own browser. Each has a key of its own, so that two windows
// that write different conversations do not overwrite each other.
//
// conversation: {id, title, updated, turns: [turn]}
// turn:         {role: "user"|"assistant", content, state, ...}; an answer's state is "running",
//               "done", "stopped", "cut" (the page went away before its end) or "failed".

const prefix = "troupe.chat.";
const max_title = 60;

export function titleOf(text) {
  const line = text.trim().split("\n", 1)[0].replace(/\s+/g, " ");
  const letters = [...line];
  return letters.length > max_title ? letters.slice(0, max_title - 1).join("") + "…" : line;
}

// An answer that was running when the page went away will never end.
function repaired(conversation) {
  const turns = conversation.turns.map((turn) =>
    turn.state === "running" ? { ...turn, state: "cut" } : turn);
  return { ...conversation, turns };
}

function isConversation(value) {
  return typeof value?.id === "string" && typeof value.title === "string" &&
    Number.isFinite(value.updated) && Array.isArray(value.turns) &&
    value.turns.every((turn) => typeof turn?.content === "string" &&
      (turn.role === "user" || turn.role === "assistant"));
}

export class ConversationStore {
  #storage;
  #newId;

  // `storage` is a Storage; `newId` gives a fresh name.
  constructor(storage, newId = () => crypto.randomUUID()) {
    this.#storage = storage;
    this.#newId = newId;
  }

  // {id, title, updated} of all, the latest first.
  list() {
    const found = [];
    for (let i = 0; i < this.#storage.length; ++i) {
      const key = this.#storage.key(i);
      if (!key.startsWith(prefix)) continue;
      const conversation = this.#read(key);
      if (conversation === null) continue;
      const { id, title, updated } = conversation;
      found.push({ id, title, updated });
    }
    return found.sort((a, b) => b.updated - a.updated || (a.id < b.id ? 1 : -1));
  }

  // The conversation, or null.
  load(id) {
    const conversation = this.#read(prefix + id);
    return conversation && repaired(conversation);
  }

  create(now) {
    return { id: this.#newId(), title: "", updated: now, turns: [] };
  }

  // False: the browser refuses, its storage is full or forbidden.
  save(conversation) {
    try {
      this.#storage.setItem(prefix + conversation.id, JSON.stringify(conversation));
      return true;
    } catch {
      return false;
    }
  }

  remove(id) {
    this.#storage.removeItem(prefix + id);
  }

  #read(key) {
    try {
      const value = JSON.parse(this.#storage.getItem(key));
      return isConversation(value) ? value : null;
    } catch {
      return null;
    }
  }
}

// A Storage that forgets, for browsers that forbid the real one.
export class MemoryStorage {
  #items = new Map();
  get length() { return this.#items.size; }
  key(i) { return [...this.#items.keys()][i]; }
  getItem(key) { return this.#items.get(key) ?? null; }
  setItem(key, value) { this.#items.set(key, String(value)); }
  removeItem(key) { this.#items.delete(key); }
}
