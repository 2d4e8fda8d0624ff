// People: invited, looking without touching, promoted and removed.

import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";

import { startBrowser } from "../lib/browser.mjs";
import { PASSWORD, accept, enter, invite, signIn } from "../lib/people.mjs";
import { startSandbox } from "../lib/sandbox.mjs";

let sandbox;
let browser;

before(async () => { [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]); });
after(() => Promise.all([sandbox?.stop(), browser?.stop()]));

const tab = (use, options = {}) => browser.page({ origins: [sandbox.url], ...options }, use);
const person = (page, email) => page.locator(`tr[data-user="${email}"]`);

test("a viewer sees the profile and changes nothing but their own password", async () => {
  const url = await tab(async (owner) => { await enter(owner, sandbox); return invite(owner, sandbox.url); });
  await tab(async (page) => {
    await accept(page, url, "vera@acme.com");
    await page.goto(`${sandbox.url}/profile`);
    await person(page, "vera@acme.com").getByText("Viewer").waitFor();
    assert.equal(await page.getByRole("button", { name: "Save" }).count(), 0);
    assert.equal(await page.getByText("Regenerate the key").count(), 0);
    assert.equal(await page.locator("#invite-role").count(), 0);
    const token = await page.locator("#account input[name=form_token]").first().inputValue();
    for (const [path, fields] of [
      ["/profile/branding", { companyName: "Vera" }],
      ["/profile/key", { sure: "yes" }],
      ["/profile/users/invite", { role: "owner" }],
      ["/profile/pairing", { wrongPhonePolicy: "adopt" }],
    ]) {
      const answer = await page.request.post(sandbox.url + path, { form: { form_token: token, ...fields }, maxRedirects: 0 });
      assert.equal(answer.status(), 403, path);
    }
    const upload = await page.request.post(`${sandbox.url}/api/branding/logo`, {
      headers: { "x-form-token": token },
      multipart: { file: { name: "a.png", mimeType: "image/png", buffer: Buffer.from("x") } },
    });
    assert.equal(upload.status(), 403, "the logo");
    assert.equal((await sandbox.api.get("/v1/branding")).branding.companyName, null);

    await page.locator("#present").fill("not my password");
    await page.locator("#new").fill("another long password");
    await page.getByRole("button", { name: "Change password" }).click();
    await page.getByRole("alert").getByText("The present password is wrong").waitFor();
    await page.locator("#present").fill(PASSWORD);
    await page.locator("#new").fill("another long password");
    await page.getByRole("button", { name: "Change password" }).click();
    await page.getByText("Password changed").waitFor();
  });
  await tab(async (page) => {
    await signIn(page, sandbox.url, "vera@acme.com", "another long password");
    await page.waitForURL((where) => where.pathname === "/numbers");
  });
});

test("owners promote and remove people, but never the last owner", async () => {
  await tab(async (owner) => {
    await enter(owner, sandbox);
    const url = await invite(owner, sandbox.url);
    await tab((page) => accept(page, url, "otto@acme.com"));
    await owner.goto(`${sandbox.url}/profile`);
    await person(owner, "otto@acme.com").getByRole("button", { name: "Make owner" }).click();
    await owner.getByText("Saved.").waitFor();
    await person(owner, "otto@acme.com").getByText("Owner", { exact: true }).waitFor();
    await person(owner, "otto@acme.com").getByRole("button", { name: "Make viewer" }).click();
    await person(owner, "otto@acme.com").getByText("Viewer", { exact: true }).waitFor();

    const own = owner.locator("tr", { has: owner.getByText("you", { exact: true }) });
    await own.getByRole("button", { name: "Make viewer" }).click();
    await owner.getByRole("alert").getByText("This is the only owner").waitFor();

    await tab(async (page) => {
      await signIn(page, sandbox.url, "otto@acme.com");
      await page.goto(`${sandbox.url}/profile`);
      await person(owner, "otto@acme.com").getByText("Remove…").click();
      await person(owner, "otto@acme.com").getByRole("button", { name: "Remove", exact: true }).click();
      await owner.getByText("Deleted.").waitFor();
      assert.equal(await person(owner, "otto@acme.com").count(), 0);
      await page.reload();
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
    });
  });
});
