// People of the dashboard, as the tests need them.

export const PASSWORD = "correct horse battery";

/** Signs in by the sandbox's link. */
export async function enter(page, sandbox) {
  await page.goto(sandbox.ready.dashboardUrl);
  await page.waitForURL((url) => url.pathname === "/numbers");
}

/** Makes an account by an invitation's link, in this browser. */
export async function accept(page, url, email, password = PASSWORD) {
  await page.goto(url);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel(/^Password/).fill(password);
  await page.getByRole("button", { name: "Create and sign in" }).click();
}

export async function signIn(page, base, email, password = PASSWORD) {
  await page.goto(`${base}/sign-in`);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** An invitation's link, made on the profile by the owner who is signed in there. */
export async function invite(page, base, role = "viewer") {
  await page.goto(`${base}/profile`);
  await page.locator("#invite-role").selectOption(role);
  await page.getByRole("button", { name: "Create invitation" }).click();
  return page.locator("#secret").innerText();
}

/** Fails when a page is wider than its window. */
export async function checkWidth(page, assert, what) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= window, `${what} is ${wide} px wide in a window of ${window} px`);
}
