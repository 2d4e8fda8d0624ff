// Pairing links: made, shown once, opened, revoked.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { PHONE, checkAccessibility, photograph, startBrowser } from "../lib/browser.mjs";
import { askForQr, inState, scan } from "../lib/connect.mjs";
import { accept, checkWidth, enter, invite } from "../lib/people.mjs";
import { connected, unlink } from "../lib/numbers.mjs";
import { startSandbox } from "../lib/sandbox.mjs";

let sandbox;
let browser;

before(async () => { [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]); });
after(() => Promise.all([sandbox?.stop(), browser?.stop()]));

function owner(path, use, options = {}) {
  return browser.page({ origins: [sandbox.url], ...options }, async (page) => {
    await enter(page, sandbox);
    await page.goto(sandbox.url + path);
    await use(page);
  });
}

/** Makes a link for a new number in the dialog; its address. */
async function make(page, name, phone) {
  await page.getByRole("link", { name: "New link" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.locator("form[action=\'/links\'] [name=name]").fill(name);
  await dialog.locator("form[action=\'/links\'] [name=number]").fill(phone);
  await dialog.locator("form[action='/links'] button").click();
  await page.getByRole("heading", { name: "The link is ready" }).waitFor();
  return page.locator("#link").innerText();
}

test("a link is made, shown once, used, and its number is connected", async () => {
  const phone = sandbox.newNumber();
  await owner("/links", async (page) => {
    await page.getByRole("heading", { name: "Connect somebody else's phone" }).waitFor();
    await checkAccessibility(page, "no links");
    await page.getByRole("link", { name: "New link" }).click();
    await checkAccessibility(page, "the dialog");
    await page.keyboard.press("Escape");
    const url = await make(page, "Bakery", phone);
    assert.ok(url.startsWith(`${sandbox.url}/connect/`));
    await checkAccessibility(page, "the link");
    assert.ok((await photograph(page.locator(".qr"))).length > 1_000);
    await page.getByRole("link", { name: "All links" }).click();
    assert.ok(!(await page.content()).includes(url.split("/").pop()), "shown once");
    const row = page.getByRole("row", { name: /Bakery/ });
    await row.getByText("Waiting").waitFor();

    await browser.page({ origins: [sandbox.url] }, async (guest) => {
      await guest.goto(url);
      await askForQr(guest);
      await scan(sandbox, phone, guest);
      await inState(guest, "open");
    });
    await page.reload();
    await row.getByText("Used").waitFor();
    assert.equal(await row.getByRole("button").count(), 0, "nothing to revoke");
    await checkAccessibility(page, "the list");
  });
});

test("a revoked link is a dead page", async () => {
  await owner("/links", async (page) => {
    const url = await make(page, "Florist", sandbox.newNumber());
    await page.getByRole("link", { name: "All links" }).click();
    await page.getByRole("button", { name: "Revoke: Florist" }).click();
    await page.getByText("Revoked.").waitFor();
    await page.getByRole("row", { name: /Florist/ }).getByText("Revoked").waitFor();
    const answer = await page.goto(url);
    assert.equal(answer.status(), 404);
  }, { tolerate: [/status of 404/] });
});

test("a number that is there gets a link; the one before is revoked", async () => {
  const { id, phone } = await connected(sandbox, "Garage");
  await unlink(sandbox, phone);
  await owner(`/numbers/${id}`, async (page) => {
    await page.getByRole("button", { name: "Create a pairing link" }).last().click();
    const first = await page.locator("#link").innerText();
    await page.goto(`${sandbox.url}/links`);
    await page.getByRole("link", { name: "New link" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Which number?").selectOption(id);
    assert.equal(await dialog.locator("form[action=\'/links\'] [name=name]").isVisible(), false, "it has a name");
    await dialog.getByText("Options").first().click();
    await dialog.getByLabel("If another phone scans").selectOption("ask");
    await dialog.getByLabel("Your reference", { exact: false }).first().fill("customer 7");
    await dialog.locator("form[action='/links'] button").click();
    const second = await page.locator("#link").innerText();
    assert.notEqual(first, second);
    await page.goto(`${sandbox.url}/links`);
    await page.getByText("customer 7").waitFor();
    assert.equal((await page.goto(first)).status(), 404);
    assert.equal((await page.goto(second)).status(), 200);
  }, { tolerate: [/status of 404/] });
});

test("what is wrong is told beside what was typed", async () => {
  await owner("/links/new", async (page) => {
    await page.locator("form[action=\'/links\'] [name=name]").fill("Bakery");
    await page.locator("form[action=\'/links\'] [name=number]").fill("12");
    await page.locator("form[action='/links'] button").click();
    await page.getByRole("alert").getByText("There is no such phone number").waitFor();
    assert.equal(await page.locator("form[action=\'/links\'] [name=name]").inputValue(), "Bakery");
  }, { tolerate: [/status of 400/] });
});

test("a viewer sees the links and has nothing to press; a phone has room for them", async () => {
  let link;
  await owner("/links", async (page) => {
    await make(page, "Florist", sandbox.newNumber());
    link = await invite(page, sandbox.url);
  });
  await browser.page({ origins: [sandbox.url], size: PHONE }, async (page) => {
    await accept(page, link, "viewer@example.com");
    await page.waitForURL((url) => url.pathname === "/numbers");
    await page.goto(`${sandbox.url}/links`);
    await page.getByRole("link", { name: "Florist" }).first().waitFor();
    assert.equal(await page.locator("main form, main .button").count(), 0);
    await checkWidth(page, assert, "the links");
  });
});

test("without JavaScript a link is made", async () => {
  await browser.page({ origins: [sandbox.url], scripts: false, size: PHONE }, async (page) => {
    await page.goto(sandbox.ready.dashboardUrl);
    await page.goto(`${sandbox.url}/links`);
    await page.getByRole("link", { name: "New link" }).click();
    await page.locator("form[action=\'/links\'] [name=name]").fill("Plain");
    await page.locator("form[action=\'/links\'] [name=number]").fill(sandbox.newNumber());
    await page.locator("form[action='/links'] button").click();
    assert.ok((await page.locator("#link").innerText()).includes("/connect/"));
    await checkWidth(page, assert, "a link");
  });
});
