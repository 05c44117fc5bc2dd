// Tests of rules for git: testdata/vectors/git.json.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { TokenError, inspect, mint, narrow } from "../src/index.js";

const read = async (name) => JSON.parse(await readFile(new URL(`../../../testdata/vectors/${name}`, import.meta.url), "utf8"));
const { rules, forms } = await read("git.json");
const { keys } = await read("token-v2.json");
const { kty, crv, x } = keys[0];
const options = { key: { kty, crv, x }, credential: { secret: "marked" }, aud: "api" };

/** Returns the error of a call; undefined if there is none. */
const errorOf = (promise) => promise.then(() => undefined, (error) => error);

test("the vectors", async () => {
  const { token } = await mint({ ...options, allowed: "GET /a" });
  let refusals = 0;
  for (const { rule, refused, proxy } of rules) {
    const [allowed, name] = [["GET /a", rule], JSON.stringify(rule)];
    const errors = [await errorOf(mint({ ...options, allowed }))];
    if (!("limit" in rule)) errors.push(await errorOf(narrow(token, { allowed })));
    if (refused === undefined || proxy) {
      for (const error of errors) assert.equal(error, undefined, `${name}: ${error}`);
      continue;
    }
    refusals += 1;
    for (const error of errors) {
      assert(error instanceof TokenError && error.kind === "rule", `${name}: ${error}`);
      for (const part of refused) assert(error.message.startsWith("rule 2: ") && error.message.includes(part), `${name}: ${error.message}, expected ${part}`);
    }
  }
  assert(refusals > 45 && rules.length - refusals > 25, `${refusals} of ${rules.length}`);
});

test("forms", async () => {
  const { token } = await mint({ ...options, allowed: "GET /a" });
  for (const { rule } of forms) {
    assert.equal((await errorOf(narrow(token, `{"allowed":[${rule}]}`)))?.kind, "caveat", rule);
  }
  assert(forms.length > 30);
});

test("a rule stands in the token as it was given", async () => {
  const rule = { git: "push", repository: "/acme/site", refs: ["refs/heads/é", "refs/heads/a"], create: true };
  const { token } = await mint({ ...options, allowed: rule });
  assert.deepEqual(JSON.parse(JSON.stringify(inspect(token).claims.allowed)), [rule]);
});
