//! Members of JSON bodies that the clients of an API follow: `docs/spec/rewriting.md` sections 8
//! and 9.
//!
//! A member is listed if a client follows its URL unchanged. URLs that people open, bots post, git
//! clones or users wrote stay.

/// The members of an unknown API: names with "next" and the like, if the URL leads to another page
/// of the same request.
pub const PAGES: &[&str] = &[
    "*next* ?",
    "*prev* ?",
    "*first* ?",
    "*last* ?",
    "*.*next* ?",
    "*.*prev* ?",
    "*.*first* ?",
    "*.*last* ?",
    "*next*.* ?",
    "*prev*.* ?",
    "*first*.* ?",
    "*last*.* ?",
    "*.*next*.* ?",
    "*.*prev*.* ?",
    "*.*first*.* ?",
    "*.*last*.* ?",
    "*.*.*next* ?",
    "*.*.*prev* ?",
    "*.*.*first* ?",
    "*.*.*last* ?",
];
