// Tests of secrets as written: the shared vectors, and the secrets in new tokens.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { newCredential, writtenSecret } from "../src/credential.js";
import { TokenError, mint } from "../src/index.js";

const read = async (name) => JSON.parse(await readFile(new URL(`../../../testdata/vectors/${name}.json`, import.meta.url), "utf8"));
const vectors = await read("secret");
const { kty, crv, x } = (await read("token-v2")).keys[0];

/** A part of the message of each fault. */
const WORDS = { empty: "is empty", lines: "several lines", quoted: "in quotes", blank: "a blank", control: "a control", invisible: "cannot be seen" };

test("the vectors of secrets", () => {
  for (const [text, secret] of vectors.read) assert.equal(writtenSecret(text), secret, JSON.stringify(text));
  for (const [text, fault] of vectors.refused) {
    assert.throws(
      () => writtenSecret(text),
      (error) => error instanceof TokenError && error.kind === "credential" && error.message.includes(WORDS[fault]) && !error.message.includes("marked"),
      JSON.stringify(text),
    );
  }
});

test("every form of a credential is read so", async () => {
  const forms = (text) => [
    { secret: text },
    { bearer: text },
    { basic: ["user", text] },
    { basic: [text, ""] },
    { header: ["x-key", text] },
    { several: [{ bearer: text }, { header: ["x-key", text] }] },
  ];
  for (const [at, form] of forms("\ufeffmarked\r\n").entries()) assert.deepEqual(newCredential(form), forms("marked")[at]);
  for (const credential of forms('"marked"')) {
    await assert.rejects(mint({ key: { kty, crv, x }, credential, aud: "api", allowed: "GET /a" }), (error) => /in quotes/.test(error.message) && !/marked/.test(error.message));
  }
});
