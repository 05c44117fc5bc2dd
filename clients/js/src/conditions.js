// The conditions of a rule, as far as they can be checked without the proxy: conditions.md sections
// 1, 2 and 7. The proxy decides about the syntax of patterns and the captures of a route.

import { utf8 } from "./bytes.js";
import { TokenError } from "./form.js";
import { checkGitRule } from "./git_rules.js";

/** The members of a rule that hold conditions. */
const CONDITIONS = ["captures", "query", "headers", "json", "json_each", "form", "body", "content_type"];

const MAX_BYTES = 8192;
const MAX_TESTS = 256;
const MAX_NESTING = 8;
const MAX_NAMES = 64;
const MAX_VALUES = 256;
const MAX_TEXT = 1024;
const MAX_MEDIA_TYPES = 16;

/** The words of a test, each with the number of its combination. */
const WORDS = { glob: 0, pattern: 0, min: 1, max: 1, each: 2, count: 2, object: 3, type: 4, absent: 5 };
const TYPES = ["string", "integer", "number", "boolean", "null", "array", "object"];
const TEXT_TYPES = ["string", "integer", "boolean"];

/** Words of other languages, and what is written here in their place. */
const GUESSES = {
  eq: "the value itself",
  equals: "the value itself",
  const: "the value itself",
  is: "the value itself",
  in: "a list of values",
  enum: "a list of values",
  one_of: "a list of values",
  any_of: "a list of values",
  regex: "`pattern`",
  matches: "`pattern`",
  prefix: "`glob` with `*` at the end",
  suffix: "`glob` with `*` in front",
  starts_with: "`glob` with `*` at the end",
  ends_with: "`glob` with `*` in front",
  items: "`each`",
  every: "`each`",
  properties: "`object`",
  members: "`object`",
  only: "`object`",
  required: "the name without `?`",
  optional: "the name with `?` behind",
};

const OVERRIDES = ["_method", "$method", "_httpmethod", "$httpmethod", "$httpheaders", "x_http_method_override", "x_http_method", "x_method_override"];
const FIELDS_OF_CONNECTION = [
  "authorization",
  "proxy-authorization",
  "cookie",
  "host",
  "connection",
  "content-length",
  "content-encoding",
  "content-type",
  "transfer-encoding",
  "te",
  "trailer",
  "upgrade",
  "expect",
  "keep-alive",
  "accept-encoding",
  "via",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
];
const WITHOUT_CONTENT = ["*", "GET", "HEAD", "OPTIONS"];

class Fault extends Error {}

const isText = (value) => typeof value === "string";
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const listed = (value) => (Array.isArray(value) ? value : [value]);
const hasControls = (text) => /[\u0000-\u001f\u007f]/.test(text);
const names = (object) => Object.keys(object).sort();

/**
 * Refuses rules with conditions that no proxy would take. Whether the rules are rules is not asked.
 * @param {unknown} rules
 */
export function checkConditions(rules) {
  if (!Array.isArray(rules)) return;
  for (const [at, rule] of rules.entries()) {
    const fault = isObject(rule) ? faultOf(rule) : null;
    if (fault) throw new TokenError("rule", `rule ${at + 1}: ${fault}`);
  }
}

/** Says what is wrong with the conditions of a rule in object form; null if nothing is. */
function faultOf(rule) {
  const members = Object.fromEntries(CONDITIONS.filter((name) => rule[name] !== undefined).map((name) => [name, rule[name]]));
  const isForGit = rule.git !== undefined;
  if (Object.keys(members).length === 0 && !isForGit) return null;
  try {
    if (isForGit) checkGitRule(new Reader(rule), rule);
    else new Reader(rule).conditions(members);
    return null;
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}

class Reader {
  constructor(rule) {
    this.rule = rule;
    this.way = [];
    this.tests = 0;
    this.nesting = 0;
  }

  fail(message) {
    throw new Fault(`\`${this.way.join(".")}\`: ${message}`);
  }

  at(name, read) {
    this.way.push(shown(name));
    read();
    this.way.pop();
  }

  conditions(members) {
    if (utf8(JSON.stringify(members)).length > MAX_BYTES) this.at("conditions", () => this.tooLarge());
    const at = (name, read) => name in members && this.at(name, () => read(members[name]));
    at("captures", (value) => {
      if (this.rule.route === undefined) this.fail("captures are those of a `route`, and this rule has a `path`");
      this.names(value, "captures");
    });
    at("headers", (value) => this.names(value, "headers"));
    at("content_type", (value) => this.mediaTypes(value));
    this.body(members);
    at("json", (value) => this.names(value, "json"));
    at("json_each", (value) => this.value(value, "json"));
    at("form", (value) => this.names(value, "form"));
    at("query", (value) => {
      if (value === "any") return;
      if (!isObject(value)) this.fail('expected an object of names and tests, or "any"');
      this.names(value, "query");
    });
  }

  tooLarge() {
    this.fail(`the conditions of a rule have at most ${MAX_BYTES} bytes, and ${MAX_TESTS} tests`);
  }

  /** Checks which members stand together. */
  body(members) {
    const shape = ["json", "json_each", "form"].find((name) => name in members);
    const { body } = members;
    if (body !== undefined && body !== "none" && body !== "any") this.at("body", () => this.fail('expected "none" or "any"'));
    if (body !== undefined && shape) this.at("body", () => this.fail(`a body is \`${body}\` or has the tests of \`${shape}\`, not both`));
    if (shape && !hasContent(this.rule.method)) {
      this.at(shape, () => this.fail(`a rule with \`${shape}\` lists methods with content; \`*\`, \`GET\`, \`HEAD\` and \`OPTIONS\` have none`));
    }
    if ("content_type" in members && !shape && body !== "any") {
      this.at("content_type", () => this.fail('`content_type` stands beside `json`, `json_each`, `form` or `"body": "any"`'));
    }
  }

  mediaTypes(value) {
    const types = listed(value);
    const isType = (type) => isText(type) && /^[A-Za-z0-9!#$%&'*+.^_`|~-]+\/[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(type);
    if (types.length < 1 || types.length > MAX_MEDIA_TYPES || !types.every(isType)) this.fail('expected a media type such as "application/json", or a list of them');
  }

  names(value, place) {
    if (!isObject(value)) this.fail('expected an object of names and tests, such as {"base": "main"}');
    const written = names(value);
    if (written.filter((name) => name !== "*").length > MAX_NAMES) this.fail(`at most ${MAX_NAMES} names can be listed`);
    const known = [];
    for (const name of written) this.at(name, () => this.member(name, value[name], place, known));
  }

  member(written, value, place, known) {
    if (written === "*") {
      if (place === "captures" || place === "headers") this.fail("`*` stands in `query`, `form`, `json` and `object` only");
      this.value(value, place);
      return;
    }
    const name = this.name(written, place);
    this.value(value, place);
    if (isObject(value) && value.absent === true) {
      if (name.isOptional) this.fail("`absent` says that the name is not there, and `?` that it may be missing");
      if (place === "captures" || name.hasKeys) this.fail("`absent` has no meaning here");
    }
    const twin = known.find((other) => areTwins(name, other, place));
    if (twin) this.fail(`some readers take this name for \`${shown(twin.text)}\`, which is listed, too`);
    known.push(name);
  }

  name(written, place) {
    const optional = withoutMark(written, "?");
    const keyed = withoutMark(optional.rest, "[*]");
    if (/\\(?![?*[\\])/.test(keyed.rest.replace(/\\[?*[\\]/g, ""))) this.fail("`\\` in a name stands before `?`, `*`, `[` or `\\` only");
    const text = keyed.rest.replace(/\\(.)/gs, "$1");
    const name = { text, isOptional: optional.isMarked, hasKeys: keyed.isMarked };
    if (text === "" || utf8(text).length > 128 || hasControls(text)) this.fail("a name has 1 to 128 bytes, and no control characters");
    if (name.hasKeys && place !== "query" && place !== "form") this.fail("`[*]` stands in `query` and `form` only");
    if (place === "captures" && name.isOptional) this.fail("`?` has no meaning here: a capture is never missing");
    if (place === "headers") this.field(text);
    else if (place !== "captures" && namesMethod(text)) this.fail("some readers take this name for one that overrides the method");
    return name;
  }

  field(text) {
    if (!/^[a-z0-9!#$%&'*+.^`|~-]+$/.test(text)) this.fail("names of header fields are tokens in lower case, without `_`");
    if (text.startsWith("sec-websocket-") || FIELDS_OF_CONNECTION.includes(text)) this.fail("this header field carries a token, or belongs to the connection or the body");
  }

  value(value, place) {
    this.tests += 1;
    if (this.tests > MAX_TESTS) this.tooLarge();
    if (isObject(value)) this.words(value, place);
    else if (!Array.isArray(value)) this.scalar(value, place);
    else if (value.length < 1 || value.length > MAX_VALUES || value.some((element) => typeof element === "object" && element !== null)) this.wrongList();
    else for (const element of value) this.scalar(element, place);
  }

  wrongList() {
    this.fail(`a list of values holds 1 to ${MAX_VALUES} texts, integers, booleans or null`);
  }

  wrongValue() {
    this.fail("expected a value, a list of values, {}, or an object with `glob`, `pattern`, `min`, `max`, `each`, `count`, `object`, `type` or `absent`");
  }

  scalar(value, place) {
    if (isText(value)) {
      if (utf8(value).length > MAX_TEXT || hasControls(value)) this.fail(`a text has at most ${MAX_TEXT} bytes, and no control characters`);
    } else if (typeof value === "number") this.integer(value);
    else if (value === null && place !== "json") this.fail("`null` is for JSON bodies only: a value here is a text");
    else if (value !== null && typeof value !== "boolean") this.wrongValue();
  }

  integer(value) {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.fail("a number is an integer from -9007199254740991 to 9007199254740991, without fraction or exponent");
    }
  }

  words(value, place) {
    const found = names(value);
    for (const word of found) {
      if (Object.hasOwn(GUESSES, word)) this.fail(`\`${word}\` is not a word of conditions; write ${GUESSES[word]}`);
      if (!Object.hasOwn(WORDS, word)) this.wrongValue();
      if (WORDS[word] !== WORDS[found[0]]) this.fail(`\`${found[0]}\` and \`${word}\` do not go together`);
    }
    if ("glob" in value) for (const glob of this.texts(value.glob)) this.glob(glob);
    if ("pattern" in value) for (const pattern of this.texts(value.pattern)) this.measure(pattern);
    if ("min" in value || "max" in value) this.range(value);
    if ("each" in value || "count" in value) this.list(value, place);
    if ("object" in value) this.object(value.object, place);
    if ("type" in value) this.types(value.type, place);
    if ("absent" in value && value.absent !== true) this.fail("`absent` is `true`, or is left out");
  }

  texts(value) {
    const texts = listed(value);
    if (texts.length < 1 || texts.length > MAX_VALUES) this.wrongList();
    if (!texts.every(isText)) this.wrongValue();
    return texts;
  }

  measure(pattern) {
    if (pattern === "") this.fail("the pattern is empty");
    if (utf8(pattern).length > MAX_TEXT) this.fail(`the text is longer than ${MAX_TEXT} bytes`);
  }

  glob(glob) {
    this.measure(glob);
    const bare = glob.replace(/\\[*\\]/g, "");
    if (bare.includes("\\")) this.fail("in a glob `\\` stands before `*` or `\\` only");
    if (!/^[ -~]*$/.test(bare)) this.fail("a glob holds visible ASCII and blanks only; another text is written as it is, without `glob`");
  }

  range({ min = -Number.MAX_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER }) {
    this.integer(min);
    this.integer(max);
    if (min > max) this.fail("`min` is greater than `max`");
  }

  list({ each, count }, place) {
    if (place === "captures" || place === "headers") this.fail("`each` is for JSON bodies only: a value here is a text");
    if (count !== undefined) this.count(count);
    if (each === undefined) return;
    this.deeper(() => this.at("each", () => this.value(each, place)));
    if (!isObject(each)) return;
    if ("absent" in each) this.fail("`absent` has no meaning here");
    if (place !== "json" && ("each" in each || "count" in each)) this.fail("`each` is for JSON bodies only: a value here is a text");
  }

  count(count) {
    const isEnd = (end) => Number.isSafeInteger(end) && end >= 0 && !Object.is(end, -0);
    const known = isObject(count) ? Object.keys(count) : [];
    const isRange = known.length > 0 && known.every((name) => (name === "min" || name === "max") && isEnd(count[name]));
    if (!isEnd(count) && !isRange) this.fail("`count` is a number of elements, or an object with `min`, `max` or both");
    if (isRange && (count.min ?? 0) > (count.max ?? Infinity)) this.fail("`min` is greater than `max`");
  }

  object(value, place) {
    if (place !== "json") this.fail("`object` is for JSON bodies only: a value here is a text");
    this.deeper(() => this.names(value, place));
  }

  types(value, place) {
    const types = listed(value);
    if (types.length < 1 || !types.every((type) => TYPES.includes(type))) {
      this.fail("`type` is one of `string`, `integer`, `number`, `boolean`, `null`, `array`, `object`, or a list of them");
    }
    const other = place !== "json" && types.find((type) => !TEXT_TYPES.includes(type));
    if (other) this.fail(`\`${other}\` is for JSON bodies only: a value here is a text`);
  }

  deeper(read) {
    if (this.nesting === MAX_NESTING) this.fail(`\`each\` and \`object\` go at most ${MAX_NESTING} levels deep`);
    this.nesting += 1;
    read();
    this.nesting -= 1;
  }
}

function hasContent(method) {
  return listed(method).every((words) => isText(words) && words.split("|").every((word) => !WITHOUT_CONTENT.includes(word)));
}

/** Takes a mark off the end of a name, unless a `\` takes the mark's meaning away. */
function withoutMark(name, mark) {
  const rest = name.slice(0, -mark.length);
  const isMarked = name.endsWith(mark) && (rest.length - rest.replace(/\\+$/, "").length) % 2 === 0;
  return isMarked ? { rest, isMarked } : { rest: name, isMarked };
}

/** True if some reader takes the two names for one: section 4.3. */
function areTwins(one, other, place) {
  if (one.text === other.text && one.hasKeys === other.hasKeys) return true;
  if (place === "captures" || place === "headers" || lenient(one.text) !== lenient(other.text)) return false;
  const hasBrackets = ({ text, hasKeys }) => hasKeys || text.includes("[");
  return place === "json" || !(hasBrackets(one) && hasBrackets(other));
}

/** Returns a name as the most lenient readers see it: without case, `_`, `-`, and in front `$`, `@` and `@odata.`. */
function lenient(name) {
  const fold = (character) => character.toLowerCase().toUpperCase().toLowerCase();
  return [...name].map(fold).join("").replace(/[_\u0307-]/g, "").replace(/^\$*(@(odata\.)?)?/, "");
}

/** True if some reader takes the name for one that overrides the method: request-target.md section 3. */
function namesMethod(name) {
  const is = (text) => {
    const [bare] = text.replace(/^[\s+[\]]+/, "").split(/[[\]]/);
    return OVERRIDES.includes(bare.replace(/[\s+]+$/, "").toLowerCase().replace(/[\s+.-]/g, "_"));
  };
  return is(name) || (name.includes("[") && !name.includes("]") && is(name.replaceAll("[", "_")));
}

/** Returns a name for a message: in a single line, and not too long. */
function shown(name) {
  const characters = [...name];
  const text = JSON.stringify(characters.slice(0, 40).join("")).slice(1, -1).replaceAll('\\"', '"').replaceAll("\\\\", "\\");
  return characters.length > 40 ? `${text}…` : text;
}
