// The form of a version 2 token, its claims and its caveats: token-v2.md sections 1, 2, 5 and 6.

import { base64url, fromBase32, fromBase64url, fromUtf8, utf8 } from "./bytes.js";
import { JsonError, parseTokenObject, withEscapes } from "./json.js";

/**
 * The refusal of a token; `kind` is the name of the refusal in the specification. No message holds
 * a secret.
 */
export class TokenError extends Error {
  /** @param {string} kind @param {string} [message] */
  constructor(kind, message = kind) {
    super(message);
    this.name = "TokenError";
    this.kind = kind;
  }
}

/** The beginning of every token of version 2. */
export const PREFIX = "mt2_";
export const MAX_BYTES = 8192;
export const MAX_CAVEATS = 16;
export const MAX_LIFETIME = 3660 * 86400;
/** The longest lifetime in seconds, if the operator sets no other. */
export const DEFAULT_MAX_LIFETIME = 366 * 86400;
export const MAX_TIME = 253402300799;
export const LEEWAY = 30;

const isText = (value) => typeof value === "string";
const isTime = (value) => typeof value === "number" && value >= 0 && value <= MAX_TIME;
const isLabel = (value) => isText(value) && /^[!-~]{1,128}$/.test(value) && !/["\\>,]/.test(value);
/** True for a label of claims. In the log, `-` stands for an absent label. */
export const isFirstLabel = (value) => isLabel(value) && value !== "-";
const isName = (value) => isText(value) && /^[A-Za-z0-9._:[\]-]{1,255}$/.test(value);
const isId = (value) => isText(value) && /^[A-Za-z0-9_-]{1,128}$/.test(value);
const isBoolean = (value) => typeof value === "boolean";
const isTexts = (value) => Array.isArray(value) && value.every(isText);

const CLAIMS = {
  kid: isText,
  kem: (value) => value === "x25519" || value === "x-wing",
  jti: isId,
  iat: isTime,
  exp: isTime,
  aud: isName,
  allowed: isRules,
  scopes: (value) => isTexts(value) && value.length >= 1 && value.length <= 1000,
  nbf: isTime,
  sub: isFirstLabel,
  explain: isBoolean,
  minter: isText,
};
const CAVEAT = {
  allowed: isPlainRules,
  exp: isTime,
  nbf: isTime,
  aud: isName,
  sub: isLabel,
  sender: isSender,
  limit: isLimit,
  from: isFrom,
};

/**
 * The members that make a rule stateful: section 2.1. Only the operator may set `owner` and
 * `plugin`.
 */
const STATE = { grants: isTextOrTexts, receipt: (value) => value === true, limit: isLimit, list_items: isListItems };
/**
 * The members for conditions (conditions.md section 1). What is in them is a question of the rule,
 * and not of the token's form.
 */
const CONDITIONS = {
  captures: isObject,
  query: (value) => value === "any" || isObject(value),
  headers: isObject,
  json: isObject,
  json_each: () => true,
  form: isObject,
  body: (value) => value === "none" || value === "any",
  content_type: isTextOrTexts,
};
const RULE = { method: isTextOrTexts, path: isText, route: isText, ...STATE, ...CONDITIONS };
/** The members of a rule for git (git.md section 1). */
const GIT_RULE = {
  git: isText,
  repository: isText,
  refs: () => true,
  create: isBoolean,
  delete: isBoolean,
  force: isBoolean,
  options: () => true,
  max_commands: (value) => Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0),
  operations: isTextOrTexts,
  locks: isBoolean,
  limit: isLimit,
};
const ELEMENTS = {
  list: isText,
  key: isTextOrTexts,
  creates: (value) => isObjectOf(value, isText),
  deletes: (value) => isObjectOf(value, isText),
  deletes_if_empty: isText,
  only: (value) => isObjectOf(value, isTextOrTexts),
  lookup: isText,
};

/** True for a list of rules in either form. The proxy decides if the rules make sense. */
function isRules(value) {
  return Array.isArray(value) && value.every(isRule);
}

function isRule(rule) {
  if (isObject(rule) && "git" in rule) return hasMembers(rule, GIT_RULE, ["git", "repository"]);
  return isText(rule) || hasMembers(rule, RULE, ["method"]);
}

function isListItems(value) {
  return hasMembers(value, ELEMENTS, ["list", "key", "creates"]);
}

/** True for an object with all of the required members, and with no members but the given ones. */
function hasMembers(value, members, required) {
  const isMember = ([name, member]) => Object.hasOwn(members, name) && members[name](member);
  return isObject(value) && required.every((name) => name in value) && Object.entries(value).every(isMember);
}

function isObjectOf(value, isMember) {
  return isObject(value) && Object.values(value).every(isMember);
}

function isTextOrTexts(value) {
  return isText(value) || isTexts(value);
}

/** True for rules without state, as in caveats. */
function isPlainRules(value) {
  return isRules(value) && value.every((rule) => isText(rule) || Object.keys(rule).every((name) => !Object.hasOwn(STATE, name)));
}

/** True for a limit on the number of requests: state.md section 6. */
function isLimit(value) {
  if (!isObject(value)) return false;
  const isCount = (count) => Number.isInteger(count) && count >= 1 && count <= 1e9;
  const names = Object.keys(value).sort().join();
  if (names === "total" || names === "concurrent") return isCount(value[names]);
  const length = /^([1-9][0-9]*)([smhd])$/.exec(names === "per,requests" && isText(value.per) ? value.per : "");
  return length !== null && isCount(value.requests) && Number(length[1]) * { s: 1, m: 60, h: 3600, d: 86400 }[length[2]] <= 31 * 86400;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True for the description of the token from which the proxy made the new token. */
function isFrom(value) {
  if (!isObject(value) || Object.keys(value).sort().join() !== "chain,kid,owner" || !Object.values(value).every(isText)) return false;
  return /^[0-9a-f]{32}$/.test(value.chain) && /^[0-9a-f]{64}$/.test(value.owner) && /^[A-Za-z0-9_-]{43}$/.test(value.kid);
}

function isSender(value) {
  if (!isObject(value) || Object.keys(value).join() !== "cidr" || !Array.isArray(value.cidr)) return false;
  return value.cidr.length >= 1 && value.cidr.length <= 32 && value.cidr.every((text) => isText(text) && isNetwork(text));
}

/** True for a network without host bits, in CIDR notation. */
export function isNetwork(text) {
  const match = /^([0-9a-fA-F.:]+)\/(0|[1-9][0-9]{0,2})$/.exec(text);
  if (!match) return false;
  const bits = addressBits(match[1]);
  const length = Number(match[2]);
  if (bits === null || length > bits.length) return false;
  const mapped = bits.length === 128 && bits.slice(0, 96) === "0".repeat(80) + "1".repeat(16);
  return !mapped && !bits.slice(length).includes("1");
}

/** Returns the bits of an address as a text of 0 and 1; null for any other text. */
function addressBits(text) {
  if (!text.includes(":")) return v4Bits(text);
  let tail = "";
  const dotted = /^(.*:)([0-9.]+\.[0-9.]+)$/.exec(text);
  if (dotted) {
    const bits = v4Bits(dotted[2]);
    if (bits === null) return null;
    // The last 32 bits stand as two groups.
    tail = bits;
    text = `${dotted[1]}0:0`;
  }
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head, rest] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const count = head.length + (rest?.length ?? 0);
  if (rest ? count > 7 : count !== 8) return null;
  const groups = rest ? [...head, ...Array(8 - count).fill("0"), ...rest] : head;
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return null;
  const bits = groups.map((group) => parseInt(group, 16).toString(2).padStart(16, "0")).join("");
  return tail ? bits.slice(0, 96) + tail : bits;
}

function v4Bits(text) {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) < 256)) return null;
  return parts.map((part) => Number(part).toString(2).padStart(8, "0")).join("");
}

/**
 * Reads an object and checks the members. A text is checked as given, because bytes would have
 * another character in the place of a lone surrogate.
 */
function checked(json, members, kind) {
  let object;
  try {
    object = parseTokenObject(typeof json === "string" ? json : fromUtf8(json));
  } catch (error) {
    throw new TokenError(kind, error instanceof JsonError ? error.message : "not UTF-8");
  }
  for (const [name, value] of Object.entries(object)) {
    if (!Object.hasOwn(members, name) || !members[name](value)) throw new TokenError(kind, `the member ${JSON.stringify(name)} is not accepted`);
  }
  return object;
}

/** @param {string | Uint8Array} json */
export function parseClaims(json) {
  const claims = checked(json, CLAIMS, "claims");
  for (const name of ["kid", "kem", "jti", "iat", "exp", "aud"]) {
    if (!(name in claims)) throw new TokenError("claims", `${name} is missing`);
  }
  if (claims.exp <= claims.iat) throw new TokenError("claims", "exp must be later than iat");
  if ("allowed" in claims === "scopes" in claims) throw new TokenError("claims", "exactly one of allowed and scopes must be there");
  return claims;
}

/** @param {string | Uint8Array} json */
export function parseCaveat(json) {
  const caveat = checked(json, CAVEAT, "caveat");
  if (Object.keys(caveat).length === 0) throw new TokenError("caveat", "a caveat without a member changes nothing");
  return caveat;
}

/**
 * Encodes the JSON of claims, or of a caveat, as a part of a token. The JSON must have been read
 * before.
 * @param {string} json
 */
export const jsonPart = (json) => base64url(utf8(withEscapes(json)));

/** Says why a text with another beginning is no token of version 2. */
function noToken(text) {
  if (text.startsWith("mt2.")) {
    return "a token of before the first release, with `mt2.` where tokens have `mt2_`: mint it anew";
  }
  if (text.startsWith("mt1_") || text.startsWith("eyJ")) return "expected a token of version 2, `mt2_…`; this looks like one of version 1";
  return "expected a token of version 2, `mt2_…`";
}

/** Decodes a part. Throws for an empty part and for another spelling. */
function decodedPart(decode, part) {
  const bytes = decode(part);
  if (!bytes?.length) throw new TokenError("malformed", "a part of the token is empty, or not spelled as such parts are");
  return bytes;
}

/**
 * Reads a token and checks the form. Nothing in the token is verified.
 * @param {string} token
 */
export function parseToken(token) {
  if (utf8(token).length > MAX_BYTES) throw new TokenError("too_long", `the token is longer than ${MAX_BYTES} bytes`);
  if (!token.startsWith(PREFIX)) throw new TokenError("malformed", noToken(token));
  const parts = token.slice(PREFIX.length).split(".");
  if (!/^[A-Za-z0-9.]*$/.test(parts.join("."))) throw new TokenError("malformed", "a token has only letters, digits and `.` behind `mt2_`");
  if (parts.length < 3) throw new TokenError("malformed", "the token has too few parts");
  const [json, sealed, tag] = [decodedPart(fromBase64url, parts[0]), decodedPart(fromBase32, parts[1]), decodedPart(fromBase32, parts.at(-1))];
  if (tag.length !== 32) throw new TokenError("malformed", "the tag of the token is not 32 bytes");
  const claims = parseClaims(json);
  const signed = "minter" in claims ? 1 : 0;
  if (parts.length < 3 + signed) throw new TokenError("malformed", "the token has too few parts");
  const caveats = parts.slice(2 + signed, -1);
  if (caveats.length > MAX_CAVEATS) throw new TokenError("malformed", `the token bears more than ${MAX_CAVEATS} caveats`);
  const jsons = caveats.map((part) => decodedPart(fromBase64url, part));
  const signature = signed ? decodedPart(fromBase32, parts[2]) : null;
  const upTo = (count) => PREFIX + parts.slice(0, count).join(".");
  return {
    claims,
    sealed,
    signature,
    tag,
    caveats,
    bound: upTo(1),
    minted: upTo(2),
    root: upTo(2 + signed),
    /** Reads the caveats. Throws for a caveat of another form. */
    readCaveats: () => jsons.map(parseCaveat),
  };
}
