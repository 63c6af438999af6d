// What the server says about itself. Every question may go unanswered: older servers, a proxy that
// hides a path.
import { keyHeaders } from "/common/key.js";

async function ask(path, key) {
  try {
    const response = await fetch(path, { headers: keyHeaders(key) });
    return { status: response.status, value: response.ok ? await response.json() : null };
  } catch {
    return { status: 0, value: null };
  }
}

// {model, max_model_len, version, needs_key}
export async function askServer(key) {
  const [models, info, version] = await Promise.all(
    ["/v1/models", "/server_info", "/version"].map((path) => ask(path, key)));
  const first = models.value?.data?.[0];
  return {
    model: first?.id ?? version.value?.model ?? "",
    max_model_len: first?.max_model_len ?? info.value?.model?.max_model_len ?? 0,
    version: version.value?.version ?? "",
    needs_key: models.status === 401,
  };
}
