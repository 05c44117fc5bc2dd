/**
 * A rule: `GET|POST /pattern`, `GET route:/repos/{owner}/{repo}`, or an object. See
 * docs/spec/rules.md.
 */
export type Rule = string | ({ method: string | string[]; path?: string; route?: string } & Conditions) | GitRule;

/** A rule for git: which references of which repository may be moved, and how. See docs/spec/git.md. */
export type GitRule =
  | {
      git: "push";
      repository: string;
      refs: RefTest;
      create?: boolean;
      delete?: boolean;
      force?: boolean;
      options?: RefTest;
      max_commands?: number;
      limit?: { total: number } | { concurrent: number } | { requests: number; per: string };
    }
  | { git: "fetch"; repository: string }
  | { git: "lfs"; repository: string; operations?: string | string[]; locks?: boolean };

/** A test of texts: one of them, or a glob or a pattern that matches; `{}` is any text. */
export type RefTest = string | string[] | { glob?: string | string[]; pattern?: string | string[] };

/** The conditions of a rule on query, header fields and body. See docs/spec/conditions.md. */
export interface Conditions {
  captures?: Names;
  query?: Names | "any";
  headers?: Names;
  json?: Names;
  json_each?: Test;
  form?: Names;
  body?: "none" | "any";
  content_type?: string | string[];
}

/**
 * Names with their tests: `x` must be there, `x?` may be missing, `x[*]` stands for `x` with keys in
 * brackets (query and form), `*` for each name that is not listed.
 */
export interface Names {
  [name: string]: Test;
}

/** A value of a rule. Integers only. */
export type Scalar = string | number | boolean | null;

export type TypeName = "string" | "integer" | "number" | "boolean" | "null" | "array" | "object";

/** A test of a value: exactly this, one of these, or words; `{}` is true for anything. */
export type Test =
  | Scalar
  | Scalar[]
  | { type: TypeName | TypeName[] }
  | { glob?: string | string[]; pattern?: string | string[] }
  | { min?: number; max?: number }
  | { each?: Test; count?: number | { min?: number; max?: number } }
  | { object: Names }
  | { absent: true };

/** A header field of a credential. */
export type Field = { bearer: string } | { basic: [user: string, password: string] } | { header: [name: string, value: string] };

/**
 * A credential. The proxy's operator decides the place of a `secret`; the other forms name their
 * place.
 */
export type Credential = { secret: string } | Field | { several: Field[] };

/**
 * A restriction that a holder appends to a token. A request must satisfy every member of the
 * caveat.
 */
export interface Caveat {
  allowed?: Rule | Rule[];
  /** Seconds since 1970. */
  exp?: number;
  nbf?: number;
  aud?: string;
  sub?: string;
  sender?: { cidr: string | string[] };
  /**
   * A limit on the number of requests: `{ requests: 100, per: "1h" }`, `{ total: 3 }` or
   * `{ concurrent: 2 }`.
   */
  limit?: { requests: number; per: string } | { total: number } | { concurrent: number };
  /** The token from which the proxy made the new token: chain id, owner and key. Allows nothing. */
  from?: { chain: string; owner: string; kid: string };
}

/** The name of the KEM that seals a token. */
export type KemName = "x25519" | "x-wing";

/**
 * An implementation of X-Wing (draft-connolly-cfrg-xwing-kem-10), such as `ml_kem768_x25519` of
 * `@noble/post-quantum`, from `hybrid.js`, or from `webcrypto.js` if WebCrypto has ML-KEM. Promises
 * are awaited.
 */
export interface XWing {
  encapsulate(publicKey: Uint8Array): Encapsulated | Promise<Encapsulated>;
  /** Returns the shared secret; `secretKey` is the seed of 32 bytes. */
  decapsulate(cipherText: Uint8Array, secretKey: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

export interface Encapsulated {
  cipherText: Uint8Array;
  sharedSecret: Uint8Array;
}

/** The tokens that a proxy, or an upstream of the proxy, accepts (token-v2.md section 7.3). */
export interface Accepts {
  versions: string[];
  kems: string[];
  /**
   * Thumbprints of the minters' keys, one of which must sign; absent if no minter needs to sign.
   */
  minters?: string[];
  /** The longest time from `iat` to `exp`, in seconds. */
  max_lifetime: number;
}

export interface Inspection {
  claims: Record<string, unknown>;
  caveats: Caveat[];
  labels: string[];
  /** The end of the token in seconds since 1970, by the claims and all caveats. */
  expiresAt: number;
  notBefore: number;
}

/**
 * The refusal of a token; `kind` is the name of the refusal in the specification. No message holds
 * a secret.
 */
export class TokenError extends Error {
  kind: string;
}

export interface MintOptions {
  /**
   * A public JWK or JWK Set, such as the result of `fetchKeys` or `verifyKeySet`. If the set says
   * which tokens the proxy accepts, `mint` makes no other token.
   */
  key: object;
  /** The KEM. Without `kem`, X25519 if the proxy has and accepts such a key, else X-Wing. */
  kem?: KemName;
  /** An implementation of X-Wing; needed to seal to an X-Wing key. */
  xWing?: XWing;
  /**
   * The tokens that an upstream accepts: the member `accepts` of
   * `GET /__magictoken/upstreams/NAME`.
   */
  accepts?: Accepts;
  credential: Credential;
  /** The name of the upstream. */
  aud: string;
  /**
   * A rule, a list of rules, or else names of scopes in `scopes`. A single value is a list of one.
   */
  allowed?: Rule | Rule[];
  scopes?: string | string[];
  /** The lifetime in seconds, or as a text such as "1h"; a day by default. */
  expiresIn?: number | string;
  /** Seconds since 1970. */
  notBefore?: number;
  sub?: string;
  explain?: boolean;
  /** A private Ed25519 JWK, for operators who want to know the minter. */
  minter?: object;
  now?: number;
}

export interface Minted {
  token: string;
  id: string;
  /** The warnings of `sizeWarnings` about the token. */
  warnings: string[];
}

/**
 * Mints a token of version 2. The credential leaves the function only in sealed form. Throws a
 * `TokenError` with the `kind` `version`, `kem`, `minter` or `lifetime` if the proxy says that such
 * a token is not accepted.
 */
export function mint(options: MintOptions): Promise<Minted>;

/** Mints a token of version 1 with the proxy's private RSA key (PKCS#8 PEM or JWK). */
export function mintV1(
  options: Omit<MintOptions, "key" | "credential" | "minter" | "notBefore" | "kem" | "xWing" | "accepts"> & { privateKey: string | object; credential: string },
): Promise<Minted>;

/**
 * Returns the armoured spelling of a version 1 token, for programs such as `gh` that show a token
 * up to the last `_`: `mt1_` and letters, digits and dots. The armoured token works in requests,
 * and counts as the same token. Throws (`malformed`) for a sealed token, which needs no armour, and
 * for an armoured token.
 */
export function armoured(token: string): string;

/** Appends a caveat, given as an object or as the exact JSON text. Needs only the token. */
export function narrow(token: string, caveat: Caveat | string): Promise<string>;

/**
 * Returns warnings about the length of a token, mostly none: from 4,096 bytes on, credential stores
 * may refuse the token, and from 7,500 bytes on, servers in front of the proxy.
 */
export function sizeWarnings(token: string): string[];

/** Reads the claims and caveats of a token, and verifies nothing. */
export function inspect(token: string): Inspection;

/**
 * Returns the id of this chain of caveats, as written in the proxy's log.
 * `magicproxy revoke chain:…` ends the chain and all tokens narrowed from it. The id is no secret.
 */
export function chainId(token: string): Promise<string>;

/** Verifies everything but the rules, with the private keys. */
export function open(
  token: string,
  options: { keys: object[]; xWing?: XWing; kems?: KemName[]; minters?: object[]; denyKid?: string[]; requireSub?: boolean; maxLifetime?: number; now?: number },
): Promise<Inspection & { credential: Credential }>;

/** A signed key set of a proxy. Keep the set, and pass it as `pinned` the next time. */
export interface KeySet {
  keys: object[];
  /** The public Ed25519 JWK that signs the sets to come. */
  signer: object;
  /** The time of the last change of the proxy's keys; an older set is refused. */
  version: number;
  /**
   * The time of the signature; or the time of the pinned set's signature, if the pinned set has the
   * same version and a later time. An older set is refused.
   */
  iat: number;
  /** The time until which the set may be used if the proxy cannot be asked. */
  exp: number;
  /** The tokens that the proxy accepts, if the proxy says so. `mint` makes no other token. */
  accepts?: Accepts;
}

export interface Following {
  /**
   * The kept set, or its `signer`, `version` and `iat`. Without a pinned set, any responding server
   * is believed.
   */
  pinned?: (Pick<KeySet, "signer" | "version"> & Partial<Pick<KeySet, "iat">>) | null;
  now?: number;
}

/**
 * Verifies a document of `GET /__magictoken/keys`. Throws a `TokenError` for a set that does not
 * follow the pinned set.
 */
export function verifyKeySet(document: string | object, options?: Following): Promise<KeySet>;

/**
 * Fetches the public keys of a proxy, over TLS or from this machine, and verifies the set like
 * `verifyKeySet`. If the proxy does not sign the set and nothing is pinned, returns a JWK Set
 * without `signer`.
 */
export function fetchKeys(proxy: string, options?: Following): Promise<KeySet | { keys: object[] }>;

/** Returns the thumbprint of a key: RFC 7638. */
export function thumbprint(jwk: object): Promise<string>;
