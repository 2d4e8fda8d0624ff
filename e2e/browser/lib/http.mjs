// A JSON client for the API and for the sandbox's virtual phones. Not `fetch`: Node's says
// `sec-fetch-mode`, as browsers do, and the API refuses those.

import http from "node:http";
import { strict as assert } from "node:assert";

/** One request; `{status, headers, text, json}`. */
export function request(method, url, { headers = {}, body } = {}) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const sent = text === undefined ? headers : { "content-type": "application/json", ...headers };
  return new Promise((done, failed) => {
    const asked = http.request(url, { method, headers: sent }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("error", failed);
      answer.on("end", () => {
        const got = Buffer.concat(parts).toString();
        const json = () => JSON.parse(got);
        done({ status: answer.statusCode, headers: answer.headers, text: got, json });
      });
    });
    asked.on("error", failed);
    asked.end(text);
  });
}

/** A client of one base address. */
export function client(base, headers = {}) {
  const ask = async (method, path, body, expected) => {
    const answer = await request(method, base + path, { headers, body });
    if (expected !== undefined) assert.equal(answer.status, expected, `${method} ${path}: ${answer.text}`);
    return answer.text ? answer.json() : null;
  };
  return {
    get: (path, expected = 200) => ask("GET", path, undefined, expected),
    post: (path, body, expected = 200) => ask("POST", path, body, expected),
    put: (path, body, expected = 200) => ask("PUT", path, body, expected),
    patch: (path, body, expected = 200) => ask("PATCH", path, body, expected),
    delete: (path, expected = 200) => ask("DELETE", path, undefined, expected),
  };
}
