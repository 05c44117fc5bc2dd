//! Shapes such as known APIs have, each with another kind of part.

use crate::settings::RefusalPart::{
    Code, False, List, Message, Null, Object, StatusNumber, StatusWord, Text, Type,
};
use crate::settings::{RefusalMedia, RefusalPart, RefusalShape, StatusWords};

const fn json(members: &'static [(&'static str, RefusalPart)]) -> RefusalShape {
    RefusalShape { media: RefusalMedia::Json, members }
}

pub(super) const PROBLEM: RefusalShape =
    RefusalShape { media: RefusalMedia::Problem, members: &[] };
pub(super) const GITHUB: RefusalShape =
    RefusalShape { media: RefusalMedia::Problem, members: &[("documentation_url", Type)] };
pub(super) const GITLAB: RefusalShape = json(&[("error", Message)]);
pub(super) const DIGITALOCEAN: RefusalShape = json(&[("id", Code)]);
pub(super) const POWERDNS: RefusalShape = GITLAB;
pub(super) const CLOUDFLARE: RefusalShape = json(&[
    ("success", False),
    (
        "errors",
        List(&[Object(&[
            ("code", StatusNumber(&[(401, 10_000), (403, 9_109)])),
            ("message", Message),
        ])]),
    ),
    ("messages", List(&[])),
    ("result", Null),
]);
pub(super) const OPENAI: RefusalShape = json(&[(
    "error",
    Object(&[("message", Message), ("type", StatusWord(&WORDS)), ("param", Null), ("code", Code)]),
)]);
pub(super) const ANTHROPIC: RefusalShape = json(&[
    ("type", Text("error")),
    ("error", Object(&[("type", StatusWord(&WORDS)), ("message", Message)])),
]);

pub(super) const SHAPES: [RefusalShape; 8] =
    [PROBLEM, GITHUB, GITLAB, DIGITALOCEAN, POWERDNS, CLOUDFLARE, OPENAI, ANTHROPIC];

const WORDS: StatusWords = StatusWords {
    known: &[(401, "authentication_error"), (403, "permission_error")],
    server: "api_error",
    other: "invalid_request_error",
};
