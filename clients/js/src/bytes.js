// Bytes and texts: base64url and base32 with one spelling each, and UTF-8 without repairs.

const encoder = new TextEncoder();

/** @param {string} text */
export const utf8 = (text) => encoder.encode(text);

/** Decodes UTF-8. Throws for bytes that are no UTF-8. @param {Uint8Array} bytes */
export const fromUtf8 = (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);

/** @param {...Uint8Array} parts */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Encodes as base64url, RFC 4648 section 5, without padding. @param {Uint8Array} bytes */
export function base64url(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * Decodes base64url. Returns null for any spelling that `base64url` does not write.
 * @param {string} text
 */
export function fromBase64url(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return null;
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    // Unused bits that are not zero would be a second spelling.
    return base64url(bytes) === text ? bytes : null;
  } catch {
    return null;
  }
}

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * Encodes as base32, RFC 4648 section 6, in lower case and without padding.
 * @param {Uint8Array} bytes
 */
export function base32(bytes) {
  let text = "";
  let [bits, held] = [0, 0];
  for (const byte of bytes) {
    // At most 4 bits are left of the byte before.
    bits = ((bits & 0x0f) << 8) | byte;
    for (held += 8; held >= 5; held -= 5) text += BASE32[(bits >> (held - 5)) & 0x1f];
  }
  return held ? text + BASE32[(bits << (5 - held)) & 0x1f] : text;
}

/**
 * Decodes base32. Returns null for any spelling that `base32` does not write.
 * @param {string} text
 */
export function fromBase32(text) {
  // A remainder of 1, 3 or 6 characters holds no whole number of bytes.
  if (!/^[a-z2-7]*$/.test(text) || [1, 3, 6].includes(text.length % 8)) return null;
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let [bits, held, at] = [0, 0, 0];
  for (const character of text) {
    bits = ((bits & 0xff) << 5) | BASE32.indexOf(character);
    held += 5;
    if (held < 8) continue;
    held -= 8;
    bytes[at++] = (bits >> held) & 0xff;
  }
  // Unused bits that are not zero would be a second spelling.
  return base32(bytes) === text ? bytes : null;
}

/** Lower-case hexadecimal digits. @param {Uint8Array} bytes */
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/**
 * Compares in a time that does not depend on the place of a difference.
 * @param {Uint8Array} a @param {Uint8Array} b
 */
export function equal(a, b) {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at++) difference |= a[at] ^ b[at];
  return difference === 0;
}

/** @param {number} length */
export const random = (length) => crypto.getRandomValues(new Uint8Array(length));

/** @param {Uint8Array} bytes */
export const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/** HMAC-SHA256. @param {Uint8Array} key @param {Uint8Array} message */
export async function hmac(key, message) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
}
