// The page of a link for an official number: Meta's Embedded Signup, or the form for credentials.
import { api, byId, focusHeading, opened, page, paired, show as showFrame, tell, texts } from "/assets/connect-frame.js";

/** How long the dialog's message is waited for once the code is there, which lives for 30 s. */
const MESSAGE_WAIT = 8000;
/** How long Meta's script may take to be there. */
const SCRIPT_WAIT = 20_000;
const problems = Object.fromEntries(texts.problems);
const said = { meta: texts.connect, dialog: texts.dialog, connecting: texts.connecting, pick: texts.pick,
  cancelled: texts.cancelled, failed: texts.failed, blocked: texts.blocked, open: texts.success };

function show(state) {
  showFrame(state, said[state]);
}

/** Asks the API; `{ok, status, body}`, with status 0 when nobody answers. */
async function ask(path, body) {
  const headers = body ? { "content-type": "application/json" } : {};
  try {
    const answer = await fetch(api + path, { method: "POST", headers, body: body && JSON.stringify(body) });
    return { ok: answer.ok, status: answer.status, body: await answer.json().catch(() => ({})) };
  } catch (_offline) {
    return { ok: false, status: 0, body: {} };
  }
}

/** Another page of this link, or this one before its answer was lost, has come to an end: so shows the server. */
function over({ status, body }) {
  if (status !== 404 && body.code !== "NUMBER_ALREADY_CONNECTED") return false;
  location.reload();
  return true;
}

/** What this page proves itself with; null when there was none to be had, and the page says why. */
async function begin() {
  const answer = await ask("/meta/start");
  if (answer.ok) return answer.body;
  if (!over(answer)) failed(answer);
  return null;
}

/** What the API says Meta refused, in this page's language where that is known; Meta's own words as they are. */
function inWords(sentence) {
  const plain = sentence.replace(/^Meta refused: /, "");
  const known = texts.said.find(([english]) => plain.startsWith(english));
  return known ? known[1] + plain.slice(known[0].length) : plain;
}

function failed({ body }) {
  const sentence = problems[body.code] || texts.notNow;
  show("failed");
  byId("why").textContent = sentence;
  byId("meta-said").textContent = body.code === "META_REFUSED" ? texts.metaSaid.replace("{message}", inWords(body.error)) : "";
  tell("connect:error", { message: sentence });
}

function connected({ numberId, redirectUrl, onboarding }) {
  const steps = onboarding || [];
  const sentences = [
    steps.some(({ status }) => status === "failed") && texts.undelivered,
    steps.some(({ step, status }) => step === "verify" && status === "pending") && texts.inReview,
  ].filter(Boolean);
  byId("warnings").replaceChildren(...sentences.map((sentence) => {
    const line = document.createElement("p");
    line.textContent = sentence;
    return line;
  }));
  byId("done").hidden = Boolean(redirectUrl);
  byId("done-going").hidden = !redirectUrl;
  if (redirectUrl) {
    byId("go-on").href = redirectUrl;
    byId("go-on").hidden = Boolean(page.dataset.parent);
  }
  show("open");
  opened(numberId, redirectUrl, sentences.length > 0);
}

// ---- Meta's dialog

function embeddedSignup() {
  let start = null;
  let attempt = null;

  /** Whether an origin is one of Meta's: the scheme, the port, and the host or one below it, exactly. */
  function isMeta(origin) {
    return start.embedded.loginOrigins.some((known) => {
      try {
        const [ours, theirs] = [new URL(known.replace("://*.", "://")), new URL(origin)];
        const below = known.includes("://*.");
        return ours.protocol === theirs.protocol && ours.port === theirs.port &&
          (below ? theirs.hostname.endsWith("." + ours.hostname) : theirs.hostname === ours.hostname);
      } catch (_opaque) {
        return false;
      }
    });
  }

  /**
   * Whether a message comes from the window of this attempt, as far as that is known: an earlier one may be open
   * still. Whoever has closed since has no window any more.
   */
  function isOfThisWindow({ source }) {
    return !attempt.window || !source || (source.top || source) === attempt.window;
  }

  function hear(event) {
    if (!attempt || !isMeta(event.origin) || !isOfThisWindow(event)) return;
    let message = event.data;
    if (typeof message === "string") {
      try { message = JSON.parse(message); } catch (_other) { return; }
    }
    if (!message || message.type !== "WA_EMBEDDED_SIGNUP") return;
    attempt.message = { event: String(message.event), data: message.data || {} };
    if (attempt.code) send(attempt);
    else if (page.dataset.state === "cancelled") cancelled(attempt);
  }

  function login(keepApp) {
    const mine = { message: null, code: null, sent: false, timer: 0, window: null };
    attempt = mine;
    const extras = keepApp
      ? { setup: {}, featureType: "whatsapp_business_app_onboarding", sessionInfoVersion: "3" } : { setup: {} };
    show("dialog");
    noting(mine, () => window.FB.login((response) => {
      // Meta's script does not take an async function.
      if (attempt !== mine) return;
      mine.code = response && response.authResponse && response.authResponse.code;
      if (!mine.code) return cancelled(mine);
      show("connecting");
      if (mine.message) send(mine);
      else mine.timer = setTimeout(() => { send(mine); }, MESSAGE_WAIT);
    }, {
      config_id: start.embedded.configId, response_type: "code", override_default_response_type: true, extras,
    }));
  }

  /** Notes the window that Meta's script opens: it does not hand it over. */
  function noting(mine, ask) {
    const { open } = window;
    window.open = (...asked) => { mine.window = open.apply(window, asked); return mine.window; };
    try { ask(); } finally { window.open = open; }
  }

  /** Back to the beginning: what the window of this attempt still says is not about the next one. */
  function restart() {
    if (attempt && attempt.window) attempt.window.close();
    attempt = null;
    show("meta");
    focusHeading();
  }

  function cancelled({ message }) {
    show("cancelled");
    const { current_step: step, error_message: error } = message ? message.data : {};
    byId("stopped").textContent = error ? texts.metaSaid.replace("{message}", error)
      : Object.fromEntries(texts.steps)[step] || "";
    if (error || (message && message.event === "ERROR")) tell("connect:error", { message: error || texts.failed });
  }

  /** Once per code: it is good for one exchange. */
  async function send(mine) {
    if (mine.sent) return;
    mine.sent = true;
    clearTimeout(mine.timer);
    const finished = mine.message && mine.message.event.startsWith("FINISH");
    const { waba_id: wabaId, phone_number_id: phoneNumberId } = finished ? mine.message.data : {};
    const answer = await ask("/meta/embedded", { state: start.state, code: mine.code,
      wabaId: wabaId && String(wabaId), phoneNumberId: phoneNumberId && String(phoneNumberId) });
    if (attempt !== mine || over(answer)) return;
    if (!answer.ok) await lost(answer);
    else if (answer.body.status === "choose") pick(answer.body.numbers);
    else connected(answer.body);
  }

  /** Whoever gets no answer may be connected nevertheless. */
  async function lost(answer) {
    if (answer.status === 0) {
      const found = await fetch(api + "/status").then((got) => got.json()).catch(() => ({}));
      if (found.isFullyConnected) return location.reload();
    }
    return failed(answer);
  }

  function pick(numbers) {
    byId("numbers").replaceChildren(...numbers.map(({ phoneNumberId, number, name }) => {
      const label = document.createElement("label");
      const radio = Object.assign(document.createElement("input"), { type: "radio", name: "number", value: phoneNumberId });
      const [line, title] = [document.createElement("strong"), document.createElement("span")];
      line.textContent = number;
      title.textContent = name || "";
      label.append(radio, line, title);
      return label;
    }));
    show("pick");
    focusHeading();
  }

  async function chosen(event) {
    event.preventDefault();
    const radio = byId("numbers").querySelector(":checked");
    byId("pick-problem").textContent = radio ? "" : texts.pickFirst;
    if (!radio) return;
    show("connecting");
    const answer = await ask("/meta/choose", { state: start.state, phoneNumberId: radio.value });
    if (over(answer)) return;
    if (answer.ok) { connected(answer.body); return; }
    // Another number may do; what waits for a choice goes on waiting. Not once another page is newer.
    if (answer.body.code === "META_SIGNUP_STATE_INVALID") { failed(answer); return; }
    show("pick");
    byId("pick-problem").textContent = problems[answer.body.code] || texts.notNow;
  }

  /** So that a click opens Meta's window at once: later the browser would take it for an advertisement. */
  function load() {
    const blocked = () => { if (["loading", "meta"].includes(page.dataset.state)) show("blocked"); };
    const late = setTimeout(blocked, SCRIPT_WAIT);
    window.fbAsyncInit = () => {
      clearTimeout(late);
      const { appId, graphVersion } = start.embedded;
      window.FB.init({ appId, version: graphVersion, xfbml: false, cookie: false });
      document.querySelectorAll("[data-login]").forEach((button) => { button.disabled = false; });
      if (page.dataset.state === "blocked") show("meta");
    };
    const script = document.createElement("script");
    Object.assign(script, { src: start.embedded.sdkUrl, async: true, crossOrigin: "anonymous", onerror: blocked });
    document.head.append(script);
  }

  async function run() {
    document.querySelectorAll("[data-login]").forEach((button) => {
      button.disabled = true;
      button.addEventListener("click", () => { login(button.dataset.login === "keep"); });
    });
    document.querySelectorAll("[data-again]").forEach((button) => {
      // A page of its own each time: its state is the link's newest, and its script is fresh.
      button.addEventListener("click", () => { location.reload(); });
    });
    document.querySelectorAll("[data-restart]").forEach((button) => {
      button.addEventListener("click", restart);
    });
    byId("pick").addEventListener("submit", chosen);
    addEventListener("message", hear);
    start = await begin();
    if (start) load();
  }

  run();
}

// ---- the form

function credentials() {
  const form = byId("credentials");
  const inputs = [...form.querySelectorAll("input[data-malformed]")];
  const problem = byId("form-problem");

  function beside(input, sentence) {
    byId("problem-" + input.name).textContent = sentence;
    if (sentence) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }

  /** Says what is wrong with a field; true when nothing is. */
  function check(input) {
    input.value = input.value.trim();
    const { valueMissing, valid } = input.validity;
    beside(input, valid ? "" : valueMissing ? texts.required : input.dataset.malformed);
    return valid;
  }

  function lock(locked) {
    form.querySelectorAll("button[type=submit]").forEach((button) => { button.disabled = locked; });
    byId("checking").hidden = !locked;
    byId("live").textContent = locked ? texts.checking : "";
  }

  async function proven() {
    if (form.elements.state.value) return true;
    const answer = await ask("/meta/start");
    if (over(answer)) return false;
    form.elements.state.value = answer.body.state || "";
    if (!answer.ok) problem.textContent = problems[answer.body.code] || texts.notNow;
    return answer.ok;
  }

  /** The server answers with the page as it is without this script; its words are taken over. */
  function takeOver(fresh) {
    const theirs = fresh.getElementById("page");
    if (theirs && theirs.dataset.state === "open") {
      for (const section of page.querySelectorAll("section[data-for=open]")) section.remove();
      page.append(...theirs.querySelectorAll("section[data-for=open]"));
      page.dataset.redirect = theirs.dataset.redirect;
      const { redirect, number } = theirs.dataset;
      byId("done").hidden = Boolean(redirect);
      byId("done-going").hidden = !redirect;
      show("open");
      opened(number, redirect, byId("warnings").childElementCount > 0);
      return;
    }
    const answered = fresh.getElementById("credentials");
    if (!answered) { problem.textContent = texts.notNow; return; }
    form.elements.state.value = answered.elements.state.value;
    for (const input of inputs) beside(input, fresh.getElementById("problem-" + input.name)?.textContent || "");
    problem.textContent = fresh.getElementById("form-problem").textContent;
    byId("form-said").textContent = fresh.getElementById("form-said").textContent;
    tell("connect:error", { message: problem.textContent });
    (form.querySelector("[aria-invalid]") || byId("send")).focus();
  }

  async function send(event) {
    event.preventDefault();
    const wrong = inputs.filter((input) => !check(input));
    problem.textContent = "";
    byId("form-said").textContent = "";
    if (wrong.length > 0) { wrong[0].focus(); return; }
    lock(true);
    try {
      if (await proven()) {
        const answer = await fetch(form.action, {
          method: "POST", headers: { accept: "text/html" }, body: new URLSearchParams(new FormData(form)) });
        if (answer.status === 404) { location.reload(); return; }
        const html = await answer.text();
        // Without its head, whose style has that page's nonce and not this one's.
        takeOver(new DOMParser().parseFromString(html.slice(html.indexOf("<main")), "text/html"));
      }
    } catch (_offline) {
      problem.textContent = texts.notNow;
    }
    lock(false);
  }

  form.noValidate = true;
  form.addEventListener("submit", send);
  byId("secrets-again").hidden = true;
  for (const input of inputs) {
    input.addEventListener("change", () => check(input));
    if (input.type !== "password") continue;
    const button = byId("show-" + input.name);
    button.hidden = false;
    button.addEventListener("click", () => {
      const shown = input.type === "text";
      input.type = shown ? "password" : "text";
      button.textContent = shown ? texts.show : texts.hide;
      button.setAttribute("aria-pressed", String(!shown));
    });
  }
  if (page.dataset.state === "begin") {
    showFrame("form");
    proven();
  }
}

const { state, redirect, number } = page.dataset;
if (state === "open") paired(number, redirect);
else if (state === "meta") embeddedSignup();
else if (byId("credentials")) credentials();
