//! Turns: the amount that one connection reads before the other connections of the worker may read.
//!
//! A worker serves all connections in one thread. Without turns, a peer that sends more than is
//! read at a time (control frames of HTTP/2, interim responses, chunks of one byte) would occupy
//! the thread for as long as bytes are there.

use std::task::{Context, Poll};

/// Most bytes that are read in one turn; the last read may exceed the number.
const READ_TURN_BYTES: usize = 16 * 1024;

/// Count of bytes that a connection has read in the current turn.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    read: usize,
}

impl Turn {
    /// Pending when this turn is over: the task is woken for the next turn at once, behind the
    /// tasks that wait already.
    pub(crate) fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.read < READ_TURN_BYTES {
            return Poll::Ready(());
        }
        self.read = 0;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Notes the result of a read: a number of bytes, or `None`, which ends the turn by itself.
    pub(crate) fn note(&mut self, read: Option<usize>) {
        self.read = read.map_or(0, |bytes| self.read + bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_turn_ends_after_so_many_bytes() {
        let mut context = Context::from_waker(Waker::noop());
        let mut turn = Turn::default();
        let mut turns = 0;
        for _ in 0..64 {
            while turn.poll_more(&mut context).is_pending() {
                turns += 1;
            }
            turn.note(Some(1024));
        }
        assert_eq!(turns, 3, "64 KiB are four turns");
        turn.note(None);
        turn.note(Some(READ_TURN_BYTES - 1));
        assert!(turn.poll_more(&mut context).is_ready(), "a connection that waited begins anew");
    }
}
