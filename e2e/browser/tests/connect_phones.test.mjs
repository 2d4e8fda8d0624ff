// Another phone than the expected one, and phones that want a passkey.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { DESKTOP, PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { askForQr, createLink, inState, qrShown, scan } from "../lib/connect.mjs";
import { startSandbox } from "../lib/sandbox.mjs";
import { choose } from "../lib/tenant.mjs";

let sandbox;
let browser;

before(async () => { [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]); });
after(() => Promise.all([sandbox?.stop(), browser?.stop()]));

const masked = (phone) => `${phone.slice(0, 7)}****${phone.slice(-4)}`;

/** A page on which another phone than the link's has scanned. */
async function scannedByAnother(options, use) {
  const link = await createLink(sandbox, { language: "en", ...options });
  const other = sandbox.newNumber();
  await browser.page({ origins: [sandbox.url], size: PHONE }, async (tab) => {
    await tab.goto(link.url);
    await askForQr(tab);
    // The answer may come after the companion was unlinked again.
    await scan(sandbox, other, tab, undefined);
    await use(tab, link, other);
  });
}

async function phonesShown(tab, link, other) {
  assert.equal(await tab.locator("#expected").innerText(), masked(link.phone));
  assert.equal(await tab.locator("#actual").innerText(), masked(other));
}

test("reject: both numbers are shown, and it is offered again", async () => {
  await scannedByAnother({}, async (tab, link, other) => {
    await inState(tab, "wrong");
    await phonesShown(tab, link, other);
    await checkAccessibility(tab, "wrong");
    await tab.getByRole("button", { name: "Show a new code" }).click();
    await qrShown(tab);
    await scan(sandbox, link.phone, tab);
    await inState(tab, "open");
  });
});

test("adopt: the real number is connected, and the page says so", async () => {
  await scannedByAnother({ wrongPhonePolicy: "adopt" }, async (tab, link, other) => {
    await inState(tab, "open");
    await tab.getByText(masked(other)).first().waitFor();
    const detail = await sandbox.api.get(`/v1/numbers/${link.numberId}`);
    assert.equal(detail.number, other.slice(1));
  });
});

test("ask, answered yes", async () => {
  await scannedByAnother({ wrongPhonePolicy: "ask" }, async (tab, link, other) => {
    await inState(tab, "ask");
    await phonesShown(tab, link, other);
    await checkAccessibility(tab, "ask");
    await tab.getByRole("button", { name: "Yes, use this number" }).click();
    await inState(tab, "open");
    const detail = await sandbox.api.get(`/v1/numbers/${link.numberId}`);
    assert.equal(detail.number, other.slice(1));
  });
});

test("ask, answered no", async () => {
  await scannedByAnother({ wrongPhonePolicy: "ask" }, async (tab, link, other) => {
    await inState(tab, "ask");
    await tab.getByRole("button", { name: "No, disconnect it" }).click();
    await inState(tab, "wrong");
    await phonesShown(tab, link, other);
  });
});

/** The options that the text for the console asks the passkey to sign. */
async function optionsIn(tab) {
  const snippet = await tab.locator("#snippet").inputValue();
  const found = /parseRequestOptionsFromJSON\((.*)\)\}\)\.then/.exec(snippet);
  assert.ok(found, snippet);
  return JSON.parse(found[1]);
}

async function sign(tab, phone) {
  const options = await optionsIn(tab);
  assert.equal(options.rpId, "web.whatsapp.com");
  const signed = await sandbox.phones.post(`/phones/${phone}/passkey/assertion`, { requestOptions: options });
  await tab.locator("#assertion").fill(`${JSON.stringify(signed)}\n`);
  await tab.getByRole("button", { name: "Send" }).click();
}

async function compareAndConfirm(tab, phone) {
  await inState(tab, "confirm");
  const gate = await sandbox.phones.get(`/phones/${phone}/passkey`);
  assert.equal(await tab.locator("#confirm-code").getAttribute("data-value"), gate.code);
  await checkAccessibility(tab, "confirm");
  await tab.getByRole("button", { name: "It is the same code" }).click();
}

async function gated(size, use) {
  const link = await createLink(sandbox, { language: "en" });
  await sandbox.phones.post(`/phones/${link.phone}/passkey`, { demand: true });
  await browser.page({ origins: [sandbox.url], size, tolerate: [/status of 400/] }, async (tab) => {
    await tab.goto(link.url);
    await askForQr(tab);
    await scan(sandbox, link.phone, tab, 202);
    await inState(tab, "passkey");
    await use(tab, link);
  });
}

test("a passkey is signed on the page and the codes are compared", async () => {
  await choose(sandbox, { officialUrl: "https://acme.example/official" });
  await gated(DESKTOP, async (tab, link) => {
    await checkAccessibility(tab, "passkey");
    assert.match(await tab.locator("#left").innerText(), /^You have [0-9]:[0-9]{2}$/);
    const official = tab.getByRole("link", { name: "See the official API" });
    assert.equal(await official.getAttribute("href"), "https://acme.example/official");
    await tab.locator("#assertion").fill("not it");
    await tab.getByRole("button", { name: "Send" }).click();
    await tab.getByText("This is not the whole result").waitFor();
    await sign(tab, link.phone);
    await compareAndConfirm(tab, link.phone);
    await inState(tab, "open");
  });
  await choose(sandbox, { officialUrl: null });
});

test("a stream that is refused once leaves the passkey step as it is", async () => {
  const link = await createLink(sandbox, { language: "en" });
  await sandbox.phones.post(`/phones/${link.phone}/passkey`, { demand: true });
  await browser.page({ origins: [sandbox.url], tolerate: [/status of 503/] }, async (tab) => {
    await tab.goto(link.url);
    await askForQr(tab);
    await scan(sandbox, link.phone, tab, 202);
    await inState(tab, "passkey");
    let refused = 0;
    let begun = 0;
    tab.on("request", (asked) => { if (asked.url().endsWith("/connect") && asked.method() === "POST") begun += 1; });
    await tab.route("**/events", (route) => {
      refused += 1;
      return route.fulfill({ status: 503, body: "{}" });
    }, { times: 1 });
    await tab.reload();
    await inState(tab, "passkey");
    assert.deepEqual({ refused, begun }, { refused: 1, begun: 0 });
    await sign(tab, link.phone);
    await compareAndConfirm(tab, link.phone);
    await inState(tab, "open");
  });
});

test("another person helps by a link of their own", async () => {
  await gated(PHONE, async (tab, link) => {
    assert.equal(await tab.getByRole("link", { name: "See the official API" }).count(), 0);
    await tab.getByText("Ask another person").click();
    await tab.getByRole("button", { name: "Create a helper link" }).click();
    await tab.locator("#helper-url").waitFor();
    const url = new URL(await tab.locator("#helper-url").inputValue());
    await checkAccessibility(tab, "passkey with a helper's link");
    await browser.page({ origins: [sandbox.url], locale: "en-US" }, async (theirs) => {
      await theirs.goto(sandbox.url + url.pathname);
      await inState(theirs, "passkey");
      assert.equal(await theirs.locator("#helper").count(), 0, "a helper makes no helpers");
      await checkAccessibility(theirs, "the helper's page");
      await sign(theirs, link.phone);
      await compareAndConfirm(theirs, link.phone);
      await inState(theirs, "open");
    });
    await inState(tab, "open");
  });
});
