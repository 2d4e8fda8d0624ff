// The eye that looks for secrets, without a browser: it sees each of them where it must not be.

import { strict as assert } from "node:assert";
import { test } from "node:test";

import { checkSecrets } from "../lib/secrets.mjs";

const URL = "http://127.0.0.1:1";
const STATE = "0123456789abcdef".repeat(4);
const HIDDEN = ["EAAGtoken", "appsecret", "AQBcode", "0123abcd", "481516"];
const VERIFY_TOKEN = "verify-me";

const graph = {
  get: async (path) => path === "/state"
    ? { tokens: { a: { token: HIDDEN[0] } }, apps: { 1: { secret: HIDDEN[1] } }, codes: { a: { code: HIDDEN[2] } },
      numbers: { 2: { pin: HIDDEN[4] }, 3: { pin: null }, 4: { pin: "000000" } } }
    : [{ query: `fields=id&appsecret_proof=${HIDDEN[3]}`, body: null },
      { query: "", body: { webhook_configuration: { verify_token: VERIFY_TOKEN } } }],
};

function check(path, text, line = "") {
  const sandbox = { url: URL, graph, unlogged: new Set(["link-token"]), log: async () => `DEBUG all\n${line}` };
  return checkSecrets(sandbox, [{ url: `${URL}${path}`, text: `<html>${text}</html>` }, { url: "http://meta", text: HIDDEN[0] }]);
}

test("nothing is seen where nothing is", async () => {
  await check("/numbers", `5481516 000000 12:00:00.481516Z ${STATE}`, "GET /connect/…");
  await check("/numbers/wa_1/verify-token", VERIFY_TOKEN);
});

test("every secret is seen on a page and in the log", async () => {
  for (const secret of HIDDEN) {
    await assert.rejects(check("/numbers", `x="${secret}"`), /tells/, secret);
    await assert.rejects(check("/numbers", "", `pin="${secret}"`), /tells/, secret);
  }
  await assert.rejects(check("/numbers", VERIFY_TOKEN), /tells a verify token/);
  for (const secret of [VERIFY_TOKEN, "link-token"]) await assert.rejects(check("/numbers", "", secret), /the log tells/);
  await assert.rejects(check("/connect/a", STATE, STATE), /the log tells/);
});
