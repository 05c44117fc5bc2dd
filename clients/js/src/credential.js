// The credential inside a seal: token-v2.md section 3.

import { TokenError } from "./form.js";

const isSecret = (value) => typeof value === "string" && /^[!-~]{1,8192}$/.test(value);
const isField = (value) => typeof value === "string" && /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(value);
const isPair = (value) => Array.isArray(value) && value.length === 2 && value.every((text) => typeof text === "string");

function isBasic(value) {
  if (!isPair(value)) return false;
  const [user, password] = value;
  return !user.includes(":") && user + password !== "" && isSecret(`${user}:${password}`);
}

const FIELDS = {
  bearer: isSecret,
  basic: isBasic,
  header: (value) => isPair(value) && isField(value[0]) && isSecret(value[1]),
};

/**
 * Returns the name of the header field that a part of a credential takes, in lower case; null for a
 * value of another form.
 */
function fieldOf(part) {
  if (typeof part !== "object" || part === null || Array.isArray(part)) return null;
  const [name, ...others] = Object.keys(part);
  if (others.length || !Object.hasOwn(FIELDS, name) || !FIELDS[name](part[name])) return null;
  return name === "header" ? part.header[0].toLowerCase() : "authorization";
}

function isSeveral(value) {
  if (!Array.isArray(value) || value.length < 2 || value.length > 4) return false;
  const fields = value.map(fieldOf);
  return !fields.includes(null) && new Set(fields).size === fields.length;
}

const FAULTS = {
  empty: "it is empty",
  lines: "there are several lines: expected one secret and nothing else",
  quoted: "it stands in quotes, which would be sent as a part of it: leave them out (`docker --env-file` does not take them away)",
  blank: "there is a blank before, in or behind it: leave it out",
  control: "there is a control character in it: leave it out",
  invisible: "there is a character in it that cannot be seen, as pages leave one in copied text: leave it out",
};
const INVISIBLE = /^[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]$/;

/**
 * Reads a secret as written in a file or a field: token-v1.md section 5.1. Throws for any other
 * text around the secret. No message shows a part of the secret.
 */
export function writtenSecret(text) {
  const secret = text.replace(/^\ufeff+/, "").replace(/^[\r\n]+/, "").replace(/[\r\n]+$/, "");
  const fault = faultOf(secret);
  if (fault) throw new TokenError("credential", `the credential is not taken as it stands: ${FAULTS[fault]}`);
  return secret;
}

function faultOf(secret) {
  if (secret === "") return "empty";
  if (/[\r\n]/.test(secret)) return "lines";
  if (secret.length > 1 && `"'\``.includes(secret[0]) && secret.at(-1) === secret[0]) return "quoted";
  for (const character of secret) {
    if (INVISIBLE.test(character)) return "invisible";
    if (/^[\s\u0085]$/.test(character)) return "blank";
    if (/^\p{Cc}$/u.test(character)) return "control";
  }
  return null;
}

/** Makes the credential of a new token: each secret in the credential is read as written. */
export function newCredential(credential) {
  const read = (value) => (typeof value === "string" ? writtenSecret(value) : value);
  const readPart = (part) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(
      Object.entries(part).map(([name, value]) => {
        if (name === "several" && Array.isArray(value)) return [name, value.map(readPart)];
        if (name === "header" && isPair(value)) return [name, [value[0], read(value[1])]];
        // One half of a pair may be empty.
        if (name === "basic" && isPair(value)) return [name, value.map((half) => (half === "" ? half : read(half)))];
        return [name, read(value)];
      }),
    );
  };
  return checkCredential(readPart(credential));
}

/**
 * Returns the credential. Throws for a value of another form. No message shows a part of the
 * secret.
 */
export function checkCredential(credential) {
  const names = Object.keys(credential ?? {});
  const fine =
    names.length === 1 &&
    ("secret" in credential ? isSecret(credential.secret) : "several" in credential ? isSeveral(credential.several) : fieldOf(credential) !== null);
  if (!fine) throw new TokenError("credential", "the credential is not in a form that a token may hold");
  return credential;
}
