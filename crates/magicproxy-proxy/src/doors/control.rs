//! The control plane.
//!
//! | request | response |
//! |---|---|
//! | `GET /__magictoken` | a description of the proxy |
//! | `POST /__magictoken` | a new token |
//! | `POST /__magictoken/explain` | the decision about a request, told to the bearer of the token |
//! | `POST /__magictoken/narrow`, `/reseal` | the bearer's token, made anew |
//! | `GET /__magictoken/keys` | the keys to seal tokens to |
//! | `GET /__magictoken/upstreams` | the upstreams, as far as the client may know |

mod key_set;
mod mint_log;
mod remade_log;
#[cfg(test)]
mod tests;
mod upstreams;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use magicproxy_core::policy::Work;
use magicproxy_core::token::MAX_MINT_REQUEST_BYTES;
use magicproxy_core::{
    Acceptance, AcceptedTokens, Caveat, MintLimits, MintRequest, MintRequestFault, MintedToken,
    VerifiedToken,
};
use serde_json::json;
use zeroize::Zeroizing;

use self::mint_log::MintRecord;
use self::remade_log::CaveatRecord;
use super::DoorRequest;
use crate::admission::{Holding, Resource};
use crate::clock;
use crate::downstream::RequestBody;
use crate::exchange::gate::{Client, ExplainedDecision, ExplainedRequest, Explanation};
use crate::exchange::ledger::work_aside;
use crate::exchange::served::{ServedUpstream, Upstreams};
use crate::exchange::verifier::Reissue;
use crate::rejection::Rejection;
use crate::request_id::RequestId;
use crate::response::body::ResponseBody;
use crate::services::{Services, SharedKeys};
use crate::settings::{Settings, UpstreamSettings};
use key_set::KeySetDocument;
use upstreams::UpstreamListing;

const TEXT: &str = "text/plain; charset=utf-8";

/// The reason for which a question without a body is not decided.
const NEEDS_BODY: &str = "a rule looks into the body, and the question has none";
const NEEDS_COMMANDS: &str = "a rule looks at the references of a push, and the question has none";

/// The service behind the control path, for all upstreams.
#[derive(Debug)]
pub(super) struct Control {
    settings: Arc<Settings>,
    upstreams: Arc<Upstreams>,
    key_set: KeySetDocument,
}

pub(super) struct ControlRequest<'a> {
    pub(super) head: &'a Parts,
    pub(super) body: RequestBody,
    pub(super) client: Client<'a>,
}

/// A request as log lines name it: its id, and the addresses that it came from.
#[derive(Clone, Copy, Debug)]
struct RequestSource {
    id: RequestId,
    /// The address at the other end of the connection; `None` on a Unix socket.
    peer: Option<IpAddr>,
    /// The sender whom a trusted proxy names.
    client: Option<IpAddr>,
}

/// A request to the control plane without its content.
#[derive(Clone, Copy)]
struct ControlHead<'a> {
    head: &'a Parts,
    client: Client<'a>,
    /// The bearer's token, set once verified.
    token: &'a OnceLock<Arc<VerifiedToken>>,
    /// The request in the log.
    from: RequestSource,
    /// The exchange that pays for everything held.
    exchange: &'a Holding,
    upstreams: &'a Upstreams,
}

impl Control {
    pub(super) fn new(settings: Arc<Settings>, upstreams: Arc<Upstreams>) -> Self {
        let all = || settings.upstreams.iter().map(|upstream| &upstream.acceptance);
        let key_set = KeySetDocument::saying(
            AcceptedTokens::any_of(all()),
            Acceptance::denied_everywhere(all()),
        );
        Self { settings, upstreams, key_set }
    }

    /// Responds to a request. `below` is the path behind the control path; without `served`, the
    /// request is for the control plane of all upstreams. The log identifies the token borne by the
    /// request, if a token was asked for and is genuine.
    pub(super) async fn handle(
        &self,
        served: Option<&ServedUpstream>,
        below: &str,
        request: ControlRequest<'_>,
        visit: &mut DoorRequest<'_>,
    ) -> Result<Response<ResponseBody>, Rejection> {
        visit.request.record.control();
        let ControlRequest { head, body, client } = request;
        let (exchange, token) =
            (&self.upstreams.anonymous_exchange(client, head)?, &OnceLock::new());
        let record = &visit.request.record;
        let peer = client.peer.address.map(|peer| peer.to_canonical());
        let from = RequestSource { id: record.id, peer, client: record.client() };
        let upstreams = &self.upstreams;
        let asking = ControlHead { head, client, token, from, exchange, upstreams };
        let respond = self.respond(served, below, asking, body).await;
        if let Some(token) = token.get() {
            visit.request.record.token(token);
        }
        respond
    }

    async fn respond(
        &self,
        served: Option<&ServedUpstream>,
        below: &str,
        asking: ControlHead<'_>,
        body: RequestBody,
    ) -> Result<Response<ResponseBody>, Rejection> {
        let head = asking.head;
        match (below, &head.method) {
            ("", &Method::GET | &Method::HEAD) => {
                Ok(respond(TEXT, Bytes::from(self.listing(asking).await.about(served))))
            }
            ("", &Method::POST) => self.mint(served, asking, body).await,
            ("/explain", &Method::POST) => self.explain(served, asking, body).await,
            ("/keys", &Method::GET | &Method::HEAD) => Ok(self.keys()),
            ("/narrow", &Method::POST) => self.narrow(asking.about(served)?, asking, body).await,
            ("/reseal", &Method::POST) => self.reseal(asking.about(served)?, asking).await,
            ("", _) => Err(Rejection::ControlMethod("GET, HEAD, POST")),
            ("/explain" | "/narrow" | "/reseal", _) => Err(Rejection::ControlMethod("POST")),
            ("/keys", _) => Err(Rejection::ControlMethod("GET, HEAD")),
            _ => self.upstreams(served, below, asking).await,
        }
    }

    /// Explains the decision about a request of the bearer's: no more than the request itself would
    /// tell, without sending the request.
    async fn explain(
        &self,
        routed: Option<&ServedUpstream>,
        asking: ControlHead<'_>,
        body: RequestBody,
    ) -> Result<Response<ResponseBody>, Rejection> {
        let served = asking.about(routed)?;
        // At the root of the proxy, a path in a question may be a path of the proxy.
        let mount = if routed.is_none() { served.settings().routes.mount.as_str() } else { "" };
        let ControlHead { head, exchange, .. } = asking;
        if !is_sent_as_json(head) {
            return Err(Rejection::MediaType);
        }
        let (question, _buffered) = self.read(body, exchange).await?;
        let question = ExplainedRequest::from_json(&question)?;
        let Explanation { decision, headers, plugins, unmet } =
            served.explain(asking.client(), &question.below(mount)).await?;
        let mut explanation = match decision {
            ExplainedDecision::Allowed { rule } => {
                json!({ "decision": "allowed", "rule": rule, "needed": [] })
            }
            ExplainedDecision::Denied(rejection) => {
                json!({ "decision": "denied", "code": rejection.code(), "reason": rejection.to_string(), "needed": rejection.needed() })
            }
            ExplainedDecision::NeedsBody => {
                json!({ "decision": "undecided", "needs": "body", "reason": NEEDS_BODY, "needed": [] })
            }
            ExplainedDecision::NeedsCommands => {
                json!({ "decision": "undecided", "needs": "push", "reason": NEEDS_COMMANDS, "needed": [] })
            }
        };
        if let Some(members) = explanation.as_object_mut() {
            if !unmet.is_empty() {
                members.insert("unmet".to_owned(), json!(unmet));
            }
            members.extend(headers.map(|headers| ("headers".to_owned(), json!(headers))));
            members.extend(plugins.map(|plugins| ("plugins".to_owned(), json!(plugins))));
        }
        Ok(respond("application/json", Bytes::from(explanation.to_string())))
    }

    /// Returns the keys for sealing new tokens, as a signed JWK Set (RFC 7517 section 5):
    /// `token-v2.md` section 7.
    fn keys(&self) -> Response<ResponseBody> {
        respond("application/jwk-set+json", self.key_set.of(self.upstreams.services()))
    }

    /// Returns the bearer's token with another caveat.
    async fn narrow(
        &self,
        served: &ServedUpstream,
        asking: ControlHead<'_>,
        body: RequestBody,
    ) -> Result<Response<ResponseBody>, Rejection> {
        let ControlHead { head, exchange, .. } = asking;
        if !is_sent_as_json(head) {
            return Err(Rejection::MediaType);
        }
        let (content, _buffered) = self.read(body, exchange).await?;
        let caveat =
            work_aside(content.len(), move || Caveat::from_narrow_request(&content)).await?;
        let caveat = caveat.map_err(|error| Rejection::Caveat(error.to_string()))?;
        let record = CaveatRecord::of(&caveat);
        let token = served.reissue(asking.client(), Reissue::Narrow(Box::new(caveat))).await?;
        if let Some(parent) = asking.token.get() {
            remade_log::narrowed(parent, &token, &record, asking.from);
        }
        Ok(respond("application/jwt", Bytes::from_owner(Zeroizing::new(token.as_bytes().to_vec()))))
    }

    /// Returns the bearer's token, sealed for the active key.
    async fn reseal(
        &self,
        served: &ServedUpstream,
        asking: ControlHead<'_>,
    ) -> Result<Response<ResponseBody>, Rejection> {
        let token = served.reissue(asking.client(), Reissue::Reseal).await?;
        if let Some(parent) = asking.token.get() {
            remade_log::resealed(parent, &token, asking.from);
        }
        Ok(respond("application/jwt", Bytes::from_owner(Zeroizing::new(token.as_bytes().to_vec()))))
    }

    /// Reads content whole: of bounded size, in bounded time, and only while there is memory to
    /// hold it.
    async fn read(
        &self,
        body: RequestBody,
        exchange: &Holding,
    ) -> Result<(Zeroizing<Vec<u8>>, Holding), Rejection> {
        if body.size_hint().lower() > MAX_MINT_REQUEST_BYTES as u64 {
            return Err(Rejection::MintRequest(vec![MintRequestFault::TooLarge]));
        }
        let collected =
            tokio::time::timeout(self.settings.timeouts.header, collect(body, exchange)).await;
        collected.map_err(|_| Rejection::RequestTimeout)?
    }

    async fn mint(
        &self,
        served: Option<&ServedUpstream>,
        asking: ControlHead<'_>,
        body: RequestBody,
    ) -> Result<Response<ResponseBody>, Rejection> {
        let ControlHead { head, exchange, .. } = asking;
        let mints = served.map_or_else(
            || self.settings.mints_over_http(),
            |served| served.settings().mints_over_http(),
        );
        if !mints {
            return Err(Rejection::MintingClosed);
        }
        if !is_sent_as_json(head) {
            return Err(Rejection::MediaType);
        }
        let Services { keys, revocations, .. } = self.upstreams.services();
        revocations.ensure_mintable(keys.current().active().public().id(), clock::now())?;
        let (content, _buffered) = self.read(body, exchange).await?;
        let listing = self.listing(asking).await;
        let settings = Arc::clone(&self.settings);
        let upstream = served.map(|served| Arc::clone(served.settings()));
        let keys = Arc::clone(keys);
        let job = MintJob { settings, keys, upstream, listing, content: Arc::new(content) };
        let (minted, record) =
            self.upstreams.lanes().in_turn(exchange.payer(), move |work| job.run(work)).await??;
        record.write(&minted, asking.from);
        Ok(respond(
            "application/jwt",
            Bytes::from_owner(Zeroizing::new(minted.token.as_bytes().to_vec())),
        ))
    }
}

/// A mint request carried out on another thread.
#[derive(Clone)]
struct MintJob {
    settings: Arc<Settings>,
    keys: Arc<SharedKeys>,
    upstream: Option<Arc<UpstreamSettings>>,
    /// The facts about upstreams that the client may know.
    listing: UpstreamListing,
    content: Arc<Zeroizing<Vec<u8>>>,
}

impl MintJob {
    fn run(&self, work: &Work) -> Result<(MintedToken, MintRecord), Rejection> {
        let settings = &*self.settings;
        let mint_request = MintRequest::from_json(&self.content).map_err(Rejection::MintRequest)?;
        let upstream = match &self.upstream {
            Some(upstream) => upstream,
            None => self
                .named(mint_request.aud.as_deref())
                .map_err(|fault| Rejection::MintRequest(vec![fault]))?,
        };
        if !upstream.mints_over_http() {
            return Err(Rejection::MintingClosed);
        }
        // A token that would be refused for its lifetime is not minted.
        let accepted = upstream.acceptance.max_lifetime.map_or(Duration::MAX, Duration::from_secs);
        let limits = MintLimits {
            upstream: &upstream.name,
            unnamed: upstream.unnamed,
            alias: upstream.alias.as_ref(),
            names: self.listing.names_of(upstream),
            scopes: &upstream.scopes,
            patterns: upstream.patterns,
            default_lifetime: settings.minting.default_lifetime,
            max_lifetime: settings.minting.max_lifetime.min(accepted),
            require_sub: upstream.acceptance.require_sub,
            work: work.clone(),
        };
        let spec = mint_request.check(&limits, clock::now()).map_err(Rejection::MintRequest)?;
        let keys = self.keys.current();
        if upstream.acceptance.denies_key(keys.active().public().id()) {
            return Err(Rejection::MintSuspended { after: None });
        }
        upstream.credential.check(&spec.credential).map_err(Rejection::UnfitMintRequest)?;
        let minted = keys.mint_within(&spec, work)?;
        Ok((minted, MintRecord::of(&spec, &upstream.credential)))
    }

    /// Finds the upstream named in a mint request, where the path of the request names none.
    fn named(&self, aud: Option<&str>) -> Result<&Arc<UpstreamSettings>, MintRequestFault> {
        let mut upstreams = self.settings.upstreams.iter();
        let named = upstreams.find(|upstream| aud.is_some_and(|aud| upstream.is_called(aud)));
        named.ok_or_else(|| MintRequestFault::Upstream { known: self.listing.known_names() })
    }
}

/// True if the client declares the content to be `application/json`, with any parameters, and no
/// other kind of JSON. Defends mint requests, narrow requests and questions against pages: a form
/// of a page cannot declare JSON.
fn is_sent_as_json(head: &Parts) -> bool {
    let value =
        head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Collects content whole, with the share of memory that holds the content: mint requests and
/// questions come from strangers.
async fn collect<B>(
    mut body: B,
    exchange: &Holding,
) -> Result<(Zeroizing<Vec<u8>>, Holding), Rejection>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut whole = Zeroizing::new(Vec::new());
    let mut buffered = exchange.take(Resource::BufferedBytes, 0)?;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Rejection::RequestBody)?.into_data() else { continue };
        if whole.len() + data.len() > MAX_MINT_REQUEST_BYTES {
            return Err(Rejection::MintRequest(vec![MintRequestFault::TooLarge]));
        }
        buffered.grow(data.len())?;
        append(&mut whole, &data);
    }
    Ok((whole, buffered))
}

/// Grows the buffer by hand, so no copy of a secret is left behind.
fn append(whole: &mut Zeroizing<Vec<u8>>, data: &[u8]) {
    let length = whole.len() + data.len();
    if length > whole.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(length.next_power_of_two()));
        larger.extend_from_slice(whole);
        *whole = larger;
    }
    whole.extend_from_slice(data);
}

fn respond(content_type: &'static str, body: Bytes) -> Response<ResponseBody> {
    let length = body.len() as u64;
    let mut response = Response::new(ResponseBody::full(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
