// The hosted page from the link to the connection, in its languages and sizes.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { DESKTOP, PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { askForQr, createLink, inState, qrShown, scan } from "../lib/connect.mjs";
import { request } from "../lib/http.mjs";
import { startReceiver } from "../lib/receiver.mjs";
import { startSandbox } from "../lib/sandbox.mjs";
import { eventually } from "../lib/wait.mjs";

const FIRST_LOAD_MAX = 60_000;
const NOT_FOUND = [/status of 404/];
let sandbox;
let browser;

before(async () => { [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]); });
after(() => Promise.all([sandbox?.stop(), browser?.stop()]));

function page(options, use) {
  return browser.page({ origins: [sandbox.url], ...options }, use);
}

const LANGUAGES = [
  ["pt-BR", "Como você quer conectar?", "Conectado"],
  ["en-US", "How do you want to connect?", "Connected"],
  ["es-MX", "¿Cómo quiere conectar?", "Conectado"],
];

for (const [locale, question, done] of LANGUAGES) {
  for (const [size, dark] of [[PHONE, true], [DESKTOP, false]]) {
    test(`${locale} at ${size.width} px: the phone scans the picture, and the page says so`, async () => {
      const link = await createLink(sandbox);
      await page({ locale, size, dark }, async (tab) => {
        await tab.goto(link.url);
        assert.equal(await tab.locator("html").getAttribute("lang"), locale.startsWith("pt") ? locale : locale.slice(0, 2));
        await tab.getByRole("heading", { name: question }).waitFor();
        await checkAccessibility(tab, "choose");
        await tab.evaluate(() => { window.sameDocument = true; });
        await askForQr(tab);
        await checkAccessibility(tab, "codes");
        const overflows = () => document.documentElement.scrollWidth > window.innerWidth;
        assert.equal(await tab.evaluate(overflows), false, "nothing is wider than the screen");
        await scan(sandbox, link.phone, tab);
        await inState(tab, "open");
        await tab.getByRole("heading", { name: done, exact: true }).waitFor();
        assert.equal(await tab.evaluate(() => window.sameDocument), true, "without a reload");
        await checkAccessibility(tab, "open");
        const text = await tab.locator("body").innerText();
        assert.ok(!text.includes(link.phone.slice(1)), "the number is masked");
      });
    });
  }
}

test("the code is typed on the phone", async () => {
  const link = await createLink(sandbox, { language: "en" });
  await page({ size: PHONE }, async (tab) => {
    await tab.goto(link.url);
    await tab.getByRole("button", { name: "Type a code" }).click();
    await inState(tab, "codes");
    const code = await tab.locator("#code").getAttribute("data-value");
    assert.match(code, /^[A-Z0-9]{4}-[A-Z0-9]{4}$/);
    const tiles = await tab.locator("#code b").allInnerTexts();
    assert.equal(tiles.join(""), code.replace("-", ""));
    assert.equal(await tab.locator("#qr").isVisible(), false);
    await tab.getByRole("button", { name: "Copy" }).click();
    await tab.getByRole("button", { name: "Copied" }).waitFor();
    await tab.getByText("iPhone", { exact: true }).last().click();
    await tab.getByText("Tap Settings, Linked devices").waitFor();
    await checkAccessibility(tab, "the code");
    await sandbox.phones.post(`/phones/${link.phone}/pairing-code`, { code });
    await inState(tab, "open");
  });
});

test("keys are enough, and the focus goes along", async () => {
  const link = await createLink(sandbox, { language: "en" });
  await page({}, async (tab) => {
    await tab.goto(link.url);
    await tab.keyboard.press("Tab");
    await tab.keyboard.press("Enter");
    await qrShown(tab);
    const focused = () => document.activeElement.textContent;
    assert.equal(await tab.evaluate(focused), "Scan with WhatsApp");
    await tab.getByRole("button", { name: "I would rather type a code" }).press("Enter");
    assert.equal(await tab.evaluate(focused), "Type this code into WhatsApp");
    await tab.getByRole("link", { name: "Español" }).click();
    await tab.getByRole("heading", { name: "Escriba este código en WhatsApp" }).waitFor();
    await inState(tab, "codes");
  });
});

test("after success the page goes on, and a later visit does not ask again", async () => {
  const receiver = await startReceiver();
  // Where the browser goes is noted and answered by nobody.
  const next = "https://acme.example/done";
  const link = await createLink(sandbox, { language: "en", redirectUrl: next });
  await sandbox.api.post("/v1/webhooks",
    { url: receiver.url("all"), events: ["number.connected"], whatsappNumberId: link.numberId }, 201);
  await page({ foreign: [next], tolerate: [/ERR_FAILED/] }, async (tab) => {
    await tab.goto(link.url);
    await askForQr(tab);
    await scan(sandbox, link.phone, tab);
    await inState(tab, "open");
    await tab.waitForEvent("requestfailed", (asked) => asked.url() === next);
  });
  await receiver.waitFor("number.connected");
  await receiver.stop();
  await page({}, async (tab) => {
    await tab.goto(link.url);
    await tab.getByRole("heading", { name: "This number is connected already" }).waitFor();
    assert.equal(await tab.getByRole("link", { name: "Continue" }).getAttribute("href"), next);
    await checkAccessibility(tab, "already");
  });
});

test("without JavaScript the page shows a code, and itself again", async () => {
  const link = await createLink(sandbox, { language: "pt-BR" });
  await page({ scripts: false, size: PHONE }, async (tab) => {
    await tab.goto(link.url);
    await tab.getByRole("button", { name: "Escanear um código QR" }).click();
    await tab.locator("#qr").waitFor();
    assert.match(await tab.locator("#code").innerText(), /^[A-Z0-9]{4}-[A-Z0-9]{4}$/);
    assert.equal(await tab.locator("noscript meta[http-equiv=refresh]").count() > 0 ||
      (await tab.content()).includes('http-equiv="refresh"'), true);
    await scan(sandbox, link.phone, tab);
    await eventually("the number is open", async () => {
      const status = await sandbox.api.get(`/v1/numbers/${link.numberId}/status`);
      return status.state === "OPEN";
    });
    await tab.reload();
    await tab.getByRole("heading", { name: "Este número já está conectado" }).waitFor();
  });
});

test("without JavaScript a refusal is a page too", async () => {
  const link = await createLink(sandbox, { language: "en" });
  const tolerate = [/status of 50[0-9]/];
  await page({ scripts: false, size: PHONE, tolerate }, async (tab) => {
    await tab.goto(link.url);
    await sandbox.phones.post("/network", { refuse: true, dropConnections: true });
    await tab.locator("form[data-way=qr] button").click();
    await tab.getByRole("heading", { name: "WhatsApp did not answer" }).waitFor();
    assert.ok((await tab.content()).includes('http-equiv="refresh"'));
    await sandbox.phones.post("/network", { refuse: false });
    await tab.getByRole("button", { name: "Try now" }).click();
    await tab.locator("#qr").waitFor();
  });
});

test("a dead link says so in the person's language", async () => {
  for (const [locale, sentence] of [
    ["pt-BR", "Este link não vale mais"], ["en-US", "This link is not valid any more"], ["es", "Este enlace ya no es válido"],
  ]) {
    await page({ locale, tolerate: NOT_FOUND }, async (tab) => {
      const answer = await tab.goto(`${sandbox.url}/connect/0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11`);
      assert.equal(answer.status(), 404);
      await tab.getByRole("heading", { name: sentence }).waitFor();
      await checkAccessibility(tab, "dead");
    });
  }
  const link = await createLink(sandbox, { language: "en" });
  await page({ tolerate: NOT_FOUND }, async (tab) => {
    await tab.goto(link.url);
    await sandbox.api.delete(`/v1/numbers/${link.numberId}`);
    await tab.getByRole("button", { name: "Scan a QR code" }).click();
    await tab.getByRole("heading", { name: "This link is not valid any more" }).waitFor();
  });
});

test("everything together is small", async () => {
  const link = await createLink(sandbox);
  const parts = {};
  for (const part of [`/connect/${link.token}`, "/assets/connect.css", "/assets/connect-frame.js", "/assets/connect.js"]) {
    parts[part.slice(0, 9)] ??= 0;
    parts[part.slice(0, 9)] += (await request("GET", sandbox.url + part)).text.length;
  }
  const codes = await request("POST", `${sandbox.url}/v1/remote-pairing/${link.token}/connect`);
  parts.codes = codes.text.length;
  const page = await request("GET", link.url);
  assert.ok(page.text.includes("data:image/png;base64,"), "the page with the code in it");
  const total = page.text.length + parts["/assets/c"] + parts.codes;
  assert.ok(total < FIRST_LOAD_MAX, `${total} bytes: ${JSON.stringify(parts)}`);
  const embed = await request("GET", `${sandbox.url}/embed.js`);
  assert.ok(embed.text.length < 5_000, `${embed.text.length}`);
});
