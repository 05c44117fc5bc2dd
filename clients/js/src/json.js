// A strict reader of JSON: `JSON.parse` would hide a repeated member, and take 1.0 for an integer.

/** The error for any text that is not strict JSON. */
export class JsonError extends Error {}

/**
 * Reads an object whose first bytes are `{"` and whose last is `}`: token-v2.md section 1.3.
 * @param {string} text
 * @returns {Record<string, unknown>}
 */
export function parseObject(text) {
  if (!text.startsWith('{"')) throw new JsonError("expected a JSON object");
  return parseWith(new Reader(text));
}

/**
 * Reads an object like `parseObject`, in which rules may have conditions: null is read as null, a
 * negative integer as such, and any other number that is no natural number as NaN.
 * @param {string} text
 */
export function parseTokenObject(text) {
  if (!text.startsWith('{"')) throw new JsonError("expected a JSON object");
  return parseWith(new TokenReader(text));
}

function parseWith(reader) {
  const { text } = reader;
  if (!text.startsWith("{") || !text.endsWith("}")) throw new JsonError("expected a JSON object");
  const value = reader.value();
  if (reader.at !== text.length) throw new JsonError("something follows the object");
  return value;
}

/**
 * Escapes all characters of which base64url makes `-` or `_`: token-v2.md section 1.1. In JSON,
 * such characters occur in strings only, so the value stays the same; a text that is not JSON might
 * become JSON.
 * @param {string} json JSON that was read before
 */
export const withEscapes = (json) => json.replace(/[>?~\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

/**
 * The greatest depth of objects and lists. No token needs a greater depth, which would use up the
 * stack.
 */
const MAX_DEPTH = 127;

/**
 * Reads an object that may have unknown members with any JSON (I-JSON, RFC 7493), and white space
 * around the object. null is read as null, and a number that is no natural number as NaN.
 * @param {string} text
 */
export function parseForeignObject(text) {
  return parseWith(new ForeignReader(text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "")));
}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.depth = 0;
  }

  fail(expected) {
    throw new JsonError(`expected ${expected} at ${this.at}`);
  }

  blank() {
    while (" \t\n\r".includes(this.text[this.at] ?? "x")) this.at++;
  }

  take(character) {
    this.blank();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  value() {
    this.blank();
    switch (this.text[this.at]) {
      case "{":
        return this.nested(() => this.object());
      case "[":
        return this.nested(() => this.list());
      case '"':
        return this.string();
      default:
        return this.word();
    }
  }

  nested(read) {
    if (++this.depth > MAX_DEPTH) this.fail("less depth");
    const value = read();
    this.depth--;
    return value;
  }

  object() {
    const object = Object.create(null);
    this.take("{");
    if (this.take("}")) return object;
    do {
      this.blank();
      const name = this.text[this.at] === '"' ? this.string() : this.fail("a name");
      if (name in object) this.fail("each member once");
      if (!this.take(":")) this.fail("`:`");
      object[name] = this.value();
    } while (this.take(","));
    return this.take("}") ? object : this.fail("`}`");
  }

  list() {
    const list = [];
    this.take("[");
    if (this.take("]")) return list;
    do list.push(this.value());
    while (this.take(","));
    return this.take("]") ? list : this.fail("`]`");
  }

  string() {
    const match = /"(?:[^"\\\u0000-\u001f]|\\.)*"/sy;
    match.lastIndex = this.at;
    const found = match.exec(this.text);
    if (!found) this.fail("a string");
    this.at = match.lastIndex;
    let text;
    try {
      text = JSON.parse(found[0]);
    } catch {
      this.fail("a string");
    }
    return text.isWellFormed() ? text : this.fail("a string of characters");
  }

  word() {
    const match = /true|false|0|[1-9][0-9]*/y;
    match.lastIndex = this.at;
    const found = match.exec(this.text);
    // Fractions, exponents, signs and null are refused in a token.
    if (!found || /[\w.+-]/.test(this.text[match.lastIndex] ?? " ")) this.fail("a value");
    this.at = match.lastIndex;
    if (found[0] === "true" || found[0] === "false") return found[0] === "true";
    const number = Number(found[0]);
    return Number.isSafeInteger(number) ? number : this.fail("a smaller number");
  }
}

class ForeignReader extends Reader {
  word() {
    const match = /null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
    match.lastIndex = this.at;
    const found = match.exec(this.text)?.[0];
    if (!found || (found !== "null" && Number.isSafeInteger(Number(found)) && /^[0-9]+$/.test(found))) return super.word();
    if (/[\w.+-]/.test(this.text[match.lastIndex] ?? " ")) this.fail("a value");
    this.at = match.lastIndex;
    return found === "null" ? null : this.number(found);
  }

  number() {
    return NaN;
  }
}

class TokenReader extends ForeignReader {
  number(text) {
    const isNegative = /^-[1-9][0-9]*$/.test(text) && Number.isSafeInteger(Number(text));
    return isNegative ? Number(text) : super.number(text);
  }
}
