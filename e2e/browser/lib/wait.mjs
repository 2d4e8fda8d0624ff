// Waiting for a condition, with a deadline: nothing here sleeps for a fixed time.

const EVERY = 50;

/** The first result of `look` that is not undefined, null or false; an error after `limit` milliseconds. */
export async function eventually(what, look, limit = 15_000) {
  const deadline = Date.now() + limit;
  let problem;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== null && found !== false) return found;
      problem = undefined;
    } catch (error) {
      problem = error;
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${limit} ms`, { cause: problem });
    await new Promise((again) => setTimeout(again, EVERY));
  }
}
