// What Node sees in a body or a query: README.md. `qs` is found through `NODE_PATH`.
"use strict";

const querystring = require("node:querystring");
const readline = require("node:readline");
const qs = require("qs");

// As Express' parser of forms calls it, which lets through what it counted itself.
const FORM = { allowPrototypes: true, arrayLimit: 100, depth: 32, parameterLimit: Infinity, strictDepth: true };
// As Express' extended parser of queries calls it.
const QUERY = { allowPrototypes: true };

const KINDS = {
  json: (bytes) => ({ "node JSON.parse": orError(() => ({ json: shown(JSON.parse(bytes.toString("utf8"))) })) }),
  form: (bytes) => ({
    "qs form": orError(() => ({ nested: shown(qs.parse(bytes.toString("utf8"), FORM)) })),
    "node querystring": orError(() => pairs(querystring.parse(bytes.toString("utf8")))),
  }),
  query: (bytes) => ({
    "qs query": orError(() => ({ nested: shown(qs.parse(bytes.toString("latin1"), QUERY)) })),
    "node querystring": orError(() => pairs(querystring.parse(bytes.toString("latin1")))),
    "node URLSearchParams": orError(() => ({ pairs: [...new URLSearchParams(bytes.toString("latin1"))] })),
  }),
};

function pairs(parsed) {
  return { pairs: Object.entries(parsed).flatMap(([name, values]) => [values].flat().map((value) => [name.toWellFormed(), value.toWellFormed()])) };
}

function orError(read) {
  try {
    return read();
  } catch {
    return "error";
  }
}

// The value without lone surrogates; JSON.stringify makes null of numbers that JSON cannot say.
function shown(value) {
  if (typeof value === "string") return value.toWellFormed();
  if (Array.isArray(value)) return value.map(shown);
  if (value === null || typeof value !== "object") return value;
  // `__proto__` is a member like others here, too.
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name.toWellFormed(), shown(each)]));
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { kind, bytes } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(KINDS[kind](Buffer.from(bytes, "base64")))}\n`);
});
