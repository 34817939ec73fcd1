// A crosshair for charts that the server drew, by pointer and by arrow keys; and the map of devices.
"use strict";
(() => {
  const make = (name, parent) => {
    const made = document.createElement("div");
    made.className = name;
    made.hidden = true;
    parent.append(made);
    return made;
  };

  const UNITS = ["", "k", "M", "G", "T", "P"];
  function short(value) {
    let unit = 0;
    while (Math.abs(value) >= 1000 && unit < UNITS.length - 1) { value /= 1000; unit += 1; }
    return `${Number(value.toPrecision(3))}${unit ? ` ${UNITS[unit]}` : ""}`;
  }

  function attach(figure) {
    if (figure.dataset.ready) return;
    figure.dataset.ready = "yes";
    const { start, step, unit, series } = JSON.parse(figure.dataset.chart);
    const plot = figure.querySelector(".plot");
    const cursor = make("cursor", plot);
    const read = make("read", plot);
    read.setAttribute("aria-live", "polite");
    const count = series[0].values.length;
    let at = count - 1;

    function show(index) {
      at = Math.max(0, Math.min(count - 1, index));
      const left = figure.dataset.kind === "bars" ? (at + 0.5) / count : at / Math.max(1, count - 1);
      cursor.hidden = read.hidden = false;
      cursor.style.left = `${left * 100}%`;
      const when = new Date((start + at * step) * 1000);
      const lines = series.map(({ name, values }) => `${name}: ${short(values[at])} ${unit}`);
      read.replaceChildren(...[when.toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }), ...lines]
        .map((line) => { const row = document.createElement("div"); row.textContent = line; return row; }));
      read.style.left = left < 0.6 ? `calc(${left * 100}% + 0.6rem)` : "auto";
      read.style.right = left < 0.6 ? "auto" : `calc(${(1 - left) * 100}% + 0.6rem)`;
    }
    const hide = () => { cursor.hidden = read.hidden = true; };

    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      show(figure.dataset.kind === "bars" ? Math.floor(share * count) : Math.round(share * (count - 1)));
    });
    plot.addEventListener("pointerleave", hide);
    plot.addEventListener("blur", hide);
    plot.addEventListener("focus", () => { if (plot.matches(":focus-visible")) show(at); });
    plot.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -12, PageDown: 12, Home: -count, End: count }[event.key];
      if (move) { event.preventDefault(); show(at + move); }
      if (event.key === "Escape") hide();
    });
  }

  function pick(map) {
    const choose = (event) => {
      const node = event.target.closest("[data-node]");
      map.classList.toggle("picked", Boolean(node));
      for (const edge of map.querySelectorAll(".edge"))
        edge.classList.toggle("picked", Boolean(node) && (edge.dataset.a === node.dataset.node || edge.dataset.b === node.dataset.node));
    };
    for (const kind of ["pointerover", "focusin"]) map.addEventListener(kind, choose);
    for (const kind of ["pointerleave", "focusout"]) map.addEventListener(kind, () => map.classList.remove("picked"));
  }

  function start(part) {
    part.querySelectorAll("[data-chart]").forEach(attach);
    if (part.matches?.("[data-chart]")) attach(part);
    part.querySelectorAll(".map").forEach(pick);
  }
  document.addEventListener("phage:swapped", (event) => start(event.detail));
  start(document);
})();
