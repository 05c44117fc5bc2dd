// The memory layout of component model values: the part of `wit/since_v1` that this plugin needs.
// AssemblyScript has no bindings for components yet, so the layout is written by hand. All numbers
// are offsets in records.

@external("magicproxy:plugin/state@1.0.0", "get")
declare function stateGet(name: usize, length: usize, result: usize): void;
@external("magicproxy:plugin/state@1.0.0", "set")
declare function stateSet(
  name: usize, length: usize, value: usize, valueLength: usize, hasSeconds: i32, seconds: u64, result: usize): void;
@external("magicproxy:plugin/state@1.0.0", "remove")
declare function stateRemove(name: usize, length: usize, result: usize): void;
@external("magicproxy:plugin/config@1.0.0", "get")
declare function configGet(result: usize): void;

/**
 * Allocates memory for values that the host passes in. Nothing is freed: an instance lives for one
 * call.
 */
export function cabi_realloc(old: usize, oldSize: usize, align: usize, size: usize): usize {
  return heap.alloc(size);
}

/** Reads a text whose address and length lie at `at`. */
function text(at: usize): string {
  return String.UTF8.decodeUnsafe(load<usize>(at), load<usize>(at + 4));
}

/** Reads an `option<list<u8>>`: bytes, or null. */
function bytes(at: usize): Uint8Array | null {
  if (load<u8>(at) == 0) return null;
  const length = load<usize>(at + 8);
  const copy = new Uint8Array(<i32>length);
  memory.copy(copy.dataStart, load<usize>(at + 4), length);
  return copy;
}

export class Request {
  constructor(private at: usize) {}
  get method(): string { return text(this.at + 8); }
  get path(): string { return text(this.at + 16); }
  get hasQuery(): bool { return load<u8>(this.at + 24) != 0; }
  get body(): Uint8Array | null { return bytes(this.at + 44); }
}

/** The size of a request in bytes; in `on-response` the response lies behind the request. */
export const REQUEST_SIZE: usize = 84;

export class Response {
  constructor(private at: usize) {}
  get status(): u16 { return load<u16>(this.at); }
  get body(): Uint8Array | null { return bytes(this.at + 12); }
}

/** Writes a variant with a case and perhaps a text: a verdict, or `result<_, string>`. */
export function variant(kind: u8, reason: string): usize {
  const at = heap.alloc(12);
  store<u8>(at, kind);
  const encoded = String.UTF8.encode(reason);
  store<usize>(at + 4, changetype<usize>(encoded));
  store<usize>(at + 8, encoded.byteLength);
  return at;
}

export const enum Kept { No, Yes, Unknown }

export function isKept(name: string): Kept {
  const encoded = String.UTF8.encode(name), result = heap.alloc(16);
  stateGet(changetype<usize>(encoded), encoded.byteLength, result);
  if (load<u8>(result) != 0) return Kept.Unknown;
  return load<u8>(result + 4) != 0 ? Kept.Yes : Kept.No;
}

export function keep(name: string): bool {
  const encoded = String.UTF8.encode(name), value = String.UTF8.encode("created"), result = heap.alloc(2);
  stateSet(changetype<usize>(encoded), encoded.byteLength, changetype<usize>(value), value.byteLength, 0, 0, result);
  return load<u8>(result) == 0;
}

export function forget(name: string): bool {
  const encoded = String.UTF8.encode(name), result = heap.alloc(2);
  stateRemove(changetype<usize>(encoded), encoded.byteLength, result);
  return load<u8>(result) == 0;
}

export function configuration(): string | null {
  const result = heap.alloc(12);
  configGet(result);
  return load<u8>(result) == 0 ? null : text(result + 4);
}
