//! The forms of mint requests, narrow requests, claims and caveats, for messages about JSON of
//! another form.

use crate::duration;
use crate::json::form::Presence::{Needed, Nullable, Optional};
use crate::json::form::{Form, Kind, Member};
use crate::limit;
use crate::rule::{RULE, RULES};

/// The form of a mint request.
pub(super) static MINT_REQUEST: Form = Form {
    expected: "a JSON object with `token` and one of `allowed`, `scope` and `scopes`",
    kind: Kind::Object(&[
        Member::new("token", &CREDENTIAL, Needed),
        Member::new("allowed", &RULES, Optional),
        Member::new("scope", &SCOPE, Optional),
        Member::new("scopes", &SCOPES, Optional),
        Member::new("expires_in", &EXPIRES_IN, Optional),
        Member::new("aud", &UPSTREAM, Optional),
        Member::new("sub", &LABEL, Optional),
        Member::new("explain", &EXPLAIN, Optional),
        Member::new("limit", &limit::FORM, Optional),
    ]),
};

/// The form of a request for a narrower token: `token-v2.md` section 9.
pub(in crate::token) static NARROWING: Form = Form {
    expected: "a JSON object with `caveat`",
    kind: Kind::Object(&[Member::new("caveat", &CAVEAT, Needed)]),
};

static CAVEAT: Form = Form {
    expected: "an object with one at least of `allowed`, `exp`, `nbf`, `aud`, `sub`, `sender`, `limit` and `from`",
    kind: Kind::Object(&[
        Member::new("allowed", &RULES, Optional),
        Member::new("exp", &TIME, Optional),
        Member::new("nbf", &TIME, Optional),
        Member::new("aud", &UPSTREAM, Optional),
        Member::new("sub", &LABEL, Optional),
        Member::new("sender", &SENDER, Optional),
        Member::new("limit", &limit::FORM, Optional),
        Member::new("from", &ORIGIN, Optional),
    ]),
};

/// The form of the claims of a version 1 token.
pub(in crate::token) static CLAIMS: Form = Form {
    expected: "a JSON object with `iat`, `exp`, one of `token` and `sealed`, and one of `allowed` and `scopes`",
    kind: Kind::Object(&[
        Member::new("iat", &TIME, Needed),
        Member::new("exp", &TIME, Needed),
        Member::new("nbf", &TIME, Optional),
        Member::new("token", &SEALED_CREDENTIAL, Optional),
        Member::new("sealed", &SEALED_CREDENTIAL, Optional),
        Member::new("allowed", &RULE_LIST, Optional),
        Member::new("scopes", &SCOPE_LIST, Nullable),
        Member::new("jti", &TOKEN_ID, Optional),
        Member::new("aud", &UPSTREAM, Optional),
        Member::new("sub", &LABEL, Optional),
        Member::new("explain", &EXPLAIN, Optional),
        Member::new("caveats", &CAVEATS, Optional),
    ]),
};

/// The form of the claims of a version 2 token.
pub(in crate::token) static SEALED_CLAIMS: Form = Form {
    expected: "a JSON object with `kid`, `kem`, `jti`, `iat`, `exp`, `aud` and one of `allowed` and `scopes`",
    kind: Kind::Object(&[
        Member::new("kid", &KEY_ID, Needed),
        Member::new("kem", &KEM, Needed),
        Member::new("jti", &TOKEN_ID, Needed),
        Member::new("iat", &TIME, Needed),
        Member::new("exp", &TIME, Needed),
        Member::new("nbf", &TIME, Optional),
        Member::new("aud", &UPSTREAM, Needed),
        Member::new("sub", &LABEL, Optional),
        Member::new("allowed", &RULE_LIST, Optional),
        Member::new("scopes", &SCOPE_LIST, Optional),
        Member::new("explain", &EXPLAIN, Optional),
        Member::new("minter", &KEY_ID, Optional),
    ]),
};

/// The form of a caveat in a token. No single value stands for a list here.
pub(in crate::token) static TOKEN_CAVEAT: Form = Form {
    expected: CAVEAT.expected,
    kind: Kind::Object(&[
        Member::new("allowed", &RULE_LIST, Optional),
        Member::new("exp", &TIME, Optional),
        Member::new("nbf", &TIME, Optional),
        Member::new("aud", &UPSTREAM, Optional),
        Member::new("sub", &LABEL, Optional),
        Member::new("sender", &TOKEN_SENDER, Optional),
        Member::new("limit", &limit::FORM, Optional),
        Member::new("from", &ORIGIN, Optional),
    ]),
};

/// The form of the names of a token from which the proxy made another token.
static ORIGIN: Form = Form {
    expected: "an object with `chain`, `owner` and `kid`",
    kind: Kind::Object(&[
        Member::new("chain", &CHAIN_ID, Needed),
        Member::new("owner", &OWNER, Needed),
        Member::new("kid", &KEY_ID, Needed),
    ]),
};
static CHAIN_ID: Form =
    Form { expected: "the id of a chain, as a text of 32 hexadecimal digits", kind: Kind::Text };
static OWNER: Form =
    Form { expected: "an owner, as a text of 64 hexadecimal digits", kind: Kind::Text };

static CAVEATS: Form =
    Form { expected: "a list of 1 to 16 caveats", kind: Kind::List(&TOKEN_CAVEAT) };
static RULE_LIST: Form = Form { expected: "a list of rules", kind: Kind::List(&RULE) };
static SCOPE_LIST: Form = Form { expected: "a list of names of scopes", kind: Kind::List(&NAME) };
static SEALED_CREDENTIAL: Form =
    Form { expected: "the sealed credential, as a text", kind: Kind::Text };
static TOKEN_ID: Form = Form { expected: "the id of a token, as a text", kind: Kind::Text };
static KEY_ID: Form = Form { expected: "the id of a key, as a text", kind: Kind::Text };
static KEM: Form = Form { expected: "`x25519` or `x-wing`", kind: Kind::Text };
static TOKEN_SENDER: Form = Form {
    expected: SENDER.expected,
    kind: Kind::Object(&[Member::new("cidr", &NETWORK_LIST, Needed)]),
};
static NETWORK_LIST: Form =
    Form { expected: "a list of networks such as `192.0.2.0/24`", kind: Kind::List(&NETWORK) };

static CREDENTIAL: Form = Form { expected: "the credential, as a text", kind: Kind::Text };
static SCOPE: Form = Form {
    expected: "the name of one scope, as a text (`scopes` takes several)",
    kind: Kind::Text,
};
static SCOPES: Form =
    Form { expected: "a list of names of scopes, or one name", kind: Kind::Many(&NAME) };
static NAME: Form = Form { expected: "the name of a scope, as a text", kind: Kind::Text };
static EXPIRES_IN: Form = Form { expected: duration::EXPECTED, kind: Kind::NumberOrText };
static UPSTREAM: Form = Form { expected: "the name of an upstream, as a text", kind: Kind::Text };
static EXPLAIN: Form = Form { expected: "`true` or `false`", kind: Kind::Flag };
static TIME: Form =
    Form { expected: "a moment, as a number of seconds since 1970", kind: Kind::Number };
static LABEL: Form = Form { expected: "a label, as a text", kind: Kind::Text };
static SENDER: Form = Form {
    expected: "an object with `cidr`, a list of networks",
    kind: Kind::Object(&[Member::new("cidr", &NETWORKS, Needed)]),
};
static NETWORKS: Form = Form {
    expected: "a list of networks, or one such as `192.0.2.0/24`",
    kind: Kind::Many(&NETWORK),
};
static NETWORK: Form =
    Form { expected: "a network such as `192.0.2.0/24`, as a text", kind: Kind::Text };
