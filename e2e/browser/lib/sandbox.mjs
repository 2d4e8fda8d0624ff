// One sandbox for a file of tests: the product and an offline WhatsApp, in one process of ours.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createWriteStream, existsSync } from "node:fs";
import { once } from "node:events";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { client } from "./http.mjs";
import { eventually } from "./wait.mjs";

export const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
const BINARY = path.join(repository, "target/debug/ramal-sandbox");

export async function startSandbox() {
  if (!existsSync(BINARY)) {
    throw new Error("build it first: cargo build --manifest-path sandbox/Cargo.toml -p ramal-sandbox -p wa-server -p graph-server");
  }
  const dir = await mkdtemp(path.join(os.tmpdir(), "ramal-browser-"));
  const ready = path.join(dir, "ready.json");
  const data = path.join(dir, "data");
  const log = path.join(dir, "log");
  const args = ["--port", "0", "--data", data, "--ready-file", ready, "--log", "debug"];
  const child = spawn(BINARY, args, { stdio: ["ignore", "pipe", "pipe"] });
  // What it prints is for whoever started it: the demo's credentials, too.
  child.stdout.resume();
  child.stderr.pipe(createWriteStream(log));
  const said = await eventually("the sandbox is ready", async () => {
    if (child.exitCode !== null) throw new Error(await readFile(log, "utf8"));
    return existsSync(ready) && JSON.parse(await readFile(ready, "utf8"));
  }, 30_000);
  let phone = 5_511_970_000_000 + (process.pid % 1000) * 1000;
  return {
    url: said.apiUrl,
    ready: said,
    dir,
    data,
    api: client(said.apiUrl, { "x-api-key": said.tenantKey }),
    phones: client(said.sandboxUrl),
    graph: client(said.graphControlUrl),
    /** What opens something for whoever has it, and is not logged. */
    unlogged: new Set(),
    /** All that it has logged so far. */
    log: () => readFile(log, "utf8"),
    /** A number that no other test has. */
    newNumber() {
      phone += 1;
      return `+${phone}`;
    },
    async stop() {
      if (child.exitCode === null) {
        child.kill("SIGTERM");
        await once(child, "exit");
      }
      await rm(dir, { recursive: true, force: true });
    },
  };
}
