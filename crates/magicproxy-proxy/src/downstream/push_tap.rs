//! The commands of a push, read beside whoever takes the content, so that a refusal can name every
//! reference: `docs/spec/git.md` section 6. Nothing is decided on what is read here.

use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Method, header};
use magicproxy_git::{
    CommandList, CommandListBounds, CommandListReader, MAX_PUSH_COMMANDS, Reading,
};
use tokio::sync::oneshot;

use crate::admission::{Holding, Resource, Shortage};

/// The type of the content of a push.
const PUSH_TYPE: &str = "application/x-git-receive-pack-request";
/// The end of the path of a push.
const PUSH_PATH: &str = "/git-receive-pack";
/// The longest list that a refusal names the references of, in bytes.
const MAX_TAPPED_BYTES: usize = 64 * 1024;
/// The memory that is paid for a list of that length: its text, and the commands read of it.
const TAP_MEMORY: usize = 2 * MAX_TAPPED_BYTES;
/// The longest wait for the commands of a push that is refused.
const LIST_WITHIN: Duration = Duration::from_secs(3);
/// The longest wait for the rest of a push that is refused: git reads no report before it has sent
/// its pack.
pub(super) const REST_WITHIN: Duration = Duration::from_secs(10);

/// The reader of a push's commands. Dropped at the end of the content, or when no more of it is read.
#[derive(Debug)]
pub(crate) struct PushTap {
    /// Present until the commands are known, or cannot be.
    reader: Option<TapReader>,
    _content: oneshot::Sender<()>,
}

#[derive(Debug)]
struct TapReader {
    reader: CommandListReader,
    commands: oneshot::Sender<TappedCommands>,
    memory: Holding,
}

/// The commands of a push, with the payment for their memory.
#[derive(Debug)]
pub(crate) struct TappedCommands {
    pub(crate) list: CommandList,
    _memory: Holding,
}

/// The other end of a [`PushTap`].
#[derive(Debug)]
pub(crate) struct PushListener {
    commands: oneshot::Receiver<TappedCommands>,
    /// Ends with the content.
    content: oneshot::Receiver<()>,
}

/// True for a request by which git pushes: its client reads a refusal only as git's own report.
pub(crate) fn is_push(head: &Parts) -> bool {
    let is_type = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(PUSH_TYPE.as_bytes());
    head.method == Method::POST
        && head.uri.path().ends_with(PUSH_PATH)
        && head.headers.get(header::CONTENT_TYPE).is_some_and(is_type)
}

impl PushTap {
    /// Makes a tap, whose memory `take` pays for.
    ///
    /// # Errors
    /// No more memory may be held for this client.
    pub(crate) fn new(
        take: impl FnOnce(Resource, usize) -> Result<Holding, Shortage>,
    ) -> Result<(Self, PushListener), Shortage> {
        let memory = take(Resource::InspectedBytes, TAP_MEMORY)?;
        let bounds = CommandListBounds { bytes: MAX_TAPPED_BYTES, commands: MAX_PUSH_COMMANDS };
        let reader = CommandListReader::new(bounds);
        let (sender, commands) = oneshot::channel();
        let (open, content) = oneshot::channel();
        let reader = TapReader { reader, commands: sender, memory };
        Ok((Self { reader: Some(reader), _content: open }, PushListener { commands, content }))
    }

    /// Reads the next bytes of the content.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let Some(mut tap) = self.reader.take() else { return };
        match tap.reader.read(bytes) {
            Ok(Reading::More) => self.reader = Some(tap),
            Ok(Reading::Whole { list, .. }) => {
                // Nobody listens where the request was not refused.
                let _ = tap.commands.send(TappedCommands { list, _memory: tap.memory });
            }
            Err(_) => {}
        }
    }
}

impl PushListener {
    /// Makes a listener that learns nothing.
    pub(crate) fn deaf() -> Self {
        Self { commands: oneshot::channel().1, content: oneshot::channel().1 }
    }

    /// Waits for the commands and for the end of the content, each within a bound. Returns none if
    /// the commands cannot be known.
    pub(crate) async fn commands(self) -> Option<TappedCommands> {
        let commands = tokio::time::timeout(LIST_WITHIN, self.commands).await;
        // It ends when the other side is dropped.
        let _ = tokio::time::timeout(REST_WITHIN, self.content).await;
        commands.ok()?.ok()
    }
}
