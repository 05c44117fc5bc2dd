//! The forms of what a minter, a holder and an asker may send: for those who send another.

use crate::duration;
use crate::json::form::Presence::{Needed, Optional};
use crate::json::form::{Form, Kind, Member, Presence};
use crate::limit;
use crate::rule::RULES;

const fn member(name: &'static str, form: &'static Form, presence: Presence) -> Member {
    Member { name, form, presence }
}

/// An order for a token.
pub(super) static ORDER: Form = Form {
    expected: "a JSON object with `token` and one of `allowed`, `scope` and `scopes`",
    kind: Kind::Object(&[
        member("token", &CREDENTIAL, Needed),
        member("allowed", &RULES, Optional),
        member("scope", &SCOPE, Optional),
        member("scopes", &SCOPES, Optional),
        member("expires_in", &EXPIRES_IN, Optional),
        member("aud", &UPSTREAM, Optional),
        member("sub", &LABEL, Optional),
        member("explain", &EXPLAIN, Optional),
        member("limit", &limit::FORM, Optional),
    ]),
};

/// An order for a narrower token: `token-v2.md` section 9.
pub(in crate::token) static NARROWING: Form =
    Form { expected: "a JSON object with `caveat`", kind: Kind::Object(&[member("caveat", &CAVEAT, Needed)]) };

static CAVEAT: Form = Form {
    expected: "an object with one at least of `allowed`, `exp`, `nbf`, `aud`, `sub`, `sender` and `limit`",
    kind: Kind::Object(&[
        member("allowed", &RULES, Optional),
        member("exp", &TIME, Optional),
        member("nbf", &TIME, Optional),
        member("aud", &UPSTREAM, Optional),
        member("sub", &LABEL, Optional),
        member("sender", &SENDER, Optional),
        member("limit", &limit::FORM, Optional),
    ]),
};

static CREDENTIAL: Form = Form { expected: "the credential, as a text", kind: Kind::Text };
static SCOPE: Form = Form { expected: "the name of one scope, as a text (`scopes` takes several)", kind: Kind::Text };
static SCOPES: Form = Form { expected: "a list of names of scopes, or one name", kind: Kind::Many(&NAME) };
static NAME: Form = Form { expected: "the name of a scope, as a text", kind: Kind::Text };
static EXPIRES_IN: Form = Form { expected: duration::EXPECTED, kind: Kind::NumberOrText };
static UPSTREAM: Form = Form { expected: "the name of an upstream, as a text", kind: Kind::Text };
static EXPLAIN: Form = Form { expected: "`true` or `false`", kind: Kind::Flag };
static TIME: Form = Form { expected: "a moment, as a number of seconds since 1970", kind: Kind::Number };
static LABEL: Form = Form { expected: "a label, as a text", kind: Kind::Text };
static SENDER: Form =
    Form { expected: "an object with `cidr`, a list of networks", kind: Kind::Object(&[member("cidr", &NETWORKS, Needed)]) };
static NETWORKS: Form = Form { expected: "a list of networks, or one such as `192.0.2.0/24`", kind: Kind::Many(&NETWORK) };
static NETWORK: Form = Form { expected: "a network such as `192.0.2.0/24`, as a text", kind: Kind::Text };
