// Keys: JWKs and their thumbprints (RFC 7517, 7638, 8037), and a proxy's public keys.

import { base64url, fromBase64url, sha256, utf8 } from "./bytes.js";
import { TokenError } from "./form.js";
import { verifyKeySet } from "./keyset.js";

/** RFC 7638. @param {JsonWebKey & {pub?: string}} jwk */
export async function thumbprint(jwk) {
  const members = {
    OKP: () => ({ crv: jwk.crv, kty: jwk.kty, x: jwk.x }),
    AKP: () => ({ alg: jwk.alg, kty: jwk.kty, pub: jwk.pub }),
    RSA: () => ({ e: jwk.e, kty: jwk.kty, n: jwk.n }),
  }[jwk.kty];
  if (!members) throw new TokenError("unknown_key", "a key of an unknown kind");
  return base64url(await sha256(utf8(JSON.stringify(members()))));
}

/** The KEM that a key is for, or null. */
export function kemOf(jwk) {
  if (jwk.kty === "OKP" && jwk.crv === "X25519") return "x25519";
  return jwk.kty === "AKP" && jwk.alg === "X-Wing" ? "x-wing" : null;
}

/** The bytes of an X25519 public key. */
export function publicBytes(jwk) {
  const bytes = fromBase64url(jwk.x ?? "");
  if (bytes?.length !== 32) throw new TokenError("unknown_key", "not an X25519 key");
  return bytes;
}

/** The preferred key of a JWK or a JWK Set that this library can seal to. */
export function chooseKey(key) {
  const found = (Array.isArray(key?.keys) ? key.keys : [key]).find((jwk) => jwk && kemOf(jwk) === "x25519");
  if (!found) throw new TokenError("unknown_key", "there is no X25519 key: WebCrypto cannot seal to X-Wing");
  return found;
}

/**
 * The key set of a proxy, verified where it is signed: see `index.d.ts`.
 * @param {string} proxy
 * @param {{ pinned?: object | null, now?: number }} options
 */
export async function fetchKeys(proxy, options = {}) {
  const url = new URL(`${proxy.replace(/\/+$/, "")}/__magictoken/keys`);
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol !== "https:" && !local) throw new Error("over plain http anyone on the way could give another key");
  const answer = await fetch(url, { redirect: "error", credentials: "omit" });
  if (!answer.ok) throw new Error(`the proxy answered ${answer.status}`);
  const document = await answer.text();
  try {
    return await verifyKeySet(document, options);
  } catch (error) {
    // Of a proxy that signs no set there is nothing to pin but its keys.
    if (error.kind === "unsigned" && !options.pinned) return JSON.parse(document);
    throw error;
  }
}
