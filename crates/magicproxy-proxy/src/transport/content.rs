//! Content of a response as it arrives, by either protocol.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::http2::StreamContent;
use crate::http::body::BodyError;

/// Content of an upstream's response.
#[derive(Debug)]
pub(crate) enum Content {
    /// Content on a connection by HTTP/1.1.
    Http1(Incoming),
    /// Content on a stream.
    Http2(Box<StreamContent>),
}

impl Content {
    /// Makes the content of a response that came on a stream.
    pub(super) fn of_stream(response: Response<StreamContent>) -> Response<Self> {
        let (head, content) = response.into_parts();
        let content = Self::Http2(Box::new(content.measured(&head.headers)));
        Response::from_parts(head, content)
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Http1(incoming) => {
                Pin::new(incoming).poll_frame(context).map_err(BodyError::from)
            }
            Self::Http2(stream) => {
                Pin::new(stream.as_mut()).poll_frame(context).map_err(BodyError::from)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(incoming) => incoming.is_end_stream(),
            Self::Http2(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(incoming) => incoming.size_hint(),
            Self::Http2(stream) => stream.size_hint(),
        }
    }
}
