//! The form of a rule, for reports of faults and for editors. `rules.md` section 1, `state.md`
//! section 2.
//!
//! The types that read rules decide what a rule is; tests hold the form against the types.

use serde_json::{Value, json};

use super::effects::MAX_RULE_GRANTS;
use super::list_items::MAX_KEY;
use crate::json::form::Presence::{Alternative, Needed, Operators, Optional};
use crate::json::form::{Form, Kind, Member};
use crate::limit;

/// Returns the JSON Schema of the entries of a scope in the configuration: a rule in either form,
/// or a plugin.
#[must_use]
pub fn schema() -> Value {
    json!({ "anyOf": [RULE.to_schema(), PLUGIN.to_schema()] })
}

/// A rule in either form.
pub(crate) static RULE: Form = Form {
    expected: "a rule: `GET /pattern`, or an object with `method` and `path` or `route`, or with `git`",
    kind: Kind::TextOrEither(
        &LINE,
        &[
            Member::new("method", &METHOD, Needed),
            Member::new("path", &PATH, Alternative(0)),
            Member::new("route", &ROUTE, Alternative(1)),
            Member::new("captures", &TESTS, Optional),
            Member::new("query", &QUERY_TESTS, Optional),
            Member::new("headers", &TESTS, Optional),
            Member::new("json", &TESTS, Optional),
            Member::new("json_each", &TEST, Optional),
            Member::new("form", &TESTS, Optional),
            Member::new("body", &BODY, Optional),
            Member::new("content_type", &CONTENT_TYPE, Optional),
            Member::new("grants", &GRANTS, Optional),
            Member::new("receipt", &RECEIPT, Optional),
            Member::new("limit", &limit::FORM, Optional),
            Member::new("list_items", &LIST_ITEMS, Optional),
            Member::new("owner", &OWNER, Operators),
        ],
        &[
            Member::new("git", &GIT, Needed),
            Member::new("repository", &REPOSITORY, Needed),
            Member::new("refs", &REFS, Optional),
            Member::new("create", &FLAG, Optional),
            Member::new("delete", &FLAG, Optional),
            Member::new("force", &FLAG, Optional),
            Member::new("options", &REFS, Optional),
            Member::new("max_commands", &MAX_COMMANDS, Optional),
            Member::new("operations", &OPERATIONS, Optional),
            Member::new("locks", &FLAG, Optional),
            Member::new("limit", &limit::FORM, Optional),
            Member::new("owner", &OWNER, Operators),
        ],
    ),
};

static GIT: Form = Form { expected: "`push`, `fetch` or `lfs`", kind: Kind::Text };
static REPOSITORY: Form =
    Form { expected: "the path of a repository such as `/acme/site`, as a text", kind: Kind::Text };
static REFS: Form = Form {
    expected: "a text, a list of texts, or an object such as {\"glob\": \"refs/heads/agent/*\"}",
    kind: Kind::Any,
};
static FLAG: Form = Form { expected: "`true` or `false`", kind: Kind::Flag };
static MAX_COMMANDS: Form = Form { expected: "a number from 1 to 1,000", kind: Kind::Number };
static OPERATIONS: Form =
    Form { expected: "`download`, `upload`, or a list of both", kind: Kind::Many(&OPERATION) };
static OPERATION: Form = Form { expected: "`download` or `upload`", kind: Kind::Text };

/// A plugin in a rule's place, in a scope.
static PLUGIN: Form = Form {
    expected: "the name of a plugin that decides as well",
    kind: Kind::Object(&[Member::new("plugin", &PLUGIN_NAME, Needed)]),
};
static PLUGIN_NAME: Form = Form {
    expected: "1 to 64 characters of `a-z 0-9 _ -`, a letter first",
    kind: Kind::TextLike("^[a-z][a-z0-9_-]{0,63}$"),
};

/// A list of rules, or a single rule.
pub(crate) static RULES: Form = Form {
    expected: "a list of rules, or one rule such as `GET /pattern`",
    kind: Kind::Many(&RULE),
};

static LINE: Form =
    Form { expected: "methods and a pattern: `GET /pattern`", kind: Kind::TextLike("^\\S+ ") };
static OWNER: Form = Form {
    expected: "the name of an owner, as a text",
    kind: Kind::TextLike("^[A-Za-z0-9._-]{1,64}$"),
};
static METHOD: Form = Form {
    expected: "a method such as `GET`, several as in `GET|POST`, or a list of them",
    kind: Kind::Many(&WORD),
};
static WORD: Form = Form { expected: "a method such as `GET`", kind: Kind::Text };
static PATH: Form =
    Form { expected: "a pattern such as `/repos/acme/.*`, as a text", kind: Kind::Text };
static ROUTE: Form =
    Form { expected: "a template such as `/repos/{owner}/{repo}`, as a text", kind: Kind::Text };
static TESTS: Form = Form {
    expected: "an object of names and tests, such as {\"base\": \"main\"}",
    kind: Kind::Map(&TEST),
};
static TEST: Form = Form {
    expected: "a value, a list of values, or an object such as {\"glob\": \"agent/*\"}",
    kind: Kind::Any,
};
static QUERY_TESTS: Form =
    Form { expected: "an object of names and tests, or \"any\"", kind: Kind::Any };
static BODY: Form = Form { expected: "\"none\" or \"any\"", kind: Kind::TextLike("^(none|any)$") };
static CONTENT_TYPE: Form =
    Form { expected: "a media type such as `application/json`", kind: Kind::Many(&MEDIA_TYPE) };
static MEDIA_TYPE: Form = Form { expected: "a media type, as a text", kind: Kind::Text };
static GRANTS: Form = Form {
    expected: "a list of grants, or one such as `DELETE /things/{response.id}`",
    kind: Kind::UpTo(MAX_RULE_GRANTS, &GRANT),
};
static GRANT: Form =
    Form { expected: "a grant such as `DELETE /things/{response.id}`", kind: Kind::Text };
static RECEIPT: Form = Form { expected: "`true`, or nothing at all", kind: Kind::True };

static LIST_ITEMS: Form = Form {
    expected: "an object with `list`, `key` and `creates`",
    kind: Kind::Object(&[
        Member::new("list", &NAME, Needed),
        Member::new("key", &NAMES, Needed),
        Member::new("creates", &VALUES, Needed),
        Member::new("deletes", &VALUES, Optional),
        Member::new("deletes_if_empty", &NAME, Optional),
        Member::new("only", &PATTERNS, Optional),
        Member::new("lookup", &QUERY, Optional),
    ]),
};
static NAME: Form = Form { expected: "the name of a member, as a text", kind: Kind::Text };
static NAMES: Form =
    Form { expected: "a list of names of members, or one name", kind: Kind::UpTo(MAX_KEY, &NAME) };
static VALUES: Form = Form { expected: "an object of names and texts", kind: Kind::Map(&VALUE) };
static VALUE: Form = Form { expected: "a text", kind: Kind::Text };
static PATTERNS: Form =
    Form { expected: "an object of names and patterns", kind: Kind::Map(&PATTERN) };
static PATTERN: Form = Form { expected: "a pattern, or a list of them", kind: Kind::Many(&VALUE) };
static QUERY: Form =
    Form { expected: "a query such as `name={name}`, as a text", kind: Kind::Text };

#[cfg(test)]
mod tests;
