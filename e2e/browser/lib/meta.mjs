// Meta's side of a sign-up, as a person sees it.

/** A business with a number, ready to be connected; with `appId`, of that app. */
export async function business(sandbox, wish = {}) {
  return sandbox.graph.post("/businesses", { number: sandbox.newNumber(), ...wish }, 201);
}

/** A business that may be signed up with the operator's app. */
export function ofOperator(sandbox, wish = {}) {
  return business(sandbox, { appId: sandbox.ready.meta.appId, ...wish });
}

/** A link for an official number; `{token, url}`. */
export async function createSignup(sandbox, metaFlow, options = {}) {
  const made = await sandbox.api.post("/v1/numbers/remote-pairing", { provider: "META", metaFlow, ...options }, 201);
  const token = made.remotePairingToken;
  sandbox.unlogged?.add(token);
  return { token, url: `${sandbox.url}/connect/${token}` };
}

/** Clicks a button of the page, and returns Meta's window with this account chosen in it. */
export async function dialogOf(page, shop, button) {
  // In a frame, the window is opened by its page all the same.
  const tab = page.page ? page.page() : page;
  const [dialog] = await Promise.all([tab.waitForEvent("popup"), button.click()]);
  await dialog.locator(`#business option[value="${shop.wabaId}"]`).waitFor({ state: "attached" });
  await dialog.locator("#business").selectOption(shop.wabaId);
  return dialog;
}

/** Clicks in Meta's window, which may close over it: then nothing answers the click any more. */
export async function press(dialog, selector) {
  const closed = dialog.waitForEvent("close").catch(() => {});
  const clicked = dialog.locator(selector).click().catch((error) => {
    if (!/has been closed/.test(error.message)) throw error;
  });
  await Promise.race([clicked, closed]);
}

/** Fills in the form with what Meta knows of a business. */
export async function fillIn(page, shop, changes = {}) {
  const values = { number: shop.number, metaPhoneId: shop.phoneId, metaWabaId: shop.wabaId,
    metaAccessToken: shop.token, metaAppSecret: shop.appSecret, ...changes };
  for (const [name, value] of Object.entries(values)) await page.locator(`#${name}`).fill(value);
}
