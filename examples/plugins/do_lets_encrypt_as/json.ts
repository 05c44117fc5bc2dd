// A strict reader of JSON: a text that two readers could understand differently is refused.

const QUOTE: u8 = 0x22, BACKSLASH: u8 = 0x5c, DEEPEST: i32 = 16;

/**
 * Reads a text from the start. At the first unreadable byte, `ok` becomes false and stays false.
 */
export class Reader {
  ok: bool = true;
  private at: i32 = 0;
  constructor(private bytes: Uint8Array) {}

  private peek(): u8 {
    return this.at < this.bytes.length ? this.bytes[this.at] : 0;
  }

  private space(): void {
    while (this.peek() == 0x20 || this.peek() == 0x09 || this.peek() == 0x0a || this.peek() == 0x0d) this.at++;
  }

  /** True if the next character is the given one, and then moves behind the character. */
  take(character: string): bool {
    this.space();
    if (this.peek() != <u8>character.charCodeAt(0)) return false;
    this.at++;
    return true;
  }

  expect(character: string): void {
    if (!this.take(character)) this.ok = false;
  }

  /** True at the end of a readable text. */
  end(): bool {
    this.space();
    return this.ok && this.at == this.bytes.length;
  }

  /** Reads a string; without `any`, only of printable ASCII and without escapes. */
  string(any: bool): string {
    this.expect("\"");
    const start = this.at;
    while (this.ok && this.peek() != QUOTE) {
      const byte = this.peek();
      if (byte < 0x20 || (!any && (byte == BACKSLASH || byte > 0x7e))) this.ok = false;
      this.at += byte == BACKSLASH ? 2 : 1;
    }
    const text = this.ok ? String.UTF8.decodeUnsafe(this.bytes.dataStart + start, this.at - start) : "";
    this.at++;
    return text;
  }

  /** Reads a number without sign, point or exponent, of at most 18 digits. */
  number(): u64 {
    this.space();
    const start = this.at;
    let value: u64 = 0;
    while (this.peek() >= 0x30 && this.peek() <= 0x39) value = value * 10 + (this.bytes[this.at++] - 0x30);
    const digits = this.at - start;
    if (digits == 0 || digits > 18 || (digits > 1 && this.bytes[start] == 0x30)) this.ok = false;
    const next = this.peek();
    if (next == 0x2e || next == 0x65 || next == 0x45) this.ok = false;
    return value;
  }

  /** True if the next value is `null`, and then moves behind the value. */
  takeNull(): bool {
    this.space();
    const word: u32 = 0x6c6c756e; // in the order of bytes, little-endian
    if (this.at + 4 > this.bytes.length || load<u32>(this.bytes.dataStart + this.at) != word) return false;
    this.at += 4;
    if (isWord(this.peek())) this.ok = false;
    return true;
  }

  /** Skips a value of any kind. */
  skip(depth: i32 = 0): void {
    if (depth > DEEPEST) this.ok = false;
    this.space();
    const first = this.peek();
    if (first == QUOTE) { this.string(true); return; }
    if (this.take("{")) { this.members("}", true, depth); return; }
    if (this.take("[")) { this.members("]", false, depth); return; }
    const start = this.at;
    while (isWord(this.peek())) this.at++;
    if (this.at == start) this.ok = false;
  }

  private members(end: string, named: bool, depth: i32): void {
    if (this.take(end)) return;
    do {
      if (named) { this.string(true); this.expect(":"); }
      this.skip(depth + 1);
    } while (this.ok && this.take(","));
    this.expect(end);
  }
}

/** True for letters, digits and signs, the characters of true, false, null and numbers. */
function isWord(byte: u8): bool {
  return (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte == 0x2b || byte == 0x2d || byte == 0x2e || byte == 0x45;
}
