// The signed key set of a proxy, pinned and followed: token-v2.md sections 7.1 and 7.2.

import { readAccepts } from "./accepts.js";
import { fromBase64url, fromUtf8, utf8 } from "./bytes.js";
import { verify } from "./ed25519.js";
import { MAX_TIME, TokenError } from "./form.js";
import { JsonError, parseForeignObject } from "./json.js";
import { isSealingKey } from "./kem.js";
import { thumbprint } from "./keys.js";

const TYPE = "magicproxy-keys+jws";
const MAX_SIGNATURES = 4;
const LEEWAY = 300;
const LIFETIME = 30 * 24 * 60 * 60;

const seconds = () => Math.floor(Date.now() / 1000);
const malformed = () => new TokenError("malformed", "not a key set that is understood here");

/** See `index.d.ts`. */
export async function verifyKeySet(document, { pinned = null, now = seconds() } = {}) {
  const isFollowed = !pinned || (pinned.signer && Number.isSafeInteger(pinned.version));
  if (!isFollowed) throw new TokenError("untrusted", "what is pinned names no key that signs the key set: pin it anew");
  const { signed } = objectOf(document);
  if (signed === undefined) throw new TokenError("unsigned", "the key set is not signed");
  if (!Array.isArray(signed) || signed.length === 0 || signed.length > MAX_SIGNATURES) throw malformed();
  const parts = signed.map(parse);
  if (signed.some((text) => text.split(".")[1] !== signed[0].split(".")[1])) throw malformed();
  const set = await read(await signatureOf(pinned?.signer ?? (await read(parts[0])).signer, parts));
  await signatureOf(set.signer, parts);
  if (pinned && isBefore(set, pinned)) throw new TokenError("rolled_back", "the key set is older than the one that is pinned");
  if (now >= set.exp) throw new TokenError("expired", "the key set has expired");
  if (set.iat > now + LEEWAY) throw new TokenError("not_yet_valid", "the key set is from the future");
  return pinned ? { ...set, iat: latest(set, pinned) } : set;
}

// Each new pin keeps the later time: a pin that could go back by the leeway would go back by any
// time in enough steps.
const latest = (set, pinned) => (set.version === pinned.version && Number.isSafeInteger(pinned.iat) ? Math.max(set.iat, pinned.iat) : set.iat);

// The accepted tokens and the denied keys change without a new version, so the times are compared,
// too.
const isBefore = (set, pinned) => set.version < pinned.version || (set.version === pinned.version && Number.isSafeInteger(pinned.iat) && set.iat < pinned.iat - LEEWAY);

function objectOf(document) {
  if (typeof document !== "string") return document ?? {};
  try {
    return parseForeignObject(document);
  } catch (error) {
    if (error instanceof JsonError) throw malformed();
    throw error;
  }
}

function parse(text) {
  const parts = typeof text === "string" ? text.split(".") : [];
  const [header, payload, signature] = parts.map(fromBase64url);
  if (parts.length !== 3 || !header || !payload || !signature) throw malformed();
  const members = bytesAsObject(header);
  const known = Object.keys(members).sort().join() === "alg,kid,typ" && members.alg === "EdDSA" && members.typ === TYPE;
  if (!known || typeof members.kid !== "string") throw malformed();
  return { message: `${parts[0]}.${parts[1]}`, header: members, payload, signature };
}

function bytesAsObject(bytes) {
  try {
    return parseForeignObject(fromUtf8(bytes));
  } catch {
    throw malformed();
  }
}

// Returns the first JWS with the signer's key id. The signer's key must have made every signature
// with that key id.
async function signatureOf(signer, parts) {
  const kid = await thumbprint(signer);
  const own = parts.filter(({ header }) => header.kid === kid);
  if (own.length === 0) throw new TokenError("untrusted", "the key set is not signed by the key that is pinned, or not by the one that it names");
  for (const { message, signature } of own) {
    if (!(await verify(signer, utf8(message), signature))) throw new TokenError("signature", "the signature of the key set is not valid");
  }
  return own[0];
}

// True for a public key for sealing, whose key id, if any, is the thumbprint.
async function isForSealing(key) {
  const { kid, use, d, priv } = key;
  const isPublic = d === undefined && priv === undefined;
  return isPublic && (use === undefined || use === "enc") && (kid === undefined || kid === (await thumbprint(key)));
}

async function read({ payload }) {
  const { keys, signer, version, iat, exp, accepts } = bytesAsObject(payload);
  const isTime = (value) => Number.isInteger(value) && value >= 0 && value <= MAX_TIME;
  const isSigner = signer?.kty === "OKP" && signer.crv === "Ed25519" && typeof signer.x === "string" && fromBase64url(signer.x)?.length === 32;
  const sealing = [];
  for (const key of Array.isArray(keys) ? keys : []) if (isSealingKey(key) && (await isForSealing(key))) sealing.push(key);
  const isTimely = [version, iat, exp].every(isTime) && exp > iat && exp - iat <= LIFETIME && version <= iat + LEEWAY;
  if (!isSigner || sealing.length === 0 || !isTimely) throw malformed();
  return { keys: sealing, signer, version, iat, exp, ...(accepts !== undefined && { accepts: readAccepts(accepts) }) };
}
