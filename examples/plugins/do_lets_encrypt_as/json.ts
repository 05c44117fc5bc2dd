// JSON, as strictly as an owner of records wants it: whatever could be read in two ways is not read at all.

const QUOTE: u8 = 0x22, BACKSLASH: u8 = 0x5c, DEEPEST: i32 = 16;

/** Reads a text from its start. After the first thing that it cannot read, `ok` is false and stays so. */
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

  /** Is this the next character? Then it is behind us. */
  take(character: string): bool {
    this.space();
    if (this.peek() != <u8>character.charCodeAt(0)) return false;
    this.at++;
    return true;
  }

  expect(character: string): void {
    if (!this.take(character)) this.ok = false;
  }

  /** The end, and nothing behind it. */
  end(): bool {
    this.space();
    return this.ok && this.at == this.bytes.length;
  }

  /** A string, of printable ASCII and without escapes unless `any`. */
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

  /** A number without sign, point or exponent, of at most 18 digits. */
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

  /** Is the next value `null`? Then it is behind us. */
  takeNull(): bool {
    this.space();
    const word: u32 = 0x6c6c756e; // in the order of bytes, little-endian
    if (this.at + 4 > this.bytes.length || load<u32>(this.bytes.dataStart + this.at) != word) return false;
    this.at += 4;
    if (isWord(this.peek())) this.ok = false;
    return true;
  }

  /** Any value at all. */
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

/** Letters, digits and signs: true, false, null and numbers are made of these. */
function isWord(byte: u8): bool {
  return (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte == 0x2b || byte == 0x2d || byte == 0x2e || byte == 0x45;
}
