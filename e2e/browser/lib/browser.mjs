// Debian's Chromium with a fresh profile, and pages that fail their test when they misbehave.

import { strict as assert } from "node:assert";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const EXECUTABLE = process.env.CHROMIUM || "/usr/bin/chromium";
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

export const PHONE = { width: 390, height: 844 };
export const DESKTOP = { width: 1280, height: 900 };

export async function startBrowser() {
  const browser = await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
  const heard = [];
  return {
    /** What pages were told so far, `{url, text}` of each answer, and what they made of it. */
    heard,
    /**
     * Opens a page in a profile of its own for `use`, and then checks what it did: no request to
     * another origin than `origins`, nothing that the page's own policy forbids, no error on the console but
     * those that `tolerate` matches.
     */
    async page(options, use) {
      const { origins = [], tolerate = [], size = DESKTOP, locale = "en-US", dark = false, scripts = true,
        scale = 1, userAgent, timezone } = options;
      const context = await browser.newContext({
        viewport: size, locale, colorScheme: dark ? "dark" : "light", javaScriptEnabled: scripts,
        deviceScaleFactor: scale, reducedMotion: "reduce", userAgent, timezoneId: timezone,
      });
      const seen = { requests: [], foreign: [], errors: [] };
      await context.route("**/*", (route) => {
        const url = new URL(route.request().url());
        seen.requests.push(url.href);
        if (origins.includes(url.origin)) return route.continue();
        seen.foreign.push(url.href);
        return route.abort();
      });
      const complain = (text) => {
        if (!tolerate.some((pattern) => pattern.test(text))) seen.errors.push(text);
      };
      const watch = (page) => {
        page.setDefaultTimeout(15_000);
        page.on("console", (message) => {
          if (["error", "warning"].includes(message.type())) complain(message.text());
        });
        page.on("pageerror", (error) => complain(String(error)));
      };
      context.on("page", watch);
      await context.addInitScript(() => {
        addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sourceFile, lineNumber, sample }) => {
          console.error(`against the policy: ${effectiveDirective} ${blockedURI} ${sourceFile}:${lineNumber} ${sample}`);
        });
      });
      const answers = [];
      context.on("response", (answer) => { answers.push(listen(answer, heard)); });
      try {
        const page = await context.newPage();
        const result = await use(page, seen);
        // What goes somewhere else at this moment has no content.
        for (const open of context.pages()) heard.push({ url: open.url(), text: await open.content().catch(() => "") });
        assert.deepEqual(seen.foreign, options.foreign ?? [], "requests to other hosts");
        assert.deepEqual(seen.errors, [], "errors on the console");
        return result;
      } finally {
        await context.close();
        await Promise.all(answers);
      }
    },
    stop: () => browser.close(),
  };
}

/** Notes what a page or its script was told. Redirects say nothing, and streams have no end. */
async function listen(answer, heard) {
  if (!/^(text\/html|application\/json)/.test(answer.headers()["content-type"] ?? "")) return;
  // What its page did not wait for is gone with it.
  const text = await answer.text().catch(() => "");
  heard.push({ url: answer.url(), text });
}

/** Fails on what axe calls serious or critical. */
export async function checkAccessibility(page, what) {
  // As a function and not as a script element, which our policy would refuse.
  if (!(await page.evaluate(() => Boolean(window.axe)))) {
    const { readFile } = await import("node:fs/promises");
    await page.evaluate(await readFile(AXE, "utf8"));
  }
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const bad = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  const told = bad.map(({ id, help, nodes }) =>
    `${id}: ${help}\n${nodes.map((node) => `  ${node.html}\n  ${node.failureSummary}`).join("\n")}`);
  assert.equal(told.join("\n"), "", `accessibility of ${what}`);
}

/** A picture of an element as a virtual phone takes it. */
export async function photograph(locator) {
  const picture = await locator.screenshot({ animations: "disabled" });
  return `data:image/png;base64,${picture.toString("base64")}`;
}
