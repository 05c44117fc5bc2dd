// How long a token may be, for what stands around it.

/** Credential stores and some clients' fields end at 4,096 bytes; servers' limits of a header's length begin at 8,192, with the field's name and scheme. */
const STORES = 4096;
const HEADERS = 7500;

/** See `index.d.ts`. */
export function sizeWarnings(token) {
  if (token.length < STORES) return [];
  const length = `the token has ${token.length} bytes`;
  if (token.length < HEADERS) return [`${length}: some credential stores keep at most ${STORES}`];
  return [`${length}: servers in front of the proxy may refuse a header field as long as that, and some credential stores keep at most ${STORES}`];
}
