// Files that are dropped or chosen: sent one after the other, with a bar each. Without it the form sends one.
"use strict";
(() => {
  const form = document.querySelector("form[data-upload]");
  if (!form) return;
  const sent = form.querySelector("#sent");
  const chooser = form.querySelector("input[type=file]");
  const token = form.querySelector("[name=csrf_token]").value;
  chooser.multiple = true;
  for (const each of form.querySelectorAll("[data-script]")) each.hidden = false;

  function row(file) {
    const item = document.createElement("li");
    const name = document.createElement("span");
    name.className = "say break";
    name.textContent = file.name;
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", `${file.name}: sent`);
    item.append(name, bar);
    sent.append(item);
    return { item, name, bar };
  }

  function send(file) {
    const { item, name, bar } = row(file);
    const fields = new FormData();
    const password = form.querySelector("[name=password]").value;
    if (password) fields.append("password", password);
    fields.append("file", file);
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open("POST", form.dataset.upload);
      request.setRequestHeader("X-CSRF-Token", token);
      request.responseType = "json";
      request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; });
      request.addEventListener("loadend", () => {
        bar.remove();
        const answer = request.response || {};
        const at = answer.state === "done" ? `/files/${answer.sha256}` : `/files/analyses/${answer.id}`;
        if (request.status === 202) {
          const link = document.createElement("a");
          link.href = at;
          link.textContent = file.name;
          name.replaceChildren(link);
        }
        const told = document.createElement("span");
        told.className = request.status === 202 ? "soft" : "warn-text";
        told.textContent = request.status === 202 ? (answer.outcome || "taken") : (answer.detail || "phage does not answer.");
        item.append(told);
        resolve(request.status === 202 ? at : "");
      });
      request.send(fields);
    });
  }

  let busy = Promise.resolve();
  function take(files) {
    const list = [...files];
    busy = busy.then(async () => {
      const places = [];
      for (const file of list) places.push(await send(file));
      if (places.length === 1 && places[0]) location.assign(places[0]);
      form.reset();
    });
  }

  form.addEventListener("submit", (event) => { event.preventDefault(); take(chooser.files); });
  let depth = 0;
  const carries = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  addEventListener("dragenter", (event) => { if (carries(event)) { depth += 1; form.classList.add("over"); } });
  addEventListener("dragleave", (event) => { if (carries(event) && (depth -= 1) <= 0) { depth = 0; form.classList.remove("over"); } });
  addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    depth = 0;
    form.classList.remove("over");
    take(event.dataTransfer.files);
  });
})();
