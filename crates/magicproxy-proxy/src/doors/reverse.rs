//! The reverse door: clients speak to the proxy as if the proxy were the API.
//!
//! Routes a request, leads the control path to the control plane, and runs an exchange for
//! everything else. Decides nothing about tokens.

mod objects;
mod public_links;
mod tunnel;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, Response, header};
use hyper::Request;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use magicproxy_core::UpstreamName;

use super::DoorRequest;
use super::control::{Control, ControlRequest};
use crate::downstream::host_check::HostCheck;
use crate::downstream::{Connection, RequestBody};
use crate::exchange::gate::{Client, InboundRequest, read_head};
use crate::exchange::served::{ExchangeOutcome, ServedUpstream, Upstreams};
use crate::rejection::{Challenge, Rejection};
use crate::response::body::ResponseBody;
use crate::routing::lfs;
use crate::routing::router::{EntryPoint, Route, Router};
use crate::settings::{Settings, UpstreamId};
use objects::ObjectsClient;
use public_links::{LinkBase, PublicLinks};
use tunnel::{Tunnel, TunnelBounds};

/// The path of the control plane. The path itself and everything below never reach the upstream.
const CONTROL_PATH: &str = "/__magictoken";

/// The reverse door of all upstreams of one configuration.
#[derive(Debug)]
pub(super) struct ReverseDoor {
    settings: Arc<Settings>,
    upstreams: Arc<Upstreams>,
    router: Router,
    control: Control,
    public_links: PublicLinks,
}

/// The reverse door as a listener leads to it.
#[derive(Debug)]
pub(super) struct ReverseListener {
    reach: ListenerUpstreams,
    /// The check of the authorities that requests may name; without a check, any authority.
    host_check: Option<Arc<HostCheck>>,
}

/// The upstreams to which a listener leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListenerUpstreams {
    /// All, by name, host or mount.
    All,
    /// A single upstream.
    Only(UpstreamId),
    /// None: the upstream to which the listener is bound is not served.
    Nowhere,
}

/// A routed request: the upstream, the client's entry point, and the base of links in the response.
struct RoutedRequest<'r> {
    served: &'r ServedUpstream,
    /// The client's entry point. `None` for a client that calls the upstream by the upstream's own
    /// name.
    entry: Option<EntryPoint>,
    /// The base of public links in the response, if links are rewritten.
    link_base: Option<LinkBase>,
}

impl ReverseDoor {
    pub(super) fn new(settings: &Arc<Settings>, upstreams: &Arc<Upstreams>) -> Self {
        Self {
            router: Router::new(&settings.upstreams),
            control: Control::new(Arc::clone(settings), Arc::clone(upstreams)),
            public_links: PublicLinks::new(settings),
            settings: Arc::clone(settings),
            upstreams: Arc::clone(upstreams),
        }
    }

    /// Returns the entrance of a listener bound to the upstream `only`, or bound to none.
    pub(super) fn entrance(
        &self,
        only: Option<&UpstreamName>,
        host_check: Option<Arc<HostCheck>>,
    ) -> ReverseListener {
        let reach = match only.map(|only| self.upstreams.named(only)) {
            None => ListenerUpstreams::All,
            Some(Some(upstream)) => ListenerUpstreams::Only(upstream),
            Some(None) => ListenerUpstreams::Nowhere,
        };
        ReverseListener { reach, host_check }
    }

    /// Routes a request, and responds: from the control plane, to a preflight, or from the
    /// upstream.
    pub(super) async fn handle(
        &self,
        request: Request<Incoming>,
        entrance: &ReverseListener,
        visit: &mut DoorRequest<'_>,
    ) -> Result<Response<ResponseBody>, Rejection> {
        let connection = visit.connection;
        check_framing(&request, connection)?;
        let (head, incoming) = request.into_parts();
        let mut body = RequestBody::new(incoming, &self.settings.timeouts, connection);
        let client = Client { peer: connection.peer(), account: connection.account() };
        visit.push = self.upstreams.tap_push(client, &head, &mut body);
        let (authority, text) = read_head(&head)?;
        if !entrance.admits(authority, &head) {
            return Err(Rejection::UnknownHost);
        }
        let Some(route) = self.route(entrance.reach, authority, text) else {
            let below = below_control(text.split('?').next().unwrap_or_default())
                .ok_or(Rejection::NoUpstream)?;
            return Box::pin(self.control.handle(
                None,
                below,
                ControlRequest { head: &head, body, client },
                visit,
            ))
            .await;
        };
        let served = self.upstreams.get(route.upstream)?;
        visit.is_for(served, &route);
        let target = served.read_target(&route.target)?;
        visit.request.record.path(target.path());
        if let Some(below) = below_control(target.path()) {
            // No page reads a response of the control plane.
            visit.pages_of = None;
            return Box::pin(self.control.handle(
                Some(served),
                below,
                ControlRequest { head: &head, body, client },
                visit,
            ))
            .await;
        }
        if body.is_empty()
            && let Some(response) = served.settings().allow_origins.preflight(&head)
        {
            visit.request.record.preflight();
            visit.pages_of = None;
            return Ok(response);
        }
        let link_base = self.public_links.link_base(
            served.settings(),
            &route,
            &head,
            connection.listener().scheme(),
        );
        let (origin, entry, worker) = (route.origin, route.entry, connection.worker());
        let inbound = InboundRequest { head, origin, target, body, client, worker, end: visit.end };
        self.forward(RoutedRequest { served, entry, link_base }, inbound, visit).await
    }

    /// Routes a request by its authority and target, among the upstreams of the listener.
    fn route<'t>(
        &self,
        reach: ListenerUpstreams,
        authority: &str,
        target: &'t str,
    ) -> Option<Route<'t>> {
        match reach {
            ListenerUpstreams::All => self.router.route(authority, target, None),
            ListenerUpstreams::Only(upstream) => {
                self.router.route(authority, target, Some(upstream))
            }
            ListenerUpstreams::Nowhere => None,
        }
    }

    /// Runs the exchange: the request is admitted and sent, its effects committed, the response
    /// passed down.
    #[inline]
    async fn forward(
        &self,
        routed: RoutedRequest<'_>,
        mut inbound: InboundRequest<'_>,
        visit: &mut DoorRequest<'_>,
    ) -> Result<Response<ResponseBody>, Rejection> {
        let RoutedRequest { served, entry, link_base } = routed;
        let lfs_client = served.lfs_client(&inbound.head);
        let asked = lfs::ObjectsRequest::by(
            &inbound.head.method,
            inbound.target.path(),
            lfs_client.as_ref(),
        );
        let on_upgrade = inbound.head.extensions.remove::<OnUpgrade>();
        visit.request.record.receives(inbound.body.progress());
        let admitted = served.admit(inbound, &mut visit.request.record).await?;
        visit.connection.admitted();
        let outcome = admitted.send().await?;
        if let ExchangeOutcome::Response(unfiltered) = &outcome
            && let Some(came) = unfiltered.came()
        {
            visit.request.record.response_came(came);
        }
        match outcome {
            ExchangeOutcome::Switched(switched) => {
                let on_upgrade = on_upgrade.ok_or(Rejection::UnexpectedUpgrade)?;
                let settings = &self.settings;
                let bounds = TunnelBounds {
                    revocations: Arc::clone(&self.upstreams.services().revocations),
                    consent: Arc::clone(served.consent()),
                    idle: settings.timeouts.websocket_idle,
                };
                Ok(tunnel::open(switched, Tunnel::new(on_upgrade, visit.connection, bounds)))
            }
            ExchangeOutcome::Response(unfiltered)
                if asked.may_get_them_by(unfiltered.response())
                    && unfiltered.method() != Method::HEAD =>
            {
                let objects = ObjectsClient {
                    entry,
                    link_base,
                    upstream: Arc::clone(served.settings()),
                    client: lfs_client,
                };
                Box::pin(self.pass_objects(unfiltered, objects)).await
            }
            ExchangeOutcome::Response(unfiltered) => unfiltered.pass(|| {
                link_base.map(|link_base| self.public_links.rewriting(&self.router, link_base))
            }),
        }
    }
}

impl ReverseListener {
    /// Makes an entrance through which no upstream is found.
    pub(super) fn nowhere() -> Self {
        Self { reach: ListenerUpstreams::Nowhere, host_check: None }
    }

    /// True if a request may name this authority. `Host` decides nothing beside `:authority`, but
    /// must pass the same check.
    fn admits(&self, authority: &str, head: &Parts) -> bool {
        let Some(check) = &self.host_check else { return true };
        let beside = head.uri.authority().and_then(|_| head.headers.get(header::HOST));
        check.admits(authority)
            && beside.is_none_or(|host| host.to_str().is_ok_and(|host| check.admits(host)))
    }
}

impl DoorRequest<'_> {
    /// Notes the upstream of the request: refusals take the upstream's form, and its pages may read
    /// the response.
    fn is_for(&mut self, served: &ServedUpstream, route: &Route<'_>) {
        let settings = served.settings();
        self.request.record.upstream(served.names(), route.origin);
        self.form.shape = settings.refusal_format;
        self.form.challenge = if settings.credential.is_basic() {
            Challenge::Basic
        } else {
            Challenge::BearerOrBasic
        };
        self.pages_of = (!settings.allow_origins.is_empty()).then_some(route.upstream);
    }
}

/// Returns the path behind the control path, if `path` begins with the control path.
fn below_control(path: &str) -> Option<&str> {
    path.strip_prefix(CONTROL_PATH).filter(|below| below.is_empty() || below.starts_with('/'))
}

/// Refuses a request with both `Content-Length` and `Transfer-Encoding`, or with another coding
/// than `chunked`. hyper would resolve such a request, and another recipient perhaps differently
/// (request smuggling).
fn check_framing(request: &Request<Incoming>, connection: &Connection) -> Result<(), Rejection> {
    let has_content_length = connection.has_content_length(request);
    if !request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Ok(());
    }
    let chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).into_iter();
    let only_chunked = codings.next().is_some_and(chunked) && codings.next().is_none();
    if only_chunked && has_content_length == Some(false) { Ok(()) } else { Err(Rejection::Framing) }
}
