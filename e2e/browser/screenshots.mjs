// Pictures of the pages, for the README: `./screenshots` at the root of the repository.
//
// A picture is a name, how the browser looks, and what is done until there is something to see. To add
// one, add it to PICTURES; every one begins in a browser of its own, all in one sandbox.

import { mkdir, stat } from "node:fs/promises";
import path from "node:path";

import { DESKTOP, PHONE, startBrowser } from "./lib/browser.mjs";
import { askForQr, createLink, inState, scan } from "./lib/connect.mjs";
import { createSignup } from "./lib/meta.mjs";
import { connected } from "./lib/numbers.mjs";
import { enter } from "./lib/people.mjs";
import { startReceiver } from "./lib/receiver.mjs";
import { repository, startSandbox } from "./lib/sandbox.mjs";
import { eventually } from "./lib/wait.mjs";

const FOLDER = path.join(repository, "docs/img");
const BYTES_MAX = 150_000;

async function open(sandbox, tab, options) {
  const link = await createLink(sandbox, options);
  await tab.goto(link.url);
  return link;
}

/** Three numbers, two of them connected, with a message between them. */
async function lines(sandbox) {
  sandbox.lines ??= (async () => {
    const [sales, support] = [await connected(sandbox, "Sales"), await connected(sandbox, "Support")];
    await sandbox.api.post("/v1/numbers", { name: "Shop", number: sandbox.newNumber() }, 201);
    await sandbox.phones.post(`/phones/${sales.phone}/messages`, { to: support.phone, text: "Is my order on its way?" }, 201);
    await sandbox.phones.post(`/phones/${support.phone}/messages`, { to: sales.phone, text: "It left this morning. Thank you!" }, 201);
    return { sales, support };
  })();
  return sandbox.lines;
}

const PICTURES = [
  {
    name: "numbers",
    look: { locale: "en-US", size: { width: 1280, height: 640 } },
    async act(sandbox, tab) {
      await lines(sandbox);
      await enter(tab, sandbox);
      await tab.locator("[data-number-state][data-state=OPEN]").first().waitFor();
    },
  },
  {
    name: "number-phone-pt-dark",
    look: { locale: "pt-BR", size: PHONE, dark: true, scale: 2 },
    async act(sandbox, tab) {
      const { sales } = await lines(sandbox);
      await enter(tab, sandbox);
      await tab.goto(`${sandbox.url}/numbers/${sales.id}`);
      await tab.locator("h1").waitFor();
    },
  },
  {
    name: "webhook",
    look: { locale: "en-US", size: { width: 1280, height: 900 } },
    async act(sandbox, tab) {
      const { sales } = await lines(sandbox);
      const receiver = await startReceiver();
      try {
        const made = await sandbox.api.post("/v1/webhooks", {
          url: receiver.url("whatsapp"), name: "CRM", events: ["*"], whatsappNumberId: sales.id }, 201);
        for (let test = 0; test < 4; test += 1) await sandbox.api.post(`/v1/webhooks/${made.id}/test`, {}, 202);
        await eventually("four tests have come", () => receiver.events.length >= 4);
        await enter(tab, sandbox);
        await eventually("and are in the log", async () => {
          await tab.goto(`${sandbox.url}/webhooks/${made.id}`);
          return (await tab.locator("[data-delivery] .badge.good").count()) >= 4;
        });
      } finally {
        await receiver.stop();
      }
    },
  },
  {
    name: "phones",
    look: { locale: "en-US", size: { width: 1280, height: 900 } },
    async act(sandbox, tab) {
      await lines(sandbox);
      await enter(tab, sandbox);
      await tab.goto(`${sandbox.url}/phones`);
      await tab.getByText("It left this morning").first().waitFor();
    },
  },
  {
    name: "profile",
    look: { locale: "en-US", size: { width: 1280, height: 1000 } },
    async act(sandbox, tab) {
      await enter(tab, sandbox);
      await tab.goto(`${sandbox.url}/profile`);
      await tab.locator("iframe").waitFor();
    },
  },
  {
    name: "connect-choose-pt",
    look: { locale: "pt-BR", size: { width: 1280, height: 640 } },
    act: (sandbox, tab) => open(sandbox, tab),
  },
  {
    name: "connect-codes-pt",
    look: { locale: "pt-BR", size: { width: 1280, height: 720 } },
    async act(sandbox, tab) {
      await open(sandbox, tab);
      await askForQr(tab);
    },
  },
  {
    name: "connect-code-phone-en-dark",
    look: { locale: "en-US", size: PHONE, dark: true, scale: 2 },
    async act(sandbox, tab) {
      await open(sandbox, tab, { name: "Maria's Bakery" });
      await tab.locator("form[data-way=code] button").click();
      await inState(tab, "codes");
    },
  },
  {
    name: "connect-success-es",
    look: { locale: "es", size: { width: 1280, height: 560 } },
    async act(sandbox, tab) {
      const link = await open(sandbox, tab, { name: "Panadería de María", branding: {
        companyName: "Nube Azul", primaryColor: "#2f5bea", backgroundColor: "#e8edff" } });
      await askForQr(tab);
      await scan(sandbox, link.phone, tab);
      await inState(tab, "open");
    },
  },
  {
    name: "connect-wrong-phone-en",
    look: { locale: "en-US", size: { width: 1280, height: 700 } },
    async act(sandbox, tab) {
      await open(sandbox, tab, { name: "Maria's Bakery" });
      await askForQr(tab);
      await scan(sandbox, sandbox.newNumber(), tab, undefined);
      await inState(tab, "wrong");
    },
  },
  {
    name: "connect-passkey-en",
    look: { locale: "en-US", size: DESKTOP },
    async act(sandbox, tab) {
      const link = await open(sandbox, tab, { name: "Maria's Bakery" });
      await sandbox.phones.post(`/phones/${link.phone}/passkey`, { demand: true });
      await askForQr(tab);
      await scan(sandbox, link.phone, tab, 202);
      await inState(tab, "passkey");
    },
  },
  {
    name: "connect-meta-pt",
    look: { locale: "pt-BR", size: { width: 1280, height: 700 } },
    async act(sandbox, tab) {
      const link = await createSignup(sandbox, "embedded", { name: "Padaria da Maria" });
      await tab.goto(link.url);
      await tab.locator("button[data-login=new]:enabled").waitFor();
    },
  },
];

const only = process.argv.slice(2);
await mkdir(FOLDER, { recursive: true });
const [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]);
try {
  for (const { name, look, act } of PICTURES.filter(({ name }) => only.length === 0 || only.some((part) => name.includes(part)))) {
    await browser.page({ origins: [sandbox.url, sandbox.ready.graphUrl], ...look }, async (tab) => {
      await act(sandbox, tab);
      await tab.evaluate(() => document.activeElement?.blur());
      const file = path.join(FOLDER, `${name}.png`);
      await tab.screenshot({ path: file });
      const { size } = await stat(file);
      if (size > BYTES_MAX) throw new Error(`${name}: ${size} bytes are too many`);
      console.log(`${path.relative(repository, file)} ${Math.ceil(size / 1000)} kB`);
    });
  }
} finally {
  await Promise.all([sandbox.stop(), browser.stop()]);
}
