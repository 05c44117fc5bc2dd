// Minting, narrowing, inspecting and opening tokens of version 2.

import { base64url, concat, equal, fromUtf8, hex, hmac, random, sha256, utf8 } from "./bytes.js";
import { checkCredential, newCredential } from "./credential.js";
import { DEFAULT_MAX_LIFETIME, LEEWAY, MAX_BYTES, MAX_CAVEATS, MAX_LIFETIME, MAX_TIME, TokenError, parseCaveat, parseClaims, parseToken } from "./form.js";
import * as hpke from "./hpke.js";
import { parseObject } from "./json.js";
import { chooseKey, kemOf, publicBytes, thumbprint } from "./keys.js";
import { listed, listedCaveat, seconds } from "./order.js";

const INFO = utf8("magic-api-proxy/v2");
const ROOT_KEY_BYTES = 32;

const clock = () => Math.floor(Date.now() / 1000);

/** Without the members that are not given: absent is not null. */
const given = (members) => Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

/** See `index.d.ts`. */
export async function mint({ key, credential: written, aud, sub, explain, minter, notBefore, now = clock(), ...order }) {
  const [allowed, scopes, expiresIn] = [listed(order.allowed), listed(order.scopes), seconds(order.expiresIn ?? 86400)];
  const recipient = chooseKey(key);
  const credential = newCredential(written);
  const jti = base64url(random(16));
  const minterId = minter && (await thumbprint(minter));
  const claims = given({
    kid: await thumbprint(recipient),
    kem: kemOf(recipient),
    jti,
    iat: now,
    exp: now + expiresIn,
    nbf: notBefore,
    aud,
    sub,
    allowed,
    scopes,
    explain: explain || undefined,
    minter: minterId,
  });
  const json = utf8(JSON.stringify(claims));
  // What a proxy would refuse for its form is not minted.
  parseClaims(json);
  if (expiresIn < 1 || expiresIn > MAX_LIFETIME || allowed?.length === 0) throw new TokenError("claims", "the token would not be accepted");
  const bound = `mt2.${base64url(json)}`;
  const rootKey = random(ROOT_KEY_BYTES);
  const plaintext = concat(rootKey, utf8(JSON.stringify(credential)));
  let token = `${bound}.${base64url(await hpke.seal(publicBytes(recipient), INFO, utf8(bound), plaintext))}`;
  if (minter) token += `.${base64url(await sign(minter, utf8(token)))}`;
  token += `.${base64url(await hmac(rootKey, utf8(token)))}`;
  if (token.length > MAX_BYTES) throw new TokenError("too_long");
  return { token, id: jti };
}

async function sign(jwk, message) {
  const { kty, crv, x, d } = jwk;
  const key = await crypto.subtle.importKey("jwk", { kty, crv, x, d }, { name: "Ed25519" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign({ name: "Ed25519" }, key, message));
}

/** See `index.d.ts`. */
export async function narrow(token, caveat) {
  const json = utf8(typeof caveat === "string" ? caveat : JSON.stringify(listedCaveat(caveat)));
  if (parseCaveat(json).allowed?.length === 0) throw new TokenError("rule", "the list of rules is empty");
  const { tag, caveats } = parseToken(token);
  if (caveats.length >= MAX_CAVEATS) throw new TokenError("malformed", `the token bears ${MAX_CAVEATS} caveats already`);
  const part = base64url(json);
  const narrowed = `${token.slice(0, token.lastIndexOf("."))}.${part}.${base64url(await hmac(tag, utf8(part)))}`;
  if (narrowed.length > MAX_BYTES) throw new TokenError("too_long");
  return narrowed;
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

/** The first 16 bytes of SHA-256 over all parts, each behind its length. */
async function digest(...parts) {
  const length = (part) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(part.length));
    return bytes;
  };
  return (await sha256(concat(...parts.flatMap((part) => [length(part), part])))).slice(0, 16);
}

/** See `index.d.ts`. */
export async function open(token, { keys, minters = [], denyKid = [], requireSub = false, maxLifetime = DEFAULT_MAX_LIFETIME, now = clock() }) {
  const parsed = parseToken(token);
  const { claims } = parsed;
  const key = await keyOf(claims, keys, denyKid, now);
  await checkMinter(parsed, minters);
  const plaintext = await unseal(parsed, key);
  await checkChain(parsed, plaintext.slice(0, ROOT_KEY_BYTES));
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
    if (denyKid.includes(claims.kid) || now >= (jwk.not_after ?? Infinity)) break;
    if (kemOf(jwk) !== claims.kem) throw new TokenError("claims", "kem is not that of the key");
    return jwk;
  }
  throw new TokenError("unknown_key");
}

async function checkMinter({ claims, signature, minted }, minters) {
  if (claims.minter === undefined && minters.length === 0) return;
  for (const { kty, crv, x } of minters) {
    if ((await thumbprint({ kty, crv, x })) !== claims.minter) continue;
    const key = await crypto.subtle.importKey("jwk", { kty, crv, x }, { name: "Ed25519" }, false, ["verify"]);
    if (await crypto.subtle.verify({ name: "Ed25519" }, key, signature, utf8(minted))) return;
  }
  throw new TokenError("minter");
}

async function unseal({ claims, bound, sealed }, key) {
  if (claims.kem !== "x25519") throw new TokenError("unsupported", "WebCrypto cannot open X-Wing");
  let plaintext;
  try {
    plaintext = await hpke.open(key, publicBytes(key), INFO, utf8(bound), sealed);
  } catch {
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

function checkTimes({ iat, exp, nbf = 0 }, maxLifetime, now) {
  if (exp > MAX_TIME || exp <= iat) throw new TokenError("claims", "exp must be later than iat, and before the year 10000");
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
