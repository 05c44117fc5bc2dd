// Tests of rules with conditions: testdata/vectors/conditions.json.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { TokenError, inspect, mint, mintV1, narrow } from "../src/index.js";

const read = async (name) => JSON.parse(await readFile(new URL(`../../../testdata/vectors/${name}`, import.meta.url), "utf8"));
const { rules, texts } = await read("conditions.json");
const { keys } = await read("token-v2.json");
const { kty, crv, x } = keys[0];
const options = { key: { kty, crv, x }, credential: { secret: "marked" }, aud: "api" };
const plain = (value) => JSON.parse(JSON.stringify(value));
const whole = ({ rule, conditions }) => rule ?? { method: "POST", route: "/a/{id}/{rest*}", ...conditions };
const privateKey = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" });

/** Returns the error of a call; undefined if there is none. */
const errorOf = (promise) => promise.then(() => undefined, (error) => error);

test("the vectors", async () => {
  const { token } = await mint({ ...options, allowed: "GET /a" });
  let refusals = 0;
  for (const one of rules) {
    const allowed = ["GET /a", whole(one)];
    const name = JSON.stringify(whole(one));
    const minted = await errorOf(mint({ ...options, allowed }));
    const minted1 = await errorOf(mintV1({ privateKey, credential: "marked", aud: "api", allowed }));
    const isPlain = typeof whole(one) === "string" || !("limit" in whole(one) || "grants" in whole(one));
    const narrowed = isPlain ? await errorOf(narrow(token, { allowed })) : minted;
    const spelled = isPlain ? await errorOf(narrow(token, JSON.stringify({ allowed }))) : minted;
    if (one.refused === undefined || one.proxy) {
      // A rule may be as long as a sealed token.
      for (const error of [minted, minted1, narrowed, spelled]) assert(error === undefined || error.kind === "too_long", `${name}: ${error}`);
      continue;
    }
    refusals += 1;
    for (const error of [minted, minted1, narrowed]) {
      assert(error instanceof TokenError && error.kind === "rule", `${name}: ${error}`);
      for (const part of one.refused) assert(error.message.startsWith("rule 2: ") && error.message.includes(part), `${name}: ${error.message}, expected ${part}`);
    }
    assert(["rule", "caveat"].includes(spelled?.kind), `${name}: ${spelled}`);
  }
  assert(refusals > 100 && rules.length - refusals > 40, `${refusals} of ${rules.length}`);
});

test("a rule with an unknown member is neither minted nor appended", async () => {
  const { token } = await mint({ ...options, allowed: "GET /a" });
  const unknown = texts.filter((one) => one.unknown_member).map(({ rule }) => JSON.parse(rule));
  for (const rule of unknown) {
    const attempts = [mint({ ...options, allowed: rule }), mintV1({ privateKey, credential: "marked", aud: "api", allowed: rule }), narrow(token, { allowed: rule })];
    for (const error of await Promise.all(attempts.map(errorOf))) assert(error instanceof TokenError, JSON.stringify(rule));
  }
  assert(unknown.length > 10);
});

test("texts", async () => {
  const { token } = await mint({ ...options, allowed: "GET /a" });
  for (const { rule, refused } of texts) {
    const error = await errorOf(narrow(token, `{"allowed":[${rule}]}`));
    assert.equal(error?.kind, refused === "claims" ? "caveat" : refused, rule);
  }
  assert(texts.length > 50);
});

test("`only` is no longer written", async () => {
  const { written } = await read("state.json");
  for (const { rule, json } of written) {
    const { only, ...items } = rule.list_items;
    assert(only !== undefined);
    const allowed = ["GET /a", rule];
    for (const mints of [() => mint({ ...options, allowed }), () => mintV1({ privateKey, credential: "marked", aud: "api", allowed })]) {
      const error = await errorOf(mints());
      assert(error instanceof TokenError && error.kind === "rule" && error.message.startsWith("rule 2: `list_items.only`"), `${JSON.stringify(rule)}: ${error}`);
    }
    assert.equal(await errorOf(mint({ ...options, allowed: { ...rule, list_items: items, json } })), undefined, JSON.stringify(rule));
  }
  assert(written.length > 3);
});

test("a rule stands in the token as it was given", async () => {
  const rule = { method: "POST", path: "/a", json: { n: { min: -5 }, x: [null, true, "é", -9007199254740991] }, query: "any" };
  const { token } = await mint({ ...options, allowed: rule });
  assert.deepEqual(plain(inspect(token).claims.allowed), [rule]);
  assert.deepEqual(plain(inspect(await narrow(token, { allowed: rule })).caveats), [{ allowed: [rule] }]);
});

test("what JSON cannot say is no value", async () => {
  for (const value of [NaN, Infinity, 1.5, -0, 1e21, { min: NaN }, { max: -0 }, { count: NaN }, Symbol("a"), () => 1]) {
    const error = await errorOf(mint({ ...options, allowed: { method: "POST", path: "/a", json: { a: value } } }));
    assert.equal(error?.kind, "rule", String(value.toString()));
  }
});

test("null and negative numbers have a place in conditions only", async () => {
  const { token } = await mint({ ...options, allowed: "GET /a" });
  for (const json of ['{"exp":-1}', '{"exp":null}', '{"nbf":-5}', '{"limit":{"total":-1}}', '{"aud":null}', '{"exp":1.0}', '{"exp":-0}', '{"sender":null}', '{"allowed":null}']) {
    assert.equal((await errorOf(narrow(token, json)))?.kind, "caveat", json);
  }
});
