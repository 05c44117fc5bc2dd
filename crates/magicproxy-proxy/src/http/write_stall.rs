//! Time limit of writes: a socket whose peer takes nothing more is given up, towards clients and
//! towards the upstream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

/// Clock of one socket's writes.
#[derive(Debug)]
pub(crate) struct WriteStall {
    limit: Duration,
    /// Timer that runs while a write waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl WriteStall {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    /// Passes on the result of a write; a write that has waited for the limit fails.
    pub(crate) fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.timer = None;
            return written;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.limit)));
        timer.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}
