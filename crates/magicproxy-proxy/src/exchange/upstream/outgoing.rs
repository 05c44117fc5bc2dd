//! Requests in their outgoing form: the target below the base path, the fields as the connection's
//! protocol requires.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use magicproxy_core::RequestTarget;

use super::may_be_left_unread;
use crate::credential::attached::QueryCredential;
use crate::downstream::RequestBody;
use crate::exchange::gate::Message;
use crate::rejection::Rejection;
use crate::settings::ApiRoot;

/// A request for one attempt at sending: the first, or another.
pub(super) struct SendAttempt {
    pub(super) method: Method,
    headers: HeaderMap,
    /// The path, with the base path and, for a query carrier, the credential.
    path: PathAndQuery,
    pub(super) body: RequestBody,
}

impl SendAttempt {
    /// Makes the first attempt of a request. The credential of a query carrier, `parameter`,
    /// becomes part of the path.
    pub(super) fn new(
        message: Box<Message>,
        parameter: Option<&QueryCredential>,
        root: &ApiRoot,
    ) -> Result<Self, Rejection> {
        let Message { method, headers, came, target, body, .. } = *message;
        Ok(Self { method, headers, path: sent_path(root, target, came, parameter)?, body })
    }

    /// Returns the request in the form of the connection's protocol. The HTTP library sets the
    /// framing fields, apart from the hints below.
    pub(super) fn into_request(
        self,
        root: &ApiRoot,
        version: Version,
    ) -> Result<Request<RequestBody>, Rejection> {
        let SendAttempt { method, mut headers, path, body } = self;
        let uri = if version == Version::HTTP_2 {
            headers.remove(header::HOST);
            headers.remove(header::TRANSFER_ENCODING);
            headers.remove(header::CONNECTION);
            let scheme = if root.is_secure() { "https" } else { "http" };
            let uri = Uri::builder()
                .scheme(scheme)
                .authority(root.named().clone())
                .path_and_query(path)
                .build();
            uri.map_err(|_| Rejection::Internal)?
        } else {
            headers.insert(header::HOST, root.host_field().clone());
            Uri::from(path)
        };
        // RFC 9110 section 8.6: some servers respond 411 to such a request without a length. For
        // content that is not empty, hyper sets the field itself.
        if body.is_empty() && matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        // With these methods, hyper sends no content of unknown length unless told to.
        if version == Version::HTTP_11
            && body.has_unknown_length()
            && matches!(method, Method::GET | Method::HEAD)
        {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if version == Version::HTTP_11 && may_be_left_unread(&method, &body) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Makes another attempt of a request that a connection gave back, unsent or unprocessed.
    pub(super) fn from_request(request: Request<RequestBody>) -> Self {
        let (head, body) = request.into_parts();
        let path =
            head.uri.into_parts().path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Self { method: head.method, headers: head.headers, path, body }
    }

    /// Copies a request without content for another attempt.
    pub(super) fn spare(&self) -> SpareRequest {
        let fields =
            self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        SpareRequest { method: self.method.clone(), fields, path: self.path.clone() }
    }
}

/// A copy of a request without content, for another attempt. Hardly any copy is sent, so the fields
/// are listed and not hashed.
pub(super) struct SpareRequest {
    method: Method,
    fields: Vec<(HeaderName, HeaderValue)>,
    path: PathAndQuery,
}

impl From<SpareRequest> for SendAttempt {
    fn from(spare: SpareRequest) -> Self {
        let SpareRequest { method, fields, path } = spare;
        let mut headers = HeaderMap::with_capacity(fields.len());
        for (name, value) in fields {
            headers.append(name, value);
        }
        Self { method, headers, path, body: RequestBody::empty() }
    }
}

/// Builds the request target of the outgoing request: the only place where a credential becomes
/// part of a target.
///
/// `came` is the client's own spelling, neither copied nor parsed anew where nothing was changed.
fn sent_path(
    root: &ApiRoot,
    target: RequestTarget,
    came: Option<PathAndQuery>,
    parameter: Option<&QueryCredential>,
) -> Result<PathAndQuery, Rejection> {
    if root.base_path().is_empty()
        && parameter.is_none()
        && let Some(same) = came.filter(|came| target.is_spelt(came.as_str()))
    {
        return Ok(same);
    }
    let text = match root.base_path() {
        "" => target.into_text(),
        base => [base, &target.into_text()].concat(),
    };
    let bytes = match parameter {
        Some(parameter) => parameter.append_to(&text),
        None => Bytes::from(text),
    };
    PathAndQuery::from_maybe_shared(bytes).map_err(|_| Rejection::Internal)
}
