//! The form of a rule, for those who write one wrong: `rules.md` section 1, `state.md` section 2.

use crate::json::form::Presence::{Needed, Optional};
use crate::json::form::{Form, Kind, Member};
use crate::limit;

/// A rule in either form.
pub(crate) static RULE: Form = Form {
    expected: "a rule: `GET /pattern`, or an object with `method` and `path` or `route`",
    kind: Kind::TextOrObject(&[
        Member::new("method", &METHOD, Needed),
        Member::new("path", &PATH, Optional),
        Member::new("route", &ROUTE, Optional),
        Member::new("grants", &GRANTS, Optional),
        Member::new("receipt", &RECEIPT, Optional),
        Member::new("limit", &limit::FORM, Optional),
        Member::new("elements", &ELEMENTS, Optional),
    ]),
};

/// A list of rules, or one.
pub(crate) static RULES: Form = Form { expected: "a list of rules, or one rule such as `GET /pattern`", kind: Kind::Many(&RULE) };

static METHOD: Form =
    Form { expected: "a method such as `GET`, several as in `GET|POST`, or a list of them", kind: Kind::Many(&WORD) };
static WORD: Form = Form { expected: "a method such as `GET`", kind: Kind::Text };
static PATH: Form = Form { expected: "a pattern such as `/repos/acme/.*`, as a text", kind: Kind::Text };
static ROUTE: Form = Form { expected: "a template such as `/repos/{owner}/{repo}`, as a text", kind: Kind::Text };
static GRANTS: Form =
    Form { expected: "a list of grants, or one such as `DELETE /things/{response.id}`", kind: Kind::Many(&GRANT) };
static GRANT: Form = Form { expected: "a grant such as `DELETE /things/{response.id}`", kind: Kind::Text };
static RECEIPT: Form = Form { expected: "`true`, or nothing at all", kind: Kind::Flag };

static ELEMENTS: Form = Form {
    expected: "an object with `list`, `key` and `creates`",
    kind: Kind::Object(&[
        Member::new("list", &NAME, Needed),
        Member::new("key", &NAMES, Needed),
        Member::new("creates", &VALUES, Needed),
        Member::new("deletes", &VALUES, Optional),
        Member::new("empty", &NAME, Optional),
        Member::new("only", &PATTERNS, Optional),
        Member::new("lookup", &QUERY, Optional),
    ]),
};
static NAME: Form = Form { expected: "the name of a member, as a text", kind: Kind::Text };
static NAMES: Form = Form { expected: "a list of names of members, or one name", kind: Kind::Many(&NAME) };
static VALUES: Form = Form { expected: "an object of names and texts", kind: Kind::Map(&VALUE) };
static VALUE: Form = Form { expected: "a text", kind: Kind::Text };
static PATTERNS: Form = Form { expected: "an object of names and patterns", kind: Kind::Map(&PATTERN) };
static PATTERN: Form = Form { expected: "a pattern, or a list of them", kind: Kind::Many(&VALUE) };
static QUERY: Form = Form { expected: "a query such as `name={name}`, as a text", kind: Kind::Text };
