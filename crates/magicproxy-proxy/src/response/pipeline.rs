//! Stages for the bytes of a response on the way down: inflating, scrubbing and rewriting, each
//! only where needed.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::HeaderMap;

use crate::http::body::BodyError;
use crate::mask::SecretMask;
use crate::response::header::Coding;
use crate::response::rewrite::{BodyPlan, Inflater, JsonRewriter, drop_digests};
use crate::response::scrub::Scrubber;

/// The most pieces that are inflated in one call, in search of a piece to pass on.
const MAX_TURNS: usize = 2;

/// Output of the stages.
#[derive(Debug)]
pub(crate) enum PipelineOutput {
    /// A piece to be sent, not empty.
    Piece(Bytes),
    /// No output, until more input comes.
    Nothing,
    /// No output yet: call again, after other tasks had a turn.
    Busy,
}

/// Stages of one body. The default has no stage, and bytes pass unchanged.
#[derive(Default)]
pub(crate) struct Pipeline {
    input: Bytes,
    inflater: Option<Box<Inflater>>,
    scrubber: Option<Scrubber>,
    rewriter: Option<Box<JsonRewriter>>,
    /// True if the bytes held back by the stages were passed on, too.
    finished: bool,
}

impl Pipeline {
    /// Makes the stages for this plan and this credential. `coding` is the content coding of the
    /// body as received.
    ///
    /// The credential is searched for in the upstream's bytes, not in the rewritten bytes.
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

    /// Makes the stages for a body that is read here, and not passed on as received: inflated, and
    /// searched for the credential.
    pub(crate) fn searching(coding: Coding, secret_mask: Option<SecretMask>) -> Self {
        let inflater = (coding == Coding::Gzip).then(|| Box::new(Inflater::new()));
        Self { inflater, scrubber: secret_mask.map(Scrubber::plain), ..Self::default() }
    }

    /// Takes a piece of the body. The last piece must have been used up: [`Self::next`] gave
    /// [`PipelineOutput::Nothing`].
    pub(crate) fn push(&mut self, piece: Bytes) {
        match &mut self.inflater {
            Some(inflater) => inflater.push(piece),
            None => self.input = piece,
        }
    }

    /// Returns the next piece to be sent, never empty; [`PipelineOutput::Nothing`] when there is no
    /// piece until more input comes, or no piece at all once the body `ended`. The work of one call
    /// is bounded, whatever the bytes are.
    pub(crate) fn next(&mut self, ended: bool) -> Result<PipelineOutput, BodyError> {
        let mut turns = 0;
        while let Some(piece) = self.inflated()? {
            turns += 1;
            let Some(passed) = self.pass(piece)? else { return Ok(PipelineOutput::Busy) };
            // The last piece takes along the bytes held back: a reader who learns of the end with
            // the last piece need not ask again.
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

    /// True if no output will come, once the body has ended.
    pub(crate) fn is_empty(&self) -> bool {
        self.finished || self.held() == Some(0)
    }

    /// Returns the number of bytes that will come out of the bytes inside; `None` if the number is
    /// not known.
    pub(crate) fn held(&self) -> Option<u64> {
        let known = self.inflater.is_none() && self.rewriter.is_none();
        known.then(|| (self.input.len() + self.scrubber.as_ref().map_or(0, Scrubber::held)) as u64)
    }

    /// True if an end of the input is held back that goes on after a moment, whatever input comes.
    pub(crate) fn holds_short_end(&self) -> bool {
        self.scrubber.as_ref().is_some_and(Scrubber::holds_short_end)
    }

    /// Releases the short end; may be empty.
    pub(crate) fn release_short_end(&mut self) -> Bytes {
        let end = self.scrubber.as_mut().map(Scrubber::release_short_end).unwrap_or_default();
        match &mut self.rewriter {
            Some(rewriter) if !end.is_empty() => rewriter.push(end),
            _ => end,
        }
    }

    /// Removes trailers that are no longer true of the body.
    pub(crate) fn filter_trailers(&self, trailers: &mut HeaderMap) {
        if self.rewriter.is_some() {
            drop_digests(trailers);
        }
    }

    /// Returns the next input of the scrubber; empty input where the scrubber is to go on with
    /// earlier input.
    fn inflated(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.scrubber.as_ref().is_some_and(Scrubber::is_busy) {
            return Ok(Some(Bytes::new()));
        }
        match &mut self.inflater {
            Some(inflater) => Ok(inflater.next()?),
            None => Ok(Some(std::mem::take(&mut self.input)).filter(|piece| !piece.is_empty())),
        }
    }

    /// Passes a piece through the stages behind the inflater; `None` while a stage is busy with the
    /// piece.
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

    /// Returns the bytes held back by the stages, each stage's bytes passed through the stages
    /// behind.
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
