// What must hold of every page: names, landmarks, contrast.
import assert from "node:assert/strict";

// Every control says what it is, every page has its landmarks, and no id stands twice.
export async function checkNames(page) {
  const faults = await page.evaluate(() => {
    const nameOf = (node) => node.getAttribute("aria-label") ??
      [...(node.labels ?? [])].map((label) => label.textContent).join(" ") + node.textContent;
    const controls = document.querySelectorAll(
      "button, a[href], input, textarea, select, [tabindex]");
    const nameless = [...controls].filter((node) => nameOf(node).trim() === "")
      .map((node) => node.outerHTML.slice(0, 120));
    const missing = ["main", "h1", "header, [role=banner]", "title", "html[lang]"]
      .filter((selector) => !document.querySelector(selector));
    const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
    const doubled = ids.filter((id, i) => ids.indexOf(id) !== i);
    const references = [...document.querySelectorAll("[aria-describedby], [aria-controls]")]
      .flatMap((node) => `${node.getAttribute("aria-describedby") ?? ""} ${
        node.getAttribute("aria-controls") ?? ""}`.split(" "))
      .filter((id) => id !== "" && !document.getElementById(id));
    const images = [...document.querySelectorAll("img:not([alt])")].length;
    return { nameless, missing, doubled, references, images };
  });
  assert.deepEqual(faults, { nameless: [], missing: [], doubled: [], references: [], images: 0 });
}

// WCAG's 4.5 to 1 for text on what is behind it.
export async function checkContrast(page) {
  const faults = await page.evaluate(() => {
    const parse = (text) => (text.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    const light = ([r, g, b]) => {
      const [x, y, z] = [r, g, b].map((c) => c / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const ground = (node) => {
      for (let at = node; at; at = at.parentElement) {
        const colour = parse(getComputedStyle(at).backgroundColor);
        if ((colour[3] ?? 1) > 0.99) return colour;
      }
      return [255, 255, 255];
    };
    const found = new Set();
    for (const node of document.querySelectorAll("body *")) {
      const hasText = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
      const isShown = node.checkVisibility({ visibilityProperty: true });
      if (!hasText || !isShown || node.disabled) continue;
      const ends = [light(parse(getComputedStyle(node).color)), light(ground(node))];
      const ratio = (Math.max(...ends) + 0.05) / (Math.min(...ends) + 0.05);
      if (ratio < 4.5) found.add(`${ratio.toFixed(2)} ${node.outerHTML.slice(0, 90)}`);
    }
    return [...found];
  });
  assert.deepEqual(faults, []);
}
