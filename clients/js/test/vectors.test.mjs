// The shared vectors, and what they do not show: that no bit can be changed.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { TokenError, chainId, inspect, mint, mintV1, narrow, open, thumbprint, verifyKeySet } from "../src/index.js";
import * as hpke from "../src/hpke.js";
import { fromBase64url, utf8 } from "../src/bytes.js";

const vectors = JSON.parse(await readFile(new URL("../../../testdata/vectors/token-v2.json", import.meta.url), "utf8"));
const [key] = vectors.keys;
const publicKey = { kty: key.kty, crv: key.crv, x: key.x };
/** What only the rules decide, and what WebCrypto cannot open. */
const ELSEWHERE = ["rule", "unknown_scope"];

function options({ context = {} }) {
  return {
    keys: vectors.keys,
    minters: context.minters_required ? vectors.minters : [],
    denyKid: context.deny_kid,
    requireSub: context.require_sub,
    maxLifetime: context.max_lifetime,
    now: context.now ?? vectors.now,
  };
}

async function kindOf(promise) {
  try {
    await promise;
    return "accepted";
  } catch (error) {
    assert(error instanceof TokenError, error);
    return error.kind;
  }
}

test("vectors", async () => {
  let run = 0;
  for (const vector of vectors.cases) {
    if (ELSEWHERE.includes(vector.refused) || vector.context?.accept) continue;
    run++;
    if (vector.refused) {
      assert.equal(await kindOf(open(vector.token, options(vector))), vector.refused, vector.name);
      continue;
    }
    const { claims, caveats, labels, credential } = vector.accepted;
    const seen = inspect(vector.token);
    assert.deepEqual(JSON.parse(JSON.stringify([seen.claims, seen.caveats, seen.labels])), [claims, caveats, labels], vector.name);
    if (claims.kem === "x-wing") {
      assert.equal(await kindOf(open(vector.token, options(vector))), "unsupported");
      continue;
    }
    const opened = await open(vector.token, options(vector));
    assert.deepEqual(JSON.parse(JSON.stringify(opened.credential)), credential, vector.name);
  }
  assert(run > 150, `${run}`);
});

test("narrowings", async () => {
  for (const { token, caveat, narrowed } of vectors.narrowings) assert.equal(await narrow(token, caveat), narrowed);
});

test("chain ids", async () => {
  const { tokens } = JSON.parse(await readFile(new URL("../../../testdata/vectors/revocation.json", import.meta.url), "utf8"));
  const sealed = tokens.filter(({ token }) => token.startsWith("mt2."));
  assert(sealed.length > 5);
  for (const { name, token, id } of sealed) assert.equal(await chainId(token), id, name);
});

test("seals", async () => {
  for (const { kem, key: index, claims_part, sealed_part, plaintext } of vectors.seals.filter(({ kem }) => kem === "x25519")) {
    const jwk = vectors.keys[index];
    const opened = await hpke.open(jwk, fromBase64url(jwk.x), utf8("magic-api-proxy/v2"), utf8(`mt2.${claims_part}`), fromBase64url(sealed_part));
    assert.deepEqual(Buffer.from(opened).toString("base64url"), plaintext, kem);
  }
});

test("what is minted opens, and no bit of it can be changed", async () => {
  const minter = vectors.minter_keys[0];
  const order = { key: { keys: [publicKey] }, credential: { secret: "ghp_x" }, aud: "api", allowed: ["GET /user"], minter, now: vectors.now };
  const { token } = await mint(order);
  const child = await narrow(token, { sub: "agent", exp: vectors.now + 60 });
  const expected = { keys: [key], minters: vectors.minters, now: vectors.now };
  assert.equal((await open(child, expected)).credential.secret, "ghp_x");
  for (let at = 0; at < child.length; at++) {
    const bytes = Buffer.from(child);
    bytes[at] ^= 1 << at % 7;
    assert.notEqual(await kindOf(open(bytes.toString("latin1"), expected)), "accepted", `byte ${at}`);
  }
});

test("what no proxy would accept is not made", async () => {
  const order = { key: publicKey, credential: { secret: "ghp_marked" }, aud: "api", allowed: ["GET /user"] };
  for (const [change, kind] of [
    [{ credential: { secret: "a b" } }, "credential"],
    [{ aud: "a b" }, "claims"],
    [{ allowed: undefined }, "claims"],
    [{ scopes: ["read"] }, "claims"],
    [{ sub: "a>b" }, "claims"],
    [{ expiresIn: 0 }, "claims"],
    [{ allowed: Array(999).fill("GET /user") }, "too_long"],
    [{ key: { kty: "RSA" } }, "unknown_key"],
  ]) {
    assert.equal(await kindOf(mint({ ...order, ...change })), kind, JSON.stringify(change));
  }
  const { token } = await mint(order);
  for (const caveat of [{}, { sub: null }, { limit: 1 }, { sender: { cidr: ["192.0.2.1/24"] } }]) {
    assert.equal(await kindOf(narrow(token, caveat)), "caveat", JSON.stringify(caveat));
  }
});

test("version 1 needs the private key", async () => {
  const privateKey = await readFile(new URL("../../../testdata/keys/test-only-first.pem", import.meta.url), "utf8");
  const { token } = await mintV1({ privateKey, credential: "ghp_x", aud: "api", allowed: ["GET /user"] });
  assert.equal(token.split(".").length, 3);
});

test("key sets", async () => {
  const file = JSON.parse(await readFile(new URL("../../../testdata/vectors/key-set.json", import.meta.url), "utf8"));
  for (const { name, pinned, document, accepted, refused } of file.cases) {
    const verifying = verifyKeySet(document, { pinned, now: file.now });
    if (refused) {
      assert.equal(await kindOf(verifying), refused, name);
      continue;
    }
    const set = await verifying;
    assert.deepEqual(await Promise.all(set.keys.map(thumbprint)), accepted.keys, name);
    assert.equal(await thumbprint(set.signer), accepted.signer, name);
  }
  assert(file.cases.length >= 52);
  // A pin that names no signer is followed by nothing: it is no first contact.
  const { document, pinned } = file.cases[0];
  for (const pin of [{}, { keys: [] }, { version: pinned.version }, { signer: pinned.signer }, { ...pinned, version: "0" }]) {
    assert.equal(await kindOf(verifyKeySet(document, { pinned: pin, now: file.now })), "untrusted", JSON.stringify(pin));
  }
});
