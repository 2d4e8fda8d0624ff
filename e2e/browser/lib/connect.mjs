// The hosted page as a person uses it.

import { photograph } from "./browser.mjs";

/** A link for a new number; `{phone, token, url, numberId}`. */
export async function createLink(sandbox, options = {}) {
  const phone = sandbox.newNumber();
  const wish = { name: "Padaria da Maria", number: phone, ...options };
  const made = await sandbox.api.post("/v1/numbers/remote-pairing", wish, 201);
  const token = made.remotePairingToken;
  return { phone, token, url: `${sandbox.url}/connect/${token}`, numberId: made.numberId };
}

/** Waits until the page is in one of these states. */
export function inState(page, ...states) {
  return page.waitForFunction(
    (wanted) => wanted.includes(document.getElementById("page").dataset.state), states);
}

/** Waits for a live QR code, and for the picture to be there. */
export async function qrShown(page) {
  await inState(page, "codes");
  await page.waitForFunction(() => {
    const qr = document.getElementById("qr");
    return qr.complete && qr.naturalWidth > 0 && !document.querySelector(".stale");
  });
}

/** Chooses to scan, and waits for the code. */
export async function askForQr(page) {
  await page.locator("form[data-way=qr] button").click();
  await qrShown(page);
}

/** A phone scans what the page shows: the picture, not what an API says. */
export async function scan(sandbox, phone, page, expected = 200) {
  const qrcodeBase64 = await photograph(page.locator("#qr"));
  return sandbox.phones.post(`/phones/${phone}/scan`, { qrcodeBase64 }, expected);
}
