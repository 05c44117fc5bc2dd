// Keys: JWKs and their thumbprints (RFC 7517, 7638, 8037), and a proxy's public keys.

import { base64url, sha256, utf8 } from "./bytes.js";
import { TokenError } from "./form.js";
import { kemOf } from "./kem.js";
import { verifyKeySet } from "./keyset.js";

/** Returns the thumbprint of a key: RFC 7638. @param {JsonWebKey & {pub?: string}} jwk */
export async function thumbprint(jwk) {
  const members = {
    OKP: () => ({ crv: jwk.crv, kty: jwk.kty, x: jwk.x }),
    AKP: () => ({ alg: jwk.alg, kty: jwk.kty, pub: jwk.pub }),
    RSA: () => ({ e: jwk.e, kty: jwk.kty, n: jwk.n }),
  }[jwk.kty];
  if (!members) throw new TokenError("unknown_key", "a key of an unknown kind");
  return base64url(await sha256(utf8(JSON.stringify(members()))));
}

/**
 * Chooses the key to seal to: the first key of the requested KEM. Without a requested KEM, the
 * first key of X25519, or of X-Wing if X25519 is not published or not accepted.
 * @param {object} key JWK or JWK Set
 * @param {string | undefined} kem @param {(kem: string) => boolean} isAccepted
 */
export function chooseKey(key, kem, isAccepted) {
  const keys = (Array.isArray(key?.keys) ? key.keys : [key]).filter(Boolean);
  const first = (name) => keys.find((jwk) => kemOf(jwk) === name);
  const named = ["x25519", "x-wing"].filter(first);
  const found = first(kem ?? named.find(isAccepted) ?? named[0]);
  if (!found) throw new TokenError("unknown_key", `there is no ${kem ?? "X25519 or X-Wing"} key`);
  return found;
}

/**
 * Fetches the key set of a proxy, and verifies a signed set: see `index.d.ts`.
 * @param {string} proxy
 * @param {{ pinned?: object | null, now?: number }} options
 */
export async function fetchKeys(proxy, options = {}) {
  const url = new URL(`${proxy.replace(/\/+$/, "")}/__magictoken/keys`);
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol !== "https:" && !local) throw new Error("over plain http anyone on the way could give another key");
  const response = await fetch(url, { redirect: "error", credentials: "omit" });
  if (!response.ok) throw new Error(`the proxy answered ${response.status}`);
  const document = await response.text();
  try {
    return await verifyKeySet(document, options);
  } catch (error) {
    // A proxy that signs no set has nothing to pin except the keys.
    if (error.kind === "unsigned" && !options.pinned) return JSON.parse(document);
    throw error;
  }
}
