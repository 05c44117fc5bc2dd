//! Git LFS: the places of objects, as a forge tells its client. `docs/spec/git-lfs.md`.
//!
//! An action on an object is a URL with the header fields to send there. Where the URL leads to the
//! upstream, the client is led through the proxy with its magic token; a key made by the forge for
//! the client would work without the proxy, and never reaches the client. Actions at other origins
//! are none of the proxy's business, and stay.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::header::{self, HeaderName};
use http::request;
use http::{HeaderMap, HeaderValue, Method, Response};
use serde_json::{Map, Value};

use crate::response::rewrite::LinkMap;
use crate::settings::{TokenCarrier, UpstreamSettings};

/// The media type of requests and responses of the LFS API.
const MEDIA_TYPE: &[u8] = b"application/vnd.git-lfs+json";
const JSON: &[u8] = b"application/json";

/// The most bytes that URLs and tokens may add to a response: two hundred actions, as many as
/// clients ask for at once, with the longest token. Defends against a short response with countless
/// actions, which would become a large response.
const MAX_ADDED_BYTES: usize = 4 * 1024 * 1024;

/// Fields of an action that hold a key at any upstream.
static SECRET_FIELDS: [HeaderName; 3] =
    [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];

/// The fault of a response about LFS objects that is unreadable, or readable in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response is not the JSON of the LFS API")]
pub(crate) struct UnreadableObjects;

/// True if an LFS client sends the request, so the response may tell of objects.
pub(crate) fn comes_from_client(head: &request::Parts) -> bool {
    head.method == Method::POST && is_of_type(&head.headers, &header::ACCEPT, &[MEDIA_TYPE])
}

/// The kinds of responses to a request that may tell of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectsRequest {
    /// Responses of the LFS API's own media type.
    Otherwise,
    /// Responses of that media type, and JSON.
    ForObjects,
}

impl ObjectsRequest {
    /// Classifies a request by method, canonical path and LFS client, if any. A client that
    /// conceals LFS gets the same keys, so a `POST` at such a path is enough.
    pub(crate) fn by(method: &Method, path: &str, client: Option<&LfsClient>) -> Self {
        let asks = client.is_some() || *method == Method::POST && names_batch(path.as_bytes());
        if asks { Self::ForObjects } else { Self::Otherwise }
    }

    /// True if this response may tell of objects.
    pub(crate) fn may_get_them_by<B>(self, response: &Response<B>) -> bool {
        let types: &[&[u8]] = match self {
            Self::Otherwise => &[MEDIA_TYPE],
            Self::ForObjects => &[MEDIA_TYPE, JSON],
        };
        response.status().is_success()
            && is_of_type(response.headers(), &header::CONTENT_TYPE, types)
    }
}

/// True if `objects/batch` is anywhere in a canonical path, in any case, its slash encoded or not.
fn names_batch(path: &[u8]) -> bool {
    let holds = |name: &[u8]| path.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name));
    holds(b"objects/batch") || holds(b"objects%2Fbatch")
}

/// An LFS client, as known from its request.
#[derive(Debug)]
pub(crate) struct LfsClient {
    /// The field with the client's magic token; `None` where the token is in the query.
    pub(crate) authorization: Option<HeaderValue>,
}

/// The way of a client that follows the upstream's URLs in a response: through the proxy, or past
/// the proxy.
#[derive(Debug)]
pub(crate) enum ObjectLinks {
    /// Through the proxy, by these links.
    ByLinks(Arc<LinkMap>),
    /// Through the proxy unchanged: the client calls the upstream by the upstream's own name.
    AsTheyAre,
    /// Past the proxy: nothing is rewritten.
    Past,
}

/// The treatment of actions on objects in a response.
#[derive(Debug)]
pub(crate) struct ObjectActions {
    pub(crate) leads: ObjectLinks,
    pub(crate) upstream: Arc<UpstreamSettings>,
    pub(crate) client: Option<LfsClient>,
}

/// The destination of an action's URL.
enum Destination {
    /// The proxy, by this URL.
    Proxy(String),
    /// The upstream past the proxy, or an unknown place.
    Upstream,
    Elsewhere,
}

impl ObjectActions {
    /// Returns the document for the client.
    pub(crate) fn treated(&self, body: &[u8]) -> Result<Vec<u8>, UnreadableObjects> {
        let mut document: Value = serde_json::from_slice(body).map_err(|_| UnreadableObjects)?;
        self.treat(&mut document, &mut 0)?;
        serde_json::to_vec(&document).map_err(|_| UnreadableObjects)
    }

    /// Treats every action in a document. An action is any object with an `href`, under any name:
    /// transfer adapters choose names of their own.
    fn treat(&self, value: &mut Value, added: &mut usize) -> Result<(), UnreadableObjects> {
        match value {
            Value::Array(elements) => {
                elements.iter_mut().try_for_each(|element| self.treat(element, added))
            }
            Value::Object(members) => {
                if let Some(href) = member(members, "href")? {
                    *added += self.treat_action(members, &href)?;
                }
                if *added > MAX_ADDED_BYTES {
                    return Err(UnreadableObjects);
                }
                members.values_mut().try_for_each(|member| self.treat(member, added))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    /// Treats an action. Returns the most bytes added.
    fn treat_action(
        &self,
        members: &mut Map<String, Value>,
        href: &str,
    ) -> Result<usize, UnreadableObjects> {
        let Some(url) = members.get(href).and_then(Value::as_str) else { return Ok(0) };
        let destination = self.destination(url);
        if matches!(destination, Destination::Elsewhere) {
            return Ok(0);
        }
        let mut added = 0;
        let name = member(members, "header")?.unwrap_or_else(|| "header".to_owned());
        let mut fields = match members.remove(&name) {
            Some(Value::Object(fields)) => fields,
            None | Some(Value::Null) => Map::new(),
            Some(_) => return Err(UnreadableObjects),
        };
        fields.retain(|field, _| !self.is_secret(field));
        if let Destination::Proxy(url) = destination {
            added = url.len();
            members.insert(href.to_owned(), Value::String(url));
            if let Some(client) = &self.client
                && let Some(authorization) = &client.authorization
                && let Ok(value) = authorization.to_str()
            {
                added += value.len();
                fields.insert("Authorization".to_owned(), Value::String(value.to_owned()));
            }
        }
        members.insert(name, Value::Object(fields));
        Ok(added)
    }

    fn destination(&self, url: &str) -> Destination {
        if let ObjectLinks::ByLinks(links) = &self.leads
            && let Some(rewritten) = links.rewrite_url(url)
        {
            return Destination::Proxy(rewritten);
        }
        let site = match UrlHost::of(url) {
            Some(UrlHost::Other) => return Destination::Elsewhere,
            Some(UrlHost::Web(site)) => site,
            None => return Destination::Upstream,
        };
        let origins: Vec<String> = self.upstream.origins().map(ToString::to_string).collect();
        let mut own = origins
            .iter()
            .filter(|origin| matches!(UrlHost::of(origin), Some(UrlHost::Web(own)) if own == site))
            .peekable();
        if own.peek().is_none() {
            return Destination::Elsewhere;
        }
        // Another scheme leads to another port, and perhaps in clear.
        let stays = matches!(self.leads, ObjectLinks::AsTheyAre)
            && own.any(|origin| scheme(origin).eq_ignore_ascii_case(scheme(url)));
        if stays { Destination::Proxy(url.to_owned()) } else { Destination::Upstream }
    }

    fn is_secret(&self, field: &str) -> bool {
        let is = |name: &HeaderName| field.eq_ignore_ascii_case(name.as_str());
        let carriers = self.upstream.token_carriers.iter().filter_map(TokenCarrier::header);
        SECRET_FIELDS.iter().chain(carriers).chain(self.upstream.credential.header()).any(is)
    }
}

/// The host to which a URL leads.
enum UrlHost {
    /// Host and port, in lower case and without the scheme's default port, of `http` or `https`.
    Web(String),
    /// Another scheme.
    Other,
}

impl UrlHost {
    /// Reads the host of an absolute URL; `None` for any other text.
    fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once(':')?;
        let port = if scheme.eq_ignore_ascii_case("https") {
            ":443"
        } else if scheme.eq_ignore_ascii_case("http") {
            ":80"
        } else {
            let named =
                scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
            return (named && !scheme.is_empty()).then_some(Self::Other);
        };
        let authority = rest.strip_prefix("//")?.split(['/', '?', '#', '\\']).next()?;
        let host = authority.rsplit('@').next()?.to_ascii_lowercase();
        let host = host.strip_suffix(port).unwrap_or(&host).trim_end_matches('.');
        (!host.is_empty()).then(|| Self::Web(host.to_owned()))
    }
}

fn scheme(url: &str) -> &str {
    url.split(':').next().unwrap_or_default()
}

/// Finds the spelling of a member's name. Case is ignored, because clients are written in a
/// language whose JSON ignores case; two spellings in the same object are refused.
fn member(members: &Map<String, Value>, name: &str) -> Result<Option<String>, UnreadableObjects> {
    let mut named = members.keys().filter(|known| known.eq_ignore_ascii_case(name));
    let found = named.next().cloned();
    if named.next().is_some() { Err(UnreadableObjects) } else { Ok(found) }
}

/// True if a field holds any of these media types.
fn is_of_type(headers: &HeaderMap, field: &HeaderName, types: &[&[u8]]) -> bool {
    // Almost all values are shorter.
    let shortest = types.iter().map(|known| known.len()).min().unwrap_or_default();
    for value in headers.get_all(field) {
        if value.len() < shortest {
            continue;
        }
        for item in value.as_bytes().split(|byte| *byte == b',') {
            let media_type = item.split(|byte| *byte == b';').next().unwrap_or_default();
            let media_type = media_type.trim_ascii();
            if types.iter().any(|known| media_type.eq_ignore_ascii_case(known)) {
                return true;
            }
        }
    }
    false
}
