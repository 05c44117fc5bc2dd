//! Turns: how much one connection reads before the others of its worker have theirs.
//!
//! A worker serves its connections in one thread. Whoever sends more than is read at a time (control frames of HTTP/2, interim
//! responses, chunks of one byte) would keep it for as long as bytes are there.

use std::task::{Context, Poll};

/// So many bytes, or what one read brings, are read in one turn.
const READ_TURN_BYTES: usize = 16 * 1024;

/// What a connection has read in its turn.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    read: usize,
}

impl Turn {
    /// Pending when this turn is over: the task is woken for the next one at once, behind those that wait already.
    pub(crate) fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.read < READ_TURN_BYTES {
            return Poll::Ready(());
        }
        self.read = 0;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Notes what a read came to: so many bytes, or nothing, which ends the turn by itself.
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
