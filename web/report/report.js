// Reads a chart's values at the moment under the pointer or, with the arrow keys, at any moment.
// They are measured off the lines, which are all that the page has.
"use strict";
(() => {
  const space = "http://www.w3.org/2000/svg";
  const three = (value) => value >= 99.95 || Number.isInteger(value) ? value.toFixed(0)
    : value.toFixed(value >= 9.995 ? 1 : 2);
  const pad = (value) => String(value).padStart(2, "0");
  const seconds = (value) => value < 0.9995e-3 ? `${three(value * 1e6)} µs`
    : value < 0.9995 ? `${three(value * 1e3)} ms` : `${three(value)} s`;
  const clock = (value) => {
    const whole = Math.round(value);
    const tail = pad(whole % 60);
    return whole < 3600 ? `${Math.floor(whole / 60)}:${tail}`
      : `${Math.floor(whole / 3600)}:${pad(Math.floor(whole / 60) % 60)}:${tail}`;
  };
  const forms = {
    seconds,
    share: (value) => `${three(value * 100)} %`,
    count: (value) => value >= 9995 ? `${three(value / 1e3)} k` : three(value),
    bytes: (value) => {
      const units = ["B", "KiB", "MiB", "GiB", "TiB"];
      let step = 0;
      for (; value >= 1000 && step < units.length - 1; ++step) value /= 1024;
      return `${three(value)} ${units[step]}`;
    },
  };

  const points = (path) => [...path.getAttribute("d").matchAll(/[ML]([\d.-]+) ([\d.-]+)/g)]
    .map(([, x, y]) => [Number(x), Number(y)]);

  function attach(chart) {
    const [left, top, width, height] = chart.dataset.plot.split(" ").map(Number);
    const [first, last] = chart.dataset.x.split(" ").map(Number);
    const largest = Number(chart.dataset.y);
    const form = forms[chart.dataset.unit];
    const lines = [...chart.querySelectorAll(".line")].map(points);
    const figure = chart.closest("figure");
    const values = [...figure.querySelectorAll(".legend b")];
    const atRest = values.map((value) => value.textContent);
    const moment = figure.querySelector(".moment");
    const names = [...figure.querySelectorAll("tbody th")].map((cell) => cell.textContent);
    const all = [...new Set(lines.flat().map(([x]) => x))].sort((a, b) => a - b);
    const cursor = document.createElementNS(space, "path");
    cursor.setAttribute("class", "cursor");
    let index = -1;

    const textOf = (x) => {
      const along = first + (last - first) * (x - left) / width;
      return { clock, log: (t) => seconds(Math.exp(t)), points: (i) => names[Math.round(i)] ?? "" }[
        chart.dataset.along](along);
    };
    const show = (wanted) => {
      index = Math.max(0, Math.min(all.length - 1, wanted));
      const x = all[index];
      cursor.setAttribute("d", `M${x} ${top}V${top + height}`);
      chart.append(cursor);
      moment.textContent = textOf(x);
      lines.forEach((line, i) => {
        const found = line.find(([at]) => at === x);
        if (!values[i]) return;
        values[i].textContent = found
          ? form(Math.max(0, largest * (1 - (found[1] - top) / height))) + chart.dataset.per : "–";
      });
    };
    const rest = () => {
      index = -1;
      cursor.remove();
      moment.textContent = "";
      values.forEach((value, i) => { value.textContent = atRest[i]; });
    };

    chart.addEventListener("pointermove", (event) => {
      const box = chart.getBoundingClientRect();
      const x = (event.clientX - box.left) * chart.viewBox.baseVal.width / box.width;
      let nearest = 0;
      all.forEach((at, i) => { if (Math.abs(at - x) < Math.abs(all[nearest] - x)) nearest = i; });
      show(nearest);
    });
    chart.addEventListener("pointerleave", rest);
    chart.addEventListener("blur", rest);
    chart.addEventListener("keydown", (event) => {
      const from = index < 0 ? all.length : index;
      const wanted = { ArrowLeft: from - 1, ArrowRight: from + 1, PageUp: from - 10,
                       PageDown: from + 10, Home: 0, End: all.length - 1 }[event.key];
      if (event.key === "Escape") rest();
      if (wanted === undefined) return;
      event.preventDefault();
      figure.querySelector(".legend").setAttribute("aria-live", "polite");
      show(wanted);
    });
  }

  for (const chart of document.querySelectorAll("svg.chart")) attach(chart);
})();
