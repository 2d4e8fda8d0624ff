// Templates: made on the page, previewed with values, changed, taken back, deleted.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { postForm } from "../lib/numbers.mjs";
import { accept, checkWidth, enter, invite } from "../lib/people.mjs";
import { startSandbox } from "../lib/sandbox.mjs";

let sandbox;
let browser;

before(async () => {
  [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]);
});
after(() => Promise.all([sandbox?.stop(), browser?.stop()]));

function owner(path, use, options = {}) {
  return browser.page({ origins: [sandbox.url], ...options }, async (page) => {
    await enter(page, sandbox);
    await page.goto(sandbox.url + path);
    await use(page);
  });
}

/** A template that the API made. */
function made(name, fields = { text: "Hi {{name}}" }) {
  return sandbox.api.post("/v1/templates", { name, ...fields }, 201);
}

const bubble = (page) => page.locator(".bubble [data-text]");

test("without a template the page teaches", async () => {
  await owner("/numbers", async (page) => {
    await page.getByRole("navigation").getByRole("link", { name: "Templates" }).click();
    await page.getByRole("heading", { name: "No templates yet" }).waitFor();
    await checkAccessibility(page, "no templates");
  });
});

test("a template is made, its preview follows what is typed, and the API sees the same", async () => {
  await owner("/templates", async (page) => {
    await page.getByRole("link", { name: "New template" }).click();
    await page.waitForURL(`${sandbox.url}/templates/new`);
    await page.locator("#name").fill("order-update");
    await page.locator("#text").fill("Hi {{name}}, your order {{1}} is on its way.\nBye, {{name}}");
    await page.locator("#footer").fill("{{shop}}");
    assert.deepEqual(await page.locator("[data-values] label").allInnerTexts(), ["name", "1", "shop"]);
    assert.equal(await bubble(page).innerText(), "Hi {{name}}, your order {{1}} is on its way.\nBye, {{name}}");
    // A value is put in as it is: no markup, and not read again.
    await page.getByLabel("name", { exact: true }).fill("<b>{{1}}</b>");
    await page.getByLabel("1", { exact: true }).fill("A-7");
    assert.equal(await bubble(page).innerText(), "Hi <b>{{1}}</b>, your order A-7 is on its way.\nBye, <b>{{1}}</b>");
    assert.equal(await page.locator(".bubble mark").innerText(), "{{shop}}");
    await checkAccessibility(page, "the form with its preview");

    await page.locator("#text").press("Control+End");
    await page.locator("#text").pressSequentially(" {{");
    assert.match(await page.locator("[data-problem]").innerText(), /There is a {{ without }}/);
    assert.equal(await page.getByLabel("1", { exact: true }).inputValue(), "A-7", "what was typed stays");
    for (let i = 0; i < 3; i += 1) await page.locator("#text").press("Backspace");
    assert.equal(await page.locator("[data-problem]").innerText(), "");

    await page.getByRole("button", { name: "Create template" }).click();
    await page.waitForURL(/\/templates\/tpl_/);
    await page.getByText("Saved.").waitFor();
    const [template] = await sandbox.api.get("/v1/templates");
    assert.equal(template.name, "order-update");
    assert.equal(template.latestVersion.text, "Hi {{name}}, your order {{1}} is on its way.\nBye, {{name}}");
    assert.equal(template.latestVersion.footer, "{{shop}}");
    assert.match(await page.locator("#curl").innerText(), /"templateId":"order-update"/);
    await checkAccessibility(page, "a template");
    await page.goto(`${sandbox.url}/templates`);
    await page.getByRole("row", { name: /order-update/ }).waitFor();
    await checkAccessibility(page, "the list");
  });
});

test("each change is a version, and an old one can be taken again", async () => {
  const { id } = await made("versions", { text: "First {{a}}" });
  await owner(`/templates/${id}`, async (page) => {
    await page.locator("#text").fill("Second {{b}}");
    await page.getByLabel("Category").selectOption({ label: "Marketing" });
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Saved.").waitFor();
    const versions = page.locator("[data-version]");
    assert.deepEqual(await versions.evaluateAll((all) => all.map((one) => one.dataset.version)), ["2", "1"]);
    const email = (await page.locator(".who p").first().innerText()).trim();
    assert.ok((await versions.first().innerText()).includes(email));
    const old = page.locator("[data-version='1']");
    await old.locator("summary").click();
    assert.equal(await old.locator("pre").innerText(), "First {{a}}");
    await checkAccessibility(page, "the history");

    await old.getByRole("link", { name: "Use this text again" }).click();
    await page.getByText("The form has the text of version 1").waitFor();
    assert.equal(await page.locator("#text").inputValue(), "First {{a}}");
    assert.equal((await sandbox.api.get(`/v1/templates/${id}`)).latestVersion.text, "Second {{b}}", "not yet");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Saved.").waitFor();
    const now = await sandbox.api.get(`/v1/templates/${id}`);
    assert.deepEqual([now.latestVersion.version, now.latestVersion.text, now.category], [3, "First {{a}}", "MARKETING"]);

    await page.goto(`${sandbox.url}/audit?thing=template`);
    const changed = page.locator('tr[data-action="template.update"]').first();
    assert.match(await changed.innerText(), /Changed the template\s+versions/);
    assert.equal(await changed.getByRole("link").getAttribute("href"), `/templates/${id}`);
  });
});

test("media and buttons that the API made stay, and are in the preview", async () => {
  const media = { media: "https://acme.example/{{order}}.pdf", mediaType: "document", fileName: "{{order}}.pdf" };
  const { id } = await made("whole", { text: "Your bill", ...media, buttons: [{ type: "reply", label: "Thanks" }] });
  await owner(`/templates/${id}`, async (page) => {
    await page.getByLabel("order", { exact: true }).fill("A7");
    assert.equal(await page.locator(".bubble [data-media]").innerText(), "https://acme.example/A7.pdf");
    assert.equal(await page.locator(".bubble [data-button]").innerText(), "Thanks");
    await page.locator("#footer").fill("Acme");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Saved.").waitFor();
    const { latestVersion } = await sandbox.api.get(`/v1/templates/${id}`);
    assert.deepEqual(latestVersion.buttons, [{ type: "reply", label: "Thanks" }]);
    assert.deepEqual([latestVersion.media, latestVersion.mediaType, latestVersion.fileName], Object.values(media));
  });
});

test("deletion is typed", async () => {
  const { id } = await made("doomed");
  await owner(`/templates/${id}`, async (page) => {
    const button = page.getByRole("button", { name: "Delete" });
    assert.equal(await button.isDisabled(), true);
    assert.equal(await postForm(page, `${sandbox.url}/templates/${id}/delete`, { name: "doome" }), 400);
    await page.getByLabel("Type doomed to confirm").fill("doomed");
    await button.click();
    await page.waitForURL(`${sandbox.url}/templates`);
    await page.getByText("Deleted.").waitFor();
    await sandbox.api.get(`/v1/templates/${id}`, 404);
  });
});

test("without JavaScript: made, refused in words, changed and deleted by plain forms", async () => {
  await made("taken");
  await owner("/templates/new", async (page) => {
    await page.locator("#name").fill("taken");
    await page.locator("#text").fill("Hello {{name}}");
    await page.getByRole("button", { name: "Create template" }).click();
    await page.getByRole("alert").getByText("There is a template with this name already.").waitFor();
    assert.equal(await page.locator("#text").inputValue(), "Hello {{name}}", "what was typed stays");
    await page.locator("#name").fill("plain");
    await page.locator("#text").fill("Hello {{na me}}");
    await page.getByRole("button", { name: "Create template" }).click();
    await page.getByRole("alert").getByText("A variable is written {{name}}").waitFor();
    await page.locator("#text").fill("Hello {{name}}");
    await page.getByRole("button", { name: "Create template" }).click();
    await page.getByText("Saved.").waitFor();
    assert.equal(await bubble(page).innerText(), "Hello {{name}}");
    await page.getByLabel("Type plain to confirm").fill("plain");
    await page.getByRole("button", { name: "Delete" }).click();
    await page.waitForURL(`${sandbox.url}/templates`);
  }, { scripts: false, tolerate: [/status of 400/] });
});

test("a viewer sees templates with their preview and no button; a foreign form changes nothing", async () => {
  const { id } = await made("watched");
  await owner("/profile", async (page) => {
    const url = await invite(page, sandbox.url);
    assert.equal(await postForm(page, `${sandbox.url}/templates/${id}`, { name: "mine", text: "x" }, "wrong"), 403);
    assert.equal(await postForm(page, `${sandbox.url}/templates`, { name: "mine", text: "x" }, "wrong"), 403);
    await browser.page({ origins: [sandbox.url], tolerate: [/status of 403/] }, async (viewer) => {
      await accept(viewer, url, "template-viewer@acme.com");
      await viewer.waitForURL(`${sandbox.url}/numbers`);
      for (const path of ["/templates", `/templates/${id}`]) {
        await viewer.goto(sandbox.url + path);
        assert.equal(await viewer.locator("main form[method=post]").count(), 0, path);
      }
      await viewer.getByLabel("name", { exact: true }).fill("Ana");
      assert.equal(await bubble(viewer).innerText(), "Hi Ana");
      await checkAccessibility(viewer, "a viewer's template");
      await viewer.goto(`${sandbox.url}/templates/new`);
      await viewer.getByText("Your account may only look").waitFor();
      await viewer.goto(`${sandbox.url}/templates`);
      for (const path of ["", `/${id}`, `/${id}/delete`]) {
        const form = { name: "watched", text: "stolen" };
        assert.equal(await postForm(viewer, `${sandbox.url}/templates${path}`, form), 403, path);
      }
    });
  });
  const { latestVersion } = await sandbox.api.get(`/v1/templates/${id}`);
  assert.equal(latestVersion.text, "Hi {{name}}");
});

test("nobody who is not signed in sees a template", async () => {
  const { id } = await made("closed");
  await browser.page({ origins: [sandbox.url] }, async (page) => {
    for (const path of ["/templates", `/templates/${id}`]) {
      await page.goto(sandbox.url + path);
      assert.equal(new URL(page.url()).pathname, "/sign-in");
    }
  });
});

test("at 390 px, dark, in Portuguese and Spanish", async () => {
  const long = `${"x".repeat(80)} {{name}}`;
  const { id } = await made("narrow".padEnd(100, "x"), { text: long, media: `https://acme.example/${"y".repeat(200)}` });
  for (const [locale, words] of [["pt-BR", "Novo modelo"], ["es-MX", "Nueva plantilla"]]) {
    await owner("/templates", async (page) => {
      await page.getByRole("link", { name: words }).waitFor();
      for (const path of ["/templates", "/templates/new", `/templates/${id}`]) {
        await page.goto(sandbox.url + path);
        await checkWidth(page, assert, path);
        await checkAccessibility(page, `${path}, narrow`);
      }
    }, { size: PHONE, dark: true, locale });
  }
});
