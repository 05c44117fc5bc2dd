//! Control frames of an HTTP/2 connection (RFC 9113 sections 6.3 to 6.9), counted against the work
//! that the connection achieves.
//!
//! PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, CONTINUATION, empty DATA and unknown frames
//! cost the server work, and are charged to no request (RFC 9113 section 10.5). A connection may
//! send some of them from the start, and more with each request, each byte taken or sent, and each
//! second. A connection beyond the allowance ends.

use std::io;
use std::time::Instant;

use crate::http::FRAME_HEADER_BYTES;

/// The cost of one control frame, in bytes of content.
const FRAME_COST: u64 = 32;
/// Control frames that a connection may send at first.
const FIRST_FRAMES: u64 = 1_000;
/// Control frames that each request allows in addition.
const FRAMES_PER_REQUEST: u64 = 16;
/// The most control frames that a connection can save up.
const MOST_FRAMES: u64 = 10_000;
const PREFACE_BYTES: usize = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// The count of one connection's control frames.
#[derive(Debug)]
pub(super) struct ControlFrames {
    /// The remaining allowance, in bytes of content.
    credit: u64,
    /// Bytes of the preface, or of a frame after its header, to be passed over.
    skip: usize,
    /// The header of the next frame, as far as read.
    header: [u8; FRAME_HEADER_BYTES],
    filled: usize,
    /// Requests that have already added to the allowance.
    requests: u64,
    /// The time up to which seconds have added to the allowance.
    since: Instant,
}

impl ControlFrames {
    pub(super) fn new(accepted: Instant) -> Self {
        Self {
            credit: FIRST_FRAMES * FRAME_COST,
            skip: PREFACE_BYTES,
            header: [0; FRAME_HEADER_BYTES],
            filled: 0,
            requests: 0,
            since: accepted,
        }
    }

    /// Adds bytes that the client took to the allowance.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.give(bytes as u64);
    }

    /// Counts the frames in bytes from the client. `requests` have begun on the connection so far.
    ///
    /// # Errors
    /// The client sent more control frames than allowed.
    pub(super) fn read(&mut self, mut bytes: &[u8], requests: u64) -> io::Result<()> {
        let more = requests.saturating_sub(self.requests);
        self.requests = requests;
        self.give(more.saturating_mul(FRAMES_PER_REQUEST * FRAME_COST));
        while !bytes.is_empty() {
            let passed = self.skip.min(bytes.len());
            self.skip -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            while self.skip == 0
                && let Some((byte, rest)) = bytes.split_first()
            {
                bytes = rest;
                self.take(*byte)?;
            }
        }
        Ok(())
    }

    /// Takes the next byte of a frame's header.
    fn take(&mut self, byte: u8) -> io::Result<()> {
        if let Some(place) = self.header.get_mut(self.filled) {
            *place = byte;
        }
        self.filled += 1;
        if self.filled < FRAME_HEADER_BYTES {
            return Ok(());
        }
        self.filled = 0;
        let [high, middle, low, kind, ..] = self.header;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.skip = length;
        match kind {
            DATA if length > 0 => self.give(length as u64),
            HEADERS => {}
            _ => return self.spend(),
        }
        Ok(())
    }

    fn give(&mut self, bytes: u64) {
        self.credit = self.credit.saturating_add(bytes).min(MOST_FRAMES * FRAME_COST);
    }

    fn spend(&mut self) -> io::Result<()> {
        if self.credit < FRAME_COST {
            // The clock is read only when the allowance is spent.
            let seconds = self.since.elapsed().as_secs();
            self.since += std::time::Duration::from_secs(seconds);
            self.give(seconds.saturating_mul(FRAME_COST));
        }
        self.credit = self
            .credit
            .checked_sub(FRAME_COST)
            .ok_or_else(|| io::Error::other("too many control frames"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let length_bytes = [(length >> 16) as u8, (length >> 8) as u8, length as u8];
        [&length_bytes[..], &[kind, 0, 0, 0, 0, 0], &vec![0; length]].concat()
    }

    fn begun() -> ControlFrames {
        let mut frames = ControlFrames::new(Instant::now() + Duration::from_secs(1_000));
        frames.read(&[b'P'; PREFACE_BYTES], 0).unwrap();
        frames
    }

    /// Returns the number of these frames read, in pieces of this size, before the connection ends.
    fn accepted(mut frames: ControlFrames, one: &[u8], piece: usize) -> usize {
        let flood: Vec<u8> = one.repeat(20_000);
        let mut read = 0;
        for piece in flood.chunks(piece) {
            if frames.read(piece, 0).is_err() {
                break;
            }
            read += piece.len();
        }
        read / one.len()
    }

    #[test]
    fn a_flood_of_control_frames_ends_the_connection() {
        for kind in [2, 3, 4, 6, 8, 9, 0x42] {
            for piece in [1, 7, 9, 17, 8_192] {
                let count = accepted(begun(), &frame(kind, 8), piece);
                assert!((500..=1_000).contains(&count), "{kind}, in pieces of {piece}: {count}");
            }
        }
        assert!(accepted(begun(), &frame(DATA, 0), 9) <= 1_000);
    }

    #[test]
    fn what_is_achieved_gives_more() {
        // Content in either direction, and requests.
        assert_eq!(accepted(begun(), &frame(DATA, 100), 109), 20_000);
        let mut frames = begun();
        for _ in 0..20_000 {
            frames.wrote(109);
            frames.read(&[frame(8, 4), frame(8, 4)].concat(), 0).unwrap();
        }
        let mut frames = begun();
        for request in 1..20_000 {
            frames
                .read(
                    &[frame(HEADERS, 40), frame(8, 4), frame(2, 5), frame(3, 4)].concat(),
                    request,
                )
                .unwrap();
        }
    }

    /// A window opened byte by byte is a flood: each opening costs more than the byte gives.
    #[test]
    fn a_window_of_single_bytes_is_a_flood() {
        let mut frames = begun();
        let count = (0..20_000).take_while(|_| {
            frames.wrote(10);
            frames.read(&frame(8, 4), 0).is_ok()
        });
        assert!(count.count() < 2_000);
    }

    /// An event stream that is silent for hours while the client sends pings.
    #[test]
    fn seconds_give_some() {
        let mut frames =
            ControlFrames::new(Instant::now().checked_sub(Duration::from_secs(5_000)).unwrap());
        frames.read(&[b'P'; PREFACE_BYTES], 0).unwrap();
        let count = (0..20_000).take_while(|_| frames.read(&frame(6, 8), 0).is_ok()).count();
        assert!((6_000..6_100).contains(&count), "{count}");
    }
}
