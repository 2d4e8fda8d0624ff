// Nothing that a page was told, and no line of the log, has a secret of Meta's in it.

import { strict as assert } from "node:assert";

/** Whoever asks for it gets it: it is to be typed into Meta's pages. */
const TELLS_VERIFY_TOKEN = /\/verify-token$/;
/** What a number has that nobody chose. */
const NO_PIN = "000000";

/** Looks for secrets in all that a file of tests has seen, and then stops what it had started. */
export async function end(sandbox, browser) {
  try {
    if (sandbox && browser) await checkSecrets(sandbox, browser.heard);
  } finally {
    await Promise.all([sandbox?.stop(), browser?.stop()]);
  }
}

/** Fails when a page was told a secret, or the log tells one. */
export async function checkSecrets(sandbox, heard) {
  const { hidden, pins, verifyTokens } = await secretsOfMeta(sandbox.graph);
  assert.ok(hidden.size > 0, "there are secrets to look for");
  const ours = heard.filter(({ url }) => url.startsWith(sandbox.url));
  assert.ok(ours.some(({ text }) => text.includes("<html")), "there are pages to look at");
  for (const { url, text } of ours) {
    for (const secret of hidden) assert.ok(!text.includes(secret), `${url} tells ${secret}: ${text}`);
    for (const pin of pins) assert.ok(!hasNumber(text, pin), `${url} tells the PIN ${pin}: ${text}`);
    if (TELLS_VERIFY_TOKEN.test(url)) continue;
    for (const token of verifyTokens) assert.ok(!text.includes(token), `${url} tells a verify token: ${text}`);
  }
  const log = await sandbox.log();
  assert.ok(log.includes("DEBUG"), "the log is complete");
  const unlogged = [...hidden, ...verifyTokens, ...sandbox.unlogged, ...statesIn(ours)];
  for (const line of log.split("\n")) {
    for (const secret of unlogged) assert.ok(!line.includes(secret), `the log tells ${secret}: ${line}`);
    for (const pin of pins) assert.ok(!hasNumber(line, pin), `the log tells the PIN ${pin}: ${line}`);
  }
}

/** All that Meta knows of, and what it was asked with. */
async function secretsOfMeta(graph) {
  const [state, calls] = await Promise.all([graph.get("/state"), graph.get("/calls")]);
  const all = (list, field) => Object.values(list).map((it) => it[field]).filter(Boolean);
  const proofs = calls.map(({ query }) => new URLSearchParams(query).get("appsecret_proof")).filter(Boolean);
  const asked = calls.flatMap(({ body }) => [body?.verify_token, body?.webhook_configuration?.verify_token]);
  const pins = [...all(state.numbers, "pin"), ...calls.map(({ body }) => body?.pin).filter(Boolean)];
  return {
    hidden: new Set([...all(state.tokens, "token"), ...all(state.apps, "secret"), ...all(state.codes, "code"), ...proofs]),
    verifyTokens: new Set(asked.filter(Boolean)),
    pins: new Set(pins.filter((pin) => pin !== NO_PIN)),
  };
}

/** What pages of sign-up links prove themselves with. */
function statesIn(heard) {
  return heard.flatMap(({ text }) => text.match(/[0-9a-f]{64}/g) ?? []);
}

/** Whether a number stands in a text by itself, not as a part of a longer one or of a time. */
function hasNumber(text, number) {
  return new RegExp(`(?<![A-Za-z0-9.])${number}(?![A-Za-z0-9])`).test(text);
}
