// HPKE (RFC 9180) single-shot, mode base, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.

import { concat, hmac, utf8 } from "./bytes.js";

const VERSION = utf8("HPKE-v1");
const KEM_SUITE = concat(utf8("KEM"), new Uint8Array([0x00, 0x20]));
const HPKE_SUITE = concat(utf8("HPKE"), new Uint8Array([0x00, 0x20, 0x00, 0x01, 0x00, 0x02]));
const NOTHING = new Uint8Array();
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
/** Bytes of an encapsulated key. */
export const ENC_BYTES = 32;

/** No salt is as good as one of zeros (RFC 5869 section 2.2), and WebCrypto wants one. */
const labeledExtract = (suite, salt, label, input) =>
  hmac(salt.length ? salt : new Uint8Array(32), concat(VERSION, suite, utf8(label), input));

/** At most 32 bytes, so one block suffices. */
async function labeledExpand(suite, secret, label, info, length) {
  const labeled = concat(new Uint8Array([0, length]), VERSION, suite, utf8(label), info, new Uint8Array([1]));
  return (await hmac(secret, labeled)).slice(0, length);
}

async function agree(privateKey, publicKey, enc, recipient) {
  const shared = new Uint8Array(await crypto.subtle.deriveBits({ name: "X25519", public: publicKey }, privateKey, 256));
  // RFC 9180 section 7.1.4: of a public key of low order nothing is secret.
  if (shared.every((byte) => byte === 0)) throw new Error("no agreement");
  const secret = await labeledExtract(KEM_SUITE, NOTHING, "eae_prk", shared);
  return labeledExpand(KEM_SUITE, secret, "shared_secret", concat(enc, recipient), KEY_BYTES);
}

async function schedule(shared, info) {
  const context = concat(
    new Uint8Array([0]),
    await labeledExtract(HPKE_SUITE, NOTHING, "psk_id_hash", NOTHING),
    await labeledExtract(HPKE_SUITE, NOTHING, "info_hash", info),
  );
  const secret = await labeledExtract(HPKE_SUITE, shared, "secret", NOTHING);
  const key = await labeledExpand(HPKE_SUITE, secret, "key", context, KEY_BYTES);
  const iv = await labeledExpand(HPKE_SUITE, secret, "base_nonce", context, NONCE_BYTES);
  return { key: await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]), iv };
}

const importPublic = (bytes) => crypto.subtle.importKey("raw", bytes, { name: "X25519" }, true, []);

/**
 * `enc` and ciphertext, one behind the other.
 * @param {Uint8Array} recipient the public key
 * @param {Uint8Array} info @param {Uint8Array} aad @param {Uint8Array} plaintext
 */
export async function seal(recipient, info, aad, plaintext) {
  const pair = await crypto.subtle.generateKey({ name: "X25519" }, true, ["deriveBits"]);
  const enc = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const shared = await agree(pair.privateKey, await importPublic(recipient), enc, recipient);
  const { key, iv } = await schedule(shared, info);
  return concat(enc, new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: aad }, key, plaintext)));
}

/**
 * The plaintext; throws where the seal does not open.
 * @param {JsonWebKey} jwk the private key
 * @param {Uint8Array} recipient its public half
 * @param {Uint8Array} info @param {Uint8Array} aad @param {Uint8Array} sealed
 */
export async function open(jwk, recipient, info, aad, sealed) {
  const enc = sealed.slice(0, ENC_BYTES);
  const { kty, crv, x, d } = jwk;
  const privateKey = await crypto.subtle.importKey("jwk", { kty, crv, x, d }, { name: "X25519" }, false, ["deriveBits"]);
  const shared = await agree(privateKey, await importPublic(enc), enc, recipient);
  const { key, iv } = await schedule(shared, info);
  return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData: aad }, key, sealed.slice(ENC_BYTES)));
}
