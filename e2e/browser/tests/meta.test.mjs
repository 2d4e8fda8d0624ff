// The page of a link for an official number, against the offline Meta: its Embedded Signup, and the form.

import { strict as assert } from "node:assert";
import http from "node:http";
import { once } from "node:events";
import { after, before, test } from "node:test";

import { DESKTOP, PHONE, checkAccessibility, startBrowser } from "../lib/browser.mjs";
import { inState } from "../lib/connect.mjs";
import { request } from "../lib/http.mjs";
import { business, createSignup, dialogOf, fillIn, ofOperator, press } from "../lib/meta.mjs";
import { checkWidth } from "../lib/people.mjs";
import { startProduct } from "../lib/product.mjs";
import { startSandbox } from "../lib/sandbox.mjs";
import { end } from "../lib/secrets.mjs";
import { choose } from "../lib/tenant.mjs";
import { eventually } from "../lib/wait.mjs";

const REFUSED = [/status of 4[0-9][0-9]/];
/** Longer than the page waits for Meta's message once it has the code. */
const MESSAGE_WAIT = 20_000;
let sandbox;
let browser;

before(async () => { [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]); });
after(() => end(sandbox, browser));

function page(options, use) {
  return browser.page({ origins: [sandbox.url, sandbox.ready.graphUrl], ...options }, use);
}

/** A page of ours alone: nothing of Meta's is loaded. */
function ours(options, use) {
  return browser.page({ origins: [sandbox.url], ...options }, use);
}

const facebook = (tab) => tab.locator("button[data-login=new]:not([disabled])");

async function numberOf(shop) {
  const numbers = await sandbox.api.get("/v1/numbers");
  return numbers.find(({ number }) => number === shop.number.slice(1));
}

const LANGUAGES = [
  ["pt-BR", "Conecte o seu número pela Meta", "Conectado", "Informe os dados do seu número na Meta"],
  ["en-US", "Connect your number through Meta", "Connected", "Enter what Meta knows of your number"],
  ["es-MX", "Conecte su número a través de Meta", "Conectado", "Indique los datos de su número en Meta"],
];

for (const [locale, question, done, form] of LANGUAGES) {
  for (const [size, dark] of [[PHONE, true], [DESKTOP, false]]) {
    test(`${locale} at ${size.width} px: a number is signed up in Meta's window`, async () => {
      const shop = await ofOperator(sandbox, { name: "Padaria da Maria" });
      const link = await createSignup(sandbox, "embedded");
      await page({ locale, size, dark }, async (tab) => {
        await tab.goto(link.url);
        await tab.getByRole("heading", { name: question }).waitFor();
        await facebook(tab).waitFor();
        await checkAccessibility(tab, "the beginning");
        await checkWidth(tab, assert, "the beginning");
        const dialog = await dialogOf(tab, shop, facebook(tab));
        await inState(tab, "dialog");
        await checkAccessibility(tab, "while Meta's window is open");
        await press(dialog, "#finish");
        await tab.getByRole("heading", { name: done, exact: true }).waitFor();
        await inState(tab, "open");
        await checkAccessibility(tab, "success");
        assert.equal(await tab.locator("#warnings").innerText(), "");
      });
      assert.equal((await numberOf(shop)).state, "OPEN");
    });

    test(`${locale} at ${size.width} px: the credentials of an own app`, async () => {
      const shop = await business(sandbox);
      const link = await createSignup(sandbox, "credentials");
      await ours({ locale, size, dark, tolerate: REFUSED }, async (tab) => {
        await tab.goto(link.url);
        await tab.getByRole("heading", { name: form }).waitFor();
        await tab.locator("#send").click();
        await checkAccessibility(tab, "the form with what is missing");
        await checkWidth(tab, assert, "the form");
        await fillIn(tab, shop, { metaPin: "000000", name: "Padaria" });
        await tab.locator("#send").click();
        await tab.getByRole("heading", { name: done, exact: true }).waitFor();
        await checkAccessibility(tab, "success");
      });
      const number = await numberOf(shop);
      assert.equal(number.state, "OPEN");
      assert.equal(number.name, "Padaria");
    });
  }
}

test("afterwards the page goes on with number and reference, and a reload still says so", async () => {
  const shop = await ofOperator(sandbox);
  const link = await createSignup(sandbox, "embedded",
    { redirectUrl: "https://acme.example/done?a=1", externalRef: "order 7", name: "Loja", language: "en" });
  // Where the browser goes is noted and answered by nobody.
  const foreign = [];
  await page({ foreign, tolerate: [/ERR_FAILED/] }, async (tab) => {
    await tab.goto(link.url);
    const dialog = await dialogOf(tab, shop, facebook(tab));
    await press(dialog, "#finish");
    const gone = await tab.waitForEvent("requestfailed", (asked) => asked.url().startsWith("https://acme.example/"));
    foreign.push(gone.url());
  });
  const next = new URL(foreign[0]);
  const number = await numberOf(shop);
  assert.equal(number.name, "Loja");
  assert.equal(next.searchParams.get("a"), "1");
  assert.equal(next.searchParams.get("externalRef"), "order 7");
  assert.equal(next.searchParams.get("numberId"), number.id);
  for (const scripts of [true, false]) {
    await ours({ scripts }, async (tab) => {
      await tab.goto(link.url);
      await tab.getByRole("heading", { name: "Connected", exact: true }).waitFor();
      assert.equal(await tab.getByRole("link", { name: "Continue" }).getAttribute("href"), next.href);
      const text = await tab.locator("body").innerText();
      assert.ok(text.includes("Loja") && !text.includes(shop.number.slice(1)), text);
    });
  }
});

test("of several numbers the person chooses one", async () => {
  const shop = await ofOperator(sandbox);
  const second = { number: sandbox.newNumber() };
  await sandbox.graph.post("/numbers", { wabaId: shop.wabaId, name: "Second line", registered: false, ...second }, 201);
  const link = await createSignup(sandbox, "embedded", { language: "en" });
  await page({}, async (tab) => {
    await tab.goto(link.url);
    const dialog = await dialogOf(tab, shop, facebook(tab));
    await dialog.locator("#finish-waba").click();
    await inState(tab, "pick");
    assert.equal(await tab.locator("#numbers label").count(), 2);
    await checkAccessibility(tab, "the choice");
    await tab.getByRole("button", { name: "Connect this number" }).click();
    await tab.getByText("Choose a number.").waitFor();
    await tab.getByText("Second line").click();
    await tab.getByRole("button", { name: "Connect this number" }).press("Enter");
    await inState(tab, "open");
  });
  const number = await numberOf(second);
  assert.equal(number.name, "Second line");
  assert.equal(number.state, "OPEN");
  assert.equal(await numberOf(shop), undefined);
});

test("whoever keeps the app is not registered anew", async () => {
  const shop = await ofOperator(sandbox);
  const link = await createSignup(sandbox, "embedded", { language: "en" });
  await page({}, async (tab) => {
    await tab.goto(link.url);
    await facebook(tab).waitFor();
    const dialog = await dialogOf(tab, shop, tab.getByRole("button", { name: "Connect and keep the app" }));
    const extras = JSON.parse(new URL(dialog.url()).searchParams.get("extras"));
    assert.deepEqual(extras,
      { setup: {}, featureType: "whatsapp_business_app_onboarding", sessionInfoVersion: "3" });
    await press(dialog, "#coexistence");
    await inState(tab, "open");
  });
  const number = await numberOf(shop);
  assert.equal(number.state, "OPEN");
  assert.equal((await sandbox.api.get(`/v1/numbers/${number.id}`)).coexistence.status, "CONFIRMED");
});

test("code and message come in either order, or the code alone", async () => {
  for (const [settings, limit] of [[{ codeFirst: true }, undefined], [{ omitSessionInfo: true }, MESSAGE_WAIT]]) {
    const shop = await ofOperator(sandbox);
    const link = await createSignup(sandbox, "embedded", { language: "en" });
    await sandbox.graph.post("/settings", settings);
    try {
      await page({}, async (tab) => {
        await tab.goto(link.url);
        const dialog = await dialogOf(tab, shop, facebook(tab));
        await press(dialog, "#finish");
        await tab.waitForFunction(() => document.getElementById("page").dataset.state === "open", null,
          { timeout: limit });
      });
    } finally {
      await sandbox.graph.post("/settings", { codeFirst: false, omitSessionInfo: false });
    }
    assert.equal((await numberOf(shop)).state, "OPEN");
  }
});

test("who gives up, closes the window or meets an error is told, and may start again", async () => {
  const shop = await ofOperator(sandbox);
  const link = await createSignup(sandbox, "embedded", { language: "en" });
  await page({}, async (tab) => {
    await tab.goto(link.url);
    for (const [button, sentence] of [
      ["#cancel", "You stopped at choosing the phone number."],
      ["#report", "Meta says: Your verified name violates WhatsApp guidelines."],
      ["#error", "Meta says: Your verified name violates WhatsApp guidelines."],
      ["#close", ""],
    ]) {
      const dialog = await dialogOf(tab, shop, facebook(tab));
      await press(dialog, button);
      await tab.getByRole("heading", { name: "The sign-up was not finished" }).waitFor();
      if (sentence) await tab.locator("#stopped").getByText(sentence).waitFor();
      else assert.equal(await tab.locator("#stopped").innerText(), "");
      await checkAccessibility(tab, `after ${button}`);
      await tab.getByRole("button", { name: "Start again" }).click();
      await inState(tab, "meta");
    }
    // Whoever lost the window need not find it.
    await dialogOf(tab, shop, facebook(tab));
    await tab.getByRole("button", { name: "Start again" }).click();
    const dialog = await dialogOf(tab, shop, facebook(tab));
    await press(dialog, "#finish");
    await inState(tab, "open");
  });
});

/** What Meta's window tells at its end, with ids that nobody has. */
const FALSE_FINISH = JSON.stringify({
  type: "WA_EMBEDDED_SIGNUP", event: "FINISH", version: 3, data: { waba_id: "999999", phone_number_id: "888888" } });

/** The ids that a page sent on, after somebody else than its window told it something; Meta's window tells nothing. */
async function idsAfter({ shop, url, origins, tolerate }, interfere) {
  await sandbox.graph.post("/settings", { omitSessionInfo: true });
  try {
    return await browser.page({ origins, tolerate }, async (tab) => {
      await tab.addInitScript(() => {
        const { open } = window;
        window.open = (...asked) => { window.newest = open.apply(window, asked); return window.newest; };
      });
      const sent = tab.waitForRequest((asked) => asked.url().endsWith("/meta/embedded"), { timeout: MESSAGE_WAIT });
      await tab.goto(url);
      const dialog = await interfere(tab, () => dialogOf(tab, shop, facebook(tab)));
      await press(dialog, "#finish");
      const { wabaId, phoneNumberId } = (await sent).postDataJSON();
      await inState(tab, "open", "failed");
      return { wabaId, phoneNumberId };
    });
  } finally {
    await sandbox.graph.post("/settings", { omitSessionInfo: false });
  }
}

/** As if `origin` had said it, by Meta's window or by this page. */
function hearFrom(tab, origin, byWindow) {
  return tab.evaluate(([said, from, itsWindow]) => {
    const source = itsWindow ? window.newest : window;
    window.dispatchEvent(new MessageEvent("message", { data: said, origin: from, source }));
  }, [FALSE_FINISH, origin, byWindow]);
}

test("messages of strangers are not heard", async () => {
  const { meta, graphUrl } = sandbox.ready;
  // With Meta's own origins, as an operator has them: whoever looks like one of them is none.
  const env = { RAMAL__META__GRAPH_URL: graphUrl, RAMAL__META__SDK_URL: `${graphUrl}/sdk.js`, RAMAL__META__APP_ID: meta.appId,
    RAMAL__META__APP_SECRET: meta.appSecret, RAMAL__META__CONFIG_ID: meta.configId, RAMAL__META__VERIFY_TOKEN: "any" };
  const product = await startProduct({ env });
  try {
    for (const [strangers, ids] of [
      [["https://evilfacebook.com", "https://facebook.com.evil.example", "http://www.facebook.com", "https://www.facebook.com:8443",
        "https://facebook.com@evil.example", "null", product.url], {}],
      [["https://business.facebook.com"], { wabaId: "999999", phoneNumberId: "888888" }],
      [["https://facebook.com"], { wabaId: "999999", phoneNumberId: "888888" }],
    ]) {
      const shop = await ofOperator(sandbox);
      const { url } = await createSignup(product, "embedded", { language: "en" });
      const sent = await idsAfter({ shop, url, origins: [product.url, graphUrl], tolerate: [/status of [45]/] }, async (tab, open) => {
        const dialog = await open();
        for (const origin of strangers) await hearFrom(tab, origin, true);
        return dialog;
      });
      assert.deepEqual(JSON.parse(JSON.stringify(sent)), ids, `${strangers}`);
    }
  } finally {
    await product.stop();
  }
});

test("an earlier window of Meta's is not heard, and closed where that can be done", async () => {
  const shop = await ofOperator(sandbox);
  const { url } = await createSignup(sandbox, "embedded", { language: "en" });
  const { meta, graphUrl } = sandbox.ready;
  const origins = [sandbox.url, graphUrl];
  const unknownUrl = `${graphUrl}/dialog?app_id=${meta.appId}&config_id=${meta.configId}`;
  const sent = await idsAfter({ shop, url, origins }, async (tab, open) => {
    const earlier = await open();
    await tab.getByRole("button", { name: "Start again" }).click();
    await inState(tab, "meta");
    if (!earlier.isClosed()) await earlier.waitForEvent("close");
    // One that this page does not know of, as after it was reloaded.
    const [unknown] = await Promise.all([tab.waitForEvent("popup"),
      tab.evaluate((address) => { window.open(address, "_blank"); }, unknownUrl)]);
    await unknown.waitForLoadState();
    const dialog = await open();
    await unknown.evaluate((said) => { window.opener.postMessage(said, "*"); }, FALSE_FINISH);
    return dialog;
  });
  assert.deepEqual([sent.wabaId, sent.phoneNumberId], [undefined, undefined]);
  assert.equal((await numberOf(shop)).state, "OPEN");
});

test("what Meta refuses after its dialog is a sentence, and the page starts afresh", async () => {
  const shop = await ofOperator(sandbox);
  const link = await createSignup(sandbox, "embedded", { language: "en" });
  await page({ tolerate: [/status of [45]/] }, async (tab) => {
    await tab.goto(link.url);
    await sandbox.graph.post("/faults", { route: "access_token", times: 1, code: 190 });
    const dialog = await dialogOf(tab, shop, facebook(tab));
    await press(dialog, "#finish");
    await inState(tab, "failed");
    assert.match(await tab.locator("#why").innerText(), /^Meta did not accept the approval/);
    await checkAccessibility(tab, "a failure");
    await tab.getByRole("button", { name: "Try again" }).click();
    const again = await dialogOf(tab, shop, facebook(tab));
    await press(again, "#finish");
    await inState(tab, "open");
  });
});

test("what Meta refuses is told in the page's language, and in Meta's own words", async () => {
  const told = [["pt-BR", "A Meta diz: O número foi registrado vezes demais; a Meta quer uma pausa (Meta's error 133016"],
    ["es", "Meta dice: El número se registró demasiadas veces; Meta quiere una pausa (Meta's error 133016"]];
  for (const [language, sentence] of told) {
    for (const scripts of [true, false]) {
      const shop = await business(sandbox, { registered: false, pin: "123456" });
      const link = await createSignup(sandbox, "credentials", { language });
      await sandbox.graph.post("/faults", { route: "register", times: 1, code: 133016 });
      await ours({ scripts, tolerate: REFUSED }, async (tab) => {
        await tab.goto(link.url);
        if (!scripts) await tab.locator("noscript button").click();
        await fillIn(tab, shop, { metaPin: "123456" });
        await tab.locator("#send").click();
        await tab.locator("#form-said").getByText(sentence).waitFor();
      });
    }
    const shop = await ofOperator(sandbox, { registered: false });
    const link = await createSignup(sandbox, "embedded", { language });
    await sandbox.graph.post("/faults", { route: "register", times: 1, code: 133016 });
    await page({ tolerate: REFUSED }, async (tab) => {
      await tab.goto(link.url);
      const dialog = await dialogOf(tab, shop, facebook(tab));
      await press(dialog, "#finish");
      await inState(tab, "failed");
      await tab.locator("#meta-said").getByText(sentence).waitFor();
    });
  }
});

test("without Meta's script the page says so, and works once it is there", async () => {
  const shop = await ofOperator(sandbox);
  const link = await createSignup(sandbox, "embedded", { language: "en" });
  await page({ tolerate: [/ERR_FAILED/] }, async (tab) => {
    const script = `${sandbox.ready.graphUrl}/sdk.js`;
    await tab.route(script, (route) => route.abort());
    await tab.goto(link.url);
    await tab.getByRole("heading", { name: "Meta's sign-up did not load" }).waitFor();
    await checkAccessibility(tab, "blocked");
    await tab.unroute(script);
    await tab.getByRole("button", { name: "Try again" }).click();
    const dialog = await dialogOf(tab, shop, facebook(tab));
    await press(dialog, "#finish");
    await inState(tab, "open");
  });
  const unused = await createSignup(sandbox, "embedded", { language: "en" });
  await ours({ scripts: false }, async (tab) => {
    await tab.goto(unused.url);
    assert.match(await tab.locator("noscript p").innerText(), /^Meta's sign-up works with JavaScript only/);
  });
});

test("an operator who takes the app of Meta's away: a clear page", async () => {
  const { meta, graphUrl } = sandbox.ready;
  const env = { RAMAL__META__GRAPH_URL: graphUrl, RAMAL__META__SDK_URL: `${graphUrl}/sdk.js`, RAMAL__META__APP_ID: meta.appId,
    RAMAL__META__APP_SECRET: meta.appSecret, RAMAL__META__CONFIG_ID: meta.configId, RAMAL__META__VERIFY_TOKEN: "any" };
  const configured = await startProduct({ env });
  const link = await createSignup(configured, "embedded", { language: "en" });
  const { data } = configured;
  await configured.stop({ keep: true });
  const product = await startProduct({ data });
  try {
    await browser.page({ origins: [product.url], tolerate: [/status of 503/] }, async (tab) => {
      const answer = await tab.goto(`${product.url}/connect/${link.token}`);
      assert.equal(answer.status(), 503);
      await tab.getByRole("heading", { name: "Signing up through Meta is not available here" }).waitFor();
      await checkAccessibility(tab, "not configured");
    });
  } finally {
    await product.stop();
  }
});

test("whoever is too quick or comes when it is busy gets a page, and not what is for programs", async () => {
  const product = await startProduct({ env: { RAMAL__LIMITS__LINK_BURST: "1", RAMAL__LIMITS__LINK_PER_SECOND: "1" } });
  try {
    const { url } = await createSignup(product, "credentials", { language: "en" });
    const headers = { accept: "text/html", "accept-language": "en", "content-type": "application/x-www-form-urlencoded" };
    const later = await eventually("it is too much", async () => {
      const answer = await request("POST", url, { headers });
      return answer.status === 429 && answer;
    });
    assert.match(later.headers["content-type"], /^text\/html/);
    assert.ok(later.text.includes('data-state="unreachable"') && later.headers["retry-after"], later.text);
  } finally {
    await product.stop();
  }
});

test("each page's policy allows what it needs and no more", async () => {
  const { graphUrl } = sandbox.ready;
  const policies = {};
  for (const flow of ["embedded", "credentials"]) {
    const link = await createSignup(sandbox, flow);
    const { headers } = await request("GET", link.url);
    const policy = headers["content-security-policy"];
    assert.ok(!policy.includes("unsafe-inline") && !policy.includes("*"), policy);
    policies[flow] = [policy, headers["cross-origin-opener-policy"], headers["referrer-policy"]];
  }
  const directive = (policy, name) => policy.split(";").map((part) => part.trim()).find((part) => part.startsWith(name));
  const [embedded, opener, referrer] = policies.embedded;
  assert.equal(directive(embedded, "script-src"), `script-src 'self' ${graphUrl}`);
  assert.equal(directive(embedded, "frame-src"), `frame-src ${graphUrl}`);
  assert.equal(opener, "same-origin-allow-popups");
  assert.equal(referrer, "strict-origin", "Meta asks which site its script is on");
  const [credentials, none, nobody] = policies.credentials;
  assert.ok(!credentials.includes(graphUrl), credentials);
  assert.equal(none, undefined);
  assert.equal(nobody, "no-referrer");
});

// ---- the form

test("what Meta refuses is told beside the field, and nothing has to be typed twice", async () => {
  const shop = await business(sandbox, { registered: false, pin: "123456" });
  const other = await business(sandbox);
  const narrow = await sandbox.graph.post("/tokens", {
    appId: shop.appId, wabaIds: [shop.wabaId], scopes: ["whatsapp_business_management"] }, 201);
  const link = await createSignup(sandbox, "credentials", { language: "en", name: "Shop" });
  await ours({ tolerate: REFUSED }, async (tab) => {
    await tab.goto(link.url);
    await inState(tab, "form");
    assert.equal(await tab.locator("#name").count(), 0, "the link has a name");
    for (const [changes, field, sentence] of [
      [{ metaPhoneId: "12" }, "metaPhoneId", "It has 5 to 20 digits, and is not the phone number itself."],
      [{ metaPhoneId: other.phoneId }, "metaPhoneId", "This ID is another number's"],
      [{ metaWabaId: other.wabaId }, "metaAccessToken", "The token lacks one of the two permissions"],
      [{ metaAccessToken: "EAAGnonsense" }, "metaAccessToken", "Meta does not accept this token"],
      [{ metaAccessToken: narrow.token }, "metaAccessToken", "The token lacks one of the two permissions"],
      [{ metaAppSecret: other.appSecret }, "metaAppSecret", "This is not the secret of the app"],
      [{ metaPin: "654321" }, "metaPin", "The number has another PIN"],
    ]) {
      await fillIn(tab, shop, { metaPin: "", ...changes });
      await tab.locator("#send").click();
      await tab.locator(`#problem-${field}`).getByText(sentence).waitFor();
      assert.equal(await tab.evaluate(() => document.activeElement.id), field, "the focus is there");
    }
    await checkAccessibility(tab, "the form with a refusal");
    assert.equal(await tab.locator("#metaAccessToken").inputValue(), shop.token, "what was typed is there still");
    await tab.locator("#show-metaAccessToken").click();
    assert.equal(await tab.locator("#metaAccessToken").getAttribute("type"), "text");
    await fillIn(tab, shop, { metaPin: " 123456 " });
    await tab.locator("#send").click();
    await inState(tab, "open");
  });
  assert.equal((await numberOf(shop)).state, "OPEN");
});

test("what is not done although the number is connected is told", async () => {
  for (const [wish, fault, sentence] of [
    [{ phone: { status: "PENDING" } }, null, "Meta is still reviewing the number"],
    // It is tried again by itself, so once would not do.
    [{}, { route: "phone", method: "POST", times: 99, code: 2200 }, "Meta does not deliver here yet"],
  ]) {
    for (const scripts of [true, false]) {
      const shop = await business(sandbox, wish);
      const link = await createSignup(sandbox, "credentials", { language: "en" });
      if (fault) await sandbox.graph.post("/faults", fault);
      await ours({ scripts }, async (tab) => {
        await tab.goto(link.url);
        if (!scripts) await tab.getByRole("button", { name: "Continue" }).click();
        await fillIn(tab, shop);
        await tab.locator("#send").click();
        await tab.getByRole("heading", { name: "Connected", exact: true }).waitFor();
        await tab.locator("#warnings").getByText(sentence).waitFor();
        if (scripts) await checkAccessibility(tab, "success with a note");
      });
      await sandbox.graph.delete("/faults");
    }
  }
});

test("without JavaScript the form works too, and never prints a secret", async () => {
  const shop = await business(sandbox);
  const link = await createSignup(sandbox, "credentials", { language: "pt-BR", redirectUrl: "https://acme.example/done" });
  await ours({ scripts: false, size: PHONE, tolerate: REFUSED }, async (tab) => {
    await tab.goto(link.url);
    await tab.getByRole("button", { name: "Continuar" }).click();
    await fillIn(tab, shop, { metaAccessToken: "EAAGnonsense" });
    await tab.getByRole("button", { name: "Conferir e conectar" }).click();
    await tab.getByText("A Meta não aceita este token").waitFor();
    await tab.getByText("Por segurança").waitFor();
    const html = await tab.content();
    for (const secret of ["EAAGnonsense", shop.appSecret]) assert.ok(!html.includes(secret), "no secret is printed");
    assert.equal(await tab.locator("#metaPhoneId").inputValue(), shop.phoneId);
    await fillIn(tab, shop);
    await tab.getByRole("button", { name: "Conferir e conectar" }).click();
    await tab.getByRole("heading", { name: "Conectado", exact: true }).waitFor();
    const href = await tab.getByRole("link", { name: "Continuar" }).getAttribute("href");
    assert.match(href, /^https:\/\/acme\.example\/done\?numberId=wa_/);
    await tab.reload();
    await tab.getByRole("heading", { name: "Conectado", exact: true }).waitFor();
  });
});

test("a page that was opened later goes on; the earlier one catches up with a click", async () => {
  const shop = await business(sandbox);
  const link = await createSignup(sandbox, "credentials", { language: "en" });
  await ours({ tolerate: REFUSED }, async (tab) => {
    await tab.goto(link.url);
    await inState(tab, "form");
    await fillIn(tab, shop);
    await tab.waitForFunction(() => document.querySelector("[name=state]").value);
    const newer = await request("POST", `${sandbox.url}/v1/remote-pairing/${link.token}/meta/start`);
    assert.equal(newer.status, 200);
    // Looking binds nothing: scanners of links look, too.
    await request("GET", link.url);
    await tab.locator("#send").click();
    await tab.getByText("This form was not the newest one any more.").waitFor();
    await tab.locator("#send").click();
    await inState(tab, "open");
  });
});

test("a foreign form without the state connects nothing", async () => {
  const shop = await business(sandbox);
  const link = await createSignup(sandbox, "credentials", { language: "en" });
  const fields = { number: shop.number, metaPhoneId: shop.phoneId, metaWabaId: shop.wabaId,
    metaAccessToken: shop.token, metaAppSecret: shop.appSecret };
  for (const state of [{}, { state: "" }, { state: "0".repeat(64) }]) {
    const body = new URLSearchParams({ ...fields, ...state }).toString();
    const text = await new Promise((done, failed) => {
      const asked = http.request(link.url, { method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" } }, (answer) => {
        const parts = [];
        answer.on("data", (part) => parts.push(part));
        answer.on("end", () => done(Buffer.concat(parts).toString()));
      });
      asked.on("error", failed);
      asked.end(body);
    });
    assert.ok(text.includes('data-state="form"'), text);
    assert.ok(!text.includes(shop.token) && !text.includes(shop.appSecret), "no secret is printed");
  }
  assert.equal(await numberOf(shop), undefined);
});

test("links that are over look as all do", async () => {
  for (const flow of ["embedded", "credentials"]) {
    const link = await createSignup(sandbox, flow, { language: "en" });
    const links = await sandbox.api.get("/v1/remote-pairing-links");
    await ours({ tolerate: REFUSED, origins: [sandbox.url, sandbox.ready.graphUrl] }, async (tab) => {
      await tab.goto(link.url);
      // Only then it has nothing more to ask, and does not reload itself.
      await tab.locator("button[data-login=new]:enabled, [name=state]:not([value=''])").first().waitFor({ state: "attached" });
      await sandbox.api.delete(`/v1/remote-pairing-links/${links[0].id}`);
      const answer = await tab.reload();
      assert.equal(answer.status(), 404);
      await tab.getByRole("heading", { name: "This link is not valid any more" }).waitFor();
    });
  }
  const shop = await business(sandbox);
  const link = await createSignup(sandbox, "credentials", { language: "en" });
  await ours({ tolerate: REFUSED }, async (tab) => {
    await tab.goto(link.url);
    await fillIn(tab, shop);
    await tab.locator("#send").click();
    await inState(tab, "open");
    await sandbox.api.delete(`/v1/numbers/${(await numberOf(shop)).id}`);
    await tab.reload();
    await tab.getByRole("heading", { name: "This link is not valid any more" }).waitFor();
  });
});

test("in another site's page: its window opens, and the page around it hears of success", async () => {
  const site = http.createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,"><main id="place"></main>
<script src="${sandbox.url}/embed.js"></script><script>window.heard = [];</script>`);
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  const siteUrl = `http://localhost:${site.address().port}`;
  await choose(sandbox, { origins: [siteUrl], branding: { defaultRedirectUrl: "https://acme.example/done" } });
  try {
    for (const flow of ["embedded", "credentials"]) {
      const shop = flow === "embedded" ? await ofOperator(sandbox) : await business(sandbox);
      const link = await createSignup(sandbox, flow, { language: "en" });
      await page({ origins: [sandbox.url, sandbox.ready.graphUrl, siteUrl] }, async (tab) => {
        await tab.goto(siteUrl);
        await tab.evaluate((token) => Ramal.connect.mount("#place", { token, onPaired: (it) => heard.push(it) }), link.token);
        const frame = await (await tab.locator("iframe").elementHandle()).contentFrame();
        await frame.waitForSelector("#page");
        if (flow === "embedded") {
          const dialog = await dialogOf(frame, shop, facebook(frame));
          await press(dialog, "#finish");
        } else {
          await inState(frame, "form");
          await fillIn(frame, shop);
          await frame.locator("#send").click();
        }
        const told = await tab.waitForFunction(() => window.heard[0]).then((found) => found.jsonValue());
        assert.equal(told.numberId, (await numberOf(shop)).id);
        assert.equal(told.redirectUrl, `https://acme.example/done?numberId=${told.numberId}`);
        assert.equal(tab.url(), `${siteUrl}/`);
      });
    }
  } finally {
    await choose(sandbox, { origins: [], branding: {} });
    site.closeAllConnections();
    site.close();
  }
});
