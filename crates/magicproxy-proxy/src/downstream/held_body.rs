//! A request body held in memory, for a decision on it, until it is sent. The memory is paid for
//! before it is taken, and given back when nobody refers to the bytes any more.
//!
//! A client pays for bytes that have come, and not for those that it announces: else a few slow
//! clients would hold a share with promises. The whole body must find room when it is announced, so
//! that a client is refused before it sends.

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::request_body::ReadError;
use crate::admission::{Holding, Resource, Shortage};

/// The least memory for a body, in bytes; doubled as often as the body needs.
const FIRST_BYTES: usize = 16 * 1024;
/// The bytes for which a client has one more time limit.
const PACE_BYTES: usize = 1024 * 1024;

/// The beginning of a body, with the payment for its memory.
#[derive(Debug)]
pub(super) struct HeldBody {
    bytes: Vec<u8>,
    /// The most bytes that come: the length of the body, or where none is told the longest one.
    most: usize,
    /// INVARIANT: pays for the capacity of `bytes`.
    memory: Holding,
}

impl HeldBody {
    /// Begins a body of this length, or of at most `most` bytes, at the expense of the exchange's
    /// payer. Checks that the payer has room for the whole length, and takes the first step of it.
    pub(super) fn new(
        length: Option<usize>,
        most: usize,
        exchange: &Holding,
    ) -> Result<Self, Shortage> {
        let mut memory = exchange.take(Resource::InspectedBytes, length.unwrap_or_default())?;
        memory.shrink_to(0);
        let most = length.map_or(most, |length| length.min(most));
        let mut held = Self { bytes: Vec::new(), most, memory };
        held.make_room(length.unwrap_or_default().min(FIRST_BYTES))?;
        Ok(held)
    }

    /// Appends a piece.
    pub(super) fn append(&mut self, piece: &[u8]) -> Result<(), ReadError> {
        let length = self.bytes.len().saturating_add(piece.len());
        if length > self.most {
            return Err(ReadError::TooLong(self.most));
        }
        if length > self.bytes.capacity() {
            let doubled = length.checked_next_power_of_two().unwrap_or(self.most);
            self.make_room(doubled.max(FIRST_BYTES).min(self.most))?;
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Returns the number of bytes that have come.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the body. The memory is given back with the last clone of it.
    pub(super) fn into_bytes(self) -> Bytes {
        if self.bytes.is_empty() { Bytes::new() } else { Bytes::from_owner(self) }
    }

    /// Enlarges the memory to this many bytes, after they were paid for.
    fn make_room(&mut self, capacity: usize) -> Result<(), Shortage> {
        self.memory.grow(capacity.saturating_sub(self.memory.amount()))?;
        self.bytes.reserve_exact(capacity.saturating_sub(self.bytes.len()));
        Ok(())
    }
}

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The least pace of a body that is held: a time limit, and the same time again for each
/// [`PACE_BYTES`] that have come. A client that sends a byte now and then ends nonetheless.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    since: Instant,
    limit: Duration,
}

impl Pace {
    /// Begins the time of a body.
    pub(super) fn new(since: Instant, limit: Duration) -> Self {
        Self { since, limit }
    }

    /// Returns the time by which more must have come than these bytes.
    pub(super) fn deadline(self, bytes: usize) -> Instant {
        /// Longer than any exchange, and no overflow.
        const FAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
        let turns = u32::try_from(bytes / PACE_BYTES).unwrap_or(u32::MAX).saturating_add(1);
        self.since + self.limit.saturating_mul(turns).min(FAR)
    }
}
