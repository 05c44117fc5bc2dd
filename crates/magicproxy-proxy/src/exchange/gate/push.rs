//! Decisions on pushes of git: `docs/spec/git.md` section 6.
//!
//! The commands, and as much of the pack as a proof needs, are held until the push is decided. Then
//! they go up byte for byte, and the rest of the pack streams.

use http::request::Parts;
use magicproxy_core::{
    AccessRequest, DecisionSteps, Permit, Push, PushPart, PushQuestion, PushView, RequestParts,
};
use magicproxy_git::{
    CommandList, CommandListBounds, CommandListFault, CommandListReader, FastForwardProof,
    MAX_COMMAND_LIST_BYTES, MAX_PROOF_MEMORY, Progress, ProofBounds, Reading, Verdict,
};

use super::Gate;
use super::further::QuestionContext;
use crate::admission::{Holding, Resource};
use crate::downstream::{BodyPrefix, ReadError, RequestBody};
use crate::plugins::Consultation;
use crate::rejection::Rejection;

/// The most bytes of a pack that are held for a proof.
const MAX_PACK_HEAD: usize = 1024 * 1024;
/// The memory that is paid for the commands read of a list, beside the list itself.
const LIST_MEMORY: usize = 2 * MAX_COMMAND_LIST_BYTES;
/// The work of a proof, in bytes, before other requests get their turn: under a millisecond.
const PROVED_AT_ONCE: usize = 64 * 1024;

impl Gate {
    /// Learns the part of a push that the question asks for, and decides the request anew.
    pub(super) async fn decide_on_push(
        &self,
        question: PushQuestion,
        access: &AccessRequest<'_>,
        (head, asker): (&Parts, QuestionContext<'_>),
        body: &mut RequestBody,
    ) -> Result<(Permit, Consultation), Rejection> {
        let exchange = asker.exchange;
        let _memory = exchange.take(Resource::InspectedBytes, LIST_MEMORY)?;
        let push;
        let view = match (question.part(), access.parts.push) {
            (PushPart::Commands, _) => match read_commands(body, exchange).await? {
                Ok(list) => {
                    push = Push::new(list);
                    PushView::Listed(&push)
                }
                Err(fault) => PushView::Unreadable(fault),
            },
            (PushPart::FastForwards, PushView::Listed(listed)) => {
                push = prove(listed, body, exchange).await?;
                PushView::Listed(&push)
            }
            (PushPart::FastForwards, _) => return Err(Rejection::Internal),
        };
        let parts = RequestParts { push: view, ..access.parts };
        let access = AccessRequest { parts, steps: &DecisionSteps::new(), ..*access };
        let decision = question.decide(&access);
        self.ask_further(decision, &access, head, asker, body).await
    }
}

/// Reads the commands of a push, and puts the bytes back before the rest of the body.
async fn read_commands(
    body: &mut RequestBody,
    exchange: &Holding,
) -> Result<Result<CommandList, CommandListFault>, Rejection> {
    // One byte more than the longest list shows a list that is too long.
    let mut prefix = BodyPrefix::new(MAX_COMMAND_LIST_BYTES + 1, exchange)?;
    let (list, length) = match read_list(body, &mut prefix).await? {
        Ok(read) => read,
        Err(fault) => return Ok(Err(fault)),
    };
    // Whatever follows a list without commands would be decided by nobody.
    if list.is_probe()
        && (prefix.bytes().len() > length || body.read_on(&mut prefix).await?.is_some())
    {
        return Ok(Err(CommandListFault::Ended));
    }
    body.put_back(prefix);
    Ok(Ok(list))
}

/// Reads the list of commands and its length to the end of an empty prefix, which may have more.
async fn read_list(
    body: &mut RequestBody,
    prefix: &mut BodyPrefix,
) -> Result<Result<(CommandList, usize), CommandListFault>, ReadError> {
    let mut reader = CommandListReader::new(CommandListBounds::default());
    while let Some(piece) = body.read_on(prefix).await? {
        match reader.read(piece) {
            Ok(Reading::More) => {}
            Ok(Reading::Whole { list, length }) => return Ok(Ok((list, length))),
            Err(fault) => return Ok(Err(fault)),
        }
    }
    let fault = CommandListFault::CutShort;
    Ok(Err(if prefix.has_ended() { fault } else { CommandListFault::TooLong }))
}

/// Proves which updates of a push are fast-forwards, from the beginning of its pack.
async fn prove(push: &Push, body: &mut RequestBody, exchange: &Holding) -> Result<Push, Rejection> {
    let _memory = exchange.take(Resource::InspectedBytes, MAX_PROOF_MEMORY)?;
    let mut prefix = BodyPrefix::new(MAX_COMMAND_LIST_BYTES + MAX_PACK_HEAD, exchange)?;
    let Ok((_, mut read)) = read_list(body, &mut prefix).await? else {
        return Err(Rejection::Internal);
    };
    let updates = push.updates();
    let mut proof = FastForwardProof::new(push.list(), &updates, ProofBounds::default());
    loop {
        let unread = prefix.bytes().get(read..).unwrap_or_default();
        match proof.read(unread, PROVED_AT_ONCE) {
            Progress::Done => break,
            Progress::Paused { consumed } => {
                read += consumed;
                tokio::task::yield_now().await;
            }
            Progress::More => {
                read = prefix.bytes().len();
                if body.read_on(&mut prefix).await?.is_none() {
                    break;
                }
            }
        }
    }
    body.put_back(prefix);
    let is_proved = |number: usize| {
        let place = updates.iter().position(|update| *update == number);
        place.is_some_and(|place| proof.verdict(place) == Verdict::Proved)
    };
    Ok(push.clone().with_fast_forwards(is_proved))
}
