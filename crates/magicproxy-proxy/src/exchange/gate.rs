//! The gate: the only place that decides. Every door calls `Gate::admit`, which never grows a
//! branch for a single door.
//!
//! Each step consumes the proof made by the step before. The result is an [`OutboundRequest`],
//! which has no other maker, and nothing but an `OutboundRequest` can be sent to the upstream.

mod explanation;
mod further;
mod held;
mod kept;
mod outbound;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Version, header};
use magicproxy_core::{
    AccessRequest, ContentView, Decision, DecisionSteps, ParseTargetError, Permit, RequestParts,
    RequestTarget, VerifiedToken,
};
use zeroize::Zeroizing;

pub use outbound::OutboundRequest;

pub use explanation::{UnmetFinding, UnmetVerdict};

pub(crate) use explanation::{ExplainedDecision, ExplainedRequest, Explanation};
pub(in crate::exchange) use outbound::{Dispatch, ListQuery, Message};

pub(in crate::exchange) use held::{AdmissionRecord, FinalCheck};
pub(in crate::exchange) use kept::{GateSetup, KeptParts};

use further::QuestionContext;

use crate::admission::{Account, Budget, Payer, PeerKey, Resource};
use crate::clock;
use crate::credential::bearer_token::BearerToken;
use crate::credential::carriers::Carriers;
use crate::downstream::RequestBody;
use crate::exchange::ledger::{Ledger, ListLookups, PermittedRequest, Reservation};
use crate::exchange::succession::Generation;
use crate::exchange::upstream::Upstream;
use crate::exchange::verifier::{CachedToken, Reissue, TokenBasis, Verifier, part};
use crate::http::header::{
    DroppedFields, RequestFields, RequestHeaders, SentFields, TrailerFields, refuse_overrides,
};
use crate::observe::access_log::AccessRecord;
use crate::peer::Peer;
use crate::peer::TrustedProxies;
use crate::plugins::{Consultation, Plugins};
use crate::rejection::Rejection;
use crate::routing::lfs::{self, LfsClient};
use crate::services::revocations::Revocations;
use crate::services::token_watch::TokenWatch;
use crate::settings::{OriginId, UpstreamSettings};
use crate::worker::WorkerId;

/// The longest authority, in bytes: a host name has at most 253 characters (RFC 1035 section
/// 2.3.4), a port five. Bounded because links in responses repeat the authority.
const MAX_AUTHORITY_BYTES: usize = 260;

/// The gate of an upstream: everything on which a decision about the upstream's requests depends.
/// Made anew with every configuration; only [`KeptParts`] go on.
#[derive(Debug)]
pub(in crate::exchange) struct Gate {
    upstream: Arc<UpstreamSettings>,
    verifier: Arc<Verifier>,
    revocations: Arc<Revocations>,
    carriers: Carriers,
    /// Names of parameters that carry a token or a credential, or name a user for whom a request
    /// acts. An upstream that takes them in its query may take them in bodies, too.
    guarded: Vec<String>,
    /// The header fields of a request passed on to the upstream.
    fields: Arc<RequestFields>,
    dropped: DroppedFields,
    trusted_proxies: TrustedProxies,
    ledger: Ledger,
    plugins: Plugins,
    /// The upstream, asked for its list items before a request that creates some is sent.
    asked: Arc<Upstream>,
    budget: Arc<Budget>,
    generation: Generation,
    /// The longest wait for the first part of content that may turn out to be none.
    first_content: Duration,
}

/// A request as received, its target read by [`Gate::read_target`].
#[derive(Debug)]
pub(crate) struct InboundRequest<'c> {
    pub(crate) head: Parts,
    /// The upstream's origin for the request.
    pub(crate) origin: OriginId,
    pub(crate) target: RequestTarget,
    pub(crate) body: RequestBody,
    pub(crate) client: Client<'c>,
    /// The worker serving the request.
    pub(crate) worker: WorkerId,
    /// The deadline of the exchange.
    pub(crate) end: Option<Instant>,
}

/// The peer of a request's connection, and the account of the peer's address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'c> {
    pub(crate) peer: Peer,
    pub(crate) account: &'c Arc<Account>,
}

/// A client of the control plane, asking about its own token.
#[derive(Clone, Copy)]
pub(crate) struct ControlClient<'c> {
    pub(crate) headers: &'c HeaderMap,
    pub(crate) client: Client<'c>,
    /// The token, set once verified, for the access log.
    pub(crate) token: &'c OnceLock<Arc<VerifiedToken>>,
}

impl Client<'_> {
    /// Returns the account of the sender: the peer itself, or the client behind a trusted proxy.
    pub(crate) fn account_of(
        self,
        sender: Option<IpAddr>,
        trusted: &TrustedProxies,
        budget: &Budget,
    ) -> Arc<Account> {
        if trusted.speaks_for_others(&self.peer) {
            budget.accounts().of_peer(PeerKey::of(sender))
        } else {
            Arc::clone(self.account)
        }
    }
}

impl Gate {
    /// Makes the gate of `upstream`; `asked` sends the gate's own lookups to the upstream.
    pub(in crate::exchange) fn new(
        upstream: &Arc<UpstreamSettings>,
        setup: GateSetup<'_>,
        asked: Arc<Upstream>,
    ) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let GateSetup { settings, services, shared, kept, generation } = setup;
        let carriers = Carriers::new(upstream, &settings.upstreams);
        let basis = TokenBasis::of(upstream, &carriers);
        let memory = part(settings.limits.token_cache_bytes, settings.upstreams.len());
        Ok(Self {
            verifier: match kept.verifier_of(&basis) {
                Some(kept) => kept,
                None => Arc::new(Verifier::new(basis, memory, services, shared)?),
            },
            revocations: Arc::clone(&services.revocations),
            trusted_proxies: settings.trusted_proxies.clone(),
            ledger: kept.ledger(services, settings.strangers, upstream),
            plugins: Plugins::new(
                services.plugins.clone(),
                upstream.name.clone(),
                carriers.clone(),
                Arc::clone(&services.metrics),
            ),
            guarded: guarded_names(upstream, &carriers),
            fields: Arc::new(RequestFields::new(upstream, carriers.stripped())),
            dropped: DroppedFields::new(upstream.name.clone()),
            upstream: Arc::clone(upstream),
            carriers,
            asked,
            budget: Arc::clone(&shared.budget),
            generation,
            first_content: settings.timeouts.header,
        })
    }

    /// Reads a target, once, so the target of the decision is the target sent. Query parameters
    /// dropped by the operator are removed.
    pub(in crate::exchange) fn read_target(&self, text: &str) -> Result<RequestTarget, Rejection> {
        let mut target = RequestTarget::parse(text.as_bytes(), self.upstream.path_settings())?;
        target.drop_query_parameters(&self.upstream.drop_query_parameters);
        Ok(target)
    }

    /// Returns the Git LFS client behind the request, if any, with the token borne by the request.
    pub(in crate::exchange) fn lfs_client(&self, head: &Parts) -> Option<LfsClient> {
        if !lfs::comes_from_client(head) {
            return None;
        }
        let bearer = || {
            let token = BearerToken::from_headers(&head.headers, &self.carriers).ok()?;
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.as_str())).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        Some(LfsClient {
            authorization: head.headers.get(header::AUTHORIZATION).cloned().or_else(bearer),
        })
    }

    /// Decides on a request: the whole security argument, top to bottom.
    pub(in crate::exchange) async fn admit<'c>(
        &self,
        inbound: InboundRequest<'c>,
        record: &mut AccessRecord,
    ) -> Result<(OutboundRequest, AdmissionRecord<'c>), Rejection> {
        let InboundRequest { head, origin, mut target, mut body, client, worker, .. } = inbound;
        let (upstream, peer) = (&*self.upstream, client.peer);
        refuse_overrides(&head.headers)?;
        let presented = BearerToken::from_request(&head.headers, &mut target, &self.carriers)?;
        let sender = self.trusted_proxies.sender(&peer, &head.headers);
        let entry = self.verifier.verify(&presented, || self.peer_account(client, sender)).await?;
        record.token(entry.token());
        let watch = TokenWatch::new(&self.revocations, entry.token());
        self.revocations.ensure_live(entry.token())?;
        body.watch(&watch);
        let exchange =
            self.budget.take(Resource::Exchanges, 1, &self.payer(&entry, client, sender))?;
        body.hold_window(&exchange)?;
        let steps = DecisionSteps::new();
        let sent = SentFields::of(&head.headers, &self.fields);
        let parts = self.visible_parts(&sent, &body);
        let access =
            AccessRequest { parts, ..self.access(head.method.as_str(), &target, sender, &steps) };
        let (permit, consultation) = match entry.token().decide(&access) {
            Decision::Allowed(permit) => (permit, Consultation::default()),
            decision => {
                let asker = QuestionContext {
                    token: entry.token(),
                    peer,
                    exchange: &exchange,
                    binder: self.verifier.binder(&entry),
                    judged: None,
                };
                Box::pin(self.ask_further(decision, &access, &head, asker, &mut body)).await?
            }
        };
        let asked = sent.into_asked();
        let upgrade = wants_websocket(&head, &body);
        if upgrade && !upstream.websocket {
            return Err(Rejection::WebSocket);
        }
        record.permitted(permit.rule());
        let (permit, credential) = self.verifier.open(&entry, permit).await?;
        let mut headers = head.headers;
        let mut dropped = self.dropped.of_request(&self.fields, record.id);
        let mut kept_back =
            self.headers(peer, upgrade).prepare(&mut headers, |name| dropped.note(name));
        kept_back.extend(asked);
        drop(dropped);
        let mut body = body.with_trailers(|| TrailerFields::new(&self.fields, kept_back));
        if body.may_be_empty(&head.method) {
            Box::pin(body.await_content(self.first_content)).await?;
            // A client may make that wait long: a token that was revoked meanwhile sends nothing.
            self.revocations.ensure_live(entry.token())?;
        }
        let came = head.uri.path_and_query().filter(|came| target.is_spelt(came.as_str())).cloned();
        let method = head.method;
        let message = Message { method, headers, origin, came, target, body, watch, upgrade };
        let mut message = Box::new(message);
        let since = record.started();
        let mut standing = AdmissionRecord::new(entry, presented, (client, sender), since);
        let reservation = match Reservation::empty(permit, &consultation) {
            Ok(reservation) => reservation,
            Err(permit) => {
                standing.is_plain = false;
                let questions = ListLookups {
                    look: FinalCheck { gate: self, standing: &standing, decided: None },
                    upstream: &self.asked,
                    worker,
                    credential: &credential,
                    exchange: &exchange,
                };
                let sending = self.sending(permit, &mut message, questions, consultation);
                let reservation = Box::pin(self.ledger.reserve(sending)).await?;
                record.took(reservation.limits_left());
                reservation
            }
        };
        Ok((OutboundRequest::new(reservation, credential, message, exchange), standing))
    }

    /// Returns the parts of a request that conditions see.
    fn visible_parts<'p>(&self, sent: &'p SentFields<'_>, body: &RequestBody) -> RequestParts<'p> {
        let content = if body.is_empty() { ContentView::Empty } else { ContentView::Unread };
        let plus = self.upstream.query_plus;
        RequestParts { headers: sent, content, plus, ..RequestParts::default() }
    }

    /// Gathers what the ledger needs to reserve a request's state.
    fn sending<'s>(
        &'s self,
        permit: Permit,
        message: &'s mut Message,
        questions: ListLookups<'s>,
        consultation: Consultation,
    ) -> PermittedRequest<'s> {
        let AdmissionRecord { entry, presented, .. } = questions.look.standing;
        PermittedRequest {
            permit,
            message,
            receipts: self.verifier.receipts(entry, presented),
            binder: self.verifier.binder(entry),
            questions,
            consultation,
        }
    }

    /// Returns the treatment of a request's header fields on the way to the upstream.
    fn headers(&self, peer: Peer, upgrade: bool) -> RequestHeaders<'_> {
        RequestHeaders { forwarding: self.upstream.forwarding, fields: &self.fields, peer, upgrade }
    }

    /// Returns the payer of a request with this token: the token's owner and, where a stranger
    /// could have minted the token, the sender.
    fn payer(&self, entry: &CachedToken, client: Client<'_>, sender: Option<IpAddr>) -> Payer {
        let (owner, peer) = (Some(Arc::clone(entry.account())), self.peer_account(client, sender));
        Payer { owner, peer, trust: entry.trust() }
    }

    /// Returns the account of the address from which a request comes.
    fn peer_account(&self, client: Client<'_>, sender: Option<IpAddr>) -> Arc<Account> {
        client.account_of(sender, &self.trusted_proxies, &self.budget)
    }

    /// Reads the bearer token in these header fields.
    pub(in crate::exchange) fn presented(
        &self,
        headers: &HeaderMap,
    ) -> Result<BearerToken, Rejection> {
        BearerToken::from_headers(headers, &self.carriers)
    }

    /// Checks that the client's token is genuine, alive and for this upstream. Nothing is decided,
    /// sent or opened.
    pub(in crate::exchange) async fn ensure_bearer(
        &self,
        client: ControlClient<'_>,
    ) -> Result<(), Rejection> {
        let VerifiedClient { entry, sender, .. } = self.bearer(client).await?;
        let target = self.read_target("/")?;
        let steps = DecisionSteps::new();
        let at_home = entry.token().ensure_at_home(&self.access("GET", &target, sender, &steps));
        Ok(at_home?)
    }

    /// Makes the client's own token anew. The token must be genuine and alive; nothing is decided
    /// or sent, and the credential is opened to nobody.
    pub(in crate::exchange) async fn reissue(
        &self,
        client: ControlClient<'_>,
        how: Reissue,
    ) -> Result<Zeroizing<String>, Rejection> {
        let VerifiedClient { presented, entry, .. } = self.bearer(client).await?;
        entry.token().ensure_live(clock::now())?;
        let is_for_another_key = matches!(how, Reissue::Reseal);
        let made = self.verifier.reissue(&entry, &presented, how).await?;
        if is_for_another_key {
            self.revocations.ensure_made_live(&made)?;
        }
        Ok(made)
    }

    /// Verifies a client of the control plane, by a token that is genuine and not revoked.
    async fn bearer(&self, client: ControlClient<'_>) -> Result<VerifiedClient, Rejection> {
        let ControlClient { headers, client, token } = client;
        let presented = self.presented(headers)?;
        let sender = self.trusted_proxies.sender(&client.peer, headers);
        let entry = self.verifier.verify(&presented, || self.peer_account(client, sender)).await?;
        token.get_or_init(|| Arc::clone(entry.token()));
        self.revocations.ensure_live(entry.token())?;
        Ok(VerifiedClient { presented, entry, sender })
    }

    /// Gathers the facts of a decision, alike for a request and for a question about a request.
    fn access<'a>(
        &'a self,
        method: &'a str,
        target: &'a RequestTarget,
        sender: Option<IpAddr>,
        steps: &'a DecisionSteps,
    ) -> AccessRequest<'a> {
        let UpstreamSettings { name, alias, unnamed, ceiling, .. } = &*self.upstream;
        AccessRequest {
            method,
            target,
            upstream: name,
            alias: alias.as_ref(),
            unnamed: *unnamed,
            ceiling: ceiling.as_ref(),
            sender,
            now: clock::now(),
            parts: RequestParts { plus: self.upstream.query_plus, ..RequestParts::default() },
            steps,
        }
    }
}

/// Returns the names of parameters that never reach an upstream: those that carry tokens or
/// credentials there, and those that its operator drops. Requests with such a name in a body are
/// refused where a rule looks into the body.
#[must_use]
pub fn guarded_parameters(
    upstream: &UpstreamSettings,
    all: &[Arc<UpstreamSettings>],
) -> Vec<String> {
    guarded_names(upstream, &Carriers::new(upstream, all))
}

/// Returns the names that no body may have into which a rule looks.
fn guarded_names(upstream: &UpstreamSettings, carriers: &Carriers) -> Vec<String> {
    let carried = carriers.parameters().iter().cloned();
    upstream.drop_query_parameters.iter().cloned().chain(carried).collect()
}

/// A client of the control plane with its verified token.
struct VerifiedClient {
    presented: BearerToken,
    entry: Arc<CachedToken>,
    /// The address from which the request comes.
    sender: Option<IpAddr>,
}

/// Returns the authority and the target of a request as received, not yet routed.
///
/// HTTP/1.1 needs exactly one valid `Host` (RFC 9112 section 3.2). Two are refused in every
/// version: a sign of an attack on other recipients.
pub(crate) fn read_head(head: &Parts) -> Result<(&str, &str), Rejection> {
    let mut hosts = head.headers.get_all(header::HOST).into_iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => match authority(host.as_bytes()) {
            Some(host) => Some(host),
            None => return Err(Rejection::Host),
        },
        (None, None) if head.version != Version::HTTP_11 => None,
        _ => return Err(Rejection::Host),
    };
    let absolute = head.uri.scheme().is_some() || head.uri.authority().is_some();
    let text = head.uri.path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    if absolute && head.version != Version::HTTP_2 || !text.starts_with('/') {
        return Err(ParseTargetError::Form.into());
    }
    let named = head.uri.authority().map(http::uri::Authority::as_str);
    // RFC 9113 section 8.3.1: `:authority` names no user.
    if named.is_some_and(|named| named.contains('@')) {
        return Err(Rejection::Host);
    }
    let authority = named.or(host).unwrap_or_default();
    if authority.len() > MAX_AUTHORITY_BYTES { Err(Rejection::Host) } else { Ok((authority, text)) }
}

fn authority(host: &[u8]) -> Option<&str> {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:[]%".contains(byte);
    let text = std::str::from_utf8(host).ok()?;
    let valid = is_plain_host(host)
        || (host.iter().all(legal) && text.parse::<http::uri::Authority>().is_ok());
    valid.then_some(text)
}

/// True for most hosts: a name or an IPv4 address, perhaps with a port. The parser would accept the
/// host, too, but copies first.
fn is_plain_host(host: &[u8]) -> bool {
    let mut parts = host.split(|byte| *byte == b':');
    let name = parts.next().unwrap_or_default();
    let port =
        parts.next().is_none_or(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit));
    let named = !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    named && port && parts.next().is_none()
}

/// True if the request opens a WebSocket (RFC 6455 section 4.1). Any other `Upgrade` is not passed
/// on, so an ordinary request is left; likewise for a handshake with content.
fn wants_websocket(head: &Parts, body: &RequestBody) -> bool {
    let upgrade = head
        .headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    upgrade
        && body.is_empty()
        && head.headers.contains_key(header::SEC_WEBSOCKET_KEY)
        && head.version == Version::HTTP_11
        && head.method == http::Method::GET
}
