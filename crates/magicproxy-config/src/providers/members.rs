//! Members of JSON bodies that the clients of an API follow: `docs/spec/rewriting.md` sections 8 and 9.
//!
//! A member is listed where a client follows it as it is. What people open, bots post, git clones or users wrote stays.

/// An API of which nothing is known: members that say "next" and the like, where they lead to another page of what was asked for.
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
