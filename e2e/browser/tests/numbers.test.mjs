// The dashboard's numbers: from nothing to a connected one, and what one does with it.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { codesShown, connected, postForm, scanPicture, unlink } from "../lib/numbers.mjs";
import { accept, checkWidth, enter, invite } from "../lib/people.mjs";
import { startSandbox } from "../lib/sandbox.mjs";
import { eventually } from "../lib/wait.mjs";

const FIRST_CODE = 75_000;
let sandbox;
let browser;

before(async () => { [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]); });
after(() => Promise.all([sandbox?.stop(), browser?.stop()]));

/** A page of the owner's, at `path`. */
function owner(path, use, options = {}) {
  return browser.page({ origins: [sandbox.url], tolerate: [/status of 400/], ...options }, async (page) => {
    await enter(page, sandbox);
    if (path !== "/numbers") await page.goto(sandbox.url + path);
    await page.evaluate(() => { window.sameDocument = true; }).catch(() => {});
    await use(page);
  });
}
const sameDocument = (page) => page.evaluate(() => window.sameDocument === true);
const badge = (page, id, state) => page.locator(`[data-number-state="${id}"][data-state=${state}]`).first();

test("the first number: created in the dialog, its picture scanned, connected without a reload", async () => {
  await owner("/numbers", async (page) => {
    await page.getByRole("heading", { name: "Connect the first number" }).waitFor();
    await page.getByText("curl ").waitFor();
    await checkAccessibility(page, "no numbers");
    await page.getByRole("link", { name: "New number" }).click();
    const dialog = page.getByRole("dialog");
    await checkAccessibility(page, "the dialog");
    await dialog.getByLabel("Name", { exact: false }).first().fill("Bakery");
    await dialog.getByLabel("Phone number", { exact: false }).fill("12");
    await dialog.getByRole("button", { name: "Show the QR code" }).click();
    await dialog.getByRole("alert").getByText("There is no such phone number").waitFor();

    const phone = sandbox.newNumber();
    await dialog.getByLabel("Phone number", { exact: false }).fill(phone);
    await dialog.getByText("Options").click();
    await dialog.getByLabel("Ignore groups").check();
    await dialog.getByRole("button", { name: "Show the QR code" }).click();
    await codesShown(dialog);
    await dialog.getByText(/^Changes in [0-9]+ s$/).waitFor();
    assert.match(await dialog.locator(".code").innerText(), /^[A-Z0-9]{4}-[A-Z0-9]{4}$/);
    await checkAccessibility(page, "the codes");
    await scanPicture(sandbox, phone, dialog);
    await dialog.getByRole("heading", { name: "Connected" }).waitFor();
    assert.ok(await sameDocument(page), "without a reload");

    await dialog.getByRole("link", { name: "Open the number" }).click();
    await page.getByRole("heading", { name: "Bakery" }).waitFor();
    const id = new URL(page.url()).pathname.split("/").pop();
    await badge(page, id, "OPEN").waitFor();
    await page.locator("#timeline").getByText("Number created").waitFor();
    await checkAccessibility(page, "a number");
    const detail = await sandbox.api.get(`/v1/numbers/${id}`);
    assert.equal(detail.settings.ignoreGroups, true);
  });
});

test("a code is replaced on the page before it is over", { timeout: 120_000 }, async () => {
  await owner("/numbers", async (page) => {
    await page.getByRole("link", { name: "New number" }).click();
    const dialog = page.getByRole("dialog");
    const phone = sandbox.newNumber();
    await dialog.getByLabel("Name", { exact: false }).first().fill("Patient");
    await dialog.getByLabel("Phone number", { exact: false }).fill(phone);
    await dialog.getByRole("button", { name: "Show the QR code" }).click();
    await codesShown(dialog);
    const first = await dialog.locator(".qr").getAttribute("src");
    await page.waitForFunction((before) => document.querySelector("dialog .qr").src !== before, first, { timeout: FIRST_CODE });
    await scanPicture(sandbox, phone, dialog);
    await dialog.getByRole("heading", { name: "Connected" }).waitFor();
  });
});

test("a badge of the list follows, and search and filter find", async () => {
  const { id, phone, name } = await connected(sandbox, "Flower shop");
  await owner("/numbers", async (page) => {
    const row = page.getByRole("row", { name: new RegExp(name) });
    await badge(page, id, "OPEN").waitFor();
    await page.getByRole("searchbox").fill(phone.slice(-4));
    await page.waitForFunction(() => [...document.querySelectorAll("#numbers tbody tr")].some((row) => row.hidden)
      || document.querySelectorAll("#numbers tbody tr").length === 1);
    assert.ok(await row.isVisible());
    await page.getByRole("searchbox").fill("nobody is called that");
    await page.getByText("No number matches the search.").waitFor();
    assert.equal(await row.isVisible(), false);
    await page.getByRole("searchbox").fill("flower");
    await page.getByLabel("State").selectOption("CLOSE");
    await page.getByText("No number matches the search.").waitFor();

    await unlink(sandbox, phone);
    await badge(page, id, "CLOSE").waitFor();
    await row.getByText("The device was unlinked on the phone.").waitFor();
    assert.ok(await sameDocument(page), "without a reload");
    assert.equal(await page.getByRole("searchbox").inputValue(), "flower");
    await checkAccessibility(page, "the list");

    // A digit within words is no phone number.
    await page.getByRole("searchbox").fill(`par ${phone.slice(-1)}`);
    await page.getByText("No number matches the search.").waitFor();
    await page.goto(`${sandbox.url}/numbers?q=par%20${phone.slice(-1)}`);
    assert.equal(await row.isVisible(), false, "nor for the server");

    await page.goto(`${sandbox.url}/numbers?q=flower&state=OPEN`);
    assert.equal(await row.isVisible(), false, "also by the address");
  });
});

test("after an unlink the number's page connects it again", async () => {
  const { id, phone } = await connected(sandbox, "Garage");
  await owner(`/numbers/${id}`, async (page) => {
    await unlink(sandbox, phone);
    await badge(page, id, "CLOSE").waitFor();
    await page.locator("#connection [data-when=idle]").getByText("The device was unlinked on the phone.").waitFor();
    await page.locator("#timeline").getByText("Disconnected").waitFor();
    await page.getByRole("button", { name: "Show the QR code" }).click();
    await codesShown(page.locator("#connection"));
    await scanPicture(sandbox, phone, page.locator("#connection"));
    await badge(page, id, "OPEN").waitFor();
    await eventually("it is open by the API", async () => (await sandbox.api.get(`/v1/numbers/${id}`)).state === "OPEN");
    assert.ok(await sameDocument(page), "without a reload");
  });
});

test("settings and name are saved, and the API has them", async () => {
  const { id } = await connected(sandbox, "Pharmacy");
  await owner(`/numbers/${id}`, async (page) => {
    await page.getByLabel("Reject calls").check();
    await page.getByLabel("Message to whoever calls").fill("Write to us, please.");
    await page.getByLabel("For some days", { exact: true }).check();
    await page.locator("#days").fill("30");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("status").getByText("Saved.").waitFor();
    const detail = await sandbox.api.get(`/v1/numbers/${id}`);
    assert.equal(detail.settings.rejectCall, true);
    assert.equal(detail.settings.msgRejectCall, "Write to us, please.");
    assert.equal(detail.settings.alwaysOnline, null, "what nobody chose stays");
    assert.deepEqual([detail.piiMode, detail.piiRetentionDays], ["STORE_X_DAYS", 30]);

    await page.getByRole("textbox", { name: "Name" }).fill("Night pharmacy");
    await page.getByRole("button", { name: "Rename" }).click();
    await page.getByRole("heading", { name: "Night pharmacy", level: 1 }).waitFor();
    assert.equal((await sandbox.api.get(`/v1/numbers/${id}`)).name, "Night pharmacy");
  });
});

test("deletion is typed; the number can be restored, or deleted for good", async () => {
  const { id, name } = await connected(sandbox, "Corner café");
  await owner(`/numbers/${id}`, async (page) => {
    const button = page.getByRole("button", { name: "Delete this number" });
    assert.ok(await button.isDisabled());
    await page.getByLabel(`Type ${name} to confirm`).fill("Corner");
    assert.ok(await button.isDisabled());
    // Nor without the script's help.
    assert.equal(await postForm(page, `${sandbox.url}/numbers/${id}/delete`, { confirm: "Corner" }), 303);
    await sandbox.api.get(`/v1/numbers/${id}`);
    await page.getByLabel(`Type ${name} to confirm`).fill(name);
    await button.click();
    await page.getByText("Deleted.").waitFor();
    await sandbox.api.get(`/v1/numbers/${id}`, 404);

    const removed = page.getByRole("region", { name: "Deleted" });
    await checkAccessibility(page, "deleted numbers");
    await removed.getByRole("row", { name: new RegExp(name) }).getByRole("button", { name: "Restore" }).click();
    await page.getByText("Restored.").waitFor();
    assert.equal(new URL(page.url()).pathname, `/numbers/${id}`);
    assert.equal((await sandbox.api.get(`/v1/numbers/${id}`)).state, "CLOSE");

    await page.getByLabel(`Type ${name} to confirm`).fill(name);
    await page.getByRole("button", { name: "Delete this number" }).click();
    const row = page.getByRole("region", { name: "Deleted" }).getByRole("row", { name: new RegExp(name) });
    await row.getByText("Delete for good").first().click();
    await row.getByLabel(`Type ${name} to confirm`).fill(name);
    await row.getByRole("button", { name: "Delete for good" }).click();
    await page.getByText("Deleted.").waitFor();
    assert.equal(await page.getByRole("row", { name: new RegExp(name) }).count(), 0);
  });
});

test("a form without our token changes nothing", async () => {
  const { id } = await connected(sandbox, "Guarded");
  await owner(`/numbers/${id}`, async (page) => {
    const url = `${sandbox.url}/numbers/${id}/rename`;
    for (const token of [null, "", "0".repeat(64)]) {
      assert.equal(await postForm(page, url, { name: "Stolen" }, token), 403);
    }
    assert.equal((await sandbox.api.get(`/v1/numbers/${id}`)).name, "Guarded");
    assert.equal(await postForm(page, url, { name: "Kept" }), 303);
  });
});

test("a number made elsewhere appears, and what is typed stays", async () => {
  await connected(sandbox, "Baker one");
  await owner("/numbers", async (page) => {
    await page.getByRole("searchbox").fill("baker");
    await connected(sandbox, "Baker two");
    await page.getByRole("row", { name: /Baker two/ }).waitFor();
    assert.ok(await sameDocument(page), "without a reload");
    assert.equal(await page.getByRole("searchbox").inputValue(), "baker");
  });
});

test("without an answer, connecting says so and can be tried again", async () => {
  const { id, phone } = await connected(sandbox, "Offline");
  await unlink(sandbox, phone);
  await owner(`/numbers/${id}`, async (page) => {
    const connection = page.locator("#connection");
    await page.route("**/connect", (route) => route.abort());
    await connection.getByRole("button", { name: "Show the QR code" }).click();
    await connection.getByRole("alert").filter({ hasText: /\S/ }).waitFor();
    await page.unroute("**/connect");
    await connection.locator("[data-when=failed] [data-again]").click();
    await codesShown(connection);
  }, { tolerate: [/ERR_FAILED/] });
});

test("a viewer sees everything and may change nothing", async () => {
  const { id } = await connected(sandbox, "Watched");
  let link;
  await owner("/numbers", async (page) => { link = await invite(page, sandbox.url); });
  await browser.page({ origins: [sandbox.url] }, async (page) => {
    await accept(page, link, "viewer@example.com");
    await page.getByRole("link", { name: "Watched" }).waitFor();
    assert.equal(await page.getByRole("link", { name: "New number" }).count(), 0);
    await page.goto(`${sandbox.url}/numbers/${id}`);
    await page.getByRole("heading", { name: "Watched", level: 1 }).waitFor();
    assert.equal(await page.locator("main form").count(), 0, "nothing to press");
    await checkAccessibility(page, "a viewer's page");
    for (const [path, fields] of [
      [`/numbers/${id}/rename`, { name: "Mine" }], [`/numbers/${id}/connect`, {}], ["/numbers", { name: "x", number: "+5511" }],
      [`/numbers/${id}/delete`, { confirm: "Watched" }], [`/numbers/${id}/link`, {}], ["/links", { name: "x" }],
    ]) {
      assert.equal(await postForm(page, sandbox.url + path, fields), 403, path);
    }
    assert.equal((await sandbox.api.get(`/v1/numbers/${id}`)).name, "Watched");
  });
});

test("a name of a hundred letters makes no page wider than its window", async () => {
  const { id } = await connected(sandbox, "N".repeat(100));
  for (const size of [PHONE, { width: 1280, height: 800 }]) {
    await owner("/numbers", async (page) => {
      await page.getByRole("link", { name: /^N{100}/ }).waitFor();
      await checkWidth(page, assert, "the list");
      for (const path of [`/numbers/${id}`, "/webhooks/new", "/webhooks", "/api-keys"]) {
        await page.goto(sandbox.url + path);
        await checkWidth(page, assert, path);
      }
    }, { size });
  }
});

test("on a phone nothing is wider than the screen", async () => {
  const { id } = await connected(sandbox, "A name that is rather long for a screen of this size, but may be used");
  for (const dark of [false, true]) {
    await owner("/numbers", async (page) => {
      await page.getByRole("link", { name: /^A name that is/ }).waitFor();
      await checkWidth(page, assert, "the list");
      await page.goto(`${sandbox.url}/numbers/${id}`);
      await checkWidth(page, assert, "a number");
      await checkAccessibility(page, "a number on a phone");
    }, { size: PHONE, dark });
  }
});

test("without JavaScript a number is created, shown and connected", async () => {
  const phone = sandbox.newNumber();
  await browser.page({ origins: [sandbox.url], scripts: false, tolerate: [/status of 400/] }, async (page) => {
    await page.goto(sandbox.ready.dashboardUrl);
    await page.getByRole("link", { name: "New number" }).click();
    await page.getByLabel("Name", { exact: false }).first().fill("Plain");
    await page.getByLabel("Phone number", { exact: false }).fill("12");
    await page.getByRole("button", { name: "Show the QR code" }).click();
    await page.getByRole("alert").getByText("There is no such phone number").waitFor();
    await page.getByLabel("Phone number", { exact: false }).fill(phone);
    await page.getByRole("button", { name: "Show the QR code" }).click();
    await page.getByRole("heading", { name: "Plain", level: 1 }).waitFor();
    await page.locator(".qr").waitFor();
    await scanPicture(sandbox, phone, page.locator("#connection"));
    // The page refreshes itself.
    await page.locator("h1 [data-state=OPEN]").waitFor({ timeout: 30_000 });
  });
});

for (const [locale, title, save] of [["pt-BR", "Números", "Salvar"], ["es-MX", "Números", "Guardar"]]) {
  test(`${locale}: the pages speak it`, async () => {
    const { id } = await connected(sandbox, `Loja ${locale}`);
    await owner("/numbers", async (page) => {
      await page.getByRole("heading", { name: title, level: 1 }).waitFor();
      await page.goto(`${sandbox.url}/numbers/${id}`);
      await page.getByRole("button", { name: save }).waitFor();
      const text = await page.locator("main").innerText();
      assert.doesNotMatch(text, /\b(Settings|Timeline|Delete|Connected|Health)\b/);
    }, { locale });
  });
}
