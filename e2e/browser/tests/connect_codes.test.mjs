// Codes that change, run out, or cannot be had.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { PHONE, checkAccessibility, photograph, startBrowser } from "../lib/browser.mjs";
import { askForQr, createLink, inState, qrShown, scan } from "../lib/connect.mjs";
import { startSandbox } from "../lib/sandbox.mjs";

/** The first code of an attempt lives for 60 s, the others for 20 s. */
const FIRST_CODE = 75_000;
const LAST_CODE = 40_000;
let sandbox;
let browser;

before(async () => { [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]); });
after(() => Promise.all([sandbox?.stop(), browser?.stop()]));

test("a code is replaced before it is over, the attempt ends, and one click begins anew", async () => {
  await sandbox.phones.post("/pairing", { refs: 2, codes: false });
  const link = await createLink(sandbox, { language: "en" });
  await browser.page({ origins: [sandbox.url] }, async (tab) => {
    await tab.goto(link.url);
    await askForQr(tab);
    assert.match(await tab.locator("#countdown").innerText(), /^Changes in [0-9]+ s$/);
    const first = await tab.locator("#qr").getAttribute("src");
    const photo = await photograph(tab.locator("#qr"));
    await tab.getByRole("button", { name: "I would rather type a code" }).click();
    await tab.getByText("WhatsApp gave no code to type this time").waitFor();
    await checkAccessibility(tab, "no code to type");
    await tab.getByRole("button", { name: "I would rather scan" }).click();

    await tab.waitForFunction((before) => document.getElementById("qr").src !== before, first, { timeout: FIRST_CODE });
    await qrShown(tab);
    const refused = await sandbox.phones.post(`/phones/${link.phone}/scan`, { qrcodeBase64: photo }, 409);
    assert.equal(refused.code, "QR_EXPIRED");

    // Nobody scans the second one either.
    await tab.waitForFunction(
      () => document.getElementById("page").dataset.state === "expired", null, { timeout: LAST_CODE });
    assert.equal(await tab.locator("#qr").isVisible(), false, "no dead code is shown");
    await checkAccessibility(tab, "expired");
    await sandbox.phones.post("/pairing", {});
    await tab.getByRole("button", { name: "Show a new code" }).click();
    await qrShown(tab);
    await scan(sandbox, link.phone, tab);
    await inState(tab, "open");
  });
});

test("a page that wakes up late shows no dead code", async () => {
  const link = await createLink(sandbox, { language: "en" });
  await browser.page({ origins: [sandbox.url], tolerate: [/ERR_FAILED/, /ERR_INTERNET/] }, async (tab) => {
    await tab.goto(link.url);
    await askForQr(tab);
    await tab.clock.install();
    // The lid is closed: no news, and time goes by.
    await tab.context().setOffline(true);
    await tab.clock.fastForward(70_000);
    await tab.locator(".stale").waitFor();
    assert.equal(await tab.locator("#qr").isVisible(), false);
    await tab.locator("#veil-again button").waitFor();
    await tab.context().setOffline(false);
  });
});

test("WhatsApp cannot be reached: the page tries again by itself", async () => {
  const link = await createLink(sandbox, { language: "en" });
  const tolerate = [/status of 50[0-9]/];
  await browser.page({ origins: [sandbox.url], size: PHONE, tolerate }, async (tab) => {
    await sandbox.phones.post("/network", { refuse: true, dropConnections: true });
    await tab.goto(link.url);
    await tab.locator("form[data-way=qr] button").click();
    await inState(tab, "unreachable");
    assert.match(await tab.locator("#retry").innerText(), /by ourselves in [0-9]+ s/);
    await checkAccessibility(tab, "unreachable");
    await sandbox.phones.post("/network", { refuse: false });
    await qrShown(tab);
    await scan(sandbox, link.phone, tab);
    await inState(tab, "open");
  });
});
