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

/** The header field that a part of a credential takes, in lower case; null where it is no such part. */
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

/** Throws where it is not of the form; its message shows nothing of it. */
export function checkCredential(credential) {
  const names = Object.keys(credential ?? {});
  const fine =
    names.length === 1 &&
    ("secret" in credential ? isSecret(credential.secret) : "several" in credential ? isSeveral(credential.several) : fieldOf(credential) !== null);
  if (!fine) throw new TokenError("credential", "the credential is not in a form that a token may hold");
  return credential;
}
