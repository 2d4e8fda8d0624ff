// Official numbers on the dashboard, against the offline Meta: made, sent as links, looked at, connected anew, and
// moved to from QR.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { client } from "../lib/http.mjs";
import { business, dialogOf, fillIn, ofOperator, press } from "../lib/meta.mjs";
import { connected, postForm } from "../lib/numbers.mjs";
import { accept, checkWidth, invite } from "../lib/people.mjs";
import { startSandbox } from "../lib/sandbox.mjs";
import { end } from "../lib/secrets.mjs";
import { eventually } from "../lib/wait.mjs";

const REFUSED = [/status of 4[0-9][0-9]/];
let sandbox;
let browser;

before(async () => { [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]); });
after(() => end(sandbox, browser));

function owner(path, use, options = {}) {
  return browser.page({ origins: [sandbox.url], tolerate: REFUSED, ...options }, async (page) => {
    // Without JavaScript a redirect is not waited for, so both are asked for.
    await page.goto(sandbox.ready.dashboardUrl);
    await page.goto(sandbox.url + path);
    await use(page);
  });
}

/** What one types of a business into a form of the dashboard. */
async function type(page, shop, changes = {}) {
  const values = { phoneId: shop.phoneId, wabaId: shop.wabaId, accessToken: shop.token, appSecret: shop.appSecret, ...changes };
  for (const [name, value] of Object.entries(values)) {
    const field = page.locator(`main form [name=${name}]`).first();
    if (await field.count()) await field.fill(value);
  }
}

/** An official number, made by the API; `{id, shop}`. */
async function official(name, wish = {}) {
  const shop = await business(sandbox, { name, ...wish });
  const made = await sandbox.api.post("/v1/numbers/meta", {
    name, number: shop.number, metaPhoneId: shop.phoneId, metaWabaId: shop.wabaId, metaAccessToken: shop.token,
    metaAppSecret: shop.appSecret,
  }, 201);
  return { id: made.numberId, shop, name };
}

test("one is made from credentials; what is wrong is told beside its field, and secrets are not shown again", async () => {
  const shop = await business(sandbox, { name: "Bakery" });
  await owner("/numbers", async (page) => {
    await page.getByText("The number is on the official API").waitFor();
    await checkAccessibility(page, "no numbers");
    await page.locator(".ways").getByRole("link", { name: "New official number" }).click();
    await checkAccessibility(page, "the form");
    await page.locator("#official-name").fill("Bakery");
    await page.locator("#official-number").fill(shop.number);
    await type(page, shop, { accessToken: "no-token-of-Meta" });
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    const problem = page.locator("#official-token-problem");
    await problem.getByText("Meta refuses the access token").waitFor();
    assert.equal(await page.locator("#official-token").getAttribute("aria-describedby"), "official-token-problem");
    assert.equal(await page.locator("#official-phone-id").inputValue(), shop.phoneId);
    for (const secret of ["token", "secret", "pin"]) assert.equal(await page.locator(`#official-${secret}`).inputValue(), "");
    assert.ok(!(await page.content()).includes(shop.appSecret));
    await checkAccessibility(page, "the form with a problem");
    const other = (await business(sandbox)).wabaId;
    await type(page, shop, { wabaId: other });
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.locator("#official-waba-id-problem").getByText("lacks permissions").waitFor();
    assert.equal(await problem.count(), 0, "what is mended is not told again");
    assert.equal(await page.locator("#official-waba-id").inputValue(), other);
    await type(page, shop);
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.waitForURL((url) => url.pathname.startsWith("/numbers/wa_"));
    await page.getByRole("heading", { name: "Bakery" }).getByText("Official").waitFor();
    await page.locator("#official .steps li").nth(4).waitFor();
    assert.equal(await page.locator("#official .steps").locator(".bad, .warn").count(), 0);
    assert.equal(await page.locator("[data-pairing]").count(), 0, "there is nothing to scan");
    const facts = await page.locator("#official .facts").innerText();
    assert.ok(facts.includes(shop.phoneId) && facts.includes(shop.wabaId) && facts.includes("/webhooks/meta/wa_"), facts);
    await checkAccessibility(page, "an official number");
    await page.goto(`${sandbox.url}/numbers`);
    const row = page.getByRole("row", { name: /Bakery/ });
    await row.getByText("Official").waitFor();
    await row.getByText("Connected").waitFor();
    await row.getByText("Quality: high").waitFor();
    await checkAccessibility(page, "the list");
    await page.getByRole("link", { name: "New number" }).click();
    await page.getByRole("dialog").getByRole("link", { name: "New official number" }).click();
    await page.getByRole("heading", { name: "New official number" }).waitFor();
  });
});

test("without JavaScript, on a phone: made, and the page is as wide as the phone", async () => {
  const shop = await business(sandbox, { name: "Plain" });
  await owner("/numbers/official", async (page) => {
    await page.locator("#official-name").fill("Plain");
    await page.locator("#official-number").fill(shop.number);
    await type(page, shop);
    await checkWidth(page, assert, "the form");
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByRole("heading", { name: "Plain" }).waitFor();
    await checkWidth(page, assert, "the number");
    await page.getByRole("link", { name: "Connect again" }).click();
    await page.getByRole("button", { name: "Connect again" }).waitFor();
    await checkWidth(page, assert, "connecting again");
    await page.goto(`${sandbox.url}/links/new`);
    await checkWidth(page, assert, "a new link");
  }, { scripts: false, size: PHONE });
});

test("a link for credentials is made in the dialog, used, and listed with its number", async () => {
  const shop = await business(sandbox, { name: "Florist" });
  await owner("/links", async (page) => {
    await page.getByRole("link", { name: "New link" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("For an official number (Meta)").click();
    await checkAccessibility(page, "the dialog");
    await dialog.getByText("By typing the credentials").click();
    await dialog.locator("#dialog-official-name").fill("Florist");
    await dialog.locator("form[action='/links/official'] button").click();
    await page.getByRole("heading", { name: "The link is ready" }).waitFor();
    await checkAccessibility(page, "the link");
    const url = await page.locator("#link").innerText();
    await page.getByRole("link", { name: "All links" }).click();
    const row = page.getByRole("row", { name: /Florist/ });
    await row.getByText("Waiting").waitFor();
    await row.getByText("Official · credentials").waitFor();
    assert.equal(await row.getByRole("link").count(), 0, "there is no number yet");
    await browser.page({ origins: [sandbox.url] }, async (guest) => {
      await guest.goto(url);
      await fillIn(guest, shop);
      await guest.locator("#send").click();
      await guest.getByRole("heading", { name: "Connected", exact: true }).waitFor();
    });
    await page.reload();
    await row.getByText("Used").waitFor();
    assert.equal(await row.getByRole("button").count(), 0, "nothing to revoke");
    await checkAccessibility(page, "the list");
    await row.getByRole("link", { name: "Florist" }).click();
    await page.getByRole("heading", { name: "Florist" }).getByText("Official").waitFor();
  });
});

test("a link for Meta's own sign-up, from the page of official numbers", async () => {
  const shop = await ofOperator(sandbox, { name: "Garage" });
  await owner("/numbers/official", async (page) => {
    await page.locator("form[action='/links/official'] button").click();
    const url = await page.locator("#link").innerText();
    await browser.page({ origins: [sandbox.url, sandbox.ready.graphUrl] }, async (guest) => {
      await guest.goto(url);
      const button = guest.locator("button[data-login=new]:not([disabled])");
      await button.waitFor();
      await press(await dialogOf(guest, shop, button), "#finish");
      await guest.getByRole("heading", { name: "Connected", exact: true }).waitFor();
    });
    await page.goto(`${sandbox.url}/links`);
    await page.getByRole("row", { name: /Official · Embedded Signup/ }).getByText("Used").waitFor();
  });
});

test("a link that waits is revoked", async () => {
  await owner("/links/new", async (page) => {
    const form = page.locator("form[action='/links/official']");
    await form.locator("[name=name]").fill("Nobody");
    await form.getByRole("button").click();
    const url = await page.locator("#link").innerText();
    await page.getByRole("link", { name: "All links" }).click();
    await page.getByRole("button", { name: "Revoke: Nobody" }).click();
    await page.getByText("Revoked.").waitFor();
    assert.equal((await page.goto(url)).status(), 404);
  });
});

test("a token that was taken back closes the number, says so, and a new one connects it", async () => {
  const { id, shop } = await official("Pharmacy");
  await owner(`/numbers/${id}`, async (page) => {
    await sandbox.graph.post("/tokens/revoke", { token: shop.token });
    await page.getByRole("button", { name: "Ask Meta now" }).click();
    await page.locator("h1 [data-state=CLOSE]").waitFor();
    await page.locator("#official").getByText("Meta no longer accepts the access token").first().waitFor();
    await checkAccessibility(page, "a number that is closed");
    await page.locator("#official").getByRole("link", { name: "Connect again" }).click();
    await checkAccessibility(page, "connecting again");
    await page.locator("#change-token").fill("still-none-of-Meta");
    await page.getByRole("button", { name: "Connect again" }).click();
    await page.locator("#change-token-problem").getByText("Meta refuses the access token").waitFor();
    assert.equal(await page.locator("#change-token").inputValue(), "");
    const { token } = await sandbox.graph.post("/tokens", {
      appId: shop.appId, wabaIds: [shop.wabaId], scopes: ["whatsapp_business_management", "whatsapp_business_messaging"],
      expiresIn: 3 * 24 * 3600,
    }, 201);
    await page.locator("#change-token").fill(token);
    await page.getByRole("button", { name: "Connect again" }).click();
    await page.getByText("Connected.", { exact: true }).waitFor();
    await page.locator("h1 [data-state=OPEN]").waitFor();
    await page.locator("#official").getByText("it ends soon").waitFor();
    assert.ok(!(await page.content()).includes(token));
  });
});

test("a QR-paired number moves, and stays what it is; a failure leaves it as it was", async () => {
  const { id, phone } = await connected(sandbox, "Bookshop");
  const shop = await business(sandbox, { number: phone, name: "Bookshop" });
  const stranger = await business(sandbox);
  await owner(`/numbers/${id}`, async (page) => {
    await page.getByRole("link", { name: "Move to the official API" }).click();
    await page.getByText("stay the same").waitFor();
    await checkAccessibility(page, "moving");
    await type(page, stranger);
    await page.getByRole("button", { name: "Move to the official API" }).click();
    await page.locator("#change-phone-id-problem").waitFor();
    assert.equal((await sandbox.api.get(`/v1/numbers/${id}/status`)).state, "OPEN");
    await type(page, shop);
    await page.getByRole("button", { name: "Move to the official API" }).click();
    await page.getByText("The number is an official one now.").waitFor();
    assert.equal(new URL(page.url()).pathname, `/numbers/${id}`);
    await page.locator("h1 [data-state=OPEN]").waitFor();
    await page.goto(`${sandbox.url}/numbers/${id}/migrate`);
    await page.waitForURL((url) => url.pathname === `/numbers/${id}`);
    await page.goto(`${sandbox.url}/audit`);
    await page.getByText("Moved the number to the official API").first().waitFor();
  });
  await eventually("its device is unlinked", async () => (await sandbox.phones.get(`/phones/${phone}/companions`)).length === 0);
});

test("Meta is asked; the verify token is revealed to an owner, and the audit log says so", async () => {
  const { id, shop } = await official("Cinema");
  await owner(`/numbers/${id}`, async (page) => {
    await sandbox.graph.post(`/numbers/${shop.phoneId}`, { quality_rating: "RED" });
    await page.getByRole("button", { name: "Ask Meta now" }).click();
    await page.getByText("We asked Meta: this is what holds now.").waitFor();
    await page.locator("#official .facts").getByText("low", { exact: true }).waitFor();
    assert.equal(await page.locator("#verify-token").count(), 0);
    await page.getByRole("button", { name: "Show the verify token" }).click();
    assert.match(await page.locator("#verify-token").innerText(), /^[0-9a-f]{48}$/);
    await checkAccessibility(page, "with the verify token");
    await page.goto(`${sandbox.url}/numbers/${id}`);
    assert.equal(await page.locator("#verify-token").count(), 0, "once");
    await page.goto(`${sandbox.url}/audit`);
    await page.getByText("Saw the number's verify token").first().waitFor();
  });
});

test("a message that failed tells its code", async () => {
  const { id } = await official("Theatre");
  const answer = await send(id);
  await eventually("it failed", async () => (await message(id, answer.id)).status === "FAILED");
  const { errorCode } = await message(id, answer.id);
  await owner(`/numbers/${id}`, async (page) => {
    await page.locator("#messages").getByText(errorCode).waitFor();
    await checkAccessibility(page, "messages");
  });
});

test("a viewer looks, in each language, and changes nothing", async () => {
  const { id } = await official("Museum");
  let link;
  await owner("/numbers", async (page) => { link = await invite(page, sandbox.url); });
  await browser.page({ origins: [sandbox.url], tolerate: REFUSED, size: PHONE }, async (page) => {
    await accept(page, link, "viewer@example.com");
    await page.waitForURL((url) => url.pathname === "/numbers");
    await page.goto(`${sandbox.url}/numbers/${id}`);
    await page.locator("#official .steps").waitFor();
    // Its messages may be looked at.
    assert.equal(await page.locator(`main form, main .button:not([href$="/messages"])`).count(), 0);
    for (const path of ["refresh", "reconnect", "migrate", "verify-token"]) {
      assert.equal(await postForm(page, `${sandbox.url}/numbers/${id}/${path}`, {}), 403, path);
    }
    for (const path of ["/numbers/official", "/links/official"]) assert.equal(await postForm(page, sandbox.url + path, {}), 403, path);
    for (const path of [`/numbers/${id}/reconnect`, "/numbers/official"]) {
      assert.equal((await page.goto(sandbox.url + path)).status(), 403, path);
    }
    for (const [tag, words] of [["pt-BR", "Conexão com a Meta"], ["es", "Conexión con Meta"], ["en", "Connection to Meta"]]) {
      await page.goto(`${sandbox.url}/language/${tag}?next=/numbers/${id}`);
      await page.getByRole("heading", { name: words }).waitFor();
      await checkWidth(page, assert, tag);
      await checkAccessibility(page, tag);
    }
  });
});

/** A text to somebody who has not written: Meta takes it, and then says that only templates go. */
function send(id) {
  return scoped(id).post("/v1/messages/send", { destinationNumber: sandbox.newNumber(), text: "Hello" }, 202);
}

function message(id, message) {
  return scoped(id).get(`/v1/messages/${message}`);
}

function scoped(id) {
  return client(sandbox.url, { "x-api-key": sandbox.ready.tenantKey, "x-whatsapp-number-id": id });
}
