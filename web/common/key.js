// The API key: of this tab only, gone with it.

const session_key = "troupe.api_key";

export function readKey() {
  try {
    return sessionStorage.getItem(session_key) ?? "";
  } catch {
    return "";
  }
}

// False: this browser forbids it.
export function keepKey(key) {
  try {
    if (key) sessionStorage.setItem(session_key, key);
    else sessionStorage.removeItem(session_key);
    return true;
  } catch {
    return false;
  }
}

export function keyHeaders(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}
