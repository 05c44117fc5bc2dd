// Tests of a token's form: the accepted spelling of each part, and a writer's spelling.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { base32, base64url, fromBase32, hmac, utf8 } from "../src/bytes.js";
import { TokenError, armoured, inspect, mint, narrow, open, sizeWarnings } from "../src/index.js";
import { JsonError, parseForeignObject, parseObject, withEscapes } from "../src/json.js";

const vectors = JSON.parse(await readFile(new URL("../../../testdata/vectors/token-v2.json", import.meta.url), "utf8"));
const [key] = vectors.keys;
const [minter] = vectors.minter_keys;
const request = { key: { kty: key.kty, crv: key.crv, x: key.x }, credential: { secret: "marked" }, aud: "api", allowed: "GET /a", now: 1_000 };
const parts = async () => (await narrow((await mint({ ...request, minter })).token, { sub: "agent" })).slice(4).split(".");
const [CLAIMS, SEALED, SIGNATURE, CAVEAT, TAG] = [0, 1, 2, 3, 4];
/** A character of each kind that base64url spells with `-` or `_`, and the neighbours of each. */
const MARKS = [">", "?", "~", "\u007f", "\u0080", "é", "Ā", "€", "\ufeff", "\uffff", "\u{10000}", "😀", "\u{10ffff}", "=", "@", "}", "!"];

/** The same characters from four places on, so that each stands at each place of a base64url group. */
const shifted = (text) => ["", "a", "aa", "aaa"].map((before) => before + text);

function kindOf(action) {
  try {
    action();
    return "accepted";
  } catch (error) {
    assert(error instanceof TokenError, error);
    return error.kind;
  }
}

test("whatever stands in claims and caveats, a token has letters, digits and dots alone", async () => {
  for (const text of [...MARKS, MARKS.join(""), "?>~".repeat(40)].flatMap(shifted)) {
    const rules = [`GET /${text}`];
    const { token } = await mint({ ...request, minter, allowed: rules });
    const narrowed = await narrow(token, { allowed: rules });
    const exact = await narrow(token, JSON.stringify({ allowed: rules }));
    assert.match(narrowed, /^mt2_eyJ[A-Za-z0-9]+\.[a-z2-7]+\.[a-z2-7]{103}\.eyJ[A-Za-z0-9]+\.[a-z2-7]{51}[aq]$/);
    assert.equal(exact, narrowed);
    const { claims, caveats } = inspect(narrowed);
    assert.deepEqual([claims.allowed, caveats[0].allowed], [rules, rules], JSON.stringify(text));
  }
});

test("escapes are the specification's", async () => {
  const { token } = await mint(request);
  const [, , , part] = (await narrow(token, '{"allowed":["GET /a?"]}')).split(/[_.]/);
  assert.equal(part, "eyJhbGxvd2VkIjpbIkdFVCAvYVx1MDAzZiJdfQ");
  assert.equal(withEscapes('"~\u007f😀"'), '"\\u007e\\u007f\\ud83d\\ude00"');
  await assert.rejects(mint({ ...request, allowed: ["GET /\ud800"] }), (error) => error.kind === "claims");
  // A text that is not JSON does not become JSON by escapes.
  for (const caveat of ['{"sub":"a\\?"}', '{"sub":"a\\~"}', '{"sub":"a"}~', '{?"sub":"a"}', "?", '{"sub":"a"}é', '{"allowed":["GET /\ud800"]}']) {
    await assert.rejects(narrow(token, caveat), (error) => error.kind === "caveat", caveat);
  }
});

test("a reader needs no escape where the alphabet holds", async () => {
  const { token } = await mint(request);
  const [kept, tag] = [token.slice(0, token.lastIndexOf(".")), fromBase32(token.slice(token.lastIndexOf(".") + 1))];
  const withPart = async (part) => `${kept}.${part}.${base32(await hmac(tag, utf8(part)))}`;
  for (const [part, expected] of [
    ["eyJhbGxvd2VkIjpbIkdFVCAvYT8iXX0", "accepted"],
    ["eyJhbGxvd2VkIjpbIkdFVCAvYWE_Il19", "malformed"],
    [base64url(utf8('{"allowed":["GET /aaé"]}')), "accepted"],
    [base64url(utf8('{"allowed":["GET /aa~"]}')), "malformed"],
  ]) {
    const read = await withPart(part);
    assert.equal(kindOf(() => inspect(read)), expected, part);
  }
});

test("each part has one spelling", async () => {
  const whole = await parts();
  const token = (at, part) => `mt2_${whole.with(at, part).join(".")}`;
  const read = (text) => kindOf(() => inspect(text));
  assert.equal(read(`mt2_${whole.join(".")}`), "accepted");
  for (const at of [CLAIMS, SEALED, SIGNATURE, CAVEAT, TAG]) {
    const part = whole[at];
    for (const wrong of ["", `${part}=`, `${part}\n`, ` ${part}`, `${part}-`, `-${part}`, `_${part}`, `${part.slice(0, 9)}é${part.slice(10)}`]) {
      assert.equal(read(token(at, wrong)), "malformed", `${at}: ${wrong}`);
    }
  }
  for (const at of [SEALED, SIGNATURE, TAG]) {
    const part = whole[at];
    const replaced = (character) => part.slice(0, 7) + character + part.slice(8);
    for (const wrong of [part.toUpperCase(), ...[..."0189A"].map(replaced), part.slice(0, -(part.length % 8)) + "a", part.slice(0, -(part.length % 8)) + "aaa"]) {
      assert.equal(read(token(at, wrong)), "malformed", `${at}: ${wrong}`);
    }
    // The last characters of the same part with other unused bits.
    const others = [..."abcdefghijklmnopqrstuvwxyz234567"].map((last) => part.slice(0, -1) + last).filter((text) => fromBase32(text) === null);
    assert.equal(others.length, 32 - 2 ** (5 - ((part.length * 5) % 8)), `${at}`);
    for (const wrong of others) assert.equal(read(token(at, wrong)), "malformed");
  }
  assert.equal(read(token(TAG, base32(new Uint8Array(31)))), "malformed");
  // The length of the signature depends on the minter's key, not on the form.
  for (const length of [1, 63, 65, 2420, 3309]) assert.equal(read(token(SIGNATURE, base32(new Uint8Array(length)))), "accepted", `${length}`);
});

test("what is no sealed token is told apart", async () => {
  const body = (await parts()).join(".");
  for (const [text, words] of [
    [`mt2.${body}`, /`mt2\.`.*`mt2_`/],
    [`mt1_${body}`, /version 1/],
    [body, /version 1/],
    [` mt2_${body}`, /`mt2_…`/],
    ["", /`mt2_…`/],
    ["mt2_", /too few parts/],
    [`mt2_${body} `, /only letters, digits/],
  ]) {
    assert.throws(() => inspect(text), (error) => error.kind === "malformed" && words.test(error.message), text.slice(0, 8));
  }
  assert.equal(kindOf(() => inspect(`mt2_${"é".repeat(5_000)}`)), "too_long");
});

test("the armoured spelling of version 1", async () => {
  const { cases } = JSON.parse(await readFile(new URL("../../../testdata/vectors/token-v1-armour.json", import.meta.url), "utf8"));
  const tokens = cases.filter(({ token }) => token !== undefined);
  assert(tokens.length >= 3);
  for (const { name, token, armoured: expected } of tokens) assert.equal(armoured(token), expected, name);
  for (const other of ["", "mt1_eyJ.ab.c", "mt2_eyJ.ab.c", "eyJ.ab.c ", "eyJ.ab.c=", "eyJ.ab.é", "eyJ.ab.c\n"]) {
    assert.equal(kindOf(() => armoured(other)), "malformed", other);
  }
});

test("long tokens are told, twice", async () => {
  assert.deepEqual((await mint(request)).warnings, []);
  const of = (length) => sizeWarnings("a".repeat(length));
  assert.deepEqual([of(4095), of(4096).length, of(7500).length], [[], 1, 1]);
  assert.notEqual(of(7499)[0].replace("7499", "7500"), of(7500)[0]);
  const { token, warnings } = await mint({ ...request, allowed: Array.from({ length: 200 }, (_, at) => `GET /repos/${at}`) });
  assert.deepEqual(warnings, sizeWarnings(token));
  assert.equal(warnings.length, 1);
});

test("JSON nests as deep as it likes, and is refused", async () => {
  const { token } = await mint(request);
  for (const depth of [7, 100, 1_000, 5_000]) {
    const json = `{"x":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    assert.equal(kindOf(() => inspect(`mt2_${base64url(utf8(json))}${token.slice(token.indexOf("."))}`)), depth < 5_000 ? "claims" : "too_long");
    await assert.rejects(narrow(token, json), (error) => error.kind === "caveat");
  }
  for (const depth of [127, 1_000, 100_000]) {
    assert.throws(() => parseForeignObject(`{"x":${"[".repeat(depth)}${"]".repeat(depth)}}`), JsonError, `${depth}`);
  }
  parseForeignObject(`{"x":${"[".repeat(16)}${"]".repeat(16)}}`);
});

test("members that are not known hold any JSON", () => {
  const read = parseForeignObject('{"a":[null,-1,1.5,1e9,123456789012345678901234567890],"b":{"c":null},"d":7,"e":true,"f":-0,"g":0}');
  assert.deepEqual({ ...read, b: null }, { a: [null, NaN, NaN, NaN, NaN], b: null, d: 7, e: true, f: NaN, g: 0 });
  for (const text of ['{"a":NaN}', '{"a":01}', '{"a":+1}', '{"a":.5}', '{"a":1.}', '{"a":nul}', '{"a":nullx}', '{"a":null,"a":1}', '{"a":"\\ud800"}', '{"a":1 2}', '{"a":Infinity}']) {
    assert.throws(() => parseForeignObject(text), JsonError, text);
  }
});

test("numbers are those of I-JSON", () => {
  assert.equal(parseObject('{"a":9007199254740991}').a, 9007199254740991);
  for (const number of ["9007199254740992", "18446744073709551616", "1.0", "1e3", "-1", "01"]) assert.throws(() => parseObject(`{"a":${number}}`));
});

test("where a token was made of another one is read", async () => {
  const { token } = await mint(request);
  const from = { chain: "0123456789abcdef".repeat(2), owner: "0".repeat(64), kid: key.kid };
  const narrowed = await narrow(token, { from });
  assert.deepEqual(JSON.parse(JSON.stringify(inspect(narrowed).caveats)), [{ from }]);
  await open(narrowed, { keys: [key], now: 1_000, denyKid: ["another"] });
  const other = await narrow(token, { from: { ...from, kid: "A".repeat(43) } });
  await assert.rejects(open(other, { keys: [key], now: 1_000, denyKid: ["A".repeat(43)] }), (error) => error.kind === "unknown_key");
  for (const wrong of [{}, { ...from, jti: "x" }, { chain: from.chain }, { ...from, chain: "ABCD".repeat(8) }, { ...from, owner: "0" }, { ...from, kid: `${"A".repeat(42)}=` }, "x", []]) {
    await assert.rejects(narrow(token, { from: wrong }), (error) => error.kind === "caveat", JSON.stringify(wrong));
  }
});

test("the first label is no dash", async () => {
  await assert.rejects(mint({ ...request, sub: "-" }), (error) => error.kind === "claims");
  const { token } = await mint({ ...request, sub: "--" });
  assert.deepEqual(inspect(await narrow(token, { sub: "-" })).labels, ["--", "-"]);
});
