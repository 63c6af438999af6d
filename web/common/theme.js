// The colours: as the system says, unless the reader chose. A plain script, run before the first
// paint, so that a dark page never flashes white.
"use strict";
(() => {
  const key = "troupe.theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  const chosen = () => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  };
  const isDark = () => (chosen() ?? (system.matches ? "dark" : "light")) === "dark";

  const apply = () => {
    root.dataset.theme = isDark() ? "dark" : "light";
    const button = document.getElementById("theme");
    if (button) button.setAttribute("aria-pressed", String(isDark()));
    document.dispatchEvent(new Event("themechange"));
  };

  const toggle = () => {
    const wanted = isDark() ? "light" : "dark";
    const isSystems = (wanted === "dark") === system.matches;
    try {
      // What the system says anyway need not be remembered: the page follows it again.
      if (isSystems) localStorage.removeItem(key);
      else localStorage.setItem(key, wanted);
    } catch {
      root.dataset.theme = wanted;
      return;
    }
    apply();
  };

  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", (event) => event.key === key && apply());
  addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme")?.addEventListener("click", toggle);
  });
})();
