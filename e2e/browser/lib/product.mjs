// The product alone, as an operator starts it: nobody has an account yet. WhatsApp is not needed for that.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createWriteStream, existsSync } from "node:fs";
import { once } from "node:events";
import os from "node:os";
import path from "node:path";

import { client } from "./http.mjs";
import { repository } from "./sandbox.mjs";
import { eventually } from "./wait.mjs";

const BINARY = path.join(repository, "target/debug/ramal-e2e");

/** `env`: further settings; `data`: what an earlier one left, when it was stopped to `keep` it. */
export async function startProduct({ env: settings = {}, data } = {}) {
  const dir = data ?? await mkdtemp(path.join(os.tmpdir(), "ramal-product-"));
  const ready = path.join(dir, "ready.json");
  await rm(ready, { force: true });
  const log = createWriteStream(path.join(dir, "log"));
  const env = {
    PATH: process.env.PATH,
    RAMAL__SERVER__LISTEN: "127.0.0.1:0",
    RAMAL__DATA_DIR: path.join(dir, "data"),
    // Nothing listens there: these tests pair nothing.
    RAMAL__WHATSAPP__URL: "ws://127.0.0.1:9/ws/chat",
    RAMAL__WHATSAPP__APP_VERSION: "[2,3000,1035194821]",
    ...settings,
  };
  const child = spawn(BINARY, ["serve", "--ready-file", ready], { env, cwd: dir, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const said = await eventually("the product is ready", async () => {
    if (child.exitCode !== null) throw new Error(await readFile(path.join(dir, "log"), "utf8"));
    return existsSync(ready) && JSON.parse(await readFile(ready, "utf8"));
  }, 30_000);
  return {
    url: said.apiUrl,
    ready: said,
    api: client(said.apiUrl, { "x-api-key": said.tenantKey }),
    data: dir,
    async stop({ keep = false } = {}) {
      if (child.exitCode === null) {
        child.kill("SIGTERM");
        await once(child, "exit");
      }
      if (!keep) await rm(dir, { recursive: true, force: true });
    },
  };
}
