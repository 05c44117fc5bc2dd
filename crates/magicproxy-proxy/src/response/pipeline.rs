//! What is done to the bytes of a response on their way down: inflated, scrubbed, rewritten, each only where it is needed.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::HeaderMap;

use crate::http::body::BodyError;
use crate::mask::SecretMask;
use crate::response::header::Coding;
use crate::response::rewrite::{BodyPlan, Inflater, JsonRewriter, drop_digests};
use crate::response::scrub::Scrubber;

/// So many pieces are inflated at most in search of one that goes on.
const MAX_TURNS: usize = 2;

/// What comes out of the stages.
#[derive(Debug)]
pub(crate) enum PipelineOutput {
    /// This is to be sent; it is not empty.
    Piece(Bytes),
    /// Nothing, until more comes.
    Nothing,
    /// Nothing yet: it is to be asked again, after others had their turn.
    Busy,
}

/// The stages of one body. By default there is none, and bytes pass as they are.
#[derive(Default)]
pub(crate) struct Pipeline {
    input: Bytes,
    inflater: Option<Box<Inflater>>,
    scrubber: Option<Scrubber>,
    rewriter: Option<Box<JsonRewriter>>,
    /// Has what the stages held back gone on, too?
    finished: bool,
}

impl Pipeline {
    /// What this plan and this credential ask for. `coding` is that in which the body comes.
    ///
    /// The credential is looked for in what the upstream said, not in what became of it.
    pub(crate) fn new(coding: Coding, secret_mask: Option<SecretMask>, plan: BodyPlan) -> Self {
        let inflates = matches!(plan, BodyPlan::Inflate(_));
        let inflater = inflates.then(|| Box::new(Inflater::new()));
        let scrubber = secret_mask.map(|secret_mask| match coding {
            Coding::Gzip if !inflates => Scrubber::gzip(secret_mask),
            _ => Scrubber::plain(secret_mask),
        });
        let rewriter = match plan {
            BodyPlan::Keep => None,
            BodyPlan::Rewrite(rewriting) | BodyPlan::Inflate(rewriting) => {
                Some(Box::new(JsonRewriter::new(rewriting.links).asked(rewriting.asked)))
            }
        };
        Self { input: Bytes::new(), inflater, scrubber, rewriter, finished: false }
    }

    /// What is read here and not passed on as it comes: inflated, and searched for the credential.
    pub(crate) fn searching(coding: Coding, secret_mask: Option<SecretMask>) -> Self {
        let inflater = (coding == Coding::Gzip).then(|| Box::new(Inflater::new()));
        Self { inflater, scrubber: secret_mask.map(Scrubber::plain), ..Self::default() }
    }

    /// Gives it a piece of the body. The last one must have been used up: [`Self::next`] gave `None`.
    pub(crate) fn push(&mut self, piece: Bytes) {
        match &mut self.inflater {
            Some(inflater) => inflater.push(piece),
            None => self.input = piece,
        }
    }

    /// The next piece to be sent, never empty; [`PipelineOutput::Nothing`] when there is none until more comes, or none at all once the body
    /// `ended`. What it does at a time is bounded, whatever the bytes are.
    pub(crate) fn next(&mut self, ended: bool) -> Result<PipelineOutput, BodyError> {
        let mut turns = 0;
        while let Some(piece) = self.inflated()? {
            turns += 1;
            let Some(passed) = self.pass(piece)? else { return Ok(PipelineOutput::Busy) };
            // The last piece takes along what was held back: who is told of the end with it need not ask again.
            let passed = if ended && self.inflater.is_none() {
                joined(passed, self.finish()?)
            } else {
                passed
            };
            if !passed.is_empty() {
                return Ok(PipelineOutput::Piece(passed));
            }
            if turns >= MAX_TURNS {
                return Ok(PipelineOutput::Busy);
            }
        }
        if !ended || self.finished {
            return Ok(PipelineOutput::Nothing);
        }
        let held = self.finish()?;
        Ok(if held.is_empty() { PipelineOutput::Nothing } else { PipelineOutput::Piece(held) })
    }

    /// Will nothing come out of it, once the body has ended?
    pub(crate) fn is_empty(&self) -> bool {
        self.finished || self.held() == Some(0)
    }

    /// How many bytes will come out of what is in it; `None` if that is not known.
    pub(crate) fn held(&self) -> Option<u64> {
        let known = self.inflater.is_none() && self.rewriter.is_none();
        known.then(|| (self.input.len() + self.scrubber.as_ref().map_or(0, Scrubber::held)) as u64)
    }

    /// Is an end of what came held back that goes on after a moment, whatever comes?
    pub(crate) fn holds_short_end(&self) -> bool {
        self.scrubber.as_ref().is_some_and(Scrubber::holds_short_end)
    }

    /// Lets that end go on; it may be empty.
    pub(crate) fn release_short_end(&mut self) -> Bytes {
        let end = self.scrubber.as_mut().map(Scrubber::release_short_end).unwrap_or_default();
        match &mut self.rewriter {
            Some(rewriter) if !end.is_empty() => rewriter.push(end),
            _ => end,
        }
    }

    /// Removes from trailers what is no longer true of the body.
    pub(crate) fn filter_trailers(&self, trailers: &mut HeaderMap) {
        if self.rewriter.is_some() {
            drop_digests(trailers);
        }
    }

    /// What comes next for the scrubber; nothing in it, where that is to go on with what it has.
    fn inflated(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.scrubber.as_ref().is_some_and(Scrubber::is_busy) {
            return Ok(Some(Bytes::new()));
        }
        match &mut self.inflater {
            Some(inflater) => Ok(inflater.next()?),
            None => Ok(Some(std::mem::take(&mut self.input)).filter(|piece| !piece.is_empty())),
        }
    }

    /// Passes a piece through the stages behind the inflater; `None` while one of them is busy with it.
    fn pass(&mut self, piece: Bytes) -> Result<Option<Bytes>, BodyError> {
        let scrubbed = match &mut self.scrubber {
            Some(scrubber) if scrubber.is_busy() => scrubber.resume()?,
            Some(scrubber) if !piece.is_empty() => scrubber.push(piece)?,
            _ => Some(piece),
        };
        Ok(scrubbed.map(|scrubbed| match &mut self.rewriter {
            Some(rewriter) if !scrubbed.is_empty() => rewriter.push(scrubbed),
            _ => scrubbed,
        }))
    }

    /// What the stages hold back, each one's passed through those behind it.
    fn finish(&mut self) -> Result<Bytes, BodyError> {
        self.finished = true;
        let inflated = match &mut self.inflater {
            Some(inflater) => inflater.finish()?,
            None => None,
        };
        // A body that was inflated here has a scrubber that is never busy.
        let passed = self.pass(inflated.unwrap_or_default())?.unwrap_or_default();
        let scrubbed = self.scrubber.as_mut().map(Scrubber::finish).unwrap_or_default();
        let Some(rewriter) = &mut self.rewriter else { return Ok(joined(passed, scrubbed)) };
        let rewritten = if scrubbed.is_empty() { scrubbed } else { rewriter.push(scrubbed) };
        Ok(joined(joined(passed, rewritten), rewriter.finish()))
    }
}

fn joined(one: Bytes, other: Bytes) -> Bytes {
    match (one.is_empty(), other.is_empty()) {
        (_, true) => one,
        (true, _) => other,
        _ => [one, other].concat().into(),
    }
}
