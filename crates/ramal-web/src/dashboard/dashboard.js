// The dashboard's script. Pages work without it; it makes them live. Everything hangs on data attributes:
//   data-dialog="id"          opens a <dialog>; data-dismiss closes the one around it
//   data-copy="#id"           copies the text (or value) of that element
//   data-confirm="TEXT"       on an input: the form's button works once TEXT is typed
//   data-filter="#id"         on an input: shows the rows of that table whose name or number contains it;
//   data-filter-state="#id"   on a select: … whose data-state is the chosen one
//   data-number-state="wa_…"  a badge that follows the number's state
//   data-pairing="wa_…"       a block that follows the number's pairing (see pairing())
//   data-submit="fetch"       on a form that makes a number: sent without leaving the page
//   data-fresh="wa_…"         a part with an id that is fetched anew when the number's state changes
//   data-fresh-list           a part with an id that is fetched anew when any number changes: row by row where it
//                             has a table whose rows have a data-number, else as a whole
//   data-messages="wa_…"      a part that follows the number's messages (see freshMessages())
//   data-loads="id"           on a select: that part is asked for anew, with all that was typed, when it changes
//   data-instant="…"          on an input of a moment: it is in the reader's zone, and sent as an instant
//   data-shows="id"           on a select: shows that part while nothing is chosen
(() => {
  "use strict";
  const body = document.body;
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const offline = document.getElementById("offline");
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
  const filters = () => all("[data-filter], [data-filter-state]");
  const filtered = (field) => document.querySelector(field.dataset.filter || field.dataset.filterState);
  const digits = (text) => text.replace(/\D/g, "");
  function matches(row, word) {
    if (row.cells[0].textContent.toLowerCase().replace(/\s+/g, " ").includes(word)) return true;
    // Only what can be a phone number is looked for in one.
    const phone = row.querySelector("td.number");
    return phone !== null && /^[\d\s+()-]*\d[\d\s+()-]*$/.test(word) && digits(phone.textContent).includes(digits(word));
  }
  function filter(table) {
    const of = (name) => filters().filter((field) => field.dataset[name] === "#" + table.id).map((field) => field.value.trim().toLowerCase());
    const [words, states] = [of("filter"), of("filterState")];
    let shown = 0;
    for (const row of all("tbody tr", table)) {
      const badge = row.querySelector("[data-state]");
      const state = badge ? badge.dataset.state.toLowerCase() : "";
      const visible = words.every((word) => matches(row, word)) && states.every((wanted) => !wanted || wanted === state);
      row.hidden = !visible;
      if (visible) shown += 1;
    }
    const nothing = document.querySelector(`[data-nothing="#${table.id}"]`);
    if (nothing) nothing.hidden = shown > 0;
  }
  document.addEventListener("input", (event) => { if (event.target.matches("[data-filter], [data-filter-state]")) filter(filtered(event.target)); });
  for (const field of filters()) if (field.value) filter(filtered(field));
  document.addEventListener("number-state", () => { for (const field of filters()) filter(filtered(field)); });

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

  // A browser has six connections for a host, whatever the number of its tabs: a page nobody sees holds none.
  // The first look of every stream tells all, so nothing is missed.
  const lines = new Set();
  const closeLines = () => { for (const line of lines) line.close(); };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) closeLines(); else for (const line of lines) line.open();
  });
  addEventListener("pagehide", closeLines);

  // States, live
  const names = { OPEN: body.dataset.open, CONNECTING: body.dataset.connecting, CLOSE: body.dataset.close };
  const told = new Map();
  const messages = document.querySelector("[data-messages]");
  function changed(data) {
    const now = JSON.stringify([data.state, data.reason, data.health]);
    const badges = all(`[data-number-state="${data.id}"]`);
    let news = !badges.length || told.has(data.id) && told.get(data.id) !== now;
    told.set(data.id, now);
    for (const badge of badges) {
      if (badge.dataset.state === data.state) continue;
      news = true;
      badge.dataset.state = data.state;
      badge.querySelector("span").textContent = names[data.state];
      const row = badge.closest("[data-name]");
      say((row ? row.dataset.name + ": " : "") + names[data.state]);
    }
    if (news) document.dispatchEvent(new CustomEvent("number-state", { detail: data }));
  }
  function follow() {
    let stream = null;
    const line = { open, close: () => { if (stream) stream.close(); stream = null; } };
    function open() {
      line.close();
      if (document.hidden) return;
      const mine = stream = new EventSource("/live" + (messages ? "?messages=" + messages.dataset.messages : ""));
      let waiting = false;
      mine.addEventListener("hello", () => {
        offline.hidden = true;
        // Back after a pause: what was deleted meanwhile is not told.
        if (told.size) document.dispatchEvent(new CustomEvent("number-state", { detail: {} }));
      });
      mine.addEventListener("number", (event) => changed(JSON.parse(event.data)));
      mine.addEventListener("messages", (event) => freshMessages(JSON.parse(event.data).mark));
      mine.addEventListener("removed", (event) => {
        const { id } = JSON.parse(event.data);
        for (const badge of all(`[data-number-state="${id}"]`)) { const row = badge.closest("tr"); if (row) row.remove(); }
        document.dispatchEvent(new CustomEvent("number-state", { detail: { id } }));
      });
      mine.onerror = () => {
        if (waiting) return;
        waiting = true;
        setTimeout(() => {
          waiting = false;
          if (stream !== mine || mine.readyState === EventSource.OPEN) return;
          offline.hidden = false;
          if (mine.readyState === EventSource.CLOSED) setTimeout(() => { if (stream === mine) open(); }, 2000);
        }, 3000);
      };
    }
    lines.add(line);
    open();
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
    const line = {
      close: () => { if (stream) stream.close(); stream = null; },
      open: () => { if (block.isConnected) listen(); else lines.delete(line); },
    };
    function listen() {
      line.close();
      lines.add(line);
      if (document.hidden) return;
      const mine = stream = new EventSource(`/numbers/${block.dataset.pairing}/pairing/events`);
      // `open` is also what a stream says of itself, without data.
      const on = (name, act) => stream.addEventListener(name, (event) => { if (event.data) act(JSON.parse(event.data)); });
      const end = (act) => (data) => { line.close(); lines.delete(line); act(data); };
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
      mine.onerror = () => {
        if (stream === mine && mine.readyState === EventSource.CLOSED) setTimeout(() => { if (stream === mine) line.open(); }, 3000);
      };
    }
    async function begin() {
      show("starting");
      let text = offline.textContent;
      try {
        const answer = await post(`/numbers/${block.dataset.pairing}/connect`, new URLSearchParams());
        if (answer.ok) return listen();
        text = (await answer.json()).error || text;
      } catch (_unreachable) { /* The text says it. */ }
      const problem = find("[data-problem]");
      if (problem) problem.textContent = text;
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

  // This page as it is now; nothing when it cannot be had: the notice of /live tells that.
  async function fetchPage(url = location.href) {
    try {
      const answer = await fetch(url, { headers: { accept: "text/html" } });
      return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
    } catch (_unreachable) { return null; }
  }

  // Parts of a page that follow a number: fetched anew, but for what somebody is in the middle of.
  document.addEventListener("number-state", async ({ detail }) => {
    const parts = all(`[data-fresh="${detail.id}"]`);
    if (!parts.length) return;
    const fresh = await fetchPage();
    if (!fresh) return;
    for (const part of parts) {
      const [now, next] = [part.querySelector("[data-pairing]"), fresh.getElementById(part.id)];
      const busy = now && ["starting", "codes", "scanned", "action"].includes(now.dataset.step);
      if (!next || busy || part.contains(document.activeElement) && part.querySelector("input:focus")) continue;
      part.replaceChildren(...next.childNodes);
      localTimes(part);
      for (const block of all("[data-pairing]", part)) pairing(block);
    }
  });

  // The list of numbers: its rows are replaced one by one, so that what is typed and chosen around them stays.
  function freshRows(now, next) {
    const old = new Map(Array.from(now.rows, (row) => [row.dataset.number, row]));
    const rows = Array.from(next.rows, (row) => {
      const before = old.get(row.dataset.number);
      if (before) row.hidden = before.hidden;
      return before && before.isEqualNode(row) ? before : row;
    });
    const focused = document.activeElement.closest("tr[data-number]");
    for (const row of old.values()) if (!rows.includes(row)) row.remove();
    rows.forEach((row, at) => { if (now.rows[at] !== row) now.insertBefore(row, now.rows[at] || null); });
    const again = focused && !focused.isConnected && rows.find((row) => row.dataset.number === focused.dataset.number);
    if (again) again.querySelector("a").focus();
  }
  let refreshing = false, stale = false;
  async function refreshList() {
    stale = true;
    if (refreshing) return;
    refreshing = true;
    while (stale) {
      stale = false;
      const fresh = await fetchPage();
      if (!fresh) break;
      localTimes(fresh);
      for (const part of all("[data-fresh-list]")) {
        const next = fresh.getElementById(part.id);
        const [rows, nextRows] = [part, next].map((one) => one && one.querySelector("tr[data-number]") && one.querySelector("tbody"));
        if (rows && nextRows) freshRows(rows, nextRows);
        else if (next && !part.isEqualNode(next)) part.replaceWith(next);
      }
      for (const field of filters()) filter(filtered(field));
    }
    refreshing = false;
  }
  document.addEventListener("number-state", () => { if (document.querySelector("[data-fresh-list]")) refreshList(); });

  // The messages of a number: what did not change stays as it is, opened details stay open, and the focus where it is.
  let wantedMark = "", asking = false;
  async function freshMessages(mark) {
    wantedMark = mark;
    if (asking) return;
    asking = true;
    while (messages.dataset.mark !== wantedMark) {
      const before = wantedMark;
      const page = await fetchPage(messages.dataset.source);
      const fresh = page && page.querySelector("[data-messages]");
      if (!fresh) break;
      localTimes(fresh);
      for (const part of all("[data-part]", messages)) {
        const next = page.getElementById(part.id);
        if (next) freshItems(part, next);
      }
      messages.dataset.mark = fresh.dataset.mark;
      // It has moved on meanwhile: what comes next will be told.
      if (wantedMark === before) break;
    }
    asking = false;
  }
  function freshItems(part, next) {
    const newest = (root) => { const item = root.querySelector("[data-direction=in]"); return item && item.dataset.message; };
    if (newest(next) && newest(next) !== newest(part)) say(messages.dataset.new);
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    for (const item of all("[data-message]", next)) {
      const old = part.querySelector(`[data-message="${item.dataset.message}"]`);
      if (!old) continue;
      all("details", old).forEach((details, at) => { const same = all("details", item)[at]; if (same) same.open = details.open; });
      if (old.isEqualNode(item)) item.replaceWith(old);
    }
    part.replaceChildren(...next.childNodes);
    const again = focused && (focused.isConnected ? focused : focused.id && document.getElementById(focused.id));
    if (again) again.focus({ preventScroll: true });
  }

  // A choice that asks for other fields: the form is sent for them, and comes back with what was typed.
  for (const select of all("select[data-loads]")) {
    select.addEventListener("change", async () => {
      const data = new FormData(select.form);
      data.delete("file");
      data.set("choose", "1");
      const chosen = select.value;
      try {
        const answer = await fetch(select.form.action, { method: "POST", body: new URLSearchParams(data), headers: { accept: "text/html" } });
        if (!answer.ok || select.value !== chosen) return;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const next = page.getElementById(select.dataset.loads);
        if (next) document.getElementById(select.dataset.loads).replaceChildren(...next.childNodes);
      } catch (_unreachable) { /* The notice of /live tells that. */ }
    });
  }

  // A moment of the reader's: the field knows no zone, so an instant is sent in its place.
  for (const input of all("input[data-instant]")) {
    const at = new Date(input.dataset.instant);
    if (!Number.isNaN(at.getTime())) input.value = new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    const hint = document.querySelector(`label[for="${input.id}"] [data-here]`);
    if (hint) hint.textContent = hint.dataset.here;
    input.form.addEventListener("formdata", ({ formData }) => {
      const typed = new Date(formData.get(input.name));
      if (!Number.isNaN(typed.getTime())) formData.set(input.name, typed.toISOString());
    });
  }

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
      let text = offline.textContent;
      try {
        const answer = await post(form.action, new URLSearchParams(new FormData(form)));
        const data = await answer.json();
        if (!answer.ok) { text = data.error || text; throw new Error(text); }
        const block = document.querySelector(form.dataset.pairingBlock);
        block.dataset.pairing = data.id;
        block.parentElement.hidden = false;
        form.hidden = true;
        for (const link of all("[data-number-link]", block)) link.href = "/numbers/" + data.id;
        block.closest("dialog").addEventListener("close", () => location.assign("/numbers"));
        pairing(block).listen();
      } catch (_refused) {
        problem.textContent = text;
        problem.hidden = false;
        button.disabled = false;
        problem.focus();
      }
    });
  }

  // For pages with a script of their own.
  window.ramal = { post, pairing, say, all };
})();
