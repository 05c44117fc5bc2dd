// The two KEMs of sealed tokens: token-v2.md section 3. X25519 comes from WebCrypto, X-Wing from
// the calling program.

import { concat, fromBase64url, utf8 } from "./bytes.js";
import { TokenError } from "./form.js";
import { labeledExpand, labeledExtract } from "./hpke.js";

/**
 * @typedef {object} Kem
 * @property {number[]} number two bytes: its number at IANA
 * @property {number} encBytes bytes of an encapsulated key
 * @property {(jwk: object) => Promise<{ enc: Uint8Array, shared: Uint8Array }>} encapsulate
 * @property {(jwk: object, enc: Uint8Array) => Promise<Uint8Array>} decapsulate
 */

/** Returns the name of the KEM of a key, or null. */
export function kemOf(jwk) {
  if (jwk.kty === "OKP" && jwk.crv === "X25519") return "x25519";
  return jwk.kty === "AKP" && jwk.alg === "X-Wing" ? "x-wing" : null;
}

/**
 * True for a public key of a KEM with the right number of bytes. A key set may hold other keys, for
 * other readers.
 */
export function isSealingKey(jwk) {
  if (typeof jwk !== "object" || jwk === null) return false;
  const lengths = { x25519: ["x", 32], "x-wing": ["pub", 1216] };
  const [member, length] = lengths[kemOf(jwk)] ?? [];
  return typeof jwk[member] === "string" && fromBase64url(jwk[member])?.length === length;
}

/**
 * Returns the KEM of a name.
 * @param {string} name @param {import("./index.js").XWing | undefined} xWing @returns {Kem}
 */
export function kemNamed(name, xWing) {
  if (name === "x25519") return X25519;
  if (!xWing) throw new TokenError("unsupported", "X-Wing needs an implementation, given as `xWing`: WebCrypto has none everywhere. README.md names one");
  return xWingOf(xWing);
}

/** Returns the bytes of a member of a key. Throws for another number of bytes. */
function bytesOf(jwk, member, length) {
  const bytes = typeof jwk[member] === "string" ? fromBase64url(jwk[member]) : null;
  if (bytes?.length !== length) throw new TokenError("unknown_key", `a key whose \`${member}\` is not ${length} bytes`);
  return bytes;
}

const DHKEM = concat(utf8("KEM"), new Uint8Array([0x00, 0x20]));
const importPublic = (bytes) => crypto.subtle.importKey("raw", bytes, { name: "X25519" }, true, []);

/** DHKEM(X25519, HKDF-SHA256). @type {Kem} */
const X25519 = {
  number: [0x00, 0x20],
  encBytes: 32,

  async encapsulate(jwk) {
    const recipient = bytesOf(jwk, "x", 32);
    const pair = await crypto.subtle.generateKey({ name: "X25519" }, true, ["deriveBits"]);
    const enc = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    return { enc, shared: await agree(pair.privateKey, await importPublic(recipient), enc, recipient) };
  },

  async decapsulate(jwk, enc) {
    const { kty, crv, x, d } = jwk;
    const privateKey = await crypto.subtle.importKey("jwk", { kty, crv, x, d }, { name: "X25519" }, false, ["deriveBits"]);
    return agree(privateKey, await importPublic(enc), enc, bytesOf(jwk, "x", 32));
  },
};

async function agree(privateKey, publicKey, enc, recipient) {
  const agreed = new Uint8Array(await crypto.subtle.deriveBits({ name: "X25519", public: publicKey }, privateKey, 256));
  // RFC 9180 section 7.1.4: an agreement with a public key of low order is no secret.
  if (agreed.every((byte) => byte === 0)) throw new Error("no agreement");
  const secret = await labeledExtract(DHKEM, new Uint8Array(), "eae_prk", agreed);
  return labeledExpand(DHKEM, secret, "shared_secret", concat(enc, recipient), 32);
}

/**
 * Returns X-Wing, computed by the given implementation. The implementation's results are checked:
 * bytes of another length are refused.
 * @returns {Kem}
 */
const xWingOf = (xWing) => ({
  number: [0x64, 0x7a],
  encBytes: 1120,

  async encapsulate(jwk) {
    const { cipherText, sharedSecret } = await xWing.encapsulate(bytesOf(jwk, "pub", 1216));
    return { enc: ensured(cipherText, this.encBytes), shared: ensured(sharedSecret, 32) };
  },

  async decapsulate(jwk, enc) {
    return ensured(await xWing.decapsulate(enc, bytesOf(jwk, "priv", 32)), 32);
  },
});

function ensured(bytes, length) {
  if (!(bytes instanceof Uint8Array) || bytes.length !== length) throw new TokenError("unsupported", "what was given as `xWing` is no X-Wing");
  return bytes;
}
