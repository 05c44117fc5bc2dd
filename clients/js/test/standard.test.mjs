// Known results of the standards: testdata/vectors/standard, whose README names the sources.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { base32, base64url, concat, fromBase32, fromBase64url, hex, hmac, utf8 } from "../src/bytes.js";
import * as ed25519 from "../src/ed25519.js";
import * as hpke from "../src/hpke.js";
import { TokenError, thumbprint } from "../src/index.js";
import { kemNamed } from "../src/kem.js";
import { signRs256 } from "../src/signed.js";
import { NEEDS_X_WING, xWing } from "../tools/x-wing.mjs";

const read = async (name) => JSON.parse(await readFile(new URL(`../../../testdata/vectors/standard/${name}.json`, import.meta.url), "utf8"));
const bytes = (text) => new Uint8Array(Buffer.from(text, "hex"));
const X25519 = 0x0020;
const AES_256_GCM = 2;

const privateKeys = {
  [X25519]: ({ skRm, pkRm }) => ({ kty: "OKP", crv: "X25519", x: base64url(bytes(pkRm)), d: base64url(bytes(skRm)) }),
  0x647a: ({ skRm, pkRm }) => ({ kty: "AKP", alg: "X-Wing", pub: base64url(bytes(pkRm)), priv: base64url(bytes(skRm)) }),
};

async function checkHpke(vector) {
  const { kem_id: number, kdf_id: kdf, aead_id: aead, info, enc } = vector;
  const kem = kemNamed(number === X25519 ? "x25519" : "x-wing", xWing);
  const key = privateKeys[number](vector);
  const shared = await kem.decapsulate(key, bytes(enc));
  assert.equal(hex(shared), vector.shared_secret);
  const suite = concat(utf8("HPKE"), new Uint8Array([number >> 8, number & 0xff, kdf >> 8, kdf & 0xff, aead >> 8, aead & 0xff]));
  const { key: cipherKey, nonce } = await hpke.schedule(suite, shared, bytes(info));
  assert.deepEqual([hex(cipherKey), hex(nonce)], [vector.key, vector.base_nonce]);
  if (aead !== AES_256_GCM) return;
  const [first] = vector.encryptions;
  const opened = await hpke.open(kem, key, bytes(info), bytes(first.aad), concat(bytes(enc), bytes(first.ct)));
  assert.equal(hex(opened), first.pt);
}

test("HPKE with X25519", async () => {
  const found = (await read("hpke")).cases.filter((vector) => vector.kem_id === X25519);
  assert(found.some((vector) => vector.kdf_id === 1 && vector.aead_id === AES_256_GCM));
  for (const vector of found) await checkHpke(vector);
});

test("HPKE with X-Wing", NEEDS_X_WING, async () => {
  const found = (await read("hpke")).cases.filter((vector) => vector.kem_id !== X25519);
  assert(found.length > 0);
  for (const vector of found) await checkHpke(vector);
});

test("X-Wing", NEEDS_X_WING, async () => {
  const { cases } = await read("x-wing");
  assert.equal(cases.length, 3);
  for (const { sk, pk, eseed, ct, ss } of cases) {
    const key = { kty: "AKP", alg: "X-Wing", pub: base64url(bytes(pk)), priv: base64url(bytes(sk)) };
    assert.equal(hex(await kemNamed("x-wing", xWing).decapsulate(key, bytes(ct))), ss);
    const { enc, shared } = await kemNamed("x-wing", { encapsulate: (to) => xWing.encapsulate(to, bytes(eseed)) }).encapsulate(key);
    assert.deepEqual([hex(enc), hex(shared)], [ct, ss]);
  }
});

test("what is no X-Wing seals nothing", async () => {
  const key = { kty: "AKP", alg: "X-Wing", pub: base64url(new Uint8Array(1216)), priv: base64url(new Uint8Array(32)) };
  const right = { cipherText: new Uint8Array(1120), sharedSecret: new Uint8Array(32) };
  for (const wrong of [{}, { cipherText: new Uint8Array(1088) }, { sharedSecret: new Uint8Array(31) }, { sharedSecret: "0".repeat(32) }]) {
    const given = Object.keys(wrong).length ? { ...right, ...wrong } : wrong;
    await assert.rejects(kemNamed("x-wing", { encapsulate: () => given }).encapsulate(key), TokenError);
    if (given.sharedSecret === right.sharedSecret) continue;
    await assert.rejects(kemNamed("x-wing", { decapsulate: () => given.sharedSecret }).decapsulate(key, right.cipherText), TokenError);
  }
});

/** u-coordinates of low order (RFC 7748 section 6.1), little-endian; the agreement with each is all zeros. */
const LOW_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

test("what is sealed to everybody opens for nobody", async () => {
  const [{ skRm, pkRm }] = (await read("hpke")).cases;
  const key = privateKeys[X25519]({ skRm, pkRm });
  const suite = concat(utf8("KEM"), new Uint8Array([0, 0x20]));
  for (const point of LOW_ORDER) {
    const enc = bytes(point);
    const secret = await hpke.labeledExtract(suite, new Uint8Array(), "eae_prk", new Uint8Array(32));
    const shared = await hpke.labeledExpand(suite, secret, "shared_secret", concat(enc, bytes(pkRm)), 32);
    const known = { ...kemNamed("x25519"), encapsulate: async () => ({ enc, shared }), decapsulate: async () => shared };
    const sealed = await hpke.seal(known, key, utf8("info"), utf8("aad"), utf8("secret"));
    assert.equal(Buffer.from(await hpke.open(known, key, utf8("info"), utf8("aad"), sealed)).toString(), "secret");
    await assert.rejects(hpke.open(kemNamed("x25519"), key, utf8("info"), utf8("aad"), sealed), point);
  }
});

test("Ed25519", async () => {
  const { cases } = await read("ed25519");
  assert(cases.length >= 4);
  for (const { secret, public: x, message, signature } of cases) {
    const jwk = { kty: "OKP", crv: "Ed25519", x: base64url(bytes(x)), d: base64url(bytes(secret)) };
    assert.equal(hex(await ed25519.sign(jwk, bytes(message))), signature);
    assert(await ed25519.verify(jwk, bytes(message), bytes(signature)));
    const malleable = concat(bytes(signature).slice(0, 32), plusOrder(bytes(signature).slice(32)));
    for (const wrong of [malleable, bytes(signature).slice(0, 63), concat(bytes(signature), new Uint8Array(1)), new Uint8Array(64)]) {
      assert.equal(await ed25519.verify(jwk, bytes(message), wrong), false);
    }
  }
});

/** Returns S plus the group's order, out of range by RFC 8032 section 5.1.7. */
function plusOrder(s) {
  const order = (1n << 252n) + 27742317777372353535851937790883648493n;
  const sum = BigInt(`0x${hex(s.toReversed())}`) + order;
  return bytes(sum.toString(16).padStart(64, "0")).toReversed();
}

test("RFC 8037: a key's thumbprint, and a JWS", async () => {
  const { key, thumbprint: expected, jws } = (await read("jose")).ed25519;
  assert.equal(await thumbprint(key), expected);
  const at = jws.lastIndexOf(".");
  assert.equal(base64url(await ed25519.sign(key, utf8(jws.slice(0, at)))), jws.slice(at + 1));
  assert(await ed25519.verify(key, utf8(jws.slice(0, at)), fromBase64url(jws.slice(at + 1))));
});

test("RFC 7515 and 7520: JWS with RS256", async () => {
  for (const { key, jws } of (await read("jose")).signatures) {
    const at = jws.lastIndexOf(".");
    assert.equal(base64url(await signRs256(key, utf8(jws.slice(0, at)))), jws.slice(at + 1));
  }
});

test("RFC 4648 section 10: base32, base64", () => {
  const texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
  const expected = ["", "my", "mzxq", "mzxw6", "mzxw6yq", "mzxw6ytb", "mzxw6ytboi"];
  assert.deepEqual(texts.map((text) => base32(utf8(text))), expected);
  assert.deepEqual(expected.map((text) => Buffer.from(fromBase32(text)).toString()), texts);
  assert.deepEqual(texts.map((text) => base64url(utf8(text))), ["", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"]);
});

test("RFC 4231: HMAC-SHA256", async () => {
  const tag = async (key, message) => hex(await hmac(key, message));
  assert.equal(await tag(new Uint8Array(20).fill(0x0b), utf8("Hi There")), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  assert.equal(await tag(utf8("Jefe"), utf8("what do ya want for nothing?")), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
});
