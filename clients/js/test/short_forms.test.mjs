// Tests of short forms of the calling program's values.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { TokenError, inspect, mint, mintV1, narrow } from "../src/index.js";

const vectors = JSON.parse(await readFile(new URL("../../../testdata/vectors/token-v2.json", import.meta.url), "utf8"));
const { kty, crv, x } = vectors.keys[0];
const options = { key: { kty, crv, x }, credential: { secret: "marked" }, aud: "api", now: 1_000 };
const plain = (value) => JSON.parse(JSON.stringify(value));
const claims = async (request) => plain(inspect((await mint({ ...options, ...request })).token).claims);

test("one value is a list of one", async () => {
  assert.deepEqual((await claims({ allowed: "GET|PUT route:/a/{b}" })).allowed, ["GET|PUT route:/a/{b}"]);
  assert.deepEqual((await claims({ allowed: { method: "GET", path: "/a" } })).allowed, [{ method: "GET", path: "/a" }]);
  assert.deepEqual((await claims({ scopes: "read" })).scopes, ["read"]);
  const { token } = await mint({ ...options, allowed: "GET /a" });
  const [caveat] = plain(inspect(await narrow(token, { allowed: "GET /a", sender: { cidr: "192.0.2.0/24" } })).caveats);
  assert.deepEqual([caveat.allowed, caveat.sender.cidr], [["GET /a"], ["192.0.2.0/24"]]);
});

test("lengths of time", async () => {
  for (const [expiresIn, length] of [[90, 90], ["90", 90], ["90s", 90], ["1h", 3600], ["1h 30m", 5400], ["1d2h", 93600], ["2w", 1209600]]) {
    assert.equal((await claims({ allowed: "GET /a", expiresIn })).exp, 1_000 + length, `${expiresIn}`);
  }
  for (const expiresIn of ["", "soon", "1x", "-1h", "1.5h", "1 h", " 1h", "30m 1h", "1h 1h", true, ["1h"], {}]) {
    await assert.rejects(claims({ allowed: "GET /a", expiresIn }), TokenError, `${expiresIn}`);
  }
});

test("version 1 holds one method and a pattern in a string", async () => {
  const pair = await crypto.subtle.generateKey({ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }, true, ["sign"]);
  const privateKey = await crypto.subtle.exportKey("jwk", pair.privateKey);
  const request = { privateKey, credential: "marked", aud: "api" };
  const { token } = await mintV1({ ...request, allowed: "GET|PUT /a b" });
  const held = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
  assert.deepEqual(held.allowed, ["GET /a b", "PUT /a b"]);
  // A JWE, which the Python program cannot open: token-v1.md section 5.2.
  assert.deepEqual([typeof held.sealed, held.token], ["string", undefined]);
  await assert.rejects(mintV1({ ...request, allowed: ["GET route:/a/{b}"] }), TokenError);
});
