//! The beginning of a request body, held for a decision that needs no more of it.
//!
//! What is held is paid for before it is taken ([`HeldBody`]), and goes up byte for byte before the
//! rest, which streams.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body::{Body as _, Frame};
use tokio::time::Instant;

use super::{HeldBody, Pace, ReadError, RequestBody, SENT_PIECE_BYTES, Source};
use crate::admission::{Holding, Shortage};

/// The beginning of a body, taken from it until [`RequestBody::put_back`].
#[derive(Debug)]
pub(crate) struct BodyPrefix {
    held: HeldBody,
    /// The most bytes that may be held.
    most: usize,
    has_ended: bool,
    /// The time from which the pace of the client counts.
    since: Instant,
}

impl BodyPrefix {
    /// Makes an empty beginning of at most `most` bytes, at the expense of the exchange's payer.
    pub(crate) fn new(most: usize, exchange: &Holding) -> Result<Self, Shortage> {
        let held = HeldBody::new(None, most, exchange)?;
        Ok(Self { held, most, has_ended: false, since: Instant::now() })
    }

    /// Returns all bytes that were read.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.held.as_ref()
    }

    /// True if the body ends with these bytes.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// True if no more bytes may be held.
    fn is_full(&self) -> bool {
        self.bytes().len() >= self.most
    }
}

impl RequestBody {
    /// Reads the next piece of the body to the end of `prefix`, and returns the piece: none at the
    /// end of the body, and none once the prefix is full.
    ///
    /// # Errors
    /// The body broke off or comes too slowly, or no more memory may be held for the client.
    pub(crate) async fn read_on<'p>(
        &mut self,
        prefix: &'p mut BodyPrefix,
    ) -> Result<Option<&'p [u8]>, ReadError> {
        let before = prefix.bytes().len();
        let pace = Pace::new(prefix.since, self.held_pace());
        while !prefix.has_ended && !prefix.is_full() {
            let frame = poll_fn(|context| Pin::new(&mut *self).poll_frame(context));
            let frame = tokio::time::timeout_at(pace.deadline(before), frame).await;
            let Some(frame) = frame.map_err(|_| ReadError::Slow)? else {
                prefix.has_ended = true;
                break;
            };
            // Trailers do not go up with content that was held: as with a body held whole.
            let mut piece = frame?.into_data().unwrap_or_default();
            let rest = piece.split_off(piece.len().min(prefix.most - before));
            if let (Some(stream), false) = (&mut self.stream, rest.is_empty()) {
                stream.buffered_frames.push_front(Frame::data(rest));
            }
            if !piece.is_empty() {
                prefix.held.append(&piece)?;
                return Ok(prefix.bytes().get(before..));
            }
        }
        Ok(None)
    }

    /// Puts the beginning back before the rest of the body. Nothing of the body has gone up so far.
    pub(crate) fn put_back(&mut self, prefix: BodyPrefix) {
        let BodyPrefix { held, has_ended, .. } = prefix;
        let mut bytes = held.into_bytes();
        if has_ended {
            self.becomes_whole(bytes);
            return;
        }
        self.progress.done.store(false, Ordering::Relaxed);
        self.progress.bytes.store(0, Ordering::Relaxed);
        let Some(stream) = &mut self.stream else { return };
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            pieces.push(bytes.split_to(bytes.len().min(SENT_PIECE_BYTES)));
        }
        for piece in pieces.into_iter().rev() {
            stream.buffered_frames.push_front(Frame::data(piece));
        }
    }

    /// Makes these bytes the whole body, of which nothing has gone up so far.
    pub(super) fn becomes_whole(&mut self, bytes: Bytes) {
        // The body is not done until it was sent again.
        self.progress.done.store(bytes.is_empty(), Ordering::Relaxed);
        self.progress.bytes.store(0, Ordering::Relaxed);
        match &mut self.stream {
            Some(stream) if !bytes.is_empty() => stream.source = Source::Whole(bytes),
            _ => self.stream = None,
        }
    }
}
