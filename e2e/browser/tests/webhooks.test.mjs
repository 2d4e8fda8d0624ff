// Webhooks: made on the page, tried, looked at, sent again, paused, changed, deleted.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { connected, postForm } from "../lib/numbers.mjs";
import { accept, checkWidth, enter, invite } from "../lib/people.mjs";
import { startReceiver } from "../lib/receiver.mjs";
import { startSandbox } from "../lib/sandbox.mjs";
import { eventually } from "../lib/wait.mjs";

let sandbox;
let browser;
let receiver;
let number;

before(async () => {
  [sandbox, browser, receiver] = await Promise.all([startSandbox(), startBrowser(), startReceiver()]);
});
after(() => Promise.all([sandbox?.stop(), browser?.stop(), receiver?.stop()]));

function owner(path, use, options = {}) {
  return browser.page({ origins: [sandbox.url], ...options }, async (page) => {
    await enter(page, sandbox);
    await page.goto(sandbox.url + path);
    await use(page);
  });
}

async function theNumber() {
  number ??= await connected(sandbox, "Sales");
  return number;
}

/** A webhook that the API made. */
async function hook(name, events = ["*"]) {
  const { id: whatsappNumberId } = await theNumber();
  return sandbox.api.post("/v1/webhooks", { name, url: receiver.url(name), events, whatsappNumberId }, 201);
}

const to = (name) => receiver.events.filter(({ path }) => path === `/${name}`);

/** The newest attempt in the log once it says `state`; opened. What is on its way stands above it. */
async function newestLine(page, state) {
  const tried = page.locator(".log li", { hasNot: page.locator(".badge.warn") });
  await eventually(`a line that is ${state}`, async () => {
    await page.reload();
    return (await tried.first().locator(".badge").innerText({ timeout: 1_000 })) === state;
  });
  const line = tried.first();
  await line.locator("summary").click();
  return line;
}

test("without a number or a webhook the page teaches", async () => {
  await owner("/webhooks", async (page) => {
    await page.getByRole("heading", { name: "No webhooks yet" }).waitFor();
    await page.getByText("Create a number first").waitFor();
    await checkAccessibility(page, "no webhooks");
  });
});

test("a webhook is made in the dialog, its secret is shown once, a test arrives and is in the log", async () => {
  await theNumber();
  await owner("/webhooks", async (page) => {
    await page.getByRole("link", { name: "New webhook" }).first().click();
    const dialog = page.getByRole("dialog");
    await checkAccessibility(page, "the dialog");
    await dialog.locator("[name=url]").fill(receiver.url("made"));
    await dialog.locator("[name=name]").fill("Warehouse");
    await dialog.getByRole("button", { name: "Create webhook" }).click();
    const secret = await page.locator("#secret").innerText();
    assert.match(secret, /^whsec_/);
    await checkAccessibility(page, "the secret");

    await page.goto(`${sandbox.url}/webhooks`);
    const row = page.getByRole("row", { name: /Warehouse/ });
    await row.getByText("active", { exact: true }).waitFor();
    await checkAccessibility(page, "the list");
    await row.getByRole("link", { name: "Warehouse" }).click();
    assert.ok(!(await page.content()).includes(secret), "shown once");
    await page.getByRole("button", { name: "Send a test" }).click();
    await page.getByRole("status").getByText("Sent.").waitFor();
    const [{ body, headers }] = await eventually("the test arrives", () => to("made").length > 0 && to("made"));
    assert.equal(body.event, "webhook.test");

    const line = await newestLine(page, "delivered");
    assert.equal(await line.getAttribute("data-event"), headers["webhook-id"]);
    assert.deepEqual(JSON.parse(await line.locator("pre").first().innerText()), body);
    assert.equal(await line.locator("pre").last().innerText(), "ok");
    assert.match(await line.locator("summary").innerText(), /200 · \d+ ms · attempt 1/);
    const chart = page.locator("svg.chart");
    assert.equal(await chart.getAttribute("aria-label"), "1 succeeded, 0 failed");
    await page.getByText("In numbers").click();
    await page.getByRole("cell", { name: "1", exact: true }).waitFor();
    await checkAccessibility(page, "a webhook");
  });
});

test("what failed is told, and goes again under the same id when somebody asks", async () => {
  const { id } = await hook("flaky");
  receiver.answer = [500, "out of paper"];
  await owner(`/webhooks/${id}`, async (page) => {
    await page.getByRole("button", { name: "Send a test" }).click();
    const line = await newestLine(page, "failed");
    assert.equal(await line.locator("pre").last().innerText(), "out of paper");
    assert.match(await line.locator("summary").innerText(), /500/);
    receiver.answer = [200, "ok"];
    await eventually("it is tried again by itself", () => to("flaky").length > 1);
    const again = await newestLine(page, "delivered");
    const before = to("flaky").length;
    await again.getByRole("button", { name: "Deliver again" }).click();
    await eventually("it comes again", () => to("flaky").length > before);
    assert.equal(new Set(to("flaky").map(({ headers }) => headers["webhook-id"])).size, 1);
    await checkAccessibility(page, "a webhook that failed");
  });
  receiver.answer = [200, "ok"];
});

test("pausing, resuming, changing, replacing the secret", async () => {
  const { id, secret } = await hook("changed");
  await owner(`/webhooks/${id}`, async (page) => {
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("heading", { name: /paused/ }).waitFor();
    assert.equal((await sandbox.api.get(`/v1/webhooks/${id}`)).active, false);
    assert.equal(await page.getByRole("button", { name: "Send a test" }).count(), 0);
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("heading", { name: /active/ }).waitFor();

    await page.getByLabel("Name", { exact: true }).fill("Renamed");
    await page.locator("[name=events][value='*']").uncheck();
    await page.locator("[name=events][value='message.received']").check();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { name: /Renamed/ }).waitFor();
    const changed = await sandbox.api.get(`/v1/webhooks/${id}`);
    assert.deepEqual([changed.name, changed.events], ["Renamed", ["message.received"]]);

    await page.getByRole("button", { name: "Replace the secret" }).click();
    const shown = await page.locator("#secret").innerText();
    assert.match(shown, /^whsec_/);
    assert.notEqual(shown, secret);
    await page.getByText("signs as well until").waitFor();
  });
});

test("deletion is typed", async () => {
  const { id } = await hook("doomed");
  await owner(`/webhooks/${id}`, async (page) => {
    const button = page.getByRole("button", { name: "Delete" });
    assert.equal(await button.isDisabled(), true);
    await page.getByLabel("Type doomed to confirm").fill("doome");
    assert.equal(await button.isDisabled(), true);
    assert.equal(await postForm(page, `${sandbox.url}/webhooks/${id}/delete`, { name: "doome" }), 400);
    await page.getByLabel("Type doomed to confirm").fill("doomed");
    await button.click();
    await page.waitForURL(`${sandbox.url}/webhooks`);
    await sandbox.api.get(`/v1/webhooks/${id}`, 404);
  });
});

test("without JavaScript: made, tried and deleted by plain forms", async () => {
  await theNumber();
  await owner("/webhooks", async (page) => {
    await page.getByRole("link", { name: "New webhook" }).first().click();
    await page.waitForURL(`${sandbox.url}/webhooks/new`);
    await page.locator("main form [name=url]").fill("http://user:secret@example.com/");
    await page.getByRole("button", { name: "Create webhook" }).click();
    await page.getByRole("alert").waitFor();
    assert.equal(await page.locator("main form [name=url]").inputValue(), "http://user:secret@example.com/");
    await page.locator("main form [name=url]").fill(receiver.url("plain"));
    await page.locator("main form [name=name]").fill("Plain");
    await page.getByRole("button", { name: "Create webhook" }).click();
    await page.locator("#secret").waitFor();
    await page.getByRole("button", { name: "Send a test" }).click();
    await eventually("the test arrives", () => to("plain").length > 0);
    await page.getByLabel("Type Plain to confirm").fill("Plain");
    await page.getByRole("button", { name: "Delete" }).click();
    await page.waitForURL(`${sandbox.url}/webhooks`);
  }, { scripts: false, tolerate: [/status of 400/] });
});

test("a viewer sees the log, no secret and no button; a foreign form changes nothing", async () => {
  const { id, secret } = await hook("watched");
  await owner("/profile", async (page) => {
    const url = await invite(page, sandbox.url);
    assert.equal(await postForm(page, `${sandbox.url}/webhooks/${id}/pause`, {}, "wrong"), 403);
    await browser.page({ origins: [sandbox.url] }, async (viewer) => {
      await accept(viewer, url, "webhook-viewer@acme.com");
      await viewer.waitForURL(`${sandbox.url}/numbers`);
      for (const path of ["/webhooks", `/webhooks/${id}`]) {
        await viewer.goto(sandbox.url + path);
        assert.ok(!(await viewer.content()).includes(secret));
        assert.equal(await viewer.locator("main form[method=post]").count(), 0, path);
      }
      for (const action of ["pause", "test", "rotate", "delete", "replay"]) {
        assert.equal(await postForm(viewer, `${sandbox.url}/webhooks/${id}/${action}`, { name: "watched" }), 403, action);
      }
      assert.equal(await postForm(viewer, `${sandbox.url}/webhooks/${id}`, { name: "mine" }), 403);
    });
  });
  const { active, name } = await sandbox.api.get(`/v1/webhooks/${id}`);
  assert.deepEqual([active, name], [true, "watched"]);
});

test("at 390 px, dark, in Portuguese and Spanish", async () => {
  const { id } = await hook("narrow");
  for (const locale of ["pt-BR", "es-MX"]) {
    await owner("/webhooks", async (page) => {
      await checkWidth(page, assert, "the list");
      await checkAccessibility(page, "the list, narrow");
      await page.goto(`${sandbox.url}/webhooks/${id}`);
      await checkWidth(page, assert, "a webhook");
      await checkAccessibility(page, "a webhook, narrow");
    }, { size: PHONE, dark: true, locale });
  }
});
