//! The parts of a request beside method and target, as conditions see them.

use std::fmt;

use magicproxy_git::CommandListFault;

use super::body::JudgedBody;
use super::git::Push;
use super::pairs::PlusReading;

/// The header fields of a request as the upstream will get them.
pub trait HeaderView: fmt::Debug + Sync {
    /// Returns the field of this name, in lower case. A field that is not sent is absent.
    fn field(&self, name: &str) -> FieldValue<'_>;
}

/// A header field of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue<'h> {
    /// No field of this name is sent.
    Absent,
    /// The value of the only field of this name.
    One(&'h [u8]),
    /// There are several fields of this name.
    Several,
}

/// Header fields of which nothing is known: no test of any of them is true.
#[derive(Clone, Copy, Debug)]
struct UnknownHeaders;

impl HeaderView for UnknownHeaders {
    fn field(&self, _: &str) -> FieldValue<'_> {
        FieldValue::Several
    }
}

/// What is known of the content of a request.
#[derive(Clone, Copy, Debug)]
pub enum ContentView<'r> {
    /// There is none.
    Empty,
    /// There may be some, which was not read.
    Unread,
    /// The whole content was read, and judged by every rule that may ask about it.
    Judged(&'r JudgedBody),
}

/// What is known of the push that a request asks for: `git.md` section 3.
#[derive(Clone, Copy, Debug)]
pub enum PushView<'r> {
    /// Nothing: the beginning of the content was not read.
    Unread,
    /// The commands, and perhaps which updates are fast-forwards.
    Listed(&'r Push),
    /// The content does not begin with a list of commands, for this reason.
    Unreadable(CommandListFault),
}

/// The parts of a request beside method and target.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'r> {
    /// The header fields.
    pub headers: &'r dyn HeaderView,
    /// The content.
    pub content: ContentView<'r>,
    /// The meaning of `+` in the query.
    pub plus: PlusReading,
    /// The push, if the request may be one.
    pub push: PushView<'r>,
}

impl Default for RequestParts<'_> {
    /// Parts of which nothing is known: no rule with conditions on header fields or the body allows
    /// the request.
    fn default() -> Self {
        Self {
            headers: &UnknownHeaders,
            content: ContentView::Unread,
            plus: PlusReading::Both,
            push: PushView::Unread,
        }
    }
}
