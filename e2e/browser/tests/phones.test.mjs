// The sandbox's phones: what a newcomer plays with.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { request } from "../lib/http.mjs";
import { checkWidth, enter } from "../lib/people.mjs";
import { startSandbox } from "../lib/sandbox.mjs";
import { eventually } from "../lib/wait.mjs";

let sandbox;
let browser;

before(async () => { [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]); });
after(() => Promise.all([sandbox?.stop(), browser?.stop()]));

async function phones(use, options = {}) {
  await browser.page({ origins: [sandbox.url], ...options }, async (page) => {
    await enter(page, sandbox);
    await page.goto(`${sandbox.url}/phones`);
    await use(page);
  });
}
const card = (page, phone) => page.locator(`article[data-phone="${phone}"]`);
const isOpen = (id) => eventually(`${id} is connected`, async () => (await sandbox.api.get(`/v1/numbers/${id}`)).state === "OPEN");
async function add(page, phone) {
  await page.locator("#new-phone").fill(phone);
  await page.getByRole("button", { name: "New phone" }).click();
  await card(page, phone).waitFor();
}

test("an empty page teaches how to begin", async () => {
  await phones(async (page) => {
    await page.getByRole("heading", { name: "Pick up a phone" }).waitFor();
    await checkAccessibility(page, "no phones");
  });
});

test("a number is scanned here and turns connected, and both write", async () => {
  const phone = sandbox.newNumber();
  const made = await sandbox.api.post("/v1/numbers", { name: "Padaria", number: phone }, 201);
  const { id } = made.instance;
  await phones(async (page) => {
    await page.locator("#waiting").getByText("Padaria").waitFor();
    await page.getByRole("button", { name: "Pick up its phone" }).click();
    await card(page, phone).getByRole("button", { name: "Scan: Padaria" }).click();
    await card(page, phone).getByText("1 linked device").waitFor();
    await isOpen(id);

    const friend = sandbox.newNumber();
    await add(page, friend);
    const chat = card(page, friend);
    await chat.getByLabel("Chat with").selectOption(phone);
    await chat.getByRole("textbox", { name: "Message" }).fill("Is there bread? <b>");
    await chat.getByRole("button", { name: "Send" }).click();
    await chat.locator(".bubble.out").getByText("Is there bread? <b>").waitFor();

    const [{ key }] = (await sandbox.api.get("/v1/api-keys")).filter((row) => row.numberId === id);
    const sent = await request("POST", `${sandbox.url}/v1/messages/send`, {
      headers: { "x-api-key": key }, body: { destinationNumber: friend, text: "Fresh at six" },
    });
    assert.equal(sent.status, 202, sent.text);
    await chat.locator(".bubble:not(.out)").getByText("Fresh at six").waitFor();
    await chat.getByRole("button", { name: "Mark as read" }).click();
    await chat.getByRole("button", { name: "Mark as read" }).waitFor({ state: "detached" });
    await checkAccessibility(page, "a chat");
    await checkWidth(page, assert, "the phones");

    await card(page, phone).getByRole("button", { name: "Link" }).click();
    await checkAccessibility(page, "linked devices");
    await card(page, phone).getByRole("button", { name: "Unlink" }).click();
    await card(page, phone).locator("header").getByText("No linked device").waitFor();
    await eventually("it is disconnected", async () => (await sandbox.api.get(`/v1/numbers/${id}`)).state !== "OPEN");
  });
});

test("a pairing code is typed", async () => {
  const phone = sandbox.newNumber();
  const made = await sandbox.api.post("/v1/numbers", { name: "Farmácia", number: phone }, 201);
  await phones(async (page) => {
    await add(page, phone);
    const own = card(page, phone);
    await own.getByRole("textbox", { name: "Pairing code" }).fill("AAAA-AAAA");
    await own.getByRole("button", { name: "Type it" }).click();
    await own.getByText("That did not work").waitFor();
    await own.getByRole("textbox", { name: "Pairing code" }).fill(made.pairingCode);
    await own.getByRole("button", { name: "Type it" }).click();
    await own.getByText("1 linked device").waitFor();
    await isOpen(made.instance.id);
  }, { size: PHONE, tolerate: [/status of 4\d\d/] });
});

test("a dropped connection comes back, a ban does not until it is cleared", async () => {
  const phone = sandbox.newNumber();
  const made = await sandbox.api.post("/v1/numbers", { name: "Oficina", number: phone }, 201);
  const { id } = made.instance;
  await sandbox.phones.post(`/phones/${phone}/scan`, { qrcodeBase64: made.qrcodeBase64 });
  await isOpen(id);
  await phones(async (page) => {
    const own = card(page, phone);
    await own.getByRole("button", { name: "Faults" }).click();
    await checkAccessibility(page, "faults");
    await checkWidth(page, assert, "the phones");
    await own.getByRole("button", { name: /^Ban for an hour/ }).click();
    await own.getByText("Done.").waitFor();
    await eventually("it is banned", async () => (await sandbox.api.get(`/v1/numbers/${id}`)).state !== "OPEN");
    await own.getByRole("button", { name: "Clear the faults" }).click();
  }, { size: PHONE });
});
