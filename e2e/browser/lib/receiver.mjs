// A webhook receiver on this machine.

import http from "node:http";
import { once } from "node:events";

import { eventually } from "./wait.mjs";

/** Answers `ok`, or what `answer` (`[status, text]`) is set to. */
export async function startReceiver() {
  const events = [];
  const receiver = { answer: [200, "ok"] };
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      events.push({ path: request.url, headers: request.headers, body: JSON.parse(Buffer.concat(parts)) });
      const [status, text] = receiver.answer;
      response.writeHead(status);
      response.end(text);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(receiver, {
    events,
    url: (name) => `http://127.0.0.1:${server.address().port}/${name}`,
    waitFor: (kind) => eventually(kind, () => events.find(({ body }) => body.event === kind)),
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  });
}
