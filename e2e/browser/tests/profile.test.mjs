// The profile: the key, the branding with its preview, the logo, what the connect page does.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { createLink } from "../lib/connect.mjs";
import { request } from "../lib/http.mjs";
import { checkWidth, enter } from "../lib/people.mjs";
import { startSandbox } from "../lib/sandbox.mjs";
import { eventually } from "../lib/wait.mjs";

// One green pixel.
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkaKj/DwADAgGAo5xHYgAAAABJRU5ErkJggg==", "base64");

let sandbox;
let browser;

before(async () => { [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]); });
after(() => Promise.all([sandbox?.stop(), browser?.stop()]));

const tab = (use, options = {}) => browser.page({ origins: [sandbox.url], ...options }, use);
const branding = async () => (await sandbox.api.get("/v1/branding")).branding;

async function profile(use, options) {
  await tab(async (page) => {
    await enter(page, sandbox);
    await page.goto(`${sandbox.url}/profile`);
    await use(page);
  }, options);
}
const save = (page) => page.locator("#brand-form").getByRole("button", { name: "Save" }).click();

test("it can be read and used on a phone and on a desktop, light and dark", async () => {
  for (const options of [{}, { dark: true }, { size: PHONE }, { size: PHONE, dark: true }]) {
    await profile(async (page) => {
      await page.frameLocator("#preview").getByText("Maria").waitFor();
      await checkAccessibility(page, `the profile ${JSON.stringify(options)}`);
      await checkWidth(page, assert, "the profile");
    }, options);
  }
});

test("the preview follows the form, and nothing is saved", async () => {
  await profile(async (page) => {
    const preview = page.frameLocator("#preview");
    await preview.getByText("ABCD-1234").waitFor({ state: "attached" });
    await page.getByLabel("Company name").fill("Padaria <b>Sol</b>");
    await preview.getByText("Padaria <b>Sol</b>").first().waitFor();
    await page.getByLabel(/^Main colour/).and(page.locator("#primary")).fill("#aa2200");
    await eventually("the colour is shown", () => page.frames().find((frame) => frame.url().includes("aa2200")));
    assert.equal(await page.locator("#primary-picker").inputValue(), "#aa2200");
    assert.equal((await branding()).companyName, null);
  });
});

test("colours that are hard to read are told in words", async () => {
  await profile(async (page) => {
    await page.locator("#primary").fill("#ffee88");
    await page.getByText("This colour hardly shows on a light card").waitFor();
    await page.locator("#primary").fill("#0b7d5b");
    await page.getByText("hardly shows on a light card").waitFor({ state: "detached" });
  });
});

test("branding and an uploaded logo are seen on a real connect page", async () => {
  await profile(async (page) => {
    await page.getByLabel("Company name").fill("Padaria do Sol");
    await page.locator("#primary").fill("#aa2200");
    await page.locator("#logo-file").setInputFiles({ name: "sol.png", mimeType: "image/png", buffer: PNG });
    await page.getByRole("button", { name: "Upload logo" }).click();
    await page.getByText("Logo uploaded. Save to use it.").waitFor();
    assert.equal((await branding()).logoUrl, null, "not before it is saved");
    await page.frameLocator("#preview").locator("img.logo").waitFor();
    await save(page);
    await page.getByText("Saved.").waitFor();
  });
  const saved = await branding();
  assert.deepEqual([saved.companyName, saved.primaryColor], ["Padaria do Sol", "#aa2200"]);
  assert.ok(saved.logoUrl.startsWith(`${sandbox.url}/logos/`), saved.logoUrl);
  const logo = await request("GET", saved.logoUrl);
  assert.equal(logo.headers["content-type"], "image/png");
  assert.equal(logo.headers["x-content-type-options"], "nosniff");
  assert.match(logo.headers["content-security-policy"], /default-src 'none'/);
  assert.match(logo.headers["cache-control"], /immutable/);

  const link = await createLink(sandbox, { language: "en" });
  await tab(async (page) => {
    await page.goto(link.url);
    const picture = page.locator("img.logo");
    await picture.waitFor();
    assert.ok(await picture.evaluate((image) => image.complete && image.naturalWidth === 1));
    assert.equal(await picture.getAttribute("alt"), "Padaria do Sol");
  });
  await profile(async (page) => {
    await page.getByRole("button", { name: "Remove logo" }).click();
    await save(page);
    await page.getByText("Saved.").waitFor();
  });
  assert.equal((await branding()).logoUrl, null);
});

test("without a script a logo is uploaded, used and complained of", async () => {
  await profile(async (page) => {
    const upload = async (name, buffer) => {
      await page.locator("#logo-file").setInputFiles({ name, mimeType: "image/png", buffer });
      await page.getByRole("button", { name: "Upload logo" }).click();
    };
    await upload("note.png", Buffer.from("no picture"));
    await page.getByRole("alert").getByText("The logo must be a PNG").waitFor();
    await upload("big.png", Buffer.concat([PNG, Buffer.alloc(3 * 1024 * 1024)]));
    await page.getByRole("alert").getByText("The logo must be a PNG").waitFor();
    await upload("sol.png", PNG);
    await page.getByText("Saved.").waitFor();
  }, { scripts: false });
  assert.match((await branding()).logoUrl, /\/logos\//);
});

test("what is wrong is said, kept in the form, and not saved", async () => {
  await profile(async (page) => {
    await page.locator("#support").evaluate((field) => { field.type = "text"; field.removeAttribute("pattern"); });
    await page.locator("#support").fill("javascript:alert(1)");
    await page.getByLabel("Company name").fill("Kept");
    await save(page);
    await page.getByRole("alert").getByText("Nothing was saved").waitFor();
    assert.equal(await page.getByLabel("Company name").inputValue(), "Kept");
    assert.notEqual((await branding()).companyName, "Kept");
  }, { tolerate: [/status of 400/] });
});

test("sites that may embed, the wrong phone, the official API", async () => {
  await profile(async (page) => {
    await page.locator("#origins").fill("https://app.acme.com\nhttp://evil.example");
    await page.locator("#pairing").getByRole("button", { name: "Save" }).click();
    await page.getByRole("alert").getByText("Nothing was saved").waitFor();
    await page.locator("#origins").fill("https://app.acme.com/\nhttp://localhost:3000");
    await page.getByRole("radio", { name: /^Ask/ }).check();
    await page.locator("#official").fill("https://acme.com/official");
    await page.locator("#pairing").getByRole("button", { name: "Save" }).click();
    await page.getByText("Saved.").waitFor();
  }, { tolerate: [/status of 400/] });
  const { wrongPhonePolicy, allowedOrigins, officialUrl } = await sandbox.api.get("/v1/branding");
  assert.deepEqual({ wrongPhonePolicy, allowedOrigins, officialUrl }, {
    wrongPhonePolicy: "ask", allowedOrigins: ["https://app.acme.com", "http://localhost:3000"],
    officialUrl: "https://acme.com/official",
  });
});

test("it speaks the language that is chosen there", async () => {
  await profile(async (page) => {
    await page.locator("#account").getByRole("link", { name: "Português" }).click();
    await page.getByRole("heading", { name: "Perfil" }).waitFor();
    assert.equal(await page.locator("html").getAttribute("lang"), "pt-BR");
    await page.locator("#account").getByRole("link", { name: "Español" }).click();
    await page.getByRole("heading", { name: "Personas" }).waitFor();
  });
});

// Last: the other tests' key dies here.
test("the key is regenerated, shown once, and the old one dies", async () => {
  await profile(async (page) => {
    await page.getByText("Regenerate the key…").click();
    await page.getByLabel("I understand: the present key dies now").check();
    await page.getByRole("button", { name: "Regenerate the key", exact: true }).click();
    const key = await page.locator("#secret").innerText();
    assert.match(key, /^ps_/);
    await checkAccessibility(page, "the new key");
    const ask = async (given) => (await request("GET", `${sandbox.url}/v1/numbers`, { headers: { "x-api-key": given } })).status;
    assert.equal(await ask(key), 200);
    assert.equal(await ask(sandbox.ready.tenantKey), 401);
    await page.goto(`${sandbox.url}/profile`);
    assert.equal(await page.getByText(key).count(), 0, "only once");
    await page.getByText(key.slice(-4)).waitFor();
  });
});
