/** A rule: `GET|POST /pattern`, `GET route:/repos/{owner}/{repo}`, or an object. See docs/spec/rules.md. */
export type Rule = string | { method: string | string[]; path?: string; route?: string };

/** One header field of a credential. */
export type Field = { bearer: string } | { basic: [user: string, password: string] } | { header: [name: string, value: string] };

/** A credential: `secret` goes where the proxy's operator says, the others where they say themselves. */
export type Credential = { secret: string } | Field | { several: Field[] };

/** What a holder adds to a token. Every member that is there must hold for a request. */
export interface Caveat {
  allowed?: Rule | Rule[];
  /** Seconds since 1970. */
  exp?: number;
  nbf?: number;
  aud?: string;
  sub?: string;
  sender?: { cidr: string | string[] };
  /** How many requests there may be: `{ requests: 100, per: "1h" }`, `{ total: 3 }` or `{ concurrent: 2 }`. */
  limit?: { requests: number; per: string } | { total: number } | { concurrent: number };
  /** The token of which the proxy made this one: its chain id, owner and key. It gives nothing. */
  from?: { chain: string; owner: string; kid: string };
}

/** What a token is sealed with. */
export type KemName = "x25519" | "x-wing";

/**
 * An implementation of X-Wing (draft-connolly-cfrg-xwing-kem-10), as `@noble/post-quantum` has it: `ml_kem768_x25519` of `hybrid.js`, or of
 * `webcrypto.js` where WebCrypto has it. Promises are waited for.
 */
export interface XWing {
  encapsulate(publicKey: Uint8Array): Encapsulated | Promise<Encapsulated>;
  /** `secretKey` is the seed of 32 bytes. */
  decapsulate(cipherText: Uint8Array, secretKey: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

export interface Encapsulated {
  cipherText: Uint8Array;
  sharedSecret: Uint8Array;
}

/** What a proxy, or one of its upstreams, says that it accepts (token-v2.md section 7.3). */
export interface Accepts {
  versions: string[];
  kems: string[];
  /** Thumbprints of the keys of which one must sign; absent where none need. */
  minters?: string[];
  /** Seconds from `iat` to `exp`. */
  max_lifetime: number;
}

export interface Inspection {
  claims: Record<string, unknown>;
  caveats: Caveat[];
  labels: string[];
  /** Seconds since 1970: what claims and caveats leave. */
  expiresAt: number;
  notBefore: number;
}

/** Why a token is refused; `kind` is the name of the refusal in the specification. No message holds a secret. */
export class TokenError extends Error {
  kind: string;
}

export interface MintOptions {
  /** Public JWK or JWK Set, such as `fetchKeys` and `verifyKeySet` give. What such a set says that the proxy accepts is heeded. */
  key: object;
  /** Without it X25519 is taken where the proxy has and accepts it, else X-Wing. */
  kem?: KemName;
  /** Needed to seal to an X-Wing key. */
  xWing?: XWing;
  /** What one upstream accepts: the member `accepts` of `GET /__magictoken/upstreams/NAME`. */
  accepts?: Accepts;
  credential: Credential;
  /** The upstream. */
  aud: string;
  /** Either rules or names of scopes; one is a list of one. */
  allowed?: Rule | Rule[];
  scopes?: string | string[];
  /** Seconds, or a text such as "1h"; a day where nothing is said. */
  expiresIn?: number | string;
  /** Seconds since 1970. */
  notBefore?: number;
  sub?: string;
  explain?: boolean;
  /** Private Ed25519 JWK, where the operator wants to know who mints. */
  minter?: object;
  now?: number;
}

export interface Minted {
  token: string;
  id: string;
  /** What `sizeWarnings` says of it. */
  warnings: string[];
}

/**
 * Mints a token of version 2. The credential leaves this function in no other form. Throws a `TokenError` whose `kind` is `version`, `kem`,
 * `minter` or `lifetime` where the proxy says that it would not accept the token.
 */
export function mint(options: MintOptions): Promise<Minted>;

/** Mints a token of version 1 with the proxy's private RSA key (PKCS#8 PEM or JWK). */
export function mintV1(
  options: Omit<MintOptions, "key" | "credential" | "minter" | "notBefore" | "kem" | "xWing" | "accepts"> & { privateKey: string | object; credential: string },
): Promise<Minted>;

/**
 * The spelling of a version 1 token for programs that show a token up to its last `_`, such as `gh`: `mt1_` and letters, digits and dots. It
 * works in requests, and is no other token. Throws (`malformed`) of a sealed token, which needs none, and of what has armour already.
 */
export function armoured(token: string): string;

/** Appends a caveat, given as an object or as the exact JSON text; needs the token only. */
export function narrow(token: string, caveat: Caveat | string): Promise<string>;

/** What to say of the length of a token, mostly nothing: from 4,096 bytes on credential stores, from 7,500 on servers in front may refuse it. */
export function sizeWarnings(token: string): string[];

/** What a token says of itself, without believing it. */
export function inspect(token: string): Inspection;

/** What the proxy's log calls this chain of caveats, and `magicproxy revoke chain:…` ends with all that is narrowed from it. No secret. */
export function chainId(token: string): Promise<string>;

/** Verifies everything but the rules, with the private keys. */
export function open(
  token: string,
  options: { keys: object[]; xWing?: XWing; kems?: KemName[]; minters?: object[]; denyKid?: string[]; requireSub?: boolean; maxLifetime?: number; now?: number },
): Promise<Inspection & { credential: Credential }>;

/** A signed key set of a proxy: keep it, and give it as `pinned` at the next time. */
export interface KeySet {
  keys: object[];
  /** The public Ed25519 JWK that signs the sets to come. */
  signer: object;
  /** When the proxy's keys last changed: no older set is taken. */
  version: number;
  /** When it was signed; or when the pinned one was, where that has the same version and is later: no older set is taken. */
  iat: number;
  /** Until when the set may be used where the proxy cannot be asked. */
  exp: number;
  /** What the proxy accepts, where it says so. `mint` heeds it. */
  accepts?: Accepts;
}

export interface Following {
  /** The set that was kept, or its `signer`, `version` and `iat`. Without it, whoever answers is believed. */
  pinned?: (Pick<KeySet, "signer" | "version"> & Partial<Pick<KeySet, "iat">>) | null;
  now?: number;
}

/** Verifies a document of `GET /__magictoken/keys`. Throws a `TokenError` where it does not follow what is pinned. */
export function verifyKeySet(document: string | object, options?: Following): Promise<KeySet>;

/**
 * The public keys of a proxy, over TLS or from this machine, verified as `verifyKeySet` does. Of a proxy that does not sign its
 * set, and where nothing is pinned, a JWK Set without `signer`.
 */
export function fetchKeys(proxy: string, options?: Following): Promise<KeySet | { keys: object[] }>;

/** RFC 7638. */
export function thumbprint(jwk: object): Promise<string>;
