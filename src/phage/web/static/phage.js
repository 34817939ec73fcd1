// What makes pages live. Every page works without it: links are links, forms are forms.
//
//   data-swap="#list"     a link or form: ask in the background, put #list of the answer in place
//   data-confirm="..."    a form or button: ask first
//   data-auto             a form: submit by itself while one types or chooses
//   data-live="finding"   an element with an id: is asked for again when such an event comes
//   data-every="10"       an element with an id: is asked for again every 10 seconds while it is seen
//   data-copy="#id"       a button: copy the text of an element
//   data-close            a button in what was said: close it
"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const root = document.documentElement;
  const HEADERS = { "X-Requested-With": "phage" };

  // --- asking and swapping ---------------------------------------------------------------------

  let newest = 0;

  async function ask(url, options, selector, push) {
    const turn = ++newest;
    const targets = all(selector);
    targets.forEach((each) => each.classList.add("busy"));
    try {
      const answer = await fetch(url, { headers: HEADERS, ...options });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (turn !== newest && push) return;  // A later question of the person's has overtaken it.
      const known = selector.split(",").some((part) => one(part, page));
      if (!known && answer.ok) { location.assign(answer.url); return; }
      swap(page, selector);
      if (!known) say(one(".fault, .detail", page)?.textContent || `${answer.status}`, true);
      if (push && answer.ok) history.pushState({ swap: selector }, "", answer.url);
      if (page.title && push) document.title = page.title;
    } catch (error) {
      say(navigator.onLine ? "phage does not answer. Is it running?" : "You are offline.", true);
    } finally {
      all(selector).forEach((each) => each.classList.remove("busy"));
    }
  }

  function swap(page, selector) {
    const focused = document.activeElement;
    const name = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.dataset?.key &&
      `[data-key="${CSS.escape(focused.dataset.key)}"]`);
    for (const each of selector.split(",")) {
      const next = one(each, page);
      const before = one(each);
      if (!next || !before) continue;
      const open = all("details[open][id]", before).map((details) => details.id);
      before.replaceWith(document.adoptNode(next));
      open.forEach((id) => { const details = document.getElementById(id); if (details) details.open = true; });
      document.dispatchEvent(new CustomEvent("phage:swapped", { detail: next }));
    }
    if (name && !focused.isConnected) one(name)?.focus({ preventScroll: true });
    for (const note of all("#said .note", page)) say(note.textContent.trim(), note.classList.contains("bad"));
  }

  // --- saying and asking -------------------------------------------------------------------------

  function say(text, bad = false) {
    const note = document.createElement("div");
    note.className = bad ? "note bad" : "note";
    note.textContent = text;
    one("#said").append(note);
    setTimeout(() => note.remove(), bad ? 12000 : 6000);
  }

  function confirmed(question) {
    const box = document.createElement("dialog");
    const text = document.createElement("p");
    text.textContent = question;
    text.id = "question";
    const actions = document.createElement("div");
    actions.className = "actions";
    const buttons = ["Cancel", "Go on"].map((label) => {
      const button = document.createElement("button");
      button.textContent = label;
      button.addEventListener("click", () => box.close(label));
      actions.append(button);
      return button;
    });
    buttons[1].className = "main-act";
    box.setAttribute("aria-labelledby", "question");
    box.append(text, actions);
    document.body.append(box);
    box.showModal();
    return new Promise((resolve) => box.addEventListener("close", () => {
      box.remove();
      resolve(box.returnValue === "Go on");
    }));
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    const by = event.submitter;
    const question = by?.dataset.confirm || form.dataset.confirm;
    const selector = form.dataset.swap;
    if (!question && !selector) return;
    event.preventDefault();
    if (question && !(await confirmed(question))) return;
    const method = (by?.getAttribute("formmethod") || form.method || "get").toLowerCase();
    const url = new URL(by?.hasAttribute("formaction") ? by.formAction : form.action);
    const fields = new URLSearchParams(new FormData(form, by));
    if (!selector || form.enctype === "multipart/form-data") {
      if (by?.name) {
        const field = document.createElement("input");
        Object.assign(field, { type: "hidden", name: by.name, value: by.value });
        form.append(field);
      }
      form.action = url;
      form.submit();
    } else if (method === "get") {
      for (const [name, value] of [...fields]) if (!value) fields.delete(name);
      url.search = fields;
      await ask(url, {}, selector, true);
    } else {
      await ask(url, { method: "POST", body: fields }, selector, false);
    }
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
      event.preventDefault();
      ask(link.href, {}, link.dataset.swap, true);
    }
    const copy = event.target.closest("[data-copy]");
    if (copy) navigator.clipboard?.writeText(one(copy.dataset.copy).textContent.trim())
      .then(() => say("Copied."), () => say("Copying is not allowed here.", true));
    event.target.closest("[data-close]")?.closest(".note")?.remove();
    for (const drop of all("details.drop[open]")) if (!drop.contains(event.target)) drop.open = false;
  });

  addEventListener("popstate", (event) => {
    if (event.state?.swap) ask(location.href, {}, event.state.swap, false);
    else if (one("[data-swap]")) location.reload();
  });

  let typing = 0;
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-auto]");
    if (!form) return;
    clearTimeout(typing);
    typing = setTimeout(() => form.requestSubmit(), event.target.matches("input:not([type=checkbox])") ? 250 : 0);
  });

  // --- keys --------------------------------------------------------------------------------------

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const drop of all("details.drop[open]")) {
      drop.open = false;
      one("summary", drop).focus();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    if (event.key === "/") { event.preventDefault(); one("#search")?.focus(); }
    if (event.key === "j" || event.key === "k") {
      const rows = all("[data-key]");
      const at = rows.indexOf(document.activeElement);
      rows[Math.max(0, Math.min(rows.length - 1, at + (event.key === "j" ? 1 : -1)))]?.focus();
    }
  });

  // --- light and dark ------------------------------------------------------------------------------

  const THEMES = ["", "light", "dark"];
  function paint(theme) {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    const button = one("#theme");
    if (button) button.setAttribute("aria-label", `Theme: ${theme || "as the system"}`);
  }
  const stored = (name) => { try { return localStorage.getItem(name) || ""; } catch { return ""; } };
  const store = (name, value) => { try { localStorage.setItem(name, value); } catch { /* Private window. */ } };
  paint(stored("theme"));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#theme")) return;
    const next = THEMES[(THEMES.indexOf(stored("theme")) + 1) % THEMES.length];
    store("theme", next);
    paint(next);
    say(`Theme: ${next || "as the system"}`);
  });

  // --- live ----------------------------------------------------------------------------------------

  const waiting = new Set();
  let due = 0;
  function renew(selector) {
    waiting.add(selector);
    if (due) return;
    due = setTimeout(async () => {
      due = 0;
      const selectors = [...waiting].join(",");
      waiting.clear();
      // Not under somebody's fingers: a field or an open menu stays until it is left.
      const busy = document.activeElement?.closest("input, select, textarea");
      if (document.hidden || one("dialog[open], details.drop[open]")) return selectors.split(",").forEach((each) => setTimeout(renew, 2000, each));
      if (busy && selectors.split(",").some((each) => one(each)?.contains(busy))) return;
      await ask(location.href, {}, selectors, false);
    }, 200);
  }

  let events = null, seen = "";
  function listen() {
    const place = one("[data-events]");
    if (!place || events) return;
    // What came after the page was made and before it listens is told first.
    events = new EventSource(`${place.dataset.events}?after=${seen || place.dataset.seen}`);
    for (const kind of ["finding", "decision", "scan", "stats"]) events.addEventListener(kind, (event) => {
      seen = event.lastEventId;
      for (const each of all(`[data-live~="${kind}"]`)) if (each.id) renew(`#${each.id}`);
      if (kind === "finding") tell(event.data);
      if (kind === "stats") figures(event.data);
    });
  }
  function figures(data) {
    const now = JSON.parse(data);
    for (const each of all("[data-figure]")) {
      const value = now[each.dataset.figure];
      if (value !== undefined) each.textContent = short(value * Number(each.dataset.times || 1));
    }
  }
  function short(value) {
    const units = ["", "k", "M", "G", "T"];
    let unit = 0;
    while (value >= 999.5 && unit < 4) { value /= 1000; unit += 1; }
    return `${Number(value.toPrecision(3))}${unit ? `\u00a0${units[unit]}` : ""}`;
  }
  // A browser has few connections to a place: a tab that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && stored("tell") !== "yes") { events?.close(); events = null; }
    else if (!document.hidden && !events) {
      listen();
      for (const each of all("[data-live]")) if (each.id) renew(`#${each.id}`);
    }
  });
  addEventListener("pagehide", () => { events?.close(); events = null; });
  listen();
  setInterval(() => {
    const now = Math.floor(Date.now() / 1000);
    for (const each of all("[data-every]")) if (now % Number(each.dataset.every) === 0) renew(`#${each.id}`);
    for (const each of all("time[data-until]")) {
      const left = Math.max(0, Math.round(Date.parse(each.dateTime) / 1000 - now));
      each.textContent = `${left} s`;
    }
  }, 1000);

  // --- notifications, and what works offline ---------------------------------------------------------

  const told = new Set();
  async function tell(data) {
    let finding;
    try { finding = JSON.parse(data); } catch { return; }
    if (!("Notification" in window) || Notification.permission !== "granted" || stored("tell") !== "yes") return;
    if (finding.state !== "open" || told.has(finding.id)) return;
    told.add(finding.id);
    const options = { body: finding.summary, tag: finding.id, icon: "/static/icon-192.png", data: `/findings/${finding.id}` };
    const worker = await navigator.serviceWorker?.getRegistration();
    if (worker) worker.showNotification(`phage: ${finding.severity}`, options);
    else new Notification(`phage: ${finding.severity}`, options);
  }
  // What follows is Web Push: told while no page is open. "yes" is without it, "push" with it.
  const api = (path, method, body) => fetch(`/api/v1/push${path}`, {
    method, body: body && JSON.stringify(body),
    headers: { ...HEADERS, "Content-Type": "application/json", "X-CSRF-Token": one("[name=csrf_token]")?.value || "" },
  }).then((answer) => (answer.ok ? answer : Promise.reject(new Error(`${answer.status}`))));
  async function subscribe() {
    const { key } = await (await api("", "GET")).json();
    const worker = await navigator.serviceWorker.ready;
    const octets = Uint8Array.from(atob(key.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
    await (await worker.pushManager.getSubscription())?.unsubscribe();  // It may be of another key.
    const made = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: octets });
    const { id } = await (await api("", "POST", made.toJSON())).json();
    store("push", id);
  }
  async function unsubscribe() {
    const worker = await navigator.serviceWorker?.getRegistration();
    await (await worker?.pushManager?.getSubscription())?.unsubscribe();
    if (stored("push")) await api(`/${stored("push")}`, "DELETE").catch(() => {});
    store("push", "");
  }
  document.addEventListener("click", async (event) => {
    if (!event.target.closest("#tell")) return;
    if (!("Notification" in window)) return say("This browser has no notifications.", true);
    const on = !stored("tell") && (await Notification.requestPermission()) === "granted";
    store("tell", on ? "yes" : "");
    if (!on) {
      await unsubscribe().catch(() => {});
      return say("You are not told of findings by this browser.");
    }
    if ("PushManager" in window && isSecureContext) {
      try {
        await subscribe();
        store("tell", "push");
        return say("You are told of new findings, also while phage is closed.");
      } catch { /* No push service, or none that can be reached: told while a page is open. */ }
    }
    say("You are told of new findings while phage is open in a tab or installed.");
  });
  // A browser that gave its subscription up, or was forgotten here, subscribes anew.
  if (stored("tell") === "push" && one("#tell")) navigator.serviceWorker?.ready
    .then((worker) => worker.pushManager.getSubscription())
    .then(async (known) => {
      const { browsers } = await (await api("", "GET")).json();
      if (!known || !browsers.some((each) => each.id === stored("push"))) await subscribe();
    }).catch(() => {});
  if ("serviceWorker" in navigator && isSecureContext) navigator.serviceWorker.register("/sw.js").catch(() => {});

  one("[aria-current=page]")?.scrollIntoView({ block: "nearest", inline: "center" });

  // --- small comforts --------------------------------------------------------------------------------

  function dress(part) {
    for (const each of all("time[data-local]", part)) {
      const at = new Date(each.dateTime);
      each.title = at.toLocaleString();
      if (each.dataset.local !== "ago") each.textContent = each.dataset.local === "time"
        ? at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
        : at.toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    }
    for (const table of all("table.cards", part)) label(table);
    for (const editor of all(".editor", part)) number(editor);
    reach(part);
  }
  // On a phone rows are cards without a head: a number says by itself what it counts.
  function label(table) {
    const heads = all("thead th", table).map((each) => each.textContent.trim());
    for (const row of all("tbody tr", table)) [...row.cells].forEach((cell, at) => {
      if (cell.matches("td.num:not([data-label])") && cell.textContent.trim()) cell.dataset.label = heads[at] || "";
    });
  }
  // What can be scrolled sideways can be reached by keyboard; what fits is no stop on the way.
  function reach(part) {
    for (const table of all(".table", part)) {
      const scrolls = table.scrollWidth > table.clientWidth;
      table.toggleAttribute("tabindex", scrolls);
      if (scrolls) {
        table.tabIndex = 0;
        table.setAttribute("role", "region");
        table.setAttribute("aria-label", "Table that can be scrolled sideways");
      }
    }
  }
  addEventListener("resize", () => reach(document));
  function number(editor) {
    const area = one("textarea", editor);
    const lines = one(".lines", editor);
    const faulty = new Set((editor.dataset.faults || "").split(",").map(Number));
    const draw = () => {
      lines.replaceChildren();
      area.value.split("\n").forEach((_, index) => {
        const line = document.createElement(faulty.has(index + 1) ? "b" : "span");
        line.textContent = `${index + 1}\n`;
        lines.append(line);
      });
      lines.scrollTop = area.scrollTop;
    };
    area.addEventListener("input", draw);
    area.addEventListener("scroll", () => { lines.scrollTop = area.scrollTop; });
    draw();
    const line = Number(editor.dataset.line);
    if (line) {
      const begin = area.value.split("\n").slice(0, line - 1).join("\n").length + 1;
      area.focus();
      area.setSelectionRange(begin, begin);
      area.scrollTop = Math.max(0, (line - 4) * parseFloat(getComputedStyle(area).lineHeight));
    }
    lines.style.height = `${area.offsetHeight}px`;
    new ResizeObserver(() => { lines.style.height = `${area.offsetHeight}px`; }).observe(area);
  }
  document.addEventListener("phage:swapped", (event) => dress(event.detail));
  dress(document);
})();
