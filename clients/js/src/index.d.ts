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
  /** Public JWK or JWK Set; the first X25519 key is taken. */
  key: object;
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

/** Mints a token of version 2. The credential leaves this function in no other form. */
export function mint(options: MintOptions): Promise<{ token: string; id: string }>;

/** Mints a token of version 1 with the proxy's private RSA key (PKCS#8 PEM or JWK). */
export function mintV1(
  options: Omit<MintOptions, "key" | "credential" | "minter" | "notBefore"> & { privateKey: string | object; credential: string },
): Promise<{ token: string; id: string }>;

/** Appends a caveat, given as an object or as the exact JSON text; needs the token only. */
export function narrow(token: string, caveat: Caveat | string): Promise<string>;

/** What a token says of itself, without believing it. */
export function inspect(token: string): Inspection;

/** What the proxy's log calls this chain of caveats, and `magicproxy revoke chain:…` ends with all that is narrowed from it. No secret. */
export function chainId(token: string): Promise<string>;

/** Verifies everything but the rules, with the private keys. */
export function open(
  token: string,
  options: { keys: object[]; minters?: object[]; denyKid?: string[]; requireSub?: boolean; maxLifetime?: number; now?: number },
): Promise<Inspection & { credential: Credential }>;

/** A signed key set of a proxy: keep it, and give it as `pinned` at the next time. */
export interface KeySet {
  keys: object[];
  /** The public Ed25519 JWK that signs the sets to come. */
  signer: object;
  /** When the proxy's keys last changed: no older set is taken. */
  version: number;
  iat: number;
  /** Until when the set may be used where the proxy cannot be asked. */
  exp: number;
}

export interface Following {
  /** The set that was kept, or its `signer` and `version`. Without it, whoever answers is believed. */
  pinned?: Pick<KeySet, "signer" | "version"> | null;
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
