// Ed25519 (RFC 8032) with keys as JWKs (RFC 8037): minters' signatures, and those of key sets.

const ALGORITHM = { name: "Ed25519" };

/** True for a private key of this algorithm. @param {object} jwk */
export const isSigningKey = (jwk) => jwk?.kty === "OKP" && jwk.crv === "Ed25519" && typeof jwk.d === "string";

/**
 * Signs with a private key.
 * @param {object} jwk the private key @param {Uint8Array} message
 */
export async function sign({ kty, crv, x, d }, message) {
  const key = await crypto.subtle.importKey("jwk", { kty, crv, x, d }, ALGORITHM, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign(ALGORITHM, key, message));
}

/**
 * True if the signature is the key's. False for a key of another kind, and for a signature of
 * another length.
 * @param {object} jwk @param {Uint8Array} message @param {Uint8Array} signature
 */
export async function verify({ kty, crv, x }, message, signature) {
  if (kty !== "OKP" || crv !== "Ed25519") return false;
  const key = await crypto.subtle.importKey("jwk", { kty, crv, x }, ALGORITHM, false, ["verify"]);
  return crypto.subtle.verify(ALGORITHM, key, signature, message);
}
