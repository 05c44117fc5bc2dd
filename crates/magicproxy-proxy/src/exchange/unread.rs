//! Parts of a request read for a decision, before the request is sent. The bytes read are the bytes
//! sent.
//!
//! A part may be asked for at every step of a decision: by a rule before the permit, by plugins, by
//! the effects of the rule that allows. It is read once, and found again by those who ask later.

use bytes::Bytes;
use http::HeaderMap;
use magicproxy_core::Part;

use crate::admission::Holding;
use crate::downstream::RequestBody;
use crate::rejection::Rejection;
use crate::response::header::Coding;

/// The unread rest of a request, and the exchange that pays for the bytes held.
pub(in crate::exchange) struct UnreadRequest<'m> {
    pub(in crate::exchange) headers: &'m HeaderMap,
    pub(in crate::exchange) body: &'m mut RequestBody,
    pub(in crate::exchange) exchange: &'m Holding,
    /// The longest body that whoever asks may see, in bytes: the upstream's bound
    /// (`UpstreamSettings::max_inspected_body`), or less.
    pub(in crate::exchange) longest_body: usize,
}

impl UnreadRequest<'_> {
    /// Reads a part, whole, or returns it where it was read before.
    ///
    /// The memory is paid for before it is taken, and given back with the last clone of the bytes.
    /// A body of known length is refused for its length, or for want of memory, before the client
    /// is told to send it (`100 Continue`).
    ///
    /// # Errors
    /// The part has a content coding, is too long, finds no memory left, or does not come.
    pub(in crate::exchange) async fn read(&mut self, part: Part) -> Result<Bytes, Rejection> {
        match part {
            Part::Body if Coding::of(self.headers) != Coding::Identity => Err(Rejection::BodyForm),
            Part::Body => Ok(self.body.hold_whole(self.longest_body, self.exchange).await?),
        }
    }
}
