// What every page behind a link has: its states, and the page that it may lie in.

export const page = document.getElementById("page");
export const texts = JSON.parse(document.getElementById("texts").textContent);
const { parent } = page.dataset;
export const embedded = Boolean(parent) && window.parent !== window;
export const api = "/v1/remote-pairing/" + encodeURIComponent(page.dataset.token);
/** How long success is shown before the page goes on, in milliseconds. */
const PAUSE = 2500;
/** And how long where there is something to read as well. */
const LONG_PAUSE = 10_000;

export const byId = (id) => document.getElementById(id);

/** Shows another state; `sentence` is what is said of it to those who hear the page. */
export function show(state, sentence) {
  const before = document.activeElement;
  page.dataset.state = state;
  document.querySelectorAll("[data-problem]").forEach((problem) => { problem.textContent = ""; });
  document.querySelectorAll("button[disabled]").forEach((button) => { button.disabled = false; });
  byId("live").textContent = sentence || "";
  // Whoever was working in what has just vanished goes on at the top of what took its place.
  const lost = before && before !== document.body && before.offsetParent === null;
  if (lost) focusHeading();
}

export function focusHeading() {
  const headings = [...page.querySelectorAll("h1")];
  const heading = headings.find((one) => one.offsetParent !== null);
  if (!heading) return;
  heading.focus({ preventScroll: true });
  if (page.getBoundingClientRect().top < 0) page.scrollIntoView();
}

/** To the page that this one lies in, and to no other. */
export function tell(type, payload) {
  if (!embedded) return;
  window.parent.postMessage({ source: "pilot-status-embed", v: 1, type, payload }, parent);
}

export function paired(number, redirect) {
  tell("connect:paired", { numberId: number || undefined, redirectUrl: redirect || undefined });
}

/** Tells of success, and goes on. */
export function opened(number, redirect, notes = false) {
  paired(number, redirect);
  if (redirect && !embedded) setTimeout(() => { location.assign(redirect); }, notes ? LONG_PAUSE : PAUSE);
}

if (embedded) {
  document.body.classList.add("embedded");
  new ResizeObserver(() => {
    tell("resize", { height: Math.ceil(document.body.getBoundingClientRect().height) });
  }).observe(document.body);
  addEventListener("keydown", (event) => { if (event.key === "Escape") tell("connect:close"); });
}
