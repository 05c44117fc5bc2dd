// The shared vectors, and tests beyond the vectors: no bit of a token can be changed.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { TokenError, chainId, inspect, mint, mintV1, narrow, open, thumbprint, verifyKeySet } from "../src/index.js";
import { ensureAccepted } from "../src/accepts.js";
import { fromBase32, utf8 } from "../src/bytes.js";
import * as hpke from "../src/hpke.js";
import { kemNamed } from "../src/kem.js";
import { NEEDS_X_WING, xWing } from "../tools/x-wing.mjs";

const vectors = JSON.parse(await readFile(new URL("../../../testdata/vectors/token-v2.json", import.meta.url), "utf8"));
const [key] = vectors.keys;
const publicKey = { kty: key.kty, crv: key.crv, x: key.x };
/** Refusals that only the rules decide. */
const ELSEWHERE = ["rule", "unknown_scope"];

function options({ context = {} }) {
  return {
    keys: vectors.keys,
    xWing,
    minters: context.minters_required ? vectors.minters : [],
    kems: context.kems,
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
      assert.equal(await kindOf(open(vector.token, { ...options(vector), xWing: undefined })), "unsupported");
      if (!xWing) continue;
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
  const sealed = tokens.filter(({ token }) => token.startsWith("mt2_"));
  assert(sealed.length > 5);
  for (const { name, token, id } of sealed) assert.equal(await chainId(token), id, name);
});

async function checkSeals(kem) {
  const seals = vectors.seals.filter((seal) => seal.kem === kem);
  assert(seals.length > 0);
  for (const { key: index, claims_part, sealed_part, plaintext } of seals) {
    const opened = await hpke.open(kemNamed(kem, xWing), vectors.keys[index], utf8("magic-api-proxy/v2"), utf8(`mt2_${claims_part}`), fromBase32(sealed_part));
    assert.deepEqual(Buffer.from(opened).toString("base64url"), plaintext, kem);
  }
}

test("seals with X25519", () => checkSeals("x25519"));

test("seals with X-Wing", NEEDS_X_WING, () => checkSeals("x-wing"));

test("a key is chosen by what is asked for, and by what can be had", async () => {
  const [{ kty, alg, pub }] = vectors.keys.filter((jwk) => jwk.alg === "X-Wing");
  const both = { keys: [{ kty, alg, pub }, publicKey] };
  // A stand-in for X-Wing with the right lengths; nobody can open the seal.
  const given = xWing ?? { encapsulate: () => ({ cipherText: new Uint8Array(1120), sharedSecret: new Uint8Array(32) }) };
  const request = { key: both, credential: { secret: "ghp_x" }, aud: "api", allowed: "GET /user", now: vectors.now, xWing: given };
  const accepts = { versions: ["v2"], kems: ["x-wing"], max_lifetime: 86400 };
  const kemOfNew = async (change) => inspect((await mint({ ...request, ...change })).token).claims.kem;
  assert.deepEqual(await Promise.all([{}, { kem: "x-wing" }, { key: { kty, alg, pub } }, { accepts }, { key: { ...both, accepts } }].map(kemOfNew)), [
    "x25519",
    ...Array(4).fill("x-wing"),
  ]);
  for (const [change, kind] of [
    [{ kem: "x-wing", key: publicKey }, "unknown_key"],
    [{ kem: "rsa" }, "unknown_key"],
    [{ kem: "x-wing", xWing: undefined }, "unsupported"],
    [{ kem: "x25519", accepts }, "kem"],
    [{ key: publicKey, accepts }, "kem"],
    [{ accepts: { ...accepts, versions: [] } }, "version"],
    [{ accepts: { ...accepts, minters: [] } }, "minter"],
    [{ accepts, expiresIn: 86401 }, "lifetime"],
    [{ accepts: {} }, "malformed"],
  ]) {
    assert.equal(await kindOf(mint({ ...request, ...change })), kind, JSON.stringify(change));
  }
});

test("what is sealed with X-Wing opens, and no character of it can be changed", NEEDS_X_WING, async () => {
  const request = { key: { keys: vectors.keys }, kem: "x-wing", xWing, credential: { secret: "ghp_x" }, aud: "api", allowed: ["GET /user"], now: vectors.now };
  const { token } = await mint(request);
  const expected = { keys: vectors.keys, xWing, now: vectors.now };
  assert.equal((await open(token, expected)).credential.secret, "ghp_x");
  for (let at = 0; at < token.length; at += 7) {
    const bytes = Buffer.from(token);
    bytes[at] ^= 1 << at % 5;
    assert.notEqual(await kindOf(open(bytes.toString("latin1"), expected)), "accepted", `byte ${at}`);
  }
});

test("what is minted opens, and no bit of it can be changed", async () => {
  const minter = vectors.minter_keys[0];
  const request = { key: { keys: [publicKey] }, credential: { secret: "ghp_x" }, aud: "api", allowed: ["GET /user"], minter, now: vectors.now };
  const { token } = await mint(request);
  const child = await narrow(token, { sub: "agent", exp: vectors.now + 60 });
  const expected = { keys: [key], minters: vectors.minters, now: vectors.now };
  assert.equal((await open(child, expected)).credential.secret, "ghp_x");
  for (let at = 0; at < child.length; at++) {
    const bytes = Buffer.from(child);
    bytes[at] ^= 1 << at % 7;
    assert.notEqual(await kindOf(open(bytes.toString("latin1"), expected)), "accepted", `byte ${at}`);
  }
});

test("a listed key of another algorithm vouches for nothing here", async () => {
  const listed = { kty: "AKP", alg: "ML-DSA-44", pub: Buffer.alloc(1312).toString("base64url") };
  const request = { key: { keys: [publicKey] }, credential: { secret: "ghp_x" }, aud: "api", allowed: ["GET /user"], minter: vectors.minter_keys[0], now: vectors.now };
  const [head, ...rest] = (await mint(request)).token.slice(4).split(".");
  const claims = { ...JSON.parse(Buffer.from(head, "base64url")), minter: await thumbprint(listed) };
  const token = `mt2_${[Buffer.from(JSON.stringify(claims)).toString("base64url"), ...rest].join(".")}`;
  assert.equal(await kindOf(open(token, { keys: [key], minters: [listed], now: vectors.now })), "minter");
});

test("nothing is sealed to what is no key", async () => {
  const request = { credential: { secret: "ghp_marked" }, aud: "api", allowed: "GET /user", xWing };
  const okp = (bytes) => ({ kty: "OKP", crv: "X25519", x: Buffer.from(bytes).toString("base64url") });
  const akp = (bytes) => ({ kty: "AKP", alg: "X-Wing", pub: Buffer.from(bytes).toString("base64url") });
  const right = Buffer.from(vectors.keys.find((jwk) => jwk.alg === "X-Wing").pub, "base64url");
  const [one, tooLarge, noX25519] = [new Uint8Array(32), Buffer.from(right).fill(0xff, 0, 3), Buffer.from(right).fill(0, 1184)];
  one[0] = 1;
  const x25519 = [okp(new Uint8Array(32)), okp(one), okp(new Uint8Array(31)), okp([]), { kty: "OKP", crv: "X25519" }, { kty: "OKP", crv: "X25519", x: 7 }];
  const xwing = [akp(tooLarge), akp(noX25519), akp(right.subarray(1)), { kty: "AKP", alg: "X-Wing" }];
  for (const key of [...x25519, ...(xWing ? xwing : []), {}, null, { keys: [] }, { keys: [null, 7] }, { keys: "x" }]) {
    assert.equal(await kindOf(mint({ ...request, key })), "unknown_key", JSON.stringify(key)?.slice(0, 60));
  }
});

test("what no proxy would accept is not made", async () => {
  const request = { key: publicKey, credential: { secret: "ghp_marked" }, aud: "api", allowed: ["GET /user"] };
  for (const [change, kind] of [
    [{ credential: { secret: "a b" } }, "credential"],
    [{ aud: "a b" }, "claims"],
    [{ allowed: undefined }, "claims"],
    [{ scopes: ["read"] }, "claims"],
    [{ sub: "a>b" }, "claims"],
    [{ expiresIn: 0 }, "claims"],
    [{ allowed: Array(999).fill("GET /user") }, "too_long"],
    [{ key: { kty: "RSA" } }, "unknown_key"],
    [{ minter: key }, "minter"],
    [{ minter: vectors.minters[0] }, "minter"],
    [{ minter: {} }, "minter"],
    [{ minter: null }, "minter"],
  ]) {
    assert.equal(await kindOf(mint({ ...request, ...change })), kind, JSON.stringify(change));
  }
  const { token } = await mint(request);
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
  for (const { name, pinned, document, accepted, refused, accepts, plans = [] } of file.cases) {
    const verifying = verifyKeySet(document, { pinned, now: file.now });
    if (refused) {
      assert.equal(await kindOf(verifying), refused, name);
      continue;
    }
    const set = await verifying;
    assert.deepEqual(await Promise.all(set.keys.map(thumbprint)), accepted.keys, name);
    assert.equal(await thumbprint(set.signer), accepted.signer, name);
    assert.deepEqual(set.accepts, accepts, name);
    if (accepted.iat) assert.equal(set.iat, accepted.iat, name);
    for (const { refused: kind = "accepted", ...plan } of plans) {
      assert.equal(await kindOf((async () => ensureAccepted(set.accepts, plan))()), kind, `${name}: ${JSON.stringify(plan)}`);
    }
  }
  assert(file.cases.length >= 52);
  // A pin without a signer is followed by no set, and is no first contact.
  const { document, pinned } = file.cases[0];
  for (const pin of [{}, { keys: [] }, { version: pinned.version }, { signer: pinned.signer }, { ...pinned, version: "0" }]) {
    assert.equal(await kindOf(verifyKeySet(document, { pinned: pin, now: file.now })), "untrusted", JSON.stringify(pin));
  }
});
