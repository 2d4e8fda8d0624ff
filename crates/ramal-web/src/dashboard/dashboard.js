// The dashboard's script. Pages work without it; it makes them live. Everything hangs on data attributes:
//   data-dialog="id"          opens a <dialog>; data-dismiss closes the one around it
//   data-copy="#id"           copies the text (or value) of that element
//   data-confirm="TEXT"       on an input: the form's button works once TEXT is typed
//   data-filter="#id"         on an input: shows the rows of that table whose text contains it;
//   data-filter-state="#id"   on a select: … whose data-state is the chosen one
//   data-number-state="wa_…"  a badge that follows the number's state
//   data-pairing="wa_…"       a block that follows the number's pairing (see pairing())
//   data-submit="fetch"       on a form that makes a number: sent without leaving the page
//   data-fresh="wa_…"         a part with an id that is fetched anew when the number's state changes
//   data-shows="id"           on a select: shows that part while nothing is chosen
(() => {
  "use strict";
  const body = document.body;
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const say = (text) => { const live = document.getElementById("live"); if (live) live.textContent = text; };

  // Dialogs
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) { const dialog = document.getElementById(opener.dataset.dialog); if (dialog) { event.preventDefault(); dialog.showModal(); } }
    const closer = event.target.closest("[data-dismiss]");
    if (closer) { event.preventDefault(); closer.closest("dialog").close(); }
    const copier = event.target.closest("[data-copy]");
    if (copier) copy(copier);
  });

  async function copy(button) {
    const source = document.querySelector(button.dataset.copy);
    const text = source.value === undefined ? source.textContent.trim() : source.value;
    try {
      await navigator.clipboard.writeText(text);
    } catch (_denied) {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      return;
    }
    const before = button.textContent;
    button.textContent = body.dataset.copied;
    say(body.dataset.copied);
    setTimeout(() => { button.textContent = before; }, 2000);
  }

  // Deletion is typed
  for (const input of all("input[data-confirm]")) {
    const button = input.form.querySelector("button:not([type=button])");
    const look = () => { button.disabled = input.value.trim() !== input.dataset.confirm; };
    input.addEventListener("input", look);
    look();
  }

  // Search
  const filters = all("[data-filter], [data-filter-state]");
  function filter(table) {
    const of = (name) => filters.filter((field) => field.dataset[name] === "#" + table.id).map((field) => field.value.trim().toLowerCase());
    const [words, states] = [of("filter"), of("filterState")];
    let shown = 0;
    for (const row of all("tbody tr", table)) {
      const text = row.textContent.toLowerCase().replace(/\s+/g, " ");
      const badge = row.querySelector("[data-state]");
      const state = badge ? badge.dataset.state.toLowerCase() : "";
      const visible = words.every((word) => text.includes(word) || text.replace(/\D/g, "").includes(word.replace(/\D/g, "") || "\0"))
        && states.every((wanted) => !wanted || wanted === state);
      row.hidden = !visible;
      if (visible) shown += 1;
    }
    const nothing = document.querySelector(`[data-nothing="#${table.id}"]`);
    if (nothing) nothing.hidden = shown > 0;
  }
  for (const field of filters) {
    const table = document.querySelector(field.dataset.filter || field.dataset.filterState);
    field.addEventListener("input", () => filter(table));
    if (field.value) filter(table);
  }

  document.addEventListener("number-state", () => {
    for (const field of filters) filter(document.querySelector(field.dataset.filter || field.dataset.filterState));
  });

  // Times in the reader's own zone
  function localTimes(root) {
    for (const time of all("time[datetime]", root)) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title = time.dateTime;
      time.textContent = at.toLocaleString(document.documentElement.lang, { dateStyle: "short", timeStyle: "medium" });
    }
  }
  localTimes(document);

  // States, live
  const names = { OPEN: body.dataset.open, CONNECTING: body.dataset.connecting, CLOSE: body.dataset.close };
  function follow() {
    const stream = new EventSource("/live");
    const offline = document.getElementById("offline");
    let wanted = false;
    stream.addEventListener("hello", () => { offline.hidden = true; });
    stream.addEventListener("number", (event) => {
      const data = JSON.parse(event.data);
      const badges = all(`[data-number-state="${data.id}"]`);
      for (const badge of badges) {
        if (badge.dataset.state === data.state) continue;
        badge.dataset.state = data.state;
        badge.querySelector("span").textContent = names[data.state];
        const row = badge.closest("[data-name]");
        say((row ? row.dataset.name + ": " : "") + names[data.state]);
        document.dispatchEvent(new CustomEvent("number-state", { detail: data }));
      }
      if (data.new && document.querySelector("[data-reload-on-new]") && !document.querySelector("dialog[open]")) location.reload();
    });
    stream.addEventListener("removed", (event) => {
      const { id } = JSON.parse(event.data);
      for (const badge of all(`[data-number-state="${id}"]`)) { const row = badge.closest("tr"); if (row) row.remove(); }
    });
    stream.onerror = () => {
      if (wanted) return;
      wanted = true;
      setTimeout(() => {
        wanted = false;
        if (stream.readyState === EventSource.OPEN) return;
        offline.hidden = false;
        if (stream.readyState === EventSource.CLOSED) { stream.close(); setTimeout(follow, 2000); }
      }, 3000);
    };
    addEventListener("pagehide", () => stream.close());
  }
  if (body.dataset.token) follow();

  // A pairing, live. Inside: .qr, .code, [data-countdown="… {s} …"], [data-problem], [data-again]
  // (a button that begins another attempt by POST), and parts shown by data-when="step step".
  function pairing(block) {
    let stream = null, until = 0, ticking = null;
    const find = (selector) => block.querySelector(selector);
    const show = (step) => {
      if (block.dataset.step === step) return;
      block.dataset.step = step;
      const told = find(`[data-when~="${step}"] h2, [data-when~="${step}"] h3`);
      if (told) say(told.textContent);
      if (step !== "codes") { clearInterval(ticking); ticking = null; }
    };
    const tick = () => {
      const left = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      const countdown = find("[data-countdown]");
      if (countdown) countdown.textContent = countdown.dataset.countdown.replace("{s}", left);
      find(".qr").classList.toggle("stale", left === 0);
    };
    function listen() {
      if (stream) stream.close();
      stream = new EventSource(`/numbers/${block.dataset.pairing}/pairing/events`);
      // `open` is also what a stream says of itself, without data.
      const on = (name, act) => stream.addEventListener(name, (event) => { if (event.data) act(JSON.parse(event.data)); });
      const end = (act) => (data) => { stream.close(); stream = null; act(data); };
      on("qr", (data) => {
        if (!data.qrcodeBase64) return;
        find(".qr").src = data.qrcodeBase64;
        until = Date.now() + (Date.parse(data.expiresAt) - Date.parse(data.issuedAt));
        show("codes"); tick();
        if (!ticking) ticking = setInterval(tick, 1000);
      });
      on("code", (data) => { find(".code").textContent = data.pairingCode || "—"; });
      on("scanned", () => show("scanned"));
      on("action_required", (data) => {
        find("[data-action]").dataset.action = data.kind;
        for (const side of ["expected", "actual"]) { const place = find(`[data-${side}]`); if (place && data[side]) place.textContent = data[side]; }
        show("action");
      });
      on("open", end(() => { show("open"); block.dispatchEvent(new CustomEvent("paired", { bubbles: true })); }));
      on("expired", end(() => show("expired")));
      on("failed", end((data) => {
        const [problem, known] = [find("[data-problem]"), find(`[data-reason="${data.code}"]`)];
        if (problem) problem.textContent = known ? known.textContent : (data.reason || "");
        show("failed");
      }));
      stream.onerror = () => { if (stream && stream.readyState === EventSource.CLOSED) { stream = null; setTimeout(listen, 3000); } };
    }
    async function begin() {
      show("starting");
      const answer = await post(`/numbers/${block.dataset.pairing}/connect`, new URLSearchParams());
      if (answer.ok) return listen();
      const problem = find("[data-problem]");
      if (problem) problem.textContent = (await answer.json().catch(() => ({}))).error || "";
      show("failed");
    }
    for (const again of all("[data-again]", block)) again.addEventListener("click", (event) => { event.preventDefault(); begin(); });
    if (block.dataset.begin !== undefined) begin();
    else if (block.dataset.pairing && block.dataset.idle === undefined) listen();
    return { listen, begin };
  }
  const post = (path, form) => fetch(path, {
    method: "POST", body: form,
    headers: { "x-form-token": body.dataset.token, accept: "application/json" },
  });
  for (const block of all("[data-pairing]")) if (block.dataset.pairing && !block.closest("dialog:not([open])")) pairing(block);

  // Parts of a page that follow a number: fetched anew, but for what somebody is in the middle of.
  document.addEventListener("number-state", async ({ detail }) => {
    const parts = all(`[data-fresh="${detail.id}"]`);
    if (!parts.length) return;
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts) {
      const [now, next] = [part.querySelector("[data-pairing]"), fresh.getElementById(part.id)];
      const busy = now && ["starting", "codes", "scanned", "action"].includes(now.dataset.step);
      if (!next || busy || part.contains(document.activeElement) && part.querySelector("input:focus")) continue;
      part.replaceChildren(...next.childNodes);
      localTimes(part);
      for (const block of all("[data-pairing]", part)) pairing(block);
    }
  });

  // A choice that makes other fields needless
  for (const select of all("select[data-shows]")) {
    const part = document.getElementById(select.dataset.shows);
    const look = () => {
      part.hidden = select.value !== "";
      for (const input of all("input", part)) input.required = select.value === "";
    };
    select.addEventListener("input", look);
    look();
  }

  // Creating a number: the form's answer names the number, and the block below shows its codes.
  for (const form of all("form[data-submit=fetch]")) {
    form.addEventListener("submit", async (event) => {
      // The other button leads to another page.
      if (event.submitter && event.submitter.hasAttribute("formaction")) return;
      event.preventDefault();
      const button = form.querySelector("button:not([type=button], [formaction])");
      const problem = form.querySelector("[data-error]");
      button.disabled = true;
      problem.hidden = true;
      try {
        const answer = await post(form.action, new URLSearchParams(new FormData(form)));
        const data = await answer.json();
        if (!answer.ok) throw new Error(data.error);
        const block = document.querySelector(form.dataset.pairingBlock);
        block.dataset.pairing = data.id;
        block.parentElement.hidden = false;
        form.hidden = true;
        for (const link of all("[data-number-link]", block)) link.href = "/numbers/" + data.id;
        block.closest("dialog").addEventListener("close", () => location.assign("/numbers"));
        pairing(block).listen();
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
        button.disabled = false;
        problem.focus();
      }
    });
  }

  // For pages with a script of their own.
  window.ramal = { post, pairing, say, all };
})();
