//! The content of a response that is a file: read by a thread of its own, a piece ahead of the
//! client.

use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::runtime::backup::BackupFile;

/// The most bytes of a piece.
const PIECE: usize = 64 * 1024;

/// A file on its way to a client.
#[derive(Debug)]
pub(super) struct FileContent {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    /// The number of bytes that are still to come.
    left: u64,
}

impl FileContent {
    /// Begins to read the file. Must be called on a runtime.
    pub(super) fn of(backup: BackupFile) -> Self {
        let (sender, pieces) = mpsc::channel(1);
        let BackupFile { mut file, length } = backup;
        tokio::task::spawn_blocking(move || {
            loop {
                let mut piece = vec![0; PIECE];
                let read = file.read(&mut piece).map(|read| {
                    piece.truncate(read);
                    Bytes::from(piece)
                });
                let is_last = read.as_ref().map_or(true, Bytes::is_empty);
                let is_end = read.as_ref().is_ok_and(Bytes::is_empty);
                // The client may have gone.
                if is_end || sender.blocking_send(read).is_err() || is_last {
                    return;
                }
            }
        });
        Self { pieces, left: length }
    }
}

impl Body for FileContent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = std::task::ready!(self.pieces.poll_recv(context));
        Poll::Ready(piece.map(|piece| {
            piece.map(|bytes| {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                Frame::data(bytes)
            })
        }))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
