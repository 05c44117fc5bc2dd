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

const seconds = () => Math.floor(Date.now() / 1000);
const malformed = () => new TokenError("malformed", "not a key set that is understood here");

/** See `index.d.ts`. */
export async function verifyKeySet(document, { pinned = null, now = seconds() } = {}) {
  const isFollowed = !pinned || (pinned.signer && Number.isSafeInteger(pinned.version));
  if (!isFollowed) throw new TokenError("untrusted", "what is pinned names no key that signs the key set: pin it anew");
  const { signed } = objectOf(document);
  if (signed === undefined) throw new TokenError("unsigned", "the key set is not signed");
  if (!Array.isArray(signed) || signed.length > MAX_SIGNATURES) throw malformed();
  const parts = signed.map(parse);
  if (parts.length === 0) throw new TokenError("untrusted", "no key signed the key set");
  if (signed.some((text) => text.split(".")[1] !== signed[0].split(".")[1])) throw malformed();
  const set = await read(await signatureOf(pinned?.signer ?? (await read(parts[0])).signer, parts));
  await signatureOf(set.signer, parts);
  if (pinned && set.version < pinned.version) throw new TokenError("rolled_back", "the key set is older than the one that is pinned");
  if (now >= set.exp) throw new TokenError("expired", "the key set has expired");
  if (set.iat > now + LEEWAY) throw new TokenError("not_yet_valid", "the key set is from the future");
  return set;
}

function objectOf(document) {
  if (typeof document !== "string") return document ?? {};
  try {
    return parseForeignObject(document.trim());
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

// The first JWS that names this key, whose signature must be by it.
async function signatureOf(signer, parts) {
  const kid = await thumbprint(signer);
  const own = parts.find(({ header }) => header.kid === kid);
  if (!own) throw new TokenError("untrusted", "the key set is not signed by the key that is pinned, or not by the one that it names");
  if (!(await verify(signer, utf8(own.message), own.signature))) throw new TokenError("signature", "the signature of the key set is not valid");
  return own;
}

async function read({ payload }) {
  const { keys, signer, version, iat, exp, accepts } = bytesAsObject(payload);
  const isTime = (value) => Number.isInteger(value) && value >= 0 && value <= MAX_TIME;
  const isSigner = signer?.kty === "OKP" && signer.crv === "Ed25519" && typeof signer.x === "string" && fromBase64url(signer.x)?.length === 32;
  const sealing = Array.isArray(keys) ? keys.filter(isSealingKey) : [];
  if (!isSigner || sealing.length === 0 || ![version, iat, exp].every(isTime) || exp <= iat) throw malformed();
  return { keys: sealing, signer, version, iat, exp, ...(accepts !== undefined && { accepts: readAccepts(accepts) }) };
}
