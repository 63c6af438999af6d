// The dashboard: asks /metrics and /ready every second and hands the answers to its panels.
import { at } from "/common/dom.js";
import { keyHeaders, readKey } from "/common/key.js";
import { Chart } from "./chart.js";
import { clock } from "./format.js";
import { Frames } from "./frames.js";
import { Panel } from "./load_test/panel.js";
import { parseMetrics } from "./metrics_text.js";
import { charts } from "./panels/charts.js";
import { Tables } from "./panels/tables.js";
import { Tiles } from "./panels/tiles.js";
import { Poll } from "./poll.js";

const poll_ms = 1000;
const patience_ms = 5000;

const frames = new Frames();
const tiles = new Tiles(at("tiles"));
const drawn = charts.map((panel) => new Chart(panel));
const tables = new Tables(at("tables"));
at("charts").append(...drawn.map((chart) => chart.node));

const ask = (path) =>
  fetch(path, { headers: keyHeaders(readKey()), signal: AbortSignal.timeout(patience_ms) });

// The banner is a status: it must change only when there is news.
function say(state, text) {
  const banner = at("banner");
  banner.dataset.state = state;
  if (at("banner-text").textContent !== text) at("banner-text").textContent = text;
}

async function drawReadiness() {
  const response = await ask("/ready");
  if (response.ok) return say("ready", "Ready");
  const answer = await response.json().catch(() => ({}));
  return say("waiting", `Not ready: ${answer.error?.message ?? `status ${response.status}`}`);
}

async function drawMetrics() {
  const response = await ask("/metrics");
  if (response.status === 401) {
    say("lost", "This server asks for an API key: enter it in the chat's settings.");
    return;
  }
  if (!response.ok) throw new Error(`/metrics answered ${response.status}`);
  const metrics = parseMetrics(await response.text());
  frames.add(Date.now(), metrics);
  tiles.draw(frames.latest);
  tables.draw(metrics);
  for (const chart of drawn) chart.draw(frames.list);
  at("updated").textContent = clock(frames.latest.time);
}

async function refresh() {
  try {
    await drawReadiness();
    await drawMetrics();
  } catch {
    say("lost", "No answer from the server; trying again every second.");
  }
}

async function drawName() {
  const response = await ask("/version").catch(() => null);
  if (!response?.ok) return;
  const { model, version } = await response.json();
  at("model").textContent = `${model} · Troupe ${version}`;
}

// Load tests are there only where the server has them switched on.
async function offerLoadTests() {
  const response = await ask("/server_info").catch(() => null);
  const info = response?.ok ? await response.json().catch(() => null) : null;
  if (info?.features?.load_tests) new Panel(at("load-tests"));
}

drawName();
offerLoadTests();
new Poll(refresh, poll_ms);
