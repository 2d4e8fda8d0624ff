// Coming in and going out: the set-up link, passwords, throttling, forms of other sites.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { request } from "../lib/http.mjs";
import { PASSWORD, accept, checkWidth, signIn } from "../lib/people.mjs";
import { startProduct } from "../lib/product.mjs";

let product;
let browser;
const REFUSED = [/status of (400|401|403|404|429)/];

before(async () => { [product, browser] = await Promise.all([startProduct(), startBrowser()]); });
after(() => Promise.all([product?.stop(), browser?.stop()]));

const tab = (use, options = {}) => browser.page({ origins: [product.url], tolerate: REFUSED, ...options }, use);
const onNumbers = (page) => page.waitForURL((url) => url.pathname === "/numbers");

/** A form as a browser sends it, past the page. */
function post(path, fields, headers = {}) {
  const body = new URLSearchParams(fields).toString();
  return fetch(product.url + path, { method: "POST", body, redirect: "manual",
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers } });
}

test("the set-up link makes one account, and then it is dead", async () => {
  const { setupUrl } = product.ready;
  await tab(async (page) => {
    await page.goto(setupUrl);
    await checkAccessibility(page, "the set-up link");
    await page.getByLabel("E-mail").fill("ana@acme.com");
    await page.getByLabel(/^Password/).fill("short");
    await page.getByLabel(/^Password/).evaluate((field) => field.removeAttribute("minlength"));
    await page.getByRole("button", { name: "Create and sign in" }).click();
    await page.getByRole("alert").waitFor();
    await accept(page, setupUrl, "ana@acme.com");
    await onNumbers(page);
    await page.getByText("ana@acme.com").first().waitFor({ state: "attached" });
  });
  await tab(async (page) => {
    const answer = await page.goto(setupUrl);
    assert.equal(answer.status(), 404);
    await page.getByRole("heading", { name: "This invitation is not valid any more" }).waitFor();
    await checkAccessibility(page, "a dead invitation");
  });
});

test("who is not signed in is sent to sign in, and comes back", async () => {
  await tab(async (page) => {
    await page.goto(`${product.url}/profile`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await checkAccessibility(page, "sign-in");
    await checkWidth(page, assert, "sign-in");
    await page.getByLabel("E-mail").fill("ana@acme.com");
    await page.getByLabel("Password").fill("wrong password");
    await page.getByRole("button", { name: "Sign in" }).click();
    assert.match(await page.getByRole("alert").innerText(), /e-mail address or the password is wrong/);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL((url) => url.pathname === "/profile");
    const [cookie] = (await page.context().cookies()).filter(({ name }) => name === "ramal_session");
    assert.ok(cookie.httpOnly && cookie.sameSite === "Lax");
  }, { size: PHONE });
});

test("signing out, here and everywhere", async () => {
  await tab(async (here) => {
    await signIn(here, product.url, "ana@acme.com");
    await onNumbers(here);
    await tab(async (there) => {
      await signIn(there, product.url, "ana@acme.com");
      await onNumbers(there);
      await there.goto(`${product.url}/profile`);
      await here.goto(`${product.url}/profile`);
      await here.getByRole("button", { name: "Sign out everywhere" }).click();
      await here.getByRole("heading", { name: "Sign in" }).waitFor();
      await there.reload();
      await there.getByRole("heading", { name: "Sign in" }).waitFor();
    });
    await signIn(here, product.url, "ana@acme.com");
    await onNumbers(here);
    await here.getByRole("button", { name: "Sign out" }).click();
    await here.getByRole("heading", { name: "Sign in" }).waitFor();
    await here.goto(`${product.url}/profile`);
    await here.getByRole("heading", { name: "Sign in" }).waitFor();
  });
});

test("forms of other sites are refused", async () => {
  await tab(async (page) => {
    await signIn(page, product.url, "ana@acme.com");
    await onNumbers(page);
    const [session] = (await page.context().cookies()).filter(({ name }) => name === "ramal_session");
    const cookie = `ramal_session=${session.value}`;
    await page.goto(`${product.url}/profile`);
    const token = await page.locator("#brand-form input[name=form_token]").inputValue();
    const fields = { companyName: "Evil" };
    const send = (form, headers) => post("/profile/branding", form, { cookie, ...headers });

    assert.equal((await send(fields, {})).status, 403, "without a token");
    assert.equal((await send({ ...fields, form_token: "0".repeat(64) }, {})).status, 403, "another token");
    const whole = { ...fields, form_token: token };
    assert.equal((await send(whole, { origin: "https://evil.example" })).status, 403, "another origin");
    assert.equal((await post("/sign-in", { email: "ana@acme.com", password: PASSWORD }, { origin: "https://evil.example" })).status, 403);
    const kept = await product.api.get("/v1/branding");
    assert.equal(kept.branding.companyName, null);

    assert.equal((await send(whole, { origin: product.url })).status, 303, "the page's own");
    const saved = await product.api.get("/v1/branding");
    assert.equal(saved.branding.companyName, "Evil");
  });
});

test("many tries are throttled, also with the right password", async () => {
  await tab(async (page) => {
    let answer;
    for (let tries = 0; tries < 40; tries += 1) {
      answer = await post("/sign-in", { email: "ana@acme.com", password: "wrong password" });
      if (answer.status === 429) break;
      assert.equal(answer.status, 401);
    }
    assert.equal(answer.status, 429);
    await signIn(page, product.url, "ana@acme.com");
    assert.match(await page.getByRole("alert").innerText(), /Too many tries: try again in \d+ s/);
    const api = await request("GET", `${product.url}/v1/numbers`, { headers: { "x-api-key": product.ready.tenantKey } });
    assert.equal(api.status, 200, "the API is not");
  });
});
