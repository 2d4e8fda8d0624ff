// API keys: masked, revealed, replaced; and the audit log, which says so.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { request } from "../lib/http.mjs";
import { connected, postForm } from "../lib/numbers.mjs";
import { accept, checkWidth, enter, invite } from "../lib/people.mjs";
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

/** What the API says to this key. */
async function status(key) {
  return (await request("GET", `${sandbox.url}/v1/api-keys`, { headers: { "x-api-key": key } })).status;
}

test("without a number the page teaches", async () => {
  await owner("/api-keys", async (page) => {
    await page.getByRole("heading", { name: "No keys yet" }).waitFor();
    await checkAccessibility(page, "no keys");
  });
});

test("a key is revealed and works; its replacement works and the old one does not; the log tells", async () => {
  const { id, name } = await connected(sandbox, "Revealed");
  await owner("/api-keys", async (page) => {
    await page.getByRole("button", { name: `Reveal: ${name}` }).click();
    await page.getByRole("heading", { name: `The key of ${name}` }).waitFor();
    const old = await page.locator("#raw-key").innerText();
    assert.equal(await status(old), 200);
    await checkAccessibility(page, "a revealed key");
    await page.goto(`${sandbox.url}/api-keys`);
    assert.ok(!(await page.content()).includes(old), "masked again");

    await page.getByRole("link", { name: `Replace: ${name}` }).click();
    await checkAccessibility(page, "the question");
    await page.getByRole("dialog").getByRole("button", { name: "Replace the key" }).click();
    await page.getByRole("heading", { name: `The new key of ${name}` }).waitFor();
    const fresh = await page.locator("#raw-key").innerText();
    assert.deepEqual([await status(fresh), await status(old)], [200, 401]);

    await page.goto(`${sandbox.url}/audit`);
    const line = (action) => page.locator(`tr[data-action="${action}"]`).first();
    assert.match(await line("key.reveal").innerText(), /Saw the key\s+Revealed/);
    assert.match(await line("key.regenerate").innerText(), /Replaced the key\s+Revealed/);
    assert.equal(await line("key.reveal").getByRole("link").getAttribute("href"), `/numbers/${id}`);
    assert.ok(!(await page.content()).includes(fresh) && !(await page.content()).includes(old));
  });
});

test("without JavaScript a key is replaced on a page of its own", async () => {
  const { id, name } = await connected(sandbox, "Plain");
  await owner("/api-keys", async (page) => {
    await page.getByRole("link", { name: `Replace: ${name}` }).click();
    await page.waitForURL(`${sandbox.url}/api-keys/${id}/regenerate`);
    await page.getByRole("button", { name: "Replace the key" }).click();
    assert.equal(await status(await page.locator("#raw-key").innerText()), 200);
  }, { scripts: false });
});

test("a viewer sees no key; a foreign form reveals none", async () => {
  const { id } = await connected(sandbox, "Watched");
  await owner("/profile", async (page) => {
    const url = await invite(page, sandbox.url);
    for (const action of ["reveal", "regenerate"]) {
      assert.equal(await postForm(page, `${sandbox.url}/api-keys/${id}/${action}`, {}, "wrong"), 403);
    }
    await browser.page({ origins: [sandbox.url] }, async (viewer) => {
      await accept(viewer, url, "key-viewer@acme.com");
      await viewer.waitForURL(`${sandbox.url}/numbers`);
      await viewer.goto(`${sandbox.url}/api-keys`);
      await viewer.getByRole("row", { name: /Watched/ }).waitFor();
      assert.equal(await viewer.locator("main form").count(), 0);
      for (const action of ["reveal", "regenerate"]) {
        assert.equal(await postForm(viewer, `${sandbox.url}/api-keys/${id}/${action}`, {}), 403);
      }
    });
  });
});

test("at 390 px, dark, in Portuguese and Spanish", async () => {
  for (const [locale, title] of [["pt-BR", "Chaves de API"], ["es-MX", "Claves de API"]]) {
    await owner("/api-keys", async (page) => {
      await page.getByRole("heading", { name: title, exact: true }).waitFor();
      await checkWidth(page, assert, "the keys");
      await checkAccessibility(page, "the keys, narrow");
    }, { size: PHONE, dark: true, locale });
  }
});
