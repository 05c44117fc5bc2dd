// The tokens that a proxy accepts, as the proxy itself says: token-v2.md section 7.3.

import { MAX_LIFETIME, TokenError } from "./form.js";

const VERSIONS = ["v1", "v2"];
const KEMS = ["x25519", "x-wing"];

/**
 * Reads the known members of `accepts`. Throws `malformed` for a value of another form.
 * @returns {import("./index.js").Accepts}
 */
export function readAccepts(value) {
  const { versions, kems, minters, max_lifetime: maxLifetime } = value ?? {};
  const isTexts = (list) => Array.isArray(list) && list.every((text) => typeof text === "string");
  const isLifetime = Number.isSafeInteger(maxLifetime) && maxLifetime >= 1 && maxLifetime <= MAX_LIFETIME;
  if (!isTexts(versions) || !isTexts(kems) || !isLifetime || !(minters === undefined || isTexts(minters))) {
    throw new TokenError("malformed", "what the proxy says that it accepts is not understood here");
  }
  // Names of later versions are ignored.
  const read = { versions: versions.filter((name) => VERSIONS.includes(name)), kems: kems.filter((name) => KEMS.includes(name)) };
  return { ...read, ...(minters && { minters }), max_lifetime: maxLifetime };
}

/**
 * Throws a `TokenError` if the proxy would not accept the token about to be minted.
 * @param {import("./index.js").Accepts} accepts
 * @param {{ kem: string, minter?: string, lifetime: number }} plan `minter` is a thumbprint
 */
export function ensureAccepted(accepts, { kem, minter, lifetime }) {
  if (!accepts.versions.includes("v2")) throw new TokenError("version", "the proxy accepts no sealed tokens (version 2)");
  if (!accepts.kems.includes(kem)) {
    throw new TokenError("kem", `the proxy accepts no tokens sealed with \`${kem}\`: expected ${accepts.kems.join(" or ") || "none at all"}`);
  }
  if (accepts.minters && !accepts.minters.includes(minter)) {
    const fault = minter ? `the key ${minter} is none of the minters that the proxy lists` : "the proxy accepts tokens of listed minters alone: give a `minter`";
    throw new TokenError("minter", fault);
  }
  if (lifetime > accepts.max_lifetime) {
    throw new TokenError("lifetime", `the proxy accepts tokens that live for at most ${accepts.max_lifetime} seconds, and this one would live for ${lifetime}`);
  }
}
