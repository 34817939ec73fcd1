// The order of rows, changed by dragging a handle or by the arrow keys on it, and sent by a form.
//
//   data-order="#form"    what holds the table; the form is shown once the order is another one
//   .handle               a button in each row
//   data-order-undo       a button: put the rows back
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  function dress(place) {
    const body = place.querySelector("tbody");
    const form = place.querySelector(place.dataset.order);
    if (!body || !form || body.dataset.dressed) return;
    body.dataset.dressed = "yes";
    const before = all("tr", body);
    const names = (rows) => rows.map((row) => row.querySelector("[name=rule]").value).join();
    const told = document.createElement("span");
    told.className = "sr";
    told.setAttribute("role", "status");
    form.after(told);
    const changed = () => { form.hidden = names(all("tr", body)) === names(before); };

    function move(row, step) {
      const rows = all("tr", body);
      const at = rows.indexOf(row) + step;
      if (at < 0 || at >= rows.length) return;
      if (step < 0) rows[at].before(row);
      else rows[at].after(row);
      row.querySelector(".handle").focus();
      told.textContent = `Place ${at + 1} of ${rows.length}`;
      changed();
    }

    for (const handle of all(".handle", body)) {
      handle.hidden = false;
      const row = handle.closest("tr");
      handle.addEventListener("keydown", (event) => {
        const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
        if (!step) return;
        event.preventDefault();
        move(row, step);
      });
      // Pointers and not the browser's own dragging, which touch screens do not have.
      handle.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        event.preventDefault();
        handle.focus();
        handle.setPointerCapture(event.pointerId);
        row.classList.add("moving");
      });
      handle.addEventListener("pointermove", (event) => {
        if (!handle.hasPointerCapture(event.pointerId)) return;
        const over = all("tr", body).find((each) => {
          const box = each.getBoundingClientRect();
          return each !== row && event.clientY > box.top && event.clientY < box.bottom;
        });
        if (!over) return;
        const box = over.getBoundingClientRect();
        if (event.clientY < box.top + box.height / 2) over.before(row);
        else over.after(row);
        handle.setPointerCapture(event.pointerId);  // What is put elsewhere loses it.
        changed();
      });
      const end = () => row.classList.remove("moving");
      handle.addEventListener("pointerup", end);
      handle.addEventListener("pointercancel", end);
    }
    form.querySelector("[data-order-undo]").addEventListener("click", () => {
      body.append(...before);
      changed();
    });
  }

  const dressAll = () => all("[data-order]").forEach(dress);
  document.addEventListener("phage:swapped", dressAll);
  dressAll();
})();
