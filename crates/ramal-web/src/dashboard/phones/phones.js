// The virtual phones: everything that a person does with one, by the sandbox's control API.
(() => {
  "use strict";
  const root = document.getElementById("phones");
  const t = root.dataset;
  const template = document.getElementById("phone");
  const said = document.getElementById("said");
  const phones = new Map();
  let numbers = [];

  async function ask(method, path, body) {
    const answer = await fetch(path, {
      method,
      headers: { accept: "application/json", ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
    const data = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(data.error || String(answer.status));
    return { status: answer.status, data };
  }
  const get = async (path) => (await ask("GET", path)).data;
  const element = (name, text, classes) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (classes) made.className = classes;
    return made;
  };
  const button = (text, act, classes = "quiet") => {
    const made = element("button", text, classes);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  };
  const readable = (number) => {
    const brazil = /^\+55(\d\d)(\d{4,5})(\d{4})$/.exec(number);
    return brazil ? `+55 ${brazil[1]} ${brazil[2]}-${brazil[3]}` : number;
  };
  const nameOf = (number) => {
    const known = numbers.find((other) => other.number === number);
    return known ? `${known.name} · ${readable(number)}` : `${readable(number)} (${t.otherPhone})`;
  };
  const path = (number, rest = "") => `/sandbox/phones/${encodeURIComponent(number)}${rest}`;

  class Phone {
    constructor(number) {
      this.number = number;
      this.seen = {};
      this.card = template.content.firstElementChild.cloneNode(true);
      this.card.dataset.phone = number;
      this.find("h2").textContent = readable(number);
      this.card.setAttribute("aria-label", readable(number));
      this.find("[data-peer]").setAttribute("aria-label", `${t.peer} (${readable(number)})`);
      this.find(".write input").setAttribute("aria-label", t.message);
      this.find(".type input").setAttribute("aria-label", t.code);
      for (const tab of this.card.querySelectorAll("[data-view]")) tab.addEventListener("click", () => this.view(tab.dataset.view));
      this.find("[data-peer]").addEventListener("change", () => { this.chosen = true; this.seen.log = ""; this.drawLog(); });
      this.find(".write").addEventListener("submit", (event) => { event.preventDefault(); this.write(); });
      this.find(".type").addEventListener("submit", (event) => {
        event.preventDefault();
        const field = this.find(".type input");
        this.link("/pairing-code", { code: field.value }).then(() => { field.value = ""; });
      });
      this.find("[data-picture]").addEventListener("change", (event) => this.scanPicture(event.target.files[0]));
      this.card.addEventListener("paste", (event) => {
        const file = Array.from(event.clipboardData.files).find((one) => one.type === "image/png");
        if (file) { event.preventDefault(); this.scanPicture(file); }
      });
      for (const fault of this.card.querySelectorAll("[data-fault]")) fault.addEventListener("click", () => this.fault(fault));
    }

    find(selector) { return this.card.querySelector(selector); }

    view(name) {
      for (const tab of this.card.querySelectorAll("[data-view]")) tab.setAttribute("aria-pressed", String(tab.dataset.view === name));
      for (const view of this.card.querySelectorAll(".view")) view.hidden = view.dataset.for !== name;
      if (name === "chat") this.toEnd();
    }

    tell(text, problem = false) {
      const toast = this.find(".toast");
      toast.textContent = text;
      toast.classList.toggle("problem", problem);
    }

    async act(work, done = t.done) {
      try {
        const result = await work();
        this.tell(done);
        return result;
      } catch (error) {
        this.tell(t.failed.replace("{s}", error.message), true);
        return undefined;
      } finally {
        refresh();
      }
    }

    async link(rest, body) {
      const result = await this.act(() => ask("POST", path(this.number, rest), body), t.linked);
      if (!result) return;
      if (result.status === 202) this.tell(t.passkey);
      else if (!this.chosen) this.view("chat");
    }

    async scanPicture(file) {
      if (!file) return;
      const reader = new FileReader();
      reader.addEventListener("load", () => this.link("/scan", { qrcodeBase64: reader.result }));
      reader.readAsDataURL(file);
    }

    async write() {
      const field = this.find(".write input");
      const text = field.value.trim();
      if (!text) return;
      const body = { to: this.find("[data-peer]").value, text };
      if (await this.act(() => ask("POST", path(this.number, "/messages"), body), "")) { field.value = ""; field.focus(); }
    }

    fault(source) {
      const faults = path(this.number, "/faults");
      const drop = () => ask("POST", faults, { streamError: 503, now: true });
      const works = {
        drop,
        logout: () => ask("POST", faults, { conflict: "device_removed", now: true }),
        ban: async () => { await ask("POST", faults, { failure: 402, code: 101, expireSeconds: 3600 }); return drop(); },
        outdated: async () => { await ask("POST", faults, { failure: 405 }); return drop(); },
        clear: () => ask("DELETE", faults),
        passkey: async () => {
          const demand = source.getAttribute("aria-pressed") !== "true";
          const answer = await ask("POST", path(this.number, "/passkey"), { demand });
          source.setAttribute("aria-pressed", String(demand));
          return answer;
        },
      };
      return this.act(works[source.dataset.fault]);
    }

    /** Draws a part again when what it shows has changed: whoever is about to click keeps the focus. */
    changed(what, value) {
      const text = JSON.stringify(value);
      if (this.seen[what] === text) return false;
      this.seen[what] = text;
      return true;
    }

    async look() {
      const [messages, companions] = await Promise.all([get(path(this.number, "/messages")), get(path(this.number, "/companions"))]);
      this.messages = messages.filter((message) => !message.chat);
      this.drawPeers();
      this.drawLog();
      this.drawCodes();
      this.drawDevices(companions);
    }

    peerOf(message) { return message.from === this.number ? message.to : message.from; }

    drawPeers() {
      const known = new Set(this.messages.map((message) => this.peerOf(message)));
      for (const other of numbers) if (other.number !== this.number) known.add(other.number);
      for (const other of phones.keys()) if (other !== this.number) known.add(other);
      const peers = [...known];
      const select = this.find("[data-peer]");
      if (this.changed("peers", peers.map(nameOf))) {
        const before = select.value;
        select.replaceChildren(...peers.map((peer) => { const option = element("option", nameOf(peer)); option.value = peer; return option; }));
        if (peers.includes(before)) select.value = before;
      }
      // Until somebody chooses: whoever wrote last.
      const last = this.messages[this.messages.length - 1];
      if (!this.chosen && last) select.value = this.peerOf(last);
      select.hidden = !peers.length;
      this.find(".write").hidden = !peers.length;
      this.find("[data-no-peer]").hidden = Boolean(peers.length);
    }

    drawLog() {
      const peer = this.find("[data-peer]").value;
      const shown = (this.messages || []).filter((message) => this.peerOf(message) === peer);
      this.find("[data-no-messages]").hidden = Boolean(shown.length) || !peer;
      if (!this.changed("log", shown)) return;
      this.find(".log").replaceChildren(...shown.map((message) => this.bubble(message)));
      this.toEnd();
    }

    bubble(message) {
      const own = message.from === this.number;
      const made = element("div", message.text || `[${message.type}]`, own ? "bubble out" : "bubble");
      const time = new Date(message.at).toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" });
      const below = element("small", own ? `${time} · ${t[message.status] || message.status}` : time);
      if (!own && message.status !== "read") {
        below.append(" · ", button(t.markRead, () => this.act(() => ask("POST", path(this.number, `/messages/${encodeURIComponent(message.id)}/read`)), ""), "plain"));
      }
      made.append(below);
      return made;
    }

    toEnd() { const log = this.find(".log"); log.scrollTop = log.scrollHeight; }

    drawCodes() {
      const waiting = numbers.filter((number) => number.qr);
      this.find("[data-no-codes]").hidden = Boolean(waiting.length);
      if (!this.changed("codes", waiting)) return;
      this.find(".codes").replaceChildren(...waiting.map((number) => {
        const row = element("li");
        const picture = element("img");
        picture.src = number.picture;
        picture.alt = "";
        const side = element("div");
        const note = number.number === this.number ? readable(number.number) : `${readable(number.number)} · ${t.scanOther}`;
        side.append(element("p", number.name), element("p", note, "small soft"));
        if (number.code) side.append(element("p", number.code, "mono small"));
        const scan = button(t.scan, () => this.link("/scan", { qr: number.qr }), "");
        scan.setAttribute("aria-label", `${t.scan}: ${number.name}`);
        side.append(scan);
        row.append(picture, side);
        return row;
      }));
    }

    drawDevices(companions) {
      const count = companions.length;
      const text = count === 0 ? t.none : count === 1 ? t.one : t.many.replace("{n}", count);
      this.find("[data-devices-count]").textContent = text;
      this.find("[data-no-devices]").hidden = Boolean(count);
      if (!this.changed("devices", companions)) return;
      this.find(".devices").replaceChildren(...companions.map((companion) => {
        const row = element("li");
        const side = element("div");
        side.append(element("p", companion.platform || companion.jid), element("p", companion.connected ? t.online : t.away, "small soft"));
        row.append(side, button(t.unlink, () => this.act(() => ask("DELETE", path(this.number, `/companions/${companion.device}`))), "danger"));
        return row;
      }));
    }
  }

  function place(list) {
    for (const { number } of list) {
      if (phones.has(number)) continue;
      const phone = new Phone(number);
      phones.set(number, phone);
      root.append(phone.card);
      // A phone whose number waits for it has something to scan.
      if (numbers.some((other) => other.number === number && other.state !== "OPEN")) phone.view("link");
    }
    document.getElementById("start").hidden = phones.size > 0;
  }

  async function add(number) {
    said.hidden = true;
    try {
      const { data } = await ask("POST", "/sandbox/phones", { number });
      await refresh();
      const phone = phones.get(data.number);
      if (phone) phone.card.scrollIntoView({ block: "nearest" });
      return true;
    } catch (error) {
      said.textContent = t.failed.replace("{s}", error.message);
      said.classList.add("problem");
      said.hidden = false;
      return false;
    }
  }

  let waitingSeen = "";
  function drawWaiting() {
    const waiting = numbers.filter((number) => number.state === "CONNECTING" && !phones.has(number.number));
    const text = JSON.stringify(waiting.map(({ name, number }) => [name, number]));
    if (text === waitingSeen) return;
    waitingSeen = text;
    const box = document.getElementById("waiting");
    box.hidden = !waiting.length;
    box.querySelector("ul").replaceChildren(...waiting.map((number) => {
      const row = element("li", `${number.name} · ${readable(number.number)}`);
      row.append(button(t.pickUp, () => add(number.number), ""));
      return row;
    }));
  }

  async function refresh() {
    const [list, ours] = await Promise.all([get("/sandbox/phones"), get("/phones/numbers")]);
    numbers = ours;
    place(list);
    drawWaiting();
    await Promise.all([...phones.values()].map((phone) => phone.look()));
  }

  document.getElementById("add-phone").addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = document.getElementById("new-phone");
    if (await add(field.value.replace(/[^+\d]/g, ""))) field.value = "";
  });
  // A number that is free, for whoever does not care which.
  document.getElementById("new-phone").value = `+55119${String(Math.floor(Math.random() * 1e8)).padStart(8, "0")}`;

  for (const control of document.querySelectorAll("[data-network]")) {
    control.addEventListener("click", async () => {
      const toggles = control.hasAttribute("aria-pressed");
      const on = !toggles || control.getAttribute("aria-pressed") !== "true";
      await ask("POST", "/sandbox/network", { [control.dataset.network]: on });
      if (toggles) control.setAttribute("aria-pressed", String(on));
    });
  }
  get("/sandbox/network").then((state) => {
    for (const name of ["refuse", "silent"]) document.querySelector(`[data-network=${name}]`).setAttribute("aria-pressed", String(Boolean(state[name])));
  }).catch(() => {});

  async function poll() {
    if (!document.hidden) await refresh().catch(() => {});
    setTimeout(poll, 1000);
  }
  poll();
})();
