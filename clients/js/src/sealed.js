// Minting, narrowing, inspecting and opening tokens of version 2.

import { ensureAccepted, readAccepts } from "./accepts.js";
import { base32, base64url, concat, equal, fromUtf8, hex, hmac, random, sha256, utf8 } from "./bytes.js";
import { checkConditions } from "./conditions.js";
import { checkCredential, newCredential } from "./credential.js";
import { isSigningKey, sign, verify } from "./ed25519.js";
import { DEFAULT_MAX_LIFETIME, LEEWAY, MAX_BYTES, MAX_CAVEATS, MAX_LIFETIME, PREFIX, TokenError, jsonPart, parseCaveat, parseClaims, parseToken } from "./form.js";
import * as hpke from "./hpke.js";
import { parseObject } from "./json.js";
import { kemNamed, kemOf } from "./kem.js";
import { chooseKey, thumbprint } from "./keys.js";
import { listed, listedCaveat, seconds } from "./short_forms.js";
import { sizeWarnings } from "./size.js";

const INFO = utf8("magic-api-proxy/v2");
const ROOT_KEY_BYTES = 32;
/**
 * The seconds for which a key set may be used: a minter that follows the key set never seals to a
 * key that was retired longer ago (section 7).
 */
const FOLLOWED = 30 * 86400;

const clock = () => Math.floor(Date.now() / 1000);

/** Removes absent members: an absent member is not null. */
const given = (members) => Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

/** See `index.d.ts`. */
export async function mint({ key, credential, minter, now = clock(), ...request }) {
  const expiresIn = seconds(request.expiresIn ?? 86400);
  const accepts = [key?.accepts, request.accepts].filter((said) => said !== undefined).map(readAccepts);
  const recipient = chooseKey(key, request.kem, (kem) => accepts.every(({ kems }) => kems.includes(kem)));
  const kem = kemNamed(kemOf(recipient), request.xWing);
  const written = newCredential(credential);
  if (minter !== undefined && !isSigningKey(minter)) throw new TokenError("minter", "`minter` is not a private Ed25519 key");
  const claims = await newClaims({ recipient, minter, now, expiresIn, request });
  for (const said of accepts) ensureAccepted(said, { kem: claims.kem, minter: claims.minter, lifetime: expiresIn });
  const bound = PREFIX + jsonPart(JSON.stringify(claims));
  const rootKey = random(ROOT_KEY_BYTES);
  const plaintext = concat(rootKey, utf8(JSON.stringify(written)));
  let token = `${bound}.${base32(await seal(kem, recipient, bound, plaintext))}`;
  if (minter) token += `.${base32(await sign(minter, utf8(token)))}`;
  token += `.${base32(await hmac(rootKey, utf8(token)))}`;
  return { token: ensureLength(token), id: claims.jti, warnings: sizeWarnings(token) };
}

async function seal(kem, recipient, bound, plaintext) {
  try {
    return await hpke.seal(kem, recipient, INFO, utf8(bound), plaintext);
  } catch (error) {
    if (error instanceof TokenError) throw error;
    // The key is an X25519 key of low request, or the bytes are no key of ML-KEM.
    throw new TokenError("unknown_key", "nothing can be sealed to that key");
  }
}

/** Makes the claims of a new token. Claims whose form a proxy would refuse are not minted. */
async function newClaims({ recipient, minter, now, expiresIn, request }) {
  const claims = given({
    kid: await thumbprint(recipient),
    kem: kemOf(recipient),
    jti: base64url(random(16)),
    iat: now,
    exp: now + expiresIn,
    nbf: request.notBefore,
    aud: request.aud,
    sub: request.sub,
    allowed: listed(request.allowed),
    scopes: listed(request.scopes),
    explain: request.explain || undefined,
    minter: minter && (await thumbprint(minter)),
  });
  checkConditions(claims.allowed);
  parseClaims(JSON.stringify(claims));
  if (expiresIn < 1 || expiresIn > MAX_LIFETIME || claims.allowed?.length === 0) throw new TokenError("claims", "the token would not be accepted");
  return claims;
}

function ensureLength(token) {
  if (token.length > MAX_BYTES) throw new TokenError("too_long", `the token would be longer than ${MAX_BYTES} bytes`);
  return token;
}

/** See `index.d.ts`. */
export async function narrow(token, caveat) {
  const members = listedCaveat(caveat);
  const json = typeof caveat === "string" ? caveat : JSON.stringify(members);
  // Before JSON is made, in which NaN would become null.
  if (typeof caveat !== "string") checkConditions(members?.allowed);
  const parsed = parseCaveat(json);
  checkConditions(parsed.allowed);
  if (parsed.allowed?.length === 0) throw new TokenError("rule", "the list of rules is empty");
  const { tag, caveats } = parseToken(token);
  if (caveats.length >= MAX_CAVEATS) throw new TokenError("malformed", `the token bears ${MAX_CAVEATS} caveats already`);
  const part = jsonPart(json);
  const narrowed = `${token.slice(0, token.lastIndexOf("."))}.${part}.${base32(await hmac(tag, utf8(part)))}`;
  return ensureLength(narrowed);
}

/** See `index.d.ts`. */
export function inspect(token) {
  const { claims, readCaveats } = parseToken(token);
  const caveats = readCaveats();
  const all = [claims, ...caveats];
  const times = (name) => all.map((object) => object[name]).filter((time) => time !== undefined);
  return {
    claims,
    caveats,
    labels: all.map((object) => object.sub).filter((label) => label !== undefined),
    expiresAt: Math.min(...times("exp")),
    notBefore: Math.max(claims.iat, ...times("nbf")),
  };
}

/** See `index.d.ts`; state-store.md section 7. */
export async function chainId(token) {
  const { minted, caveats } = parseToken(token);
  let last = await digest(utf8("chain"), utf8("v2"), utf8(minted));
  for (const part of caveats) last = await digest(utf8("chain"), utf8("caveat"), last, utf8(part));
  return hex(last);
}

/** Returns the first 16 bytes of SHA-256 over all parts, each behind the part's length. */
async function digest(...parts) {
  const length = (part) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(part.length));
    return bytes;
  };
  return (await sha256(concat(...parts.flatMap((part) => [length(part), part])))).slice(0, 16);
}

/** See `index.d.ts`. */
export async function open(token, { keys, xWing, kems, minters = [], denyKid = [], requireSub = false, maxLifetime = DEFAULT_MAX_LIFETIME, now = clock() }) {
  const parsed = parseToken(token);
  const { claims } = parsed;
  if (kems && !kems.includes(claims.kem)) throw new TokenError("kem", `a token sealed with \`${claims.kem}\` is not accepted`);
  const key = await keyOf(claims, keys, denyKid, now);
  await checkMinter(parsed, minters);
  const plaintext = await unseal(parsed, key, kemNamed(claims.kem, xWing));
  await checkChain(parsed, plaintext.slice(0, ROOT_KEY_BYTES));
  checkOrigins(parsed, denyKid);
  checkTimes(claims, maxLifetime, now);
  if (requireSub && claims.sub === undefined) throw new TokenError("claims", "sub is wanted here");
  if (claims.allowed?.length === 0) throw new TokenError("rule", "the list of rules is empty");
  const caveats = parsed.readCaveats();
  if (caveats.some((caveat) => caveat.allowed?.length === 0)) throw new TokenError("rule", "the list of rules is empty");
  return { ...inspect(token), credential: readCredential(plaintext.slice(ROOT_KEY_BYTES)) };
}

async function keyOf(claims, keys, denyKid, now) {
  for (const jwk of keys) {
    if ((await thumbprint(jwk)) !== claims.kid) continue;
    const isOver = now >= (jwk.not_after ?? Infinity) || claims.iat > (jwk.retired ?? Infinity) + FOLLOWED + LEEWAY;
    if (denyKid.includes(claims.kid) || isOver) break;
    if (kemOf(jwk) !== claims.kem) throw new TokenError("claims", "kem is not that of the key");
    return jwk;
  }
  throw new TokenError("unknown_key");
}

/**
 * Checks the minter's signature. The minter's key decides the algorithm and so the length of
 * SIGNATURE; only Ed25519 is known today.
 */
async function checkMinter({ claims, signature, minted }, minters) {
  if (claims.minter === undefined && minters.length === 0) return;
  for (const jwk of minters) {
    if ((await thumbprint(jwk)) === claims.minter && (await verify(jwk, utf8(minted), signature))) return;
  }
  throw new TokenError("minter");
}

async function unseal({ bound, sealed }, key, kem) {
  let plaintext;
  try {
    plaintext = await hpke.open(kem, key, INFO, utf8(bound), sealed);
  } catch (error) {
    if (error instanceof TokenError) throw error;
    throw new TokenError("seal");
  }
  if (plaintext.length < ROOT_KEY_BYTES + 2) throw new TokenError("seal");
  return plaintext;
}

async function checkChain({ root, caveats, tag }, rootKey) {
  let last = await hmac(rootKey, utf8(root));
  for (const caveat of caveats) last = await hmac(last, utf8(caveat));
  if (!equal(last, tag)) throw new TokenError("tag");
}

/**
 * Checks the keys of the tokens from which the token was made. Unreadable caveats pass here, and
 * are refused later under another name.
 */
function checkOrigins({ readCaveats }, denyKid) {
  let caveats = [];
  try {
    caveats = readCaveats();
  } catch {
    return;
  }
  if (caveats.some(({ from }) => denyKid.includes(from?.kid))) throw new TokenError("unknown_key", "the key of a token of which this one was made is denied");
}

function checkTimes({ iat, exp, nbf = 0 }, maxLifetime, now) {
  if (exp - iat > Math.min(MAX_LIFETIME, maxLifetime)) throw new TokenError("lifetime");
  if (now >= exp + LEEWAY) throw new TokenError("expired");
  if (now + LEEWAY < Math.max(iat, nbf)) throw new TokenError("not_yet_valid");
}

function readCredential(bytes) {
  try {
    return checkCredential(parseObject(fromUtf8(bytes)));
  } catch {
    throw new TokenError("credential");
  }
}
