// The audit log: what was just done, by whom; filtered and paged.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { connected } from "../lib/numbers.mjs";
import { checkWidth, enter } from "../lib/people.mjs";
import { startSandbox } from "../lib/sandbox.mjs";

let sandbox;
let browser;
let hook;

before(async () => {
  [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]);
  const { id: whatsappNumberId } = await connected(sandbox, "Sales");
  hook = await sandbox.api.post("/v1/webhooks", { name: "Stock", url: "http://127.0.0.1:9/", whatsappNumberId }, 201);
});
after(() => Promise.all([sandbox?.stop(), browser?.stop()]));

function owner(path, use, options = {}) {
  return browser.page({ origins: [sandbox.url], ...options }, async (page) => {
    await enter(page, sandbox);
    await page.goto(sandbox.url + path);
    await use(page);
  });
}

test("what a person and what a key did is told, and leads to the thing while it is there", async () => {
  await owner(`/webhooks/${hook.id}`, async (page) => {
    await page.getByRole("button", { name: "Pause" }).click();
    await page.goto(`${sandbox.url}/audit`);
    const line = (action) => page.locator(`tr[data-action="${action}"]`).first();
    const email = await page.locator(".who p").first().innerText();
    const paused = await line("webhook.pause").innerText();
    assert.ok(paused.includes(email.trim()) && paused.includes("Paused the webhook"), paused);
    assert.match(await line("webhook.create").innerText(), /key\s+Created the webhook\s+Stock/);
    assert.equal(await line("webhook.pause").getByRole("link").getAttribute("href"), `/webhooks/${hook.id}`);
    await checkAccessibility(page, "the audit log");

    await page.getByLabel("On what").selectOption("webhook");
    await page.getByRole("button", { name: "Show" }).click();
    const actions = () => page.locator("tr[data-action]").evaluateAll((rows) => rows.map((row) => row.dataset.action));
    assert.deepEqual(await actions(), ["webhook.pause", "webhook.create"]);
    await page.getByLabel("Who").selectOption({ label: email.trim() });
    await page.getByRole("button", { name: "Show" }).click();
    assert.deepEqual(await actions(), ["webhook.pause"]);
  });
});

test("older lines are on the next page", async () => {
  for (let i = 0; i < 26; i += 1) {
    for (const active of [true, false]) await sandbox.api.patch(`/v1/webhooks/${hook.id}`, { active });
  }
  await owner("/audit?thing=webhook", async (page) => {
    const rows = page.locator("tr[data-action]");
    assert.equal(await rows.count(), 50);
    await page.getByRole("link", { name: "Older" }).click();
    await page.waitForURL(/before=aud_/);
    assert.ok(await rows.count() >= 3);
    await page.locator('tr[data-action="webhook.create"]').waitFor();
    await page.getByRole("link", { name: "Newest" }).click();
    assert.equal(await rows.count(), 50);
  });
});

test("every action is in words, in the reader's language, and fits 390 px", async () => {
  for (const [locale, words] of [["pt-BR", "Criou o webhook"], ["es-MX", "Creó el webhook"]]) {
    await owner("/audit", async (page) => {
      assert.equal(await page.locator("td strong code").count(), 0, "no action without words");
      await checkWidth(page, assert, "the audit log");
      await checkAccessibility(page, "the audit log, narrow");
      await page.goto(`${sandbox.url}/audit?thing=webhook`);
      await page.getByRole("link", { name: /./ }).last().waitFor();
      while (await page.locator(".pager a[href*=before]").count()) await page.locator(".pager a[href*=before]").click();
      await page.getByText(words).first().waitFor();
    }, { size: PHONE, dark: true, locale });
  }
});
