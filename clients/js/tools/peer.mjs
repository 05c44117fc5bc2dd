// A peer for tests between implementations: one JSON request on each line of standard input, one
// JSON response on each of standard output.

import { createInterface } from "node:readline";

import * as library from "../src/index.js";
import { xWing } from "./x-wing.mjs";

const doings = {
  mint: (request) => library.mint({ xWing, ...request }),
  mintV1: (request) => library.mintV1(request),
  narrow: ({ token, caveat }) => library.narrow(token, caveat),
  inspect: ({ token }) => library.inspect(token),
  open: ({ token, ...options }) => library.open(token, { xWing, ...options }),
  verifyKeySet: ({ document, ...options }) => library.verifyKeySet(document, options),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...rest } = JSON.parse(line);
  let response;
  try {
    response = { ok: await doings[name](rest) };
  } catch (error) {
    response = { error: error.kind ?? "failed", message: error.message };
  }
  process.stdout.write(`${JSON.stringify(response)}\n`);
}
