// The dashboard's numbers, as the tests use them.

import http from "node:http";

import { photograph } from "./browser.mjs";
import { eventually } from "./wait.mjs";

/** A connected number that the API made and a phone scanned; `{id, phone, name}`. */
export async function connected(sandbox, name) {
  const phone = sandbox.newNumber();
  const made = await sandbox.api.post("/v1/numbers", { name, number: phone }, 201);
  const { id } = made.instance;
  await sandbox.phones.post(`/phones/${phone}/scan`, { qrcodeBase64: made.qrcodeBase64 });
  await eventually(`${name} is connected`, async () => (await sandbox.api.get(`/v1/numbers/${id}`)).state === "OPEN");
  return { id, phone, name };
}

/** Waits for a live code in the pairing block of `scope`. */
export async function codesShown(scope) {
  await scope.locator("[data-pairing][data-step=codes] .qr:not(.stale)").waitFor();
  const qr = scope.locator(".qr");
  await eventually("the picture is there", () => qr.evaluate((img) => img.complete && img.naturalWidth > 0));
}

/** A phone scans the picture on the page. */
export async function scanPicture(sandbox, phone, scope, expected = 200) {
  const qrcodeBase64 = await photograph(scope.locator(".qr"));
  return sandbox.phones.post(`/phones/${phone}/scan`, { qrcodeBase64 }, expected);
}

/** Posts a form with the page's cookies; the status. `token`: instead of the page's own. */
export async function postForm(page, url, fields, token) {
  const cookies = await page.context().cookies();
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
  const own = token === undefined ? await page.evaluate(() => document.body.dataset.token) : token;
  const body = new URLSearchParams({ ...fields, ...(own === null ? {} : { form_token: own }) }).toString();
  return new Promise((done, failed) => {
    const asked = http.request(url, {
      method: "POST", headers: { cookie, "content-type": "application/x-www-form-urlencoded" },
    }, (answer) => { answer.resume(); answer.on("end", () => done(answer.statusCode)); });
    asked.on("error", failed);
    asked.end(body);
  });
}

/** The phone's owner unlinks us. */
export async function unlink(sandbox, phone) {
  for (const { device } of await sandbox.phones.get(`/phones/${phone}/companions`)) {
    await sandbox.phones.delete(`/phones/${phone}/companions/${device}`);
  }
}
