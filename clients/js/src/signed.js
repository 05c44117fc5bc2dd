// Tokens of version 1: signed with the proxy's private key, with the credential as a JWE.
// token-v1.md.

import { base64url, concat, random, utf8 } from "./bytes.js";
import { checkConditions } from "./conditions.js";
import { writtenSecret } from "./credential.js";
import { TokenError, isFirstLabel, isRules } from "./form.js";
import { thumbprint } from "./keys.js";
import { listed, seconds, signedRules } from "./short_forms.js";
import { sizeWarnings } from "./size.js";

const JWE_HEADER = base64url(utf8('{"alg":"RSA-OAEP-256","enc":"A256GCM"}'));
const RS256 = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
const MAX_BYTES = 16384;

/** See `index.d.ts`. */
export async function mintV1({ privateKey, credential: written, aud, sub, explain, now = Math.floor(Date.now() / 1000), ...request }) {
  const [allowed, scopes, expiresIn] = [signedRules(listed(request.allowed)), listed(request.scopes), seconds(request.expiresIn ?? 86400)];
  const credential = typeof written === "string" ? writtenSecret(written) : written;
  if (typeof credential !== "string" || !/^[!-~]{1,8192}$/.test(credential)) throw new TokenError("credential", "not a credential");
  if ((allowed === undefined) === (scopes === undefined)) throw new TokenError("claims", "exactly one of allowed and scopes is needed");
  checkConditions(allowed);
  if (allowed !== undefined && !isRules(allowed)) throw new TokenError("claims", 'the member "allowed" is not accepted');
  if (sub !== undefined && !isFirstLabel(sub)) throw new TokenError("claims", "not a label: sub");
  const jwk = await privateJwk(privateKey);
  const { kty, n, e } = jwk;
  const header = { typ: "JWT", alg: "RS256", kid: await thumbprint(jwk) };
  const jti = base64url(random(16));
  // The Python program cannot open a JWE. It must not open such a token, because it would ignore
  // `aud`. token-v1.md section 5.2.
  const claims = { iat: now, exp: now + expiresIn, sealed: await jwe({ kty, n, e }, utf8(credential)), allowed, scopes: scopes ?? null, jti, aud, sub };
  if (explain) claims.explain = true;
  const signed = `${base64url(utf8(JSON.stringify(header)))}.${base64url(utf8(JSON.stringify(claims)))}`;
  const token = `${signed}.${base64url(await signRs256(jwk, utf8(signed)))}`;
  if (token.length > MAX_BYTES) throw new TokenError("too_long");
  return { token, id: jti, warnings: sizeWarnings(token) };
}

/** See `index.d.ts`; token-v1.md section 1.1. */
export function armoured(token) {
  if (!/^[A-Za-z0-9._-]+$/.test(token) || /^mt[12]_/.test(token)) throw new TokenError("malformed", "expected a token of version 1, `eyJ…`; no other has an armour");
  const marks = { z: "z0", "-": "z1", _: "z2" };
  return `mt1_${token.replace(/[z_-]/g, (mark) => marks[mark])}`;
}

/**
 * Signs with RS256 (RFC 7518 section 3.3).
 * @param {object} jwk the private key @param {Uint8Array} message
 */
export async function signRs256(jwk, message) {
  const signer = await crypto.subtle.importKey("jwk", { ...jwk, alg: undefined, key_ops: undefined }, RS256, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign(RS256, signer, message));
}

/** Reads a private key from PKCS#8 in PEM, or returns a JWK. */
async function privateJwk(key) {
  if (typeof key !== "string") return key;
  const body = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/.exec(key);
  if (!body) throw new TokenError("unknown_key", "expected a PRIVATE KEY in PEM");
  const der = Uint8Array.from(atob(body[1].replace(/\s/g, "")), (character) => character.charCodeAt(0));
  const imported = await crypto.subtle.importKey("pkcs8", der, RS256, true, ["sign"]);
  return crypto.subtle.exportKey("jwk", imported);
}

/** Encrypts as a JWE in compact serialisation, RFC 7516. */
async function jwe(publicJwk, plaintext) {
  const recipient = await crypto.subtle.importKey("jwk", publicJwk, { name: "RSA-OAEP", hash: "SHA-256" }, false, ["encrypt"]);
  const [contentKey, iv] = [random(32), random(12)];
  const encryptedKey = new Uint8Array(await crypto.subtle.encrypt({ name: "RSA-OAEP" }, recipient, contentKey));
  const cipher = await crypto.subtle.importKey("raw", contentKey, "AES-GCM", false, ["encrypt"]);
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: utf8(JWE_HEADER) }, cipher, plaintext));
  const [text, tag] = [sealed.slice(0, -16), sealed.slice(-16)];
  return [JWE_HEADER, ...[encryptedKey, iv, concat(text), tag].map(base64url)].join(".");
}
