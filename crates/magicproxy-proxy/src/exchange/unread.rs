//! Parts of a request read for a decision, before the request is sent. The bytes read are the bytes
//! sent.

use bytes::Bytes;
use http::HeaderMap;
use magicproxy_core::Part;

use crate::admission::Holding;
use crate::downstream::RequestBody;
use crate::http::body::MAX_BODY_BYTES;
use crate::rejection::Rejection;
use crate::response::header::Coding;

/// The unread rest of a request, and the exchange that pays for the bytes held.
pub(in crate::exchange) struct UnreadRequest<'m> {
    pub(in crate::exchange) headers: &'m HeaderMap,
    pub(in crate::exchange) body: &'m mut RequestBody,
    pub(in crate::exchange) exchange: &'m Holding,
}

impl UnreadRequest<'_> {
    /// Reads a part, whole, of at most [`MAX_BODY_BYTES`].
    ///
    /// # Errors
    /// The part has a content coding, is too long, or does not come.
    pub(in crate::exchange) async fn read(&mut self, part: Part) -> Result<Bytes, Rejection> {
        match part {
            Part::Body if Coding::of(self.headers) != Coding::Identity => Err(Rejection::BodyForm),
            Part::Body => Ok(self.body.read_whole(MAX_BODY_BYTES, self.exchange).await?),
        }
    }
}
