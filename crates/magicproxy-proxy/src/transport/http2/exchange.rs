//! One request and its response on a stream of HTTP/2.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::driver::{OpenedStream, StreamRequest};
use super::upload::{Upload, UploadEnd};
use crate::admission::Holding;
use crate::downstream::RequestBody;
use crate::http::body::BodyError;
use crate::transport::connection::{
    SendError, SharedConnection, StreamOptions, Streams, UploadSlot,
};
use crate::transport::resend::ResponseBytes;

/// Hands a request over at once; the returned future waits for the head of the response. Sent
/// content is kept, where there is memory for the content, until the upstream can no longer say
/// that the request was not processed.
pub(in crate::transport) fn exchange(
    connection: SharedConnection,
    request: Request<RequestBody>,
    sending: StreamOptions,
) -> impl Future<Output = Result<Response<StreamContent>, SendError>> + Send {
    let (head, body) = request.into_parts();
    let head = Request::from_parts(head, ());
    let has_body = !body.is_empty();
    let (reply, opened) = oneshot::channel();
    let StreamOptions { memory, upload, given_up, decision } = sending;
    let handed = connection.hand_over(StreamRequest {
        head: wire_head(&head, &body),
        has_body,
        given_up,
        decision,
        reply,
    });
    async move {
        let opened = if handed { connection.reply(opened).await } else { None };
        match opened {
            Some(opened) => {
                StartedRequest { connection, head, body, memory, upload }
                    .await_response(opened)
                    .await
            }
            None => Err(SendError::NotSent(Box::new(head.map(|()| body)))),
        }
    }
}

/// Request whose head goes out now.
struct StartedRequest {
    connection: SharedConnection,
    head: Request<()>,
    body: RequestBody,
    memory: Option<Holding>,
    upload: Option<UploadSlot>,
}

impl StartedRequest {
    async fn await_response(
        self,
        opened: OpenedStream,
    ) -> Result<Response<StreamContent>, SendError> {
        let Self { connection, head, body, memory, upload } = self;
        let OpenedStream { mut response, body: stream } = opened;
        let mut upload = Upload::new(stream, body, memory, upload);
        let mut heard = ResponseBytes::Nothing;
        let received = poll_fn(|context| {
            while let Poll::Ready(Some(Ok(_))) = response.poll_informational(context) {
                heard = ResponseBytes::Something;
            }
            // The response first: the response may come before all of the content was sent, and
            // then no failure of the content changes the response.
            if let Poll::Ready(received) = Pin::new(&mut response).poll(context) {
                return Poll::Ready(received.map_err(NoResponse::Failed));
            }
            match upload.poll(context) {
                Poll::Ready(UploadEnd::Broken(error)) => {
                    Poll::Ready(Err(NoResponse::Broken(error)))
                }
                Poll::Ready(UploadEnd::Done | UploadEnd::Stopped) | Poll::Pending => Poll::Pending,
            }
        });
        match received.await {
            Ok(response) => Ok(response.map(|content| StreamContent::new(content, upload))),
            Err(NoResponse::Broken(error)) => Err(SendError::Content(error)),
            Err(NoResponse::Failed(error))
                if is_unprocessed(&error, response.stream_id().as_u32(), connection.streams()) =>
            {
                // An upstream that refuses one request refuses the next, too.
                connection.streams().retire();
                Err(SendError::Unprocessed(
                    upload.into_unsent().map(|body| Box::new(head.map(|()| body))),
                ))
            }
            Err(NoResponse::Failed(error)) => Err(SendError::Stream(error, heard)),
        }
    }
}

/// Failure to receive the head of a response.
enum NoResponse {
    /// The client's content broke.
    Broken(BodyError),
    Failed(h2::Error),
}

/// True if the upstream said that the request was not processed (RFC 9113 sections 6.8 and 8.7).
fn is_unprocessed(error: &h2::Error, stream: u32, streams: &Streams) -> bool {
    let was_refused =
        error.is_reset() && error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM);
    was_refused || streams.wire().excludes(stream)
}

/// Returns the head as it is sent: with a length, where the content has a known length.
fn wire_head(head: &Request<()>, body: &RequestBody) -> Request<()> {
    let mut head = head.clone();
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        head.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    head
}

/// Content of a response, read from the stream.
pub(crate) struct StreamContent {
    stream: RecvStream,
    /// Bytes still to come, where the head has a length.
    length: Option<u64>,
    has_all_data: bool,
    /// Upload of the rest of the request's content; ends when the response's content is dropped.
    _upload: Option<FurtherUpload>,
}

impl StreamContent {
    fn new(received: RecvStream, upload: Upload) -> Self {
        let upload = (!upload.is_done()).then(|| FurtherUpload::start(upload));
        Self { stream: received, length: None, has_all_data: false, _upload: upload }
    }

    /// Notes the length that the head says. A stream that has ended has nothing to come.
    pub(in crate::transport) fn measured(mut self, headers: &HeaderMap) -> Self {
        let told = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        self.length = told.or(self.stream.is_end_stream().then_some(0));
        self
    }

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        if self.has_all_data {
            return Poll::Ready(None);
        }
        let data = ready!(self.stream.poll_data(context));
        if let Some(Ok(data)) = &data {
            // The data is passed on at once, so that the upstream may send as much more.
            let _ = self.stream.flow_control().release_capacity(data.len());
            self.length = self.length.map(|length| length.saturating_sub(data.len() as u64));
        }
        self.has_all_data = data.is_none();
        Poll::Ready(data)
    }
}

impl Body for StreamContent {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        match ready!(self.poll_data(context)) {
            Some(data) => Poll::Ready(Some(data.map(Frame::data))),
            None => self
                .stream
                .poll_trailers(context)
                .map(|trailers| trailers.map(|fields| fields.map(Frame::trailers)).transpose()),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl std::fmt::Debug for StreamContent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("StreamContent")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// Request's content that is sent while the response comes; dropping the value ends the upload, and
/// resets the stream where the stream is open.
struct FurtherUpload(AbortHandle);

impl FurtherUpload {
    fn start(mut upload: Upload) -> Self {
        upload.forget_sent();
        Self(
            tokio::spawn(async move { poll_fn(|context| upload.poll(context)).await })
                .abort_handle(),
        )
    }
}

impl Drop for FurtherUpload {
    fn drop(&mut self) {
        self.0.abort();
    }
}
