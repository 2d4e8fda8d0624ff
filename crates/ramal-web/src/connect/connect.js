// The hosted pairing page: asks for codes, follows the attempt, and never shows a dead one.
import * as frame from "/assets/connect-frame.js";

(() => {
  const { page, texts, api, byId, focusHeading, tell } = frame;
  const { token, role, redirect, number } = page.dataset;
  const helper = role === "helper";
  /** How long a QR code that is over may wait for the next one, in milliseconds. */
  const GRACE = 4000;
  /** Waits between tries to reach WhatsApp, in seconds. */
  const RETRIES = [5, 10, 20, 30];
  const HELPER_LOOKS_AGAIN = 3000;
  /** Waits before a lost stream is asked for again, in seconds. */
  const STREAM_RETRIES = [1, 2, 4, 8, 15];
  /** How long a stream may be lost before anybody is told, in milliseconds. */
  const QUIET = 5000;

  // The server's clock minus this machine's. Its page was not written before it was asked for, so an
  // error makes a code die early here, and never late.
  const [visit] = performance.getEntriesByType("navigation");
  const asked = performance.timeOrigin + (visit ? visit.requestStart : 0);
  const skew = Date.parse(page.dataset.now) - asked;
  const millisLeft = (iso) => Date.parse(iso) - skew - Date.now();
  const clock = (millis) => {
    const seconds = Math.max(0, Math.ceil(millis / 1000));
    return Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0");
  };

  // ---- what is seen

  const said = { starting: texts.starting, codes: texts.scanTitle, connecting: texts.connecting,
    open: texts.success, expired: texts.codesOver, unreachable: texts.unreachable,
    wrong: texts.wrongPhone, ask: texts.ask, refused: texts.refused, passkey: texts.passkey,
    confirm: texts.confirm, unsigned: texts.passkeyOver, waiting: texts.waiting };

  function show(state) {
    if (page.dataset.state === state) return;
    const way = state === "codes" && page.dataset.way === "code";
    frame.show(state, way ? texts.codeTitle : said[state]);
    if (state === "open") frame.opened(number, redirect);
    if (["wrong", "refused", "unsigned"].includes(state)) tell("connect:error", { message: said[state] });
  }

  function problemIn(place, sentence) {
    const problem = place.closest("section").querySelector("[data-problem]");
    (place.querySelector("[data-problem]") || problem).textContent = sentence;
  }

  // ---- codes

  let qrDies = 0;
  let qrLives = 1;
  let codeDies = 0;
  let deadline = 0;

  function showQr(data) {
    if (!data.qrcodeBase64) return;
    byId("qr").src = data.qrcodeBase64;
    qrDies = Date.now() + millisLeft(data.expiresAt);
    qrLives = Date.parse(data.expiresAt) - Date.parse(data.issuedAt);
    show("codes");
    tick();
  }

  /** As tiles, one for each letter, and as one text for whoever hears it. */
  function spell(place, code) {
    if (place.dataset.value === code) return;
    place.dataset.value = code;
    const heard = document.createElement("span");
    heard.className = "sr";
    heard.textContent = [...code].join(" ");
    const tiles = [...code].map((letter) => {
      const tile = document.createElement(letter === "-" ? "i" : "b");
      tile.textContent = letter === "-" ? "–" : letter;
      tile.setAttribute("aria-hidden", "true");
      return tile;
    });
    place.replaceChildren(heard, ...tiles);
  }

  function showCode(code, expiresAt) {
    byId("code").hidden = !code;
    byId("no-code").hidden = Boolean(code);
    byId("copy-code").hidden = !code;
    if (code) spell(byId("code"), code);
    codeDies = code && expiresAt ? Date.now() + millisLeft(expiresAt) : 0;
    tick();
  }

  function tick() {
    const now = Date.now();
    if (page.dataset.state === "codes") tickCodes(now);
    if (deadline) byId("left").textContent = texts.timeLeft.replace("{t}", clock(deadline - now));
  }

  function tickCodes(now) {
    const left = qrDies - now;
    const stale = qrDies > 0 && left <= 0;
    const over = left <= -GRACE;
    byId("frame").classList.toggle("stale", stale);
    byId("veil-spinner").hidden = over;
    byId("veil-again").hidden = !over;
    byId("bar").hidden = qrDies === 0 || stale;
    byId("bar").firstElementChild.style.transform = "scaleX(" + Math.min(1, Math.max(0, left / qrLives)) + ")";
    const seconds = Math.max(1, Math.ceil(left / 1000));
    byId("countdown").textContent = qrDies === 0 ? ""
      : over ? texts.codesOver : stale ? texts.renewing : texts.renewedIn.replace("{s}", seconds);
    const codeLeft = codeDies - now;
    byId("code-left").textContent = codeDies && codeLeft > 0 ? texts.codeLeft.replace("{t}", clock(codeLeft)) : "";
    if (codeDies && codeLeft <= 0) byId("code").hidden = true;
    // Nothing is left to use, and nobody said so: the line may be down.
    if (over && codeLeft <= -GRACE && qrDies > 0) show("expired");
  }

  function choose(way) {
    page.dataset.way = way;
    try { sessionStorage.setItem("way", way); } catch (_private) { /* chosen for this page only */ }
  }

  // ---- the attempt

  let stream = null;
  let tries = 0;
  let losses = 0;
  let again = 0;
  let note = 0;
  let counting = 0;

  function unfollow() {
    clearTimeout(again);
    if (stream) stream.close();
    stream = null;
  }

  function follow() {
    unfollow();
    stream = new EventSource(api + "/events");
    const mine = stream;
    // EventSource has an `open` of its own, without data: the line is there.
    const on = (name, act) => mine.addEventListener(name, (event) => { if (event.data) act(JSON.parse(event.data)); });
    const end = (act) => (data) => { mine.close(); stream = null; act(data); };
    on("qr", (data) => { if (!helper) showQr(data); });
    on("code", (data) => showCode(data.pairingCode, data.expiresAt));
    on("scanned", () => show("connecting"));
    on("action_required", actionRequired);
    on("adopted", (data) => {
      byId("adopted").textContent = texts.adopted.replace("{actual}", data.actual);
      byId("adopted").hidden = false;
      show("connecting");
    });
    on("open", end(() => show("open")));
    on("expired", end(() => {
      if (helper) wait();
      else if (page.dataset.state !== "unreachable") show("expired");
    }));
    on("failed", end(failed));
    // EventSource comes back by itself after a broken line; not after a refusal.
    mine.onopen = found;
    mine.onerror = () => {
      if (stream !== mine || mine.readyState !== EventSource.CLOSED) return;
      stream = null;
      lost();
    };
  }

  function actionRequired(data) {
    const ends = data.deadline || data.expiresAt;
    deadline = ends ? Date.now() + millisLeft(ends) : 0;
    if (data.kind === "wrong_phone") {
      phones(data);
      return show(helper ? "waiting" : "ask");
    }
    if (data.step === "confirm" || data.type === "PASSKEY_CONFIRMATION") {
      spell(byId("confirm-code"), data.code);
      return show("confirm");
    }
    byId("snippet").value = "navigator.credentials.get({publicKey: " +
      "PublicKeyCredential.parseRequestOptionsFromJSON(" + JSON.stringify(data.publicKey) + ")})" +
      ".then((signed) => console.log(JSON.stringify(signed.toJSON())))";
    show("passkey");
    tick();
  }

  function phones(data) {
    if (data.expected) byId("expected").textContent = data.expected;
    byId("actual").parentElement.hidden = !data.actual;
    byId("actual").textContent = data.actual || "";
  }

  function failed(data) {
    if (helper) return wait();
    // The page counts down to a new attempt already, and this one was before.
    if (page.dataset.state === "unreachable") return undefined;
    switch (data.code) {
      case "WRONG_PHONE": phones(data); return show("wrong");
      case "NETWORK": return unreachable();
      case "SUPERSEDED": setTimeout(follow, 1000); return undefined;
      case "PASSKEY_REQUIRED": case "PASSKEY_REFUSED": return show("unsigned");
      case "NOT_PAIRED": return show("choose");
      default: return show("refused");
    }
  }

  /** A helper has nothing to begin: the person's page does. */
  function wait() {
    show("waiting");
    setTimeout(follow, HELPER_LOOKS_AGAIN);
  }

  function found() {
    losses = 0;
    clearTimeout(note);
    note = 0;
    byId("line").textContent = "";
  }

  /**
   * The stream was refused: because the link died, or because the server cannot now. What the page
   * shows goes on: a passkey or an answer may be needed still, and a new attempt would end this one.
   */
  async function lost() {
    try {
      const answer = await fetch(api);
      if (answer.status === 404) return location.reload();
    } catch (_offline) { /* as any other outage */ }
    note ||= setTimeout(() => { byId("line").textContent = texts.unreachable; }, QUIET);
    const seconds = STREAM_RETRIES[Math.min(losses, STREAM_RETRIES.length - 1)];
    losses += 1;
    clearTimeout(again);
    again = setTimeout(() => { if (!stream) follow(); }, 1000 * seconds);
    return undefined;
  }

  function unreachable(seconds) {
    show("unreachable");
    const until = Date.now() + 1000 * (seconds || RETRIES[Math.min(tries, RETRIES.length - 1)]);
    tries += 1;
    clearTimeout(counting);
    const count = () => {
      if (page.dataset.state !== "unreachable") return;
      const left = Math.ceil((until - Date.now()) / 1000);
      if (left <= 0) { start(); return; }
      byId("retry").textContent = texts.unreachableHint.replace("{s}", left);
      counting = setTimeout(count, 250);
    };
    count();
  }

  async function start() {
    unfollow();
    show("starting");
    try {
      const answer = await fetch(api + "/connect", { method: "POST" });
      const body = await answer.json().catch(() => ({}));
      if (answer.status === 404) return location.reload();
      if (body.code === "NUMBER_ALREADY_CONNECTED") return show("open");
      if (!answer.ok) {
        unreachable(Number(answer.headers.get("retry-after")));
        // The phone may have scanned already, and be logging in: then the stream says so.
        return body.code === "UPSTREAM_ERROR" ? follow() : undefined;
      }
      tries = 0;
      showCode(body.pairingCode, body.pairing.pairingCodeExpiresAt);
      showQr({ qrcodeBase64: body.qrcodeBase64, ...body.pairing });
      return follow();
    } catch (_offline) {
      return unreachable();
    }
  }

  // ---- what a person answers

  /** Sends; on success `then`, else says what is wrong beside `place`. */
  async function send(place, path, body, then, sentence) {
    const buttons = place.querySelectorAll("button");
    const lock = (locked) => buttons.forEach((button) => { button.disabled = locked; });
    lock(true);
    problemIn(place, "");
    try {
      const headers = body ? { "content-type": "application/json" } : {};
      const answer = await fetch(api + path, { method: "POST", headers, body: body && JSON.stringify(body) });
      const said = await answer.json().catch(() => ({}));
      if (answer.ok) then(said);
      else problemIn(place, answer.status === 400 && sentence ? sentence : texts.notNow);
    } catch (_offline) {
      problemIn(place, texts.notNow);
    }
    lock(false);
  }

  /** The stream may have been faster than the answer, and have shown what comes after. */
  function leave(state) {
    if (page.dataset.state === state) show("connecting");
  }

  function assertionIn(text) {
    try {
      const read = JSON.parse(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1));
      return read.id && read.rawId && read.response && read.response.signature ? read : null;
    } catch (_broken) {
      return null;
    }
  }

  async function copy(text, field) {
    try {
      await navigator.clipboard.writeText(text);
    } catch (_refused) {
      // In a frame the clipboard may be closed to scripts; the old way needs a selection.
      if (field.select) field.select(); else getSelection().selectAllChildren(field);
      document.execCommand("copy");
    }
  }

  function copies(button, field, text) {
    byId(button)?.addEventListener("click", async () => {
      await copy(text(byId(field)), byId(field));
      byId(button).textContent = texts.copied;
      byId("live").textContent = texts.copied;
      setTimeout(() => { byId(button).textContent = texts.copy; }, 2000);
    });
  }

  function listen() {
    for (const form of document.querySelectorAll("form[method=post]")) {
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        if (form.dataset.way) choose(form.dataset.way);
        start();
      });
    }
    byId("switch").addEventListener("click", (event) => {
      if (!event.target.dataset.to) return;
      choose(event.target.dataset.to);
      focusHeading();
    });
    byId("answers").addEventListener("click", (event) => {
      const { use } = event.target.dataset;
      if (use) send(byId("answers"), "/wrong-phone", { use: use === "yes" }, () => leave("ask"));
    });
    byId("sign").addEventListener("submit", (event) => {
      event.preventDefault();
      const read = assertionIn(byId("assertion").value);
      if (!read) { problemIn(byId("sign"), texts.assertionBad); byId("assertion").focus(); return; }
      send(byId("sign"), "/passkey", read, () => { byId("assertion").value = ""; leave("passkey"); }, texts.assertionBad);
    });
    byId("confirm").addEventListener("click", () => {
      send(byId("confirm").parentElement, "/passkey/confirm", null, () => leave("confirm"));
    });
    byId("helper-make")?.addEventListener("click", () => {
      send(byId("helper"), "/helper", null, (made) => {
        byId("helper-url").value = made.helperUrl;
        byId("helper-made").hidden = false;
        byId("helper-url").select();
      });
    });
    copies("copy-code", "code", (field) => field.dataset.value);
    copies("copy-snippet", "snippet", (field) => field.value);
    copies("copy-helper", "helper-url", (field) => field.value);
  }

  function begin() {
    const { state } = page.dataset;
    if (state === "dead") return tell("connect:expired");
    if (state === "already") return frame.paired(number, redirect);
    if (!token) {
      // A page of a refusal: its form goes to the server, as without this script.
      setTimeout(() => { location.replace(location.href); }, 1000 * Number(page.dataset.retry));
      return undefined;
    }
    listen();
    byId("switch").hidden = false;
    const phone = matchMedia("(max-width: 640px)").matches;
    // On the phone itself there is nothing to scan with.
    if (phone) byId("choices").append(byId("choices").firstElementChild);
    if (/iPhone|iPad/.test(navigator.userAgent)) {
      byId("qr-iphone").checked = true;
      byId("code-iphone").checked = true;
    }
    let way = null;
    try { way = sessionStorage.getItem("way"); } catch (_private) { /* as if nothing was chosen */ }
    page.dataset.way = way || (phone ? "code" : "qr");
    setInterval(tick, 500);
    document.addEventListener("visibilitychange", tick);
    if (helper) return follow();
    const code = byId("code").textContent.trim();
    showCode(code);
    if (state === "codes" || state === "connecting") follow();
    return undefined;
  }

  begin();
})();
