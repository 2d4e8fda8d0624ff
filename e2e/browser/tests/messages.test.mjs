// A number's messages: what was said both ways, live; what waits, taken back; and the box that sends.

import { strict as assert } from "node:assert";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { client } from "../lib/http.mjs";
import { connected, postForm, unlink } from "../lib/numbers.mjs";
import { business } from "../lib/meta.mjs";
import { accept, checkWidth, enter, invite } from "../lib/people.mjs";
import { startSandbox } from "../lib/sandbox.mjs";
import { eventually } from "../lib/wait.mjs";

/** A picture of one red point. */
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

let sandbox;
let browser;

before(async () => { [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]); });
after(() => Promise.all([sandbox?.stop(), browser?.stop()]));

/** A page of the owner's, at `path`. */
function owner(where, use, options = {}) {
  return browser.page({ origins: [sandbox.url], tolerate: [/status of 400/], ...options }, async (page) => {
    await enter(page, sandbox);
    await page.goto(sandbox.url + where);
    await page.evaluate(() => { window.sameDocument = true; }).catch(() => {});
    await use(page);
  });
}
const sameDocument = (page) => page.evaluate(() => window.sameDocument === true);
const at = ({ id }) => `/numbers/${id}/messages`;
const log = (page) => page.locator("#log");
const sendBox = (page) => page.locator("#send");
const say = (from, to, content) =>
  sandbox.phones.post(`/phones/${from}/messages`, { to, ...(typeof content === "string" ? { text: content } : content) }, 201);
const inbox = (phone) => sandbox.phones.get(`/phones/${phone}/messages`);
/** By the number's own id: the tenant's key names it. */
async function sent({ id }) {
  const api = client(sandbox.url, { "x-api-key": sandbox.ready.tenantKey, "x-whatsapp-number-id": id });
  return (await api.get("/v1/messages")).messages;
}

/** Tomorrow, as `<input type="datetime-local">` has it in the zone of the browser. */
const tomorrow = (page) => page.evaluate(() => {
  const then = new Date(Date.now() + 86_400_000);
  return new Date(then - then.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
});

test("a text is sent from the box, and the log follows it and its answer without a reload", async () => {
  const shop = await connected(sandbox, "Shop");
  const friend = sandbox.newNumber();
  await owner(`/numbers/${shop.id}`, async (page) => {
    await page.getByRole("link", { name: "See all messages, or send one" }).click();
    await page.getByRole("heading", { name: "No messages yet" }).waitFor();
    await checkAccessibility(page, "no messages");
    await sendBox(page).getByLabel("Phone number").fill(friend);
    await sendBox(page).getByLabel("Text", { exact: false }).fill("Hello\nfrom the dashboard");
    await sendBox(page).getByRole("button", { name: "Send" }).click();
    await page.getByRole("status").getByText("Accepted for sending.").waitFor();
    await page.evaluate(() => { window.sameDocument = true; });
    const mine = log(page).locator('[data-direction="out"]').first();
    await mine.getByText("Hello").waitFor();
    await mine.locator(".badge.good").getByText("Delivered").waitFor();
    assert.equal((await inbox(friend)).at(-1).text, "Hello\nfrom the dashboard");
    assert.equal((await sent(shop))[0].origin, "DASHBOARD");

    // What is opened stays open while something else comes.
    await mine.getByText("Details").click();
    await say(friend, shop.phone, { text: "Thanks!", quote: (await inbox(friend)).at(-1).id });
    const theirs = log(page).locator('[data-direction="in"]').first();
    await theirs.getByText("Thanks!").waitFor();
    await theirs.getByText("In reply to: “Hello").waitFor();
    await log(page).locator('[data-direction="out"] details[open]').getByText("Dashboard").waitFor();
    assert.equal(await page.locator("#live").innerText(), "New message");
    assert.ok(await sameDocument(page), "without a reload");
    await checkAccessibility(page, "a log");
  });
});

test("what authors do afterwards is shown", async () => {
  const shop = await connected(sandbox, "Amended");
  const friend = sandbox.newNumber();
  await owner(at(shop), async (page) => {
    const first = await say(friend, shop.phone, "Firts");
    const second = await say(friend, shop.phone, "Regretted");
    await log(page).getByText("Regretted").waitFor();
    await say(friend, shop.phone, { edit: { of: first.id, text: "First" } });
    await say(friend, shop.phone, { delete: second.id });
    await log(page).getByText("First", { exact: true }).waitFor();
    await log(page).getByText("Deleted for everybody").waitFor();
    assert.match(await log(page).locator('[data-direction="in"]').last().innerText(), /edited/);
    assert.equal(await log(page).getByText("Regretted").count(), 0);
  });
});

test("one conversation alone, by a click or by what is typed", async () => {
  const shop = await connected(sandbox, "Narrow");
  const [ana, bia] = [sandbox.newNumber(), sandbox.newNumber()];
  await say(ana, shop.phone, "It is Ana");
  await say(bia, shop.phone, "It is Bia");
  await owner(at(shop), async (page) => {
    await log(page).getByText("It is Bia").waitFor();
    const item = log(page).locator("[data-message]").filter({ hasText: "It is Ana" });
    await item.getByRole("link", { name: /only this conversation/ }).click();
    await log(page).getByText("It is Ana").waitFor();
    assert.equal(await log(page).getByText("It is Bia").count(), 0);
    // It follows its own conversation only.
    await say(bia, shop.phone, "Bia again");
    await say(ana, shop.phone, "Ana again");
    await log(page).getByText("Ana again").waitFor();
    assert.equal(await log(page).getByText("Bia").count(), 0);
    await page.getByLabel(/^Person, group or channel/).fill("nobody");
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByRole("alert").getByText("That is no phone number").waitFor();
    await checkAccessibility(page, "a filter that finds nobody");
    await page.getByRole("link", { name: "Show all" }).click();
    await log(page).getByText("Bia again").waitFor();
  });
});

test("media are opened and downloaded in the session, and by nobody else", async () => {
  const shop = await connected(sandbox, "Gallery");
  const friend = sandbox.newNumber();
  await say(friend, shop.phone, { image: { data: PNG, mime: "image/png", caption: "look" } });
  await say(friend, shop.phone, { document: { data: Buffer.from("<script>1</script>").toString("base64"), mime: "text/html", fileName: "page é.html" } });
  await owner(at(shop), async (page) => {
    await log(page).getByText("look").waitFor();
    const picture = await log(page).getByRole("link", { name: /^Open/ }).getAttribute("href");
    const shown = await page.context().request.get(sandbox.url + picture);
    assert.deepEqual([shown.status(), shown.headers()["content-type"]], [200, "image/png"]);
    assert.equal((await shown.body()).toString("base64"), PNG);
    assert.match(shown.headers()["content-security-policy"], /sandbox/);
    const item = log(page).locator("[data-message]").filter({ hasText: "page é.html" });
    assert.equal(await item.getByRole("link", { name: /^Open/ }).count(), 0, "nothing that could run is opened");
    const [download] = await Promise.all([page.waitForEvent("download"), item.getByRole("link", { name: /^Download/ }).click()]);
    assert.equal(download.suggestedFilename(), "page é.html");
    await log(page).getByRole("link", { name: /^Open/ }).click();
    await page.waitForURL(sandbox.url + picture);
    assert.equal(await page.evaluate(() => document.images[0].naturalWidth), 1, "the picture is shown");
    await browser.page({ origins: [sandbox.url] }, async (stranger) => {
      await stranger.goto(sandbox.url + picture);
      assert.equal(new URL(stranger.url()).pathname, "/sign-in");
    });
  });
});

test("a file of this device is sent", async () => {
  const shop = await connected(sandbox, "Uploads");
  const friend = sandbox.newNumber();
  const folder = await mkdtemp(path.join(os.tmpdir(), "ramal-upload-"));
  try {
    const file = path.join(folder, "note.txt");
    await writeFile(file, "the contents");
    await owner(at(shop), async (page) => {
      await sendBox(page).getByLabel("Phone number").fill(friend);
      await sendBox(page).getByText("File", { exact: true }).click();
      await sendBox(page).getByLabel("File of this device").setInputFiles(file);
      await sendBox(page).getByLabel("Text", { exact: false }).fill("Read this");
      await sendBox(page).getByRole("button", { name: "Send" }).click();
      const got = await eventually("it comes", async () => (await inbox(friend)).find(({ media }) => media?.state === "ready"));
      assert.deepEqual([got.type, got.media.fileName, got.media.size], ["document", "note.txt", 12]);
      await log(page).getByText("Read this").waitFor();
      await log(page).getByText("The file is not kept here.").waitFor();
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("groups and channels are chosen from a list; channels take texts only", async () => {
  const shop = await connected(sandbox, "Many");
  const friend = sandbox.newNumber();
  const group = await sandbox.phones.post("/groups", { subject: "Neighbours", creator: friend, members: [shop.phone] }, 201);
  await sandbox.phones.post("/channels", { name: "Offers", owner: shop.phone }, 201);
  await sandbox.phones.post("/channels", { name: "Read only", owner: friend }, 201);
  await owner(at(shop), async (page) => {
    await sendBox(page).getByRole("link", { name: "Group or channel" }).click();
    const choice = sendBox(page).getByLabel("Group or channel", { exact: true }).and(page.locator("select"));
    const names = await choice.locator("option").allInnerTexts();
    assert.ok(names.some((name) => name.startsWith("Neighbours")) && names.some((name) => name.startsWith("Offers")), String(names));
    assert.ok(!names.some((name) => name.startsWith("Read only")), "where the number may write");
    await checkAccessibility(page, "a choice of groups");
    await choice.selectOption(names.find((name) => name.startsWith("Neighbours")));
    await sendBox(page).getByLabel("Text", { exact: false }).fill("Hello all");
    await sendBox(page).getByRole("button", { name: "Send" }).click();
    await eventually("the group has it", async () => (await inbox(friend)).find(({ text, chat }) => text === "Hello all" && chat === group.id));
    await sandbox.phones.post(`/groups/${group.id}/messages`, { from: friend, text: "Hello you" }, 201);
    const item = log(page).locator("[data-message]").filter({ hasText: "Hello you" });
    await item.getByText("Received from Neighbours").waitFor();

    await page.goto(`${sandbox.url}${at(shop)}?to=crowd`);
    await choice.selectOption(names.find((name) => name.startsWith("Offers")));
    await sendBox(page).getByText("File", { exact: true }).click();
    await sendBox(page).getByLabel("Address of the file").fill("https://acme.example/a.png");
    await sendBox(page).getByRole("button", { name: "Send" }).click();
    await sendBox(page).getByRole("alert").getByText("Only texts are sent to channels.").waitFor();
    assert.equal(await sendBox(page).getByLabel("Address of the file").inputValue(), "https://acme.example/a.png");
  });
});

test("a template asks for its variables when it is chosen, and is sent filled in", async () => {
  const shop = await connected(sandbox, "Templates");
  const friend = sandbox.newNumber();
  await sandbox.api.post("/v1/templates", { name: "order", text: "Hi {{name}}, order {{1}} is ready" }, 201);
  await sandbox.api.post("/v1/templates", { name: "thanks", text: "Thank you" }, 201);
  await owner(at(shop), async (page) => {
    await sendBox(page).getByRole("link", { name: "Template" }).click();
    await sendBox(page).getByLabel("Phone number").fill(friend);
    await sendBox(page).getByRole("combobox", { name: "Template" }).selectOption("order");
    await sendBox(page).getByLabel("name", { exact: true }).fill("Ana");
    // Another choice and back: what was typed for the form stays.
    await sendBox(page).getByRole("combobox", { name: "Template" }).selectOption("thanks");
    await sendBox(page).locator(".bubble").getByText("Thank you").waitFor();
    await sendBox(page).getByRole("combobox", { name: "Template" }).selectOption("order");
    await sendBox(page).getByLabel("1", { exact: true }).fill("A-7");
    await sendBox(page).getByLabel("name", { exact: true }).fill("Ana");
    assert.equal(await sendBox(page).getByLabel("Phone number").inputValue(), friend);
    await checkAccessibility(page, "a template's variables");
    await sendBox(page).getByRole("button", { name: "Send" }).click();
    await eventually("it comes", async () => (await inbox(friend)).find(({ text }) => text === "Hi Ana, order A-7 is ready"));
    await log(page).getByText("Template: order").waitFor();
  });
});

test("a scheduled message waits, is taken back, and too late is said", async () => {
  const shop = await connected(sandbox, "Later");
  const friend = sandbox.newNumber();
  await owner(at(shop), async (page) => {
    await sendBox(page).getByLabel("Phone number").fill(friend);
    await sendBox(page).getByLabel("Text", { exact: false }).fill("See you");
    const when = await tomorrow(page);
    await sendBox(page).getByLabel("When", { exact: false }).fill(when);
    await sendBox(page).getByRole("button", { name: "Send" }).click();
    await page.getByRole("status").getByText("Scheduled.").waitFor();
    const [message] = await sent(shop);
    assert.equal(message.deliverAt, await page.evaluate((local) => new Date(local).toISOString(), when), "in the reader's own zone");
    const waiting = page.locator("#waiting");
    await waiting.getByText("See you").waitFor();
    await checkAccessibility(page, "what waits");
    await waiting.getByRole("button", { name: /^Do not send/ }).click();
    await page.getByRole("status").getByText("Canceled: it will not be sent.").waitFor();
    await waiting.getByText("Nothing waits to be sent.").waitFor();
    await log(page).locator(".badge").getByText("Canceled").waitFor();
    await page.getByLabel("Status").selectOption({ label: "Failed" });
    await page.getByRole("button", { name: "Show" }).click();
    await log(page).getByText("No message matches this filter.").waitFor();
    await page.getByLabel("Status").selectOption({ label: "Canceled" });
    await page.getByRole("button", { name: "Show" }).click();
    await log(page).getByText("See you").waitFor();

    const cancel = `${sandbox.url}${at(shop)}/${message.id}/cancel`;
    assert.equal(await postForm(page, cancel, {}), 303);
    // Sent meanwhile, in another tab, while this one still shows the button.
    await page.goto(sandbox.url + at(shop));
    await sendBox(page).getByLabel("Phone number").fill(friend);
    await sendBox(page).getByLabel("Text", { exact: false }).fill("Gone");
    await sendBox(page).getByRole("button", { name: "Send" }).click();
    await log(page).locator(".badge").getByText("Delivered").waitFor();
    const gone = (await sent(shop)).find(({ text }) => text === "Gone");
    await page.evaluate((action) => {
      const form = document.createElement("form");
      const token = Object.assign(document.createElement("input"), { name: "form_token", value: document.body.dataset.token });
      Object.assign(form, { method: "post", action }).append(token);
      document.body.append(form);
      form.submit();
    }, `${at(shop)}/${gone.id}/cancel`);
    await page.getByRole("alert").getByText("Too late: it was sent before.").waitFor();
  }, { timezone: "America/Sao_Paulo" });
});

test("while the number is not connected, what is sent waits in the queue and can be taken back", async () => {
  const shop = await connected(sandbox, "Away");
  await unlink(sandbox, shop.phone);
  await eventually("it is closed", async () => (await sandbox.api.get(`/v1/numbers/${shop.id}`)).state === "CLOSE");
  await owner(at(shop), async (page) => {
    await sendBox(page).getByText("The number is not connected.").waitFor();
    await sendBox(page).getByLabel("Phone number").fill(sandbox.newNumber());
    await sendBox(page).getByLabel("Text", { exact: false }).fill("Later then");
    await sendBox(page).getByRole("button", { name: "Send" }).click();
    await page.locator("#waiting").getByText("as soon as possible").waitFor();
    await page.locator("#waiting").getByRole("button", { name: /^Do not send/ }).click();
    await page.getByText("Canceled: it will not be sent.").waitFor();
    await page.goto(`${sandbox.url}${at(shop)}?to=crowd`);
    await sendBox(page).getByText("The groups and channels cannot be seen now: The number is not connected").waitFor();
  });
});

test("an official number sends texts and approved templates, and offers no groups", async () => {
  const shop = await business(sandbox);
  const made = await sandbox.api.post("/v1/numbers/meta", {
    name: "Official shop", number: shop.number, metaPhoneId: shop.phoneId, metaWabaId: shop.wabaId,
    metaAccessToken: shop.token, metaAppSecret: shop.appSecret,
  }, 201);
  await owner(`/numbers/${made.numberId}/messages`, async (page) => {
    assert.equal(await sendBox(page).getByRole("link", { name: "Group or channel" }).count(), 0);
    await sendBox(page).getByText("Texts and files arrive only within 24 hours").waitFor();
    await checkAccessibility(page, "an official number's messages");
    await sendBox(page).getByRole("link", { name: "Template" }).click();
    const choice = sendBox(page).getByRole("combobox", { name: "Template" });
    await choice.selectOption("order_update:en_US");
    const variables = sendBox(page).locator("fieldset input");
    await variables.first().waitFor();
    for (let at = 0; at < await variables.count(); at += 1) await variables.nth(at).fill(`value ${at}`);
    await sendBox(page).getByLabel("Phone number").fill(sandbox.newNumber());
    await sendBox(page).getByRole("button", { name: "Send" }).click();
    await log(page).getByText("value 0").waitFor();
    await log(page).locator(".badge").getByText(/^(Sent|Delivered)$/).waitFor();
  });
});

test("a number that relays shows neither words nor people", async () => {
  const shop = await connected(sandbox, "Discreet");
  const friend = sandbox.newNumber();
  await sandbox.api.patch(`/v1/numbers/${shop.id}`, { piiMode: "RELAY_ONLY" });
  await say(friend, shop.phone, "for your ears only");
  await owner(at(shop), async (page) => {
    await log(page).getByText("Contents not kept").waitFor();
    await page.getByText("This number only relays").waitFor();
    const text = await page.content();
    assert.ok(!text.includes("for your ears only") && !text.includes(friend.slice(1)), text);
    await checkAccessibility(page, "a number that relays");
  });
});

test("the log is turned page by page", async () => {
  const shop = await connected(sandbox, "Long");
  const friend = sandbox.newNumber();
  for (let count = 1; count <= 31; count += 1) await say(friend, shop.phone, `number ${count}`);
  await owner(at(shop), async (page) => {
    await log(page).getByText("number 31", { exact: true }).waitFor();
    await log(page).getByText("Page 1 of 2").waitFor();
    await log(page).getByRole("link", { name: "Older" }).click();
    await log(page).getByText("number 1", { exact: true }).waitFor();
    assert.equal(await log(page).locator("[data-message]").count(), 1);
    await log(page).getByRole("link", { name: "Newer" }).click();
    await log(page).getByText("number 31", { exact: true }).waitFor();
  });
});

test("without JavaScript: refused in words, a template's variables, sent once, taken back", async () => {
  const shop = await connected(sandbox, "Plain");
  const friend = sandbox.newNumber();
  await sandbox.api.post("/v1/templates", { name: "plain-hello", text: "Hello {{name}}" }, 201);
  await owner(at(shop), async (page) => {
    await sendBox(page).getByLabel("Phone number").fill("12");
    await sendBox(page).getByLabel("Text", { exact: false }).fill("typed text");
    await sendBox(page).getByRole("button", { name: "Send" }).click();
    await sendBox(page).getByRole("alert").getByText("A number looks like").waitFor();
    assert.equal(await sendBox(page).getByLabel("Text", { exact: false }).inputValue(), "typed text");
    await sendBox(page).getByRole("link", { name: "Template" }).click();
    await sendBox(page).getByLabel("Phone number").fill(friend);
    await sendBox(page).getByRole("combobox", { name: "Template" }).selectOption("plain-hello");
    await sendBox(page).getByRole("button", { name: "Show its variables" }).click();
    await sendBox(page).getByLabel("name", { exact: true }).fill("Ana");
    await sendBox(page).getByLabel("When", { exact: false }).fill("2099-01-02T03:04");
    await sendBox(page).getByRole("button", { name: "Send" }).click();
    await sendBox(page).getByRole("alert").getByText("up to a year ahead").waitFor();
    assert.equal(await sendBox(page).getByLabel("When", { exact: false }).inputValue(), "2099-01-02T03:04");
    await sendBox(page).getByLabel("When", { exact: false }).fill(new Date(Date.now() + 86_400_000).toISOString().slice(0, 16));
    await sendBox(page).getByRole("button", { name: "Send" }).click();
    await page.getByText("Scheduled.").waitFor();
    await page.locator("#waiting").getByText("Hello Ana").waitFor();
    await page.locator("#waiting").getByRole("button", { name: /^Do not send/ }).click();
    await page.getByText("Canceled: it will not be sent.").waitFor();
  }, { scripts: false });
});

test("a viewer sees messages and no button; a foreign form sends nothing; nobody else sees them", async () => {
  const shop = await connected(sandbox, "Watched");
  const friend = sandbox.newNumber();
  await say(friend, shop.phone, "seen by all");
  let link;
  await owner("/numbers", async (page) => {
    link = await invite(page, sandbox.url);
    const form = { to: friend, text: "forged" };
    assert.equal(await postForm(page, sandbox.url + at(shop), form, "wrong"), 403);
    assert.equal(await postForm(page, sandbox.url + at(shop), form, null), 403);
  });
  await browser.page({ origins: [sandbox.url] }, async (page) => {
    await accept(page, link, "message-viewer@acme.com");
    await page.waitForURL(`${sandbox.url}/numbers`);
    await page.goto(sandbox.url + at(shop));
    await log(page).getByText("seen by all").waitFor();
    assert.equal(await page.locator("main form[method=post]").count(), 0);
    await checkAccessibility(page, "a viewer's messages");
    assert.equal(await postForm(page, sandbox.url + at(shop), { to: friend, text: "forged" }), 403);
  });
  assert.deepEqual(await sent(shop), []);
  await browser.page({ origins: [sandbox.url] }, async (page) => {
    await page.goto(sandbox.url + at(shop));
    assert.equal(new URL(page.url()).pathname, "/sign-in");
  });
});

test("at 390 px, dark, in Portuguese and Spanish", async () => {
  const shop = await connected(sandbox, "Uma loja com um nome que não acaba tão cedo");
  const friend = sandbox.newNumber();
  await say(friend, shop.phone, "x".repeat(300));
  await say(friend, shop.phone, { document: { size: 20, fileName: `${"y".repeat(120)}.pdf` } });
  for (const [locale, title, send] of [["pt-BR", "Mensagens", "Enviar"], ["es-MX", "Mensajes", "Enviar"]]) {
    await owner(`${at(shop)}`, async (page) => {
      await page.getByRole("heading", { name: title, level: 1 }).waitFor();
      await sendBox(page).getByRole("button", { name: send }).waitFor();
      for (const query of ["", "?template=", "?to=crowd"]) {
        await page.goto(sandbox.url + at(shop) + query);
        await checkWidth(page, assert, query);
        await checkAccessibility(page, `messages, narrow, ${query}`);
      }
      const text = await page.locator("main").innerText();
      assert.doesNotMatch(text, /\b(Send|Messages|Received|Download|Log|Details|Group or channel)\b/);
    }, { size: PHONE, dark: true, locale });
  }
});
