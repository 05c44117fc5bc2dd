// Short forms of the calling program's values: one value for a list of one, "1h" for 3600.

import { TokenError } from "./form.js";

const UNITS = { s: 1, m: 60, h: 3600, d: 86400, w: 7 * 86400 };

/** Returns a list; a single value becomes a list of one. An absent value stays absent. */
export function listed(value) {
  return value === undefined || Array.isArray(value) ? value : [value];
}

/** Returns seconds, read from a number or from a text such as "90s", "1h 30m" or "7d". */
export function seconds(value) {
  if (typeof value === "number") return value;
  const fault = () => new TokenError("claims", 'expiresIn: expected a number of seconds or a text such as "1h", with s, m, h, d or w');
  if (typeof value !== "string") throw fault();
  if (/^[0-9]{1,12}$/.test(value)) return Number(value);
  if (!/^[0-9]{1,12}[smhdw]( ?[0-9]{1,12}[smhdw])*$/.test(value)) throw fault();
  let [sum, least] = [0, Infinity];
  for (const [, number, unit] of value.matchAll(/([0-9]+)([smhdw])/g)) {
    if (UNITS[unit] >= least) throw fault();
    least = UNITS[unit];
    sum += Number(number) * least;
  }
  return sum;
}

/** Returns the caveat with a list in the place of each single value. */
export function listedCaveat(caveat) {
  if (typeof caveat !== "object" || caveat === null) return caveat;
  const members = { ...caveat };
  if (members.allowed !== undefined) members.allowed = listed(members.allowed);
  if (typeof members.sender?.cidr === "string") members.sender = { ...members.sender, cidr: [members.sender.cidr] };
  return members;
}

/**
 * Returns rules in the form of version 1: one method and a pattern each (token-v1.md section 4).
 */
export function signedRules(rules) {
  return rules?.flatMap((rule) => {
    if (typeof rule !== "string") return [rule];
    const [methods, target] = rule.split(/ (.*)/s);
    if (target?.startsWith("route:")) {
      throw new TokenError("rule", "a token of version 1 holds patterns: write `METHOD /pattern` instead of `route:`");
    }
    return methods.split("|").map((method) => (target === undefined ? method : `${method} ${target}`));
  });
}
