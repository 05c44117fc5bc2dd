//! The shapes that refusals can take, as data: `docs/spec/upstreams.md` section 8.

/// The shape of the body of what the proxy refuses: a problem of RFC 9457, with `code`, `request_id` and `message`, and what the
/// clients of an API look for besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusalShape {
    /// The media type.
    pub media: RefusalMedia,
    /// Members besides those of the problem, or in the place of one of the same name.
    pub members: &'static [(&'static str, RefusalPart)],
}

/// The media type of refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefusalMedia {
    /// `application/problem+json`, or `application/json` for a client that does not take that: the body is a problem in substance.
    #[default]
    Problem,
    /// `application/json`.
    Json,
}

/// A value in the body of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalPart {
    /// `null`.
    Null,
    /// `false`.
    False,
    /// This text.
    Text(&'static str),
    /// The URN of the problem's type.
    Type,
    /// The refusal's code.
    Code,
    /// What is shown to people: `magicproxy: DETAIL`.
    Message,
    /// The API's own number for the status; that of the status itself, where it has none.
    StatusNumber(&'static [(u16, u16)]),
    /// The API's own word for the status.
    StatusWord(&'static StatusWords),
    /// A list.
    List(&'static [RefusalPart]),
    /// An object.
    Object(&'static [(&'static str, RefusalPart)]),
}

/// The words that an API has for the status of an error.
#[derive(Debug, PartialEq, Eq)]
pub struct StatusWords {
    /// Statuses that have a word of their own.
    pub known: &'static [(u16, &'static str)],
    /// The word for every other 5xx.
    pub server: &'static str,
    /// The word for all others.
    pub other: &'static str,
}
