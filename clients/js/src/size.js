// Lengths at which programs around a token may refuse the token.

/**
 * The limit in bytes of credential stores and of some clients' fields. Servers' limits on a header
 * field begin at 8,192 bytes, with the field's name and scheme.
 */
const STORES = 4096;
const HEADERS = 7500;

/** See `index.d.ts`. */
export function sizeWarnings(token) {
  if (token.length < STORES) return [];
  const length = `the token has ${token.length} bytes`;
  if (token.length < HEADERS) return [`${length}: some credential stores keep at most ${STORES}`];
  return [`${length}: servers in front of the proxy may refuse a header field as long as that, and some credential stores keep at most ${STORES}`];
}
