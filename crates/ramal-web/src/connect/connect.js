// The hosted pairing page: asks for codes, follows the attempt, and never shows a dead one.
(() => {
  "use strict";
  const page = document.getElementById("page");
  const texts = JSON.parse(document.getElementById("texts").textContent);
  const api = "/v1/remote-pairing/" + encodeURIComponent(page.dataset.token);
  const byId = (id) => document.getElementById(id);
  const RETRY_SECONDS = 10;
  let stream = null;
  let ticking = null;
  let qrUntil = 0;

  const said = { connecting: texts.connecting, open: texts.success, expired: texts.codesOver,
    unreachable: texts.unreachable, wrong: texts.wrongPhone, refused: texts.refused,
    passkey: texts.passkey, codes: texts.scanTitle, starting: texts.starting };

  function show(state) {
    if (page.dataset.state === state) return;
    page.dataset.state = state;
    byId("live").textContent = said[state] || "";
    if (state !== "codes") stopTicking();
    if (state === "open" && page.dataset.redirect) {
      setTimeout(() => { location.href = page.dataset.redirect; }, 2500);
    }
  }

  function stopTicking() {
    clearInterval(ticking);
    ticking = null;
  }

  function tick() {
    const left = Math.max(0, Math.ceil((qrUntil - Date.now()) / 1000));
    byId("countdown").textContent = texts.renewedIn.replace("{s}", left);
    // A code whose time is over is worse than none.
    byId("qr").style.opacity = left === 0 ? "0.15" : "1";
  }

  function showQr(data) {
    if (!data.qrcodeBase64) return;
    byId("qr").src = data.qrcodeBase64;
    // By this machine's clock: the server's may differ.
    qrUntil = Date.now() + (Date.parse(data.expiresAt) - Date.parse(data.issuedAt));
    show("codes");
    tick();
    if (!ticking) ticking = setInterval(tick, 1000);
  }

  function showCode(code) {
    byId("code").textContent = code || "";
    byId("no-code").hidden = Boolean(code);
    byId("copy").hidden = !code;
  }

  function failed(code) {
    if (code === "WRONG_PHONE") return show("wrong");
    if (code === "NETWORK") return unreachable();
    if (code === "SUPERSEDED") return follow();
    if (code === "PASSKEY_REQUIRED" || code === "PASSKEY_REFUSED") return show("passkey");
    if (code === "NOT_PAIRED") return show("choose");
    show("refused");
  }

  function unreachable() {
    show("unreachable");
    let left = RETRY_SECONDS;
    const count = () => {
      if (page.dataset.state !== "unreachable") return;
      byId("retry").textContent = texts.unreachableHint.replace("{s}", left);
      if (left === 0) return start();
      left -= 1;
      setTimeout(count, 1000);
    };
    count();
  }

  function follow() {
    if (stream) stream.close();
    stream = new EventSource(api + "/events");
    const on = (name, act) => stream.addEventListener(name, (event) => act(JSON.parse(event.data)));
    const end = (act) => (data) => { stream.close(); stream = null; act(data); };
    on("qr", showQr);
    on("code", (data) => showCode(data.pairingCode));
    on("scanned", () => show("connecting"));
    on("action_required", () => show("passkey"));
    on("open", end(() => show("open")));
    on("expired", end(() => show("expired")));
    on("failed", end((data) => failed(data.code)));
    // EventSource comes back by itself after a broken line; not after a refusal.
    stream.onerror = () => {
      if (stream && stream.readyState === EventSource.CLOSED) { stream = null; unreachable(); }
    };
  }

  async function start() {
    show("starting");
    try {
      const answer = await fetch(api + "/connect", { method: "POST" });
      const body = await answer.json();
      if (answer.status === 409) return show("open");
      if (answer.status === 404) return location.reload();
      if (!answer.ok) return unreachable();
      showCode(body.pairingCode);
      showQr(Object.assign({ qrcodeBase64: body.qrcodeBase64 }, body.pairing));
      follow();
    } catch (_broken) {
      unreachable();
    }
  }

  for (const form of document.forms) {
    form.addEventListener("submit", (event) => { event.preventDefault(); start(); });
  }
  byId("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(byId("code").textContent);
    byId("copy").textContent = texts.copied;
    setTimeout(() => { byId("copy").textContent = texts.copy; }, 2000);
  });
  if (page.dataset.state === "codes" || page.dataset.state === "connecting") follow();
  showCode(byId("code").textContent.trim());
})();
