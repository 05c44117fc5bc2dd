// An X-Wing for the tests and the test peer: @noble/post-quantum, installed by `npm install` here
// or by `cargo xtask`.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** The folder set by `cargo xtask`. If the variable is set, the package must exist. */
const told = process.env.MAGICPROXY_NODE_TOKEN;
const places = told ? [pathToFileURL(`${told}/`)] : [import.meta.url, new URL("../../../target/node-token/", import.meta.url)];

async function find() {
  for (const place of places) {
    try {
      const path = createRequire(place).resolve("@noble/post-quantum/hybrid.js");
      return (await import(pathToFileURL(path))).ml_kem768_x25519;
    } catch (error) {
      if (told || error.code !== "MODULE_NOT_FOUND") throw error;
    }
  }
  return undefined;
}

/** Undefined if the package is not installed. */
export const xWing = await find();

/** The options of a test that needs X-Wing: without X-Wing, the test is visibly skipped. */
export const NEEDS_X_WING = xWing ? {} : { skip: "needs `npm install` in clients/js" };
