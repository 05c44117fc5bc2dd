// HPKE (RFC 9180) single-shot, mode base, HKDF-SHA256, AES-256-GCM: token-v2.md section 3.

import { concat, hmac, utf8 } from "./bytes.js";

const VERSION = utf8("HPKE-v1");
const NOTHING = new Uint8Array();
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
/** The numbers of HKDF-SHA256 and AES-256-GCM. */
const KDF_AND_AEAD = [0x00, 0x01, 0x00, 0x02];

/**
 * `LabeledExtract` of RFC 9180 section 4. An empty salt equals a salt of zeros (RFC 5869 section
 * 2.2), and WebCrypto needs a salt.
 */
export const labeledExtract = (suite, salt, label, input) =>
  hmac(salt.length ? salt : new Uint8Array(32), concat(VERSION, suite, utf8(label), input));

/** `LabeledExpand` of RFC 9180 section 4, for at most 32 bytes, so that one block suffices. */
export async function labeledExpand(suite, secret, label, info, length) {
  const labeled = concat(new Uint8Array([0, length]), VERSION, suite, utf8(label), info, new Uint8Array([1]));
  return (await hmac(secret, labeled)).slice(0, length);
}

/**
 * Derives the key and the nonce of the first message: RFC 9180 section 5.1.
 * @param {Uint8Array} suite `HPKE` and the numbers of KEM, KDF and AEAD
 * @param {Uint8Array} shared @param {Uint8Array} info
 */
export async function schedule(suite, shared, info) {
  const context = concat(
    new Uint8Array([0]),
    await labeledExtract(suite, NOTHING, "psk_id_hash", NOTHING),
    await labeledExtract(suite, NOTHING, "info_hash", info),
  );
  const secret = await labeledExtract(suite, shared, "secret", NOTHING);
  const key = await labeledExpand(suite, secret, "key", context, KEY_BYTES);
  return { key, nonce: await labeledExpand(suite, secret, "base_nonce", context, NONCE_BYTES) };
}

async function cipher(kem, shared, info, aad, usage) {
  const { key, nonce } = await schedule(concat(utf8("HPKE"), new Uint8Array([...kem.number, ...KDF_AND_AEAD])), shared, info);
  return [{ name: "AES-GCM", iv: nonce, additionalData: aad }, await crypto.subtle.importKey("raw", key, "AES-GCM", false, [usage])];
}

/**
 * Seals a plaintext. Returns `enc` and the ciphertext behind it.
 * @param {import("./kem.js").Kem} kem
 * @param {object} jwk the recipient's public key
 * @param {Uint8Array} info @param {Uint8Array} aad @param {Uint8Array} plaintext
 */
export async function seal(kem, jwk, info, aad, plaintext) {
  const { enc, shared } = await kem.encapsulate(jwk);
  return concat(enc, new Uint8Array(await crypto.subtle.encrypt(...(await cipher(kem, shared, info, aad, "encrypt")), plaintext)));
}

/**
 * Returns the plaintext. Throws if the seal does not open.
 * @param {import("./kem.js").Kem} kem
 * @param {object} jwk the recipient's private key
 * @param {Uint8Array} info @param {Uint8Array} aad @param {Uint8Array} sealed
 */
export async function open(kem, jwk, info, aad, sealed) {
  const shared = await kem.decapsulate(jwk, sealed.slice(0, kem.encBytes));
  const ciphertext = sealed.slice(kem.encBytes);
  return new Uint8Array(await crypto.subtle.decrypt(...(await cipher(kem, shared, info, aad, "decrypt")), ciphertext));
}
