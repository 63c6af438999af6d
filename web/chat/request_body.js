// From a conversation and the settings to the body of POST /v1/chat/completions.
import { controlsFor, readControl, readStops } from "./sampling.js";

// What the demo model and every other one can try at once.
export const example_schema = {
  type: "object",
  properties: {
    sentiment: { enum: ["positive", "negative", "neutral", "mixed"] },
    aspects: {
      type: "array",
      maxItems: 8,
      items: {
        type: "object",
        properties: {
          aspect: { type: "string", maxLength: 40 },
          sentiment: { enum: ["positive", "negative", "neutral"] },
        },
        required: ["aspect", "sentiment"],
        additionalProperties: false,
      },
    },
  },
  required: ["sentiment", "aspects"],
  additionalProperties: false,
};

export const example_review =
  "Analyse this review and answer as JSON with sentiment and aspects: I bought these " +
  "headphones last month. The sound is clear and warm, but the battery is weak. All in all a " +
  "mixed experience.";

// {value} or {error: a sentence}.
export function readSchema(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { error: `The schema is not valid JSON: ${error.message}` };
  }
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? { value } : { error: "The schema must be a JSON object." };
}

// What a refusal says of the schema; null if it is about something else.
export function schemaRefusal(error) {
  if (!error.param?.startsWith("response_format")) return null;
  return error.message.replace(/^response_format\S*/, "The schema");
}

// A line for each thing that the server does not enforce.
export function schemaNotes(warnings) {
  return warnings.map(({ pointer, keyword, reason }) =>
    `Not enforced: ${[pointer, keyword, reason].filter((word) => word !== "").join(": ")}`);
}

// The turns as the model shall see them: an answer without text says nothing.
function messagesOf(turns, system) {
  const messages = turns.filter((turn) => turn.role === "user" || turn.content !== "")
    .map(({ role, content }) => ({ role, content }));
  return system.trim() === "" ? messages : [{ role: "system", content: system }, ...messages];
}

// {value: body} or {error, field}. `settings` has strings, as they were typed.
export function requestBody(turns, settings, limits = {}) {
  const body = { messages: messagesOf(turns, settings.system ?? "") };
  if (limits.model) body.model = limits.model;
  for (const control of controlsFor(limits.max_model_len)) {
    const read = readControl(control, settings[control.name] ?? "");
    if (read.error) return { error: read.error, field: control.name };
    if (read.value !== undefined) body[control.name] = read.value;
  }
  const stops = readStops(settings.stop ?? "");
  if (stops.error) return { error: stops.error, field: "stop" };
  if (stops.value) body.stop = stops.value;
  if (settings.json) {
    const schema = readSchema(settings.schema ?? "");
    if (schema.error) return { error: schema.error, field: "schema" };
    body.response_format = {
      type: "json_schema",
      json_schema: { name: "answer", schema: schema.value, strict: true },
    };
  }
  return { value: body };
}

// A JSON answer for reading; null when it is not complete.
export function prettyJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}
