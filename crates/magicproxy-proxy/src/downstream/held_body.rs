//! A request body held in memory, for a decision on it, until it is sent. The memory is paid for
//! before it is taken, and given back when nobody refers to the bytes any more.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::request_body::ReadError;
use crate::admission::{Holding, Resource, Shortage};

/// The least memory for a body of unknown length, in bytes; doubled as often as the body needs.
const FIRST_BYTES: usize = 16 * 1024;

/// The beginning of a body, with the payment for its memory.
#[derive(Debug)]
pub(super) struct HeldBody {
    bytes: Vec<u8>,
    /// INVARIANT: pays for the capacity of `bytes`.
    memory: Holding,
}

impl HeldBody {
    /// Makes room for a body of this length, if known, at the expense of the exchange's payer.
    pub(super) fn new(length: Option<usize>, exchange: &Holding) -> Result<Self, Shortage> {
        let memory = exchange.take(Resource::InspectedBytes, 0)?;
        let mut held = Self { bytes: Vec::new(), memory };
        held.make_room(length.unwrap_or_default())?;
        Ok(held)
    }

    /// Appends a piece to a body of at most `most` bytes.
    pub(super) fn append(&mut self, piece: &[u8], most: usize) -> Result<(), ReadError> {
        let length = self.bytes.len().saturating_add(piece.len());
        if length > most {
            return Err(ReadError::TooLong(most));
        }
        if length > self.bytes.capacity() {
            let doubled = self.bytes.capacity().saturating_mul(2).max(FIRST_BYTES);
            self.make_room(doubled.min(most).max(length))?;
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
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
