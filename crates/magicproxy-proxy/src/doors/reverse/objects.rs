//! Responses about objects of Git LFS: read whole, and their actions made to lead through the
//! proxy. `docs/spec/git-lfs.md`.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderValue, Response, header};
use http_body_util::BodyExt as _;

use super::ReverseDoor;
use super::public_links::LinkBase;
use crate::admission::{Holding, Resource};
use crate::exchange::ledger::work_aside;
use crate::exchange::response::{MaskedResponse, UnfilteredResponse};
use crate::http::body::{BodyError, MAX_OBJECTS_BYTES};
use crate::rejection::Rejection;
use crate::response::body::{ResponseBody, UpstreamBody};
use crate::response::header::Coding;
use crate::response::rewrite::{self, Rewriting};
use crate::routing::lfs::{LfsClient, ObjectActions, ObjectLinks};
use crate::routing::router::EntryPoint;
use crate::settings::UpstreamSettings;

/// Bytes for each object of a document: a node of a map has room for eleven members.
const BYTES_PER_OBJECT: usize = 1024;
/// Bytes for each value of a document: a list that grows may have twice the room needed by its
/// values.
const BYTES_PER_VALUE: usize = 64;

/// The client of a request for objects, with its entry point and upstream.
pub(super) struct ObjectsClient {
    /// The client's entry point. `None` for a client that calls the upstream by the upstream's own
    /// name.
    pub(super) entry: Option<EntryPoint>,
    /// The base of public links in the response, if links are rewritten.
    pub(super) link_base: Option<LinkBase>,
    pub(super) upstream: Arc<UpstreamSettings>,
    pub(super) client: Option<LfsClient>,
}

struct WholeResponse {
    bytes: Bytes,
    /// The memory held for the bytes.
    buffered: Holding,
}

impl ReverseDoor {
    /// Passes down a response that may tell of objects, read whole and made anew. Refuses a
    /// response that cannot be read, because a key could be inside.
    pub(super) async fn pass_objects(
        &self,
        unfiltered: UnfilteredResponse,
        objects: ObjectsClient,
    ) -> Result<Response<ResponseBody>, Rejection> {
        let ObjectsClient { entry, link_base, upstream, client } = objects;
        let buffered = unfiltered.take(Resource::BufferedBytes, 0)?;
        let MaskedResponse { mut head, mut body, secret_mask } = unfiltered.searched()?;
        let WholeResponse { bytes, mut buffered } = read(&mut body, buffered).await?;
        let rewriting =
            link_base.map(|link_base| self.public_links.rewriting(&self.router, link_base));
        let leads = leads(entry, rewriting.as_ref());
        rewrite::apply(&mut head, Coding::Other, || rewriting);
        prepare(&mut head);
        let actions = ObjectActions { leads, upstream, client };
        // A success may be told without content.
        let length = bytes.len();
        let treated =
            if bytes.is_empty() { Vec::new() } else { treated(bytes, actions, &buffered).await? };
        // Written anew, the content has the plain characters for which the upstream wrote escapes,
        // so the credential is masked again.
        let treated =
            secret_mask.and_then(|secret_mask| secret_mask.masked(&treated)).unwrap_or(treated);
        buffered.grow(treated.len().saturating_sub(length))?;
        Ok(Response::from_parts(
            head,
            ResponseBody::made(treated.into(), Box::new((body, buffered))),
        ))
    }
}

fn leads(entry: Option<EntryPoint>, rewriting: Option<&Rewriting>) -> ObjectLinks {
    match rewriting {
        Some(rewriting) => ObjectLinks::ByLinks(Arc::clone(&rewriting.links)),
        None if entry.is_none() => ObjectLinks::AsTheyAre,
        None => ObjectLinks::Past,
    }
}

async fn read(body: &mut UpstreamBody, mut buffered: Holding) -> Result<WholeResponse, Rejection> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| unread(&error))?.into_data() else { continue };
        if bytes.len() + data.len() > MAX_OBJECTS_BYTES {
            return Err(Rejection::Objects);
        }
        buffered.grow(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(WholeResponse { bytes: bytes.freeze(), buffered })
}

/// Treats a document, beside the event loop if long. The payer of `buffered` pays for the
/// document's tree, too.
async fn treated(
    document: Bytes,
    actions: ObjectActions,
    buffered: &Holding,
) -> Result<Vec<u8>, Rejection> {
    let tree = buffered.take(Resource::BufferedBytes, tree_bytes(&document))?;
    let treated = work_aside(document.len(), move || {
        let _tree = tree;
        actions.treated(&document)
    });
    treated.await?.map_err(|_| Rejection::Objects)
}

/// Returns the most bytes of memory for the tree of a JSON document, besides its texts: a node for
/// each object, and a place for each value.
fn tree_bytes(document: &[u8]) -> usize {
    let count = |byte| memchr::memchr_iter(byte, document).count();
    BYTES_PER_OBJECT * count(b'{') + BYTES_PER_VALUE * (count(b',') + count(b'['))
}

fn unread(error: &BodyError) -> Rejection {
    match error {
        BodyError::Idle | BodyError::Total => Rejection::ResponseTimeout,
        BodyError::Token(reason) => (*reason).into(),
        _ => Rejection::Objects,
    }
}

/// Removes the fields that are no longer true of the content. The content bears a token, so no
/// cache may store the response.
fn prepare(head: &mut Parts) {
    for name in
        [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::ACCEPT_RANGES, header::TRAILER]
    {
        head.headers.remove(name);
    }
    rewrite::drop_digests(&mut head.headers);
    head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
