// The page in other sites' pages, and how they may make it look.

import { strict as assert } from "node:assert";
import http from "node:http";
import { once } from "node:events";
import { after, before, test } from "node:test";

import { DESKTOP, PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { askForQr, createLink, inState, qrShown, scan } from "../lib/connect.mjs";
import { request } from "../lib/http.mjs";
import { startSandbox } from "../lib/sandbox.mjs";
import { choose } from "../lib/tenant.mjs";

let sandbox;
let browser;
let shop;
let shopUrl;

/** A page of another origin, as docs/connect.md shows it. */
const shopPage = () => `<!doctype html><html lang="en"><title>Shop</title><main><h1>Shop</h1>
<button id="connect">Connect WhatsApp</button><div id="place"></div></main>
<script src="${sandbox.url}/embed.js"></script><script>Ramal.init(); window.heard = [];
window.options = (token) => ({ token,
  onPaired: (it) => heard.push(["paired", it]), onError: (it) => heard.push(["error", it]),
  onExpired: () => heard.push(["expired"]) });</script>`;

before(async () => {
  [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]);
  shop = http.createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(shopPage());
  });
  shop.listen(0, "127.0.0.1");
  await once(shop, "listening");
  // Another name and not only another port, so that it is another site.
  shopUrl = `http://localhost:${shop.address().port}`;
  await choose(sandbox, { origins: [shopUrl] });
});
after(async () => {
  shop?.closeAllConnections();
  shop?.close();
  await Promise.all([sandbox?.stop(), browser?.stop()]);
});

function page(options, use) {
  const tolerate = [/favicon/, ...(options.tolerate ?? [])];
  return browser.page({ origins: [sandbox.url, shopUrl], ...options, tolerate }, use);
}

async function embedded(tab) {
  const handle = await tab.locator("iframe").elementHandle();
  const frame = await handle.contentFrame();
  // Its script marks the body: before that nothing in the page is heard.
  await frame.waitForSelector("body.embedded #page");
  return frame;
}

const heard = (tab, kind) => tab.waitForFunction(
  (wanted) => window.heard.find(([name]) => name === wanted), kind).then((found) => found.jsonValue());

for (const size of [PHONE, DESKTOP]) {
  test(`a dialog of another origin at ${size.width} px hears that it is paired`, async () => {
    const redirectUrl = "https://acme.example/done";
    const link = await createLink(sandbox, { language: "en", redirectUrl });
    await page({ size }, async (tab) => {
      await tab.goto(shopUrl);
      await tab.locator("#connect").focus();
      await tab.evaluate((token) => { window.handle = Ramal.connect.open(options(token)); }, link.token);
      await checkAccessibility(tab, "the dialog");
      const frame = await embedded(tab);
      await askForQr(frame);
      await tab.waitForFunction(() => document.querySelector("iframe").style.height !== "560px");
      await scan(sandbox, link.phone, frame);
      const [, told] = await heard(tab, "paired");
      assert.deepEqual(told, { numberId: link.numberId, redirectUrl });
      await inState(frame, "open");
      await tab.getByRole("button", { name: "Close" }).press("Escape");
      await tab.locator("dialog").waitFor({ state: "detached" });
      assert.equal(await tab.evaluate(() => document.activeElement.id), "connect", "the focus is back");
      assert.equal(tab.url(), `${shopUrl}/`, "nothing was redirected");
    });
  });
}

test("inline, with the other global's name; a dead link is told; Escape in the page closes", async () => {
  const link = await createLink(sandbox, { language: "en" });
  await page({ tolerate: [/status of 404/] }, async (tab) => {
    await tab.goto(shopUrl);
    await tab.evaluate((token) => { PilotStatus.connect.mount("#place", options(token)); }, link.token);
    await embedded(tab);
    await sandbox.api.delete(`/v1/numbers/${link.numberId}`);
    await (await embedded(tab)).locator("form[data-way=qr] button").click();
    await heard(tab, "expired");
    await tab.evaluate(() => PilotStatus.destroy());
    assert.equal(await tab.locator("iframe").count(), 0);
    await tab.evaluate((token) => { Ramal.connect.open(options(token)); }, link.token);
    const frame = await embedded(tab);
    // Not waited for: the key may be answered by what it has just closed, and that is never.
    frame.locator("footer a").first().press("Escape").catch(() => {});
    await tab.locator("dialog").waitFor({ state: "detached" });
  });
});

test("messages of others are not heard", async () => {
  const link = await createLink(sandbox);
  await page({}, async (tab) => {
    await tab.goto(shopUrl);
    await tab.evaluate((token) => { Ramal.connect.mount("#place", options(token)); }, link.token);
    await embedded(tab);
    await tab.evaluate(() => new Promise((done) => {
      const forged = { source: "pilot-status-embed", v: 1, type: "connect:paired", payload: {} };
      window.postMessage(forged, "*");
      // Behind the forged one in the queue.
      window.addEventListener("message", (event) => { if (event.data === "last") done(); });
      window.postMessage("last", "*");
    }));
    assert.deepEqual(await tab.evaluate(() => window.heard), []);
  });
});

test("an origin that is not on the list may not put the page into its own", async () => {
  const link = await createLink(sandbox);
  const stranger = shopUrl.replace("localhost", "127.0.0.1");
  const refused = [/frame-ancestors/, /Framing/, /Refused to (frame|display)/, /ERR_BLOCKED_BY_RESPONSE/];
  await page({ origins: [sandbox.url, stranger], tolerate: refused }, async (tab) => {
    await tab.goto(stranger);
    const told = tab.waitForEvent("console", (message) => /frame-ancestors|Refused|Framing/.test(message.text()));
    await tab.evaluate((token) => { Ramal.connect.mount("#place", options(token)); }, link.token);
    await told;
    assert.deepEqual(await tab.evaluate(() => window.heard), []);
  });
  const answer = await request("GET", `${link.url}?parentOrigin=${encodeURIComponent(stranger)}`);
  assert.match(answer.headers["content-security-policy"], new RegExp(`frame-ancestors 'self' ${shopUrl}$`));
  assert.ok(!answer.text.includes("data-parent"), answer.text);
});

test("the script is for everybody's pages", async () => {
  const { headers } = await request("GET", `${sandbox.url}/embed.js`);
  assert.equal(headers["cross-origin-resource-policy"], "cross-origin");
  assert.equal(headers["access-control-allow-origin"], "*");
});

test("the address may change the look, and nothing else", async () => {
  await choose(sandbox, { branding: { companyName: "Of the tenant", subtitle: "Of the tenant" } });
  const link = await createLink(sandbox, { language: "en", branding: { subtitle: "Of the link" } });
  const query = (parameters) => `${link.url}?${new URLSearchParams(parameters)}`;
  await page({}, async (tab) => {
    await tab.goto(link.url);
    assert.deepEqual((await tab.locator("header").innerText()).split(/\n+/), ["Of the tenant", "Of the link"]);
    await tab.goto(query({ companyName: "<img src=x onerror=alert(1)>", primaryColor: "#ffe08a", backgroundColor: "#101820",
      hidePilotStatusBranding: "true", defaultRedirectUrl: "https://evil.example/", redirectUrl: "https://evil.example/" }));
    assert.equal(await tab.locator(".company").innerText(), "<img src=x onerror=alert(1)>");
    assert.equal(await tab.locator("footer").getByText("Ramal").count(), 0);
    assert.ok(!(await tab.content()).includes('data-redirect="https://evil'));
    const ground = await tab.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(ground, "rgb(16, 24, 32)");
    await checkAccessibility(tab, "dark branding");
    await tab.goto(query({ primaryColor: "red;}body{display:none}", backgroundColor: "url(https://evil.example/)",
      logoUrl: "javascript:alert(1)", supportUrl: "http://evil.example/", companyName: "x".repeat(61) }));
    assert.equal(await tab.locator(".company").innerText(), "Of the tenant");
    assert.equal(await tab.locator("header img").count(), 0);
    assert.ok(!(await tab.content()).includes("evil.example/)"));
  });
  await choose(sandbox, { branding: {} });
});

test("whatever the colours, everything can be read", async () => {
  const colours = ["#ffffff", "#000000", "#1fd286", "#777777", "#ffff00", "#0000ff", "#8a1c7c"];
  for (const dark of [false, true]) {
    const link = await createLink(sandbox, { language: "en" });
    await page({ dark }, async (tab) => {
      for (const [at, primaryColor] of colours.entries()) {
        const backgroundColor = colours[(at + 3) % colours.length];
        for (const look of [{ primaryColor }, { primaryColor, backgroundColor }]) {
          await tab.goto(`${link.url}?${new URLSearchParams(look)}`);
          await checkAccessibility(tab, JSON.stringify({ dark, ...look }));
        }
      }
      await askForQr(tab);
      await checkAccessibility(tab, "codes with branding");
    });
  }
});

test("a logo's origin is allowed, and only that", async () => {
  const logo = "https://cdn.acme.example/logo.png?v=2";
  const link = await createLink(sandbox, { branding: { logoUrl: logo, companyName: "Acme" } });
  await page({ foreign: [logo], tolerate: [/ERR_FAILED/] }, async (tab) => {
    const answer = await tab.goto(link.url);
    const policy = answer.headers()["content-security-policy"];
    assert.match(policy, /img-src 'self' data: https:\/\/cdn\.acme\.example;/);
    assert.ok(!policy.includes("unsafe-inline"), policy);
    assert.equal(await tab.getByRole("img", { name: "Acme" }).count(), 1);
  });
});
