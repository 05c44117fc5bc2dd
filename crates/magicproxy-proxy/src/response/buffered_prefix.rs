//! Beginning of a response's body, read before the head is passed on: `docs/spec/state.md` section
//! 3.4.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame};

use crate::admission::Holding;
use crate::http::body::BodyError;
use crate::transport::Content;

/// Guard that the exchange holds until the response was passed down.
pub(crate) type ExchangeGuard = Box<dyn Send>;

/// Bytes read ahead: in one piece, so that many small pieces take no more room than one large
/// piece.
#[derive(Debug)]
pub(crate) struct BufferedPrefix {
    data: Bytes,
    trailers: Option<Frame<Bytes>>,
    broken: Option<BodyError>,
    whole: bool,
    /// Memory that is reserved for the bytes.
    buffered: Option<Holding>,
}

impl BufferedPrefix {
    /// Reads until the end, or until more bytes have come than `buffered` holds; a silence of
    /// `idle` breaks the reading off.
    pub(crate) async fn read(
        incoming: &mut Content,
        mut buffered: Holding,
        idle: Duration,
    ) -> Self {
        let most = buffered.amount();
        let mut data = BytesMut::new();
        let (mut trailers, mut broken, mut whole) = (None, None, false);
        while data.len() <= most {
            let next = std::future::poll_fn(|context| Pin::new(&mut *incoming).poll_frame(context));
            match tokio::time::timeout(idle, next).await {
                Ok(None) => {
                    whole = true;
                    break;
                }
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(piece) => data.extend_from_slice(&piece),
                    Err(frame) => trailers = Some(frame),
                },
                Ok(Some(Err(error))) => {
                    broken = Some(error);
                    break;
                }
                Err(_) => {
                    broken = Some(BodyError::Idle);
                    break;
                }
            }
        }
        buffered.shrink_to(data.len());
        Self { data: data.freeze(), trailers, broken, whole, buffered: Some(buffered) }
    }

    /// Returns the body, if the body was read to the end.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        self.whole.then_some(&self.data)
    }

    /// Returns the number of bytes still to be passed on.
    pub(super) fn length(&self) -> u64 {
        self.data.len() as u64
    }

    /// True if nothing is left to be passed on, and nothing will follow.
    pub(super) fn is_spent(&self) -> bool {
        self.whole && self.data.is_empty() && self.trailers.is_none() && self.broken.is_none()
    }

    pub(super) fn next(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        if !self.data.is_empty() {
            self.buffered = None;
            return Some(Ok(Frame::data(std::mem::take(&mut self.data))));
        }
        self.trailers.take().map(Ok).or_else(|| self.broken.take().map(Err))
    }
}
