//! The conditions of rules for git: endpoints of a repository, the commands of a push, operations of
//! Git LFS. Specification: `git.md` sections 1 to 3.

mod endpoint;
mod explain;
mod fault;
mod least;
mod parse;
mod push;
mod raw;
#[cfg(test)]
mod tests;
mod words;

use magicproxy_git::CommandListFault;

use super::outcome::{Outcome, Reason};
use super::rule::{Asked, Conditions, NeededPart};
use super::view::{ContentView, FieldValue, PushView, RequestParts};

use endpoint::Endpoint;
pub(super) use fault::GitFault;
pub(super) use least::least_of_git;
pub(crate) use push::CommandVerdict;
pub use push::Push;
use push::PushTest;
pub use raw::GitMembers;
pub use words::PushWordsFault;

/// The query of a request for the references that a push may move.
const RECEIVE_PACK: &str = "service=git-receive-pack";
/// The query of a request for the references that can be fetched.
const UPLOAD_PACK: &str = "service=git-upload-pack";
/// The media type of a push.
const PUSH_TYPE: &str = "application/x-git-receive-pack-request";

/// The checked test of a rule for git.
#[derive(Clone, Debug)]
pub(super) enum GitTest {
    Push(PushTest),
    Fetch,
    Lfs(LfsTest),
}

/// The operations of Git LFS that a rule allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LfsTest {
    download: bool,
    upload: bool,
    locks: bool,
}

/// The outcome of a rule for git.
pub(super) enum GitAsked {
    Asked(Asked),
    /// A batch of LFS, whose content is tested as JSON.
    Batch,
}

impl GitTest {
    /// Tests a request in one reading of its path.
    pub(super) fn ask(
        &self,
        (method, reading): (&str, &str),
        query: Option<&str>,
        parts: &RequestParts<'_>,
    ) -> GitAsked {
        let is = |passes: bool| GitAsked::Asked(Asked::Outcome(Outcome::of(passes)));
        let Some(endpoint) = Endpoint::of(reading) else { return is(false) };
        let has_no_query = query.is_none_or(str::is_empty);
        let is_read = matches!(method, "GET" | "HEAD");
        let is_post = method == "POST";
        match (self, endpoint) {
            (Self::Push(_), Endpoint::InfoRefs) => is(is_read && query == Some(RECEIVE_PACK)),
            (Self::Push(test), Endpoint::ReceivePack) if is_post && has_no_query => {
                GitAsked::Asked(ask_push(test, parts))
            }
            (Self::Fetch, Endpoint::InfoRefs) => is(is_read && query == Some(UPLOAD_PACK)),
            (Self::Fetch, Endpoint::UploadPack) => is(is_post && has_no_query),
            (Self::Lfs(test), Endpoint::Batch) if is_post && test.has_batches() => GitAsked::Batch,
            (Self::Lfs(test), Endpoint::Locks) if is_read => is(test.locks),
            (Self::Lfs(test), endpoint) => is(has_no_query && test.allows(endpoint, method)),
            (Self::Push(_) | Self::Fetch, _) => is(false),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Push(test) => size_of::<Self>() + test.memory_bytes(),
            Self::Fetch | Self::Lfs(_) => size_of::<Self>(),
        }
    }
}

/// Tests a push, as far as its parts are known.
fn ask_push(test: &PushTest, parts: &RequestParts<'_>) -> Asked {
    let unknown = |reason| Asked::Outcome(Outcome::Unknown(reason));
    let is_typed = match parts.headers.field("content-type") {
        FieldValue::One(value) => value == PUSH_TYPE.as_bytes(),
        FieldValue::Absent | FieldValue::Several => false,
    };
    if !is_typed {
        return unknown(Reason::BodyType);
    }
    if !matches!(parts.headers.field("content-encoding"), FieldValue::Absent) {
        return unknown(Reason::BodyCoding);
    }
    if matches!(parts.content, ContentView::Empty) {
        return unknown(Reason::Commands(CommandListFault::CutShort));
    }
    match parts.push {
        PushView::Unread => Asked::Needs(NeededPart::Commands),
        PushView::Unreadable(fault) => unknown(Reason::Commands(fault)),
        PushView::Listed(push) => test.ask(push),
    }
}

impl LfsTest {
    fn has_batches(self) -> bool {
        self.download || self.upload
    }

    /// True for requests without a query whose content is not looked at.
    fn allows(self, endpoint: Endpoint, method: &str) -> bool {
        match (endpoint, method) {
            (Endpoint::Object, "GET" | "HEAD") => self.download,
            (Endpoint::SizedObject, "PUT") | (Endpoint::Verify, "POST") => self.upload,
            (Endpoint::Locks | Endpoint::LocksVerify | Endpoint::Unlock, "POST") => self.locks,
            _ => false,
        }
    }
}

impl Conditions {
    /// True unless the rule is for pushes and the request moves no reference: such a request is not
    /// counted.
    pub(crate) fn has_effects_on(&self, parts: &RequestParts<'_>) -> bool {
        match (self.git(), parts.push) {
            (Some(GitTest::Push(_)), PushView::Listed(push)) => !push.list().is_probe(),
            (Some(GitTest::Push(_)), PushView::Unread | PushView::Unreadable(_)) => false,
            (Some(GitTest::Fetch | GitTest::Lfs(_)) | None, _) => true,
        }
    }

    /// Returns the steps of judging a push, whose commands are known.
    pub(crate) fn push_steps(&self, parts: &RequestParts<'_>) -> usize {
        match (self.git(), parts.push) {
            (Some(GitTest::Push(_)), PushView::Listed(push)) => push.steps(),
            _ => 0,
        }
    }

    /// Judges one command of a push, alone. `None` for a rule that is not for pushes.
    pub(crate) fn command_verdict(&self, push: &Push, number: usize) -> Option<CommandVerdict> {
        match self.git()? {
            GitTest::Push(test) => Some(test.verdict(push, number)),
            GitTest::Fetch | GitTest::Lfs(_) => None,
        }
    }
}
