//! The shapes of refusals, as data: `docs/spec/upstreams.md` section 8.

/// The shape of the body of a refusal: a problem of RFC 9457, with `code`, `request_id` and
/// `message`, and the members that clients of an API look for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusalShape {
    /// The media type.
    pub media: RefusalMedia,
    /// Members in addition to the members of the problem; a member of the same name replaces the
    /// problem's.
    pub members: &'static [(&'static str, RefusalPart)],
}

/// The media type of refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefusalMedia {
    /// `application/problem+json`. A client that does not take this type gets `application/json`,
    /// because the body is a problem in substance.
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
    /// A fixed text.
    Text(&'static str),
    /// The URN of the problem's type.
    Type,
    /// The refusal's code.
    Code,
    /// The text for people: `magicproxy: DETAIL`.
    Message,
    /// The API's own number for the status; the status itself, if the API has none.
    StatusNumber(&'static [(u16, u16)]),
    /// The API's own word for the status.
    StatusWord(&'static StatusWords),
    /// A list.
    List(&'static [RefusalPart]),
    /// An object.
    Object(&'static [(&'static str, RefusalPart)]),
}

/// The words of an API for the status of an error.
#[derive(Debug, PartialEq, Eq)]
pub struct StatusWords {
    /// Statuses with a word of their own.
    pub known: &'static [(u16, &'static str)],
    /// The word for every other 5xx.
    pub server: &'static str,
    /// The word for all others.
    pub other: &'static str,
}
