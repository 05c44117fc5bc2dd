// Magic tokens of Magic API Proxy: docs/spec/token-v2.md and token-v1.md, with WebCrypto and nothing else.

export { TokenError } from "./form.js";
export { fetchKeys, thumbprint } from "./keys.js";
export { verifyKeySet } from "./keyset.js";
export { chainId, inspect, mint, narrow, open } from "./sealed.js";
export { armoured, mintV1 } from "./signed.js";
export { sizeWarnings } from "./size.js";
