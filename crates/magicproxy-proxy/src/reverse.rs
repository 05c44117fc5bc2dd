//! The reverse door: callers speak to the proxy as if it were the API.

mod homes;
mod tunnel;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use tokio::sync::watch;

use crate::access_log::{AccessRecord, UpstreamNames};
use crate::admission::{Budget, Holding, Payer, Resource};
use crate::body::{IdleTimer, Pipeline, Received, RequestBody, ResponseBody, UpstreamBody};
use crate::control::{Asking, Control};
use crate::downstream::{Connection, Untaken, noted_own_words};
use crate::gate::{Client, Gate, InboundRequest, OutboundRequest, read_head};
use crate::header::{Coding, ResponseFilter, has_no_content, is_offered, is_searchable};
use crate::placing::Places;
use crate::rejection::{RefusalForm, Rejection, RequestId};
use crate::rewrite;
use crate::scrub::Needle;
use crate::serve::{StartError, WorkerId};
use crate::settings::{Settings, UpstreamSettings};
use crate::upstream::{Answer, Sockets, Upstream};
use crate::verifier::Shared;
use homes::{Home, Homes};
use tunnel::{Tunnel, TunnelBounds};

/// The path of the control plane; it and what lies below it never reach the upstream.
const CONTROL_PATH: &str = "/__magictoken";

/// The reverse door of all upstreams.
#[derive(Debug)]
pub(crate) struct ReverseDoor {
    settings: Arc<Settings>,
    places: Places,
    upstreams: Vec<Arc<Served>>,
    control: Control,
    homes: Homes,
    budget: Arc<Budget>,
}

/// One upstream with what it takes to serve it.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) settings: Arc<UpstreamSettings>,
    pub(crate) gate: Gate,
    upstream: Arc<Upstream>,
    names: Arc<UpstreamNames>,
}

impl Served {
    fn new(
        settings: &Settings,
        own: &Arc<UpstreamSettings>,
        shared: &Shared,
        sockets: &Arc<Sockets>,
    ) -> Result<Self, StartError> {
        let upstream = Upstream::new(settings, own, sockets)?;
        let gate = Gate::new(settings, own, shared, Arc::clone(&upstream)).map_err(|_| StartError::Random)?;
        Ok(Self { gate, upstream, names: UpstreamNames::of(own), settings: Arc::clone(own) })
    }

    /// Sends a permitted request, and does what is due before any of its answer is passed down.
    async fn exchange(&self, outbound: OutboundRequest, worker: WorkerId) -> Result<Answer, Rejection> {
        let request = self.upstream.connect(outbound, worker).await?;
        if !request.has_duties() {
            return request.send().await?.settle().await;
        }
        // What the upstream does is recorded, though the caller should go away meanwhile.
        let (_here, gone) = watch::channel(());
        let exchange = tokio::spawn(async move { request.unless(gone).send().await?.settle().await });
        exchange.await.map_err(|_| Rejection::Internal)?
    }
}

impl ReverseDoor {
    pub(crate) fn new(settings: Arc<Settings>) -> Result<Self, StartError> {
        let shared = Shared::new(&settings.limits);
        let budget = Arc::clone(&shared.budget);
        let sockets = Sockets::new(settings.limits.upstream_connections.total);
        let served = |upstream| Served::new(&settings, upstream, &shared, &sockets).map(Arc::new);
        let upstreams = settings.upstreams.iter().map(served).collect::<Result<_, StartError>>()?;
        let places = Places::new(&settings.upstreams);
        let control = Control::new(Arc::clone(&settings), shared.clone());
        let homes = Homes::new(&settings);
        Ok(Self { settings, places, upstreams, control, homes, budget })
    }

    /// What all clients share.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Answers one request. There is always an answer.
    pub(crate) async fn answer(&self, request: Request<Incoming>, connection: &Arc<Connection>) -> Response<ResponseBody> {
        let in_flight = connection.begin();
        connection.expect_body(!request.body().is_end_stream());
        let mut form = RefusalForm::accepted(request.headers());
        let mut record = AccessRecord::new(RequestId::next(), request.method());
        let mut response = match self.handle(request, connection, &mut record, &mut form).await {
            Ok(response) => response,
            Err(rejection) => {
                record.rejected(&rejection);
                let mut response = rejection.to_response(record.id, form);
                if connection.refused(response.status()) {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
        };
        if response.body().is_own_words() {
            response = self.bound_own_words(response, connection, form, &mut record);
        }
        record.head(response.status());
        response.body_mut().accompany(record, in_flight);
        response
    }

    async fn handle(
        &self,
        request: Request<Incoming>,
        connection: &Arc<Connection>,
        record: &mut AccessRecord,
        form: &mut RefusalForm,
    ) -> Result<Response<ResponseBody>, Rejection> {
        check_framing(&request, connection)?;
        let (mut head, incoming) = request.into_parts();
        let (authority, text) = read_head(&head)?;
        if !connection.listener().admits(authority, &head) {
            return Err(Rejection::UnknownHost);
        }
        let client = Client { peer: connection.peer(), account: connection.account() };
        let Some(place) = self.places.place(authority, text, self.bound(connection)) else {
            let below = below_control(text.split('?').next().unwrap_or_default()).ok_or(Rejection::NoUpstream)?;
            record.control();
            let exchange = &self.anonymous_exchange(client, &head)?;
            let asking = Asking { head: &head, client, exchange, upstreams: &self.upstreams };
            return Box::pin(self.control.answer(None, below, asking, incoming)).await;
        };
        let served = self.upstreams.get(place.upstream).ok_or(Rejection::Internal)?;
        record.upstream(&served.names, place.origin);
        form.shape = served.settings.refusals;
        let target = served.gate.read_target(&place.target)?;
        record.path(target.path());
        if let Some(below) = below_control(target.path()) {
            record.control();
            let exchange = &self.anonymous_exchange(client, &head)?;
            let asking = Asking { head: &head, client, exchange, upstreams: &self.upstreams };
            return Box::pin(self.control.answer(Some(served), below, asking, incoming)).await;
        }
        let home = self.homes.home(&served.settings, &place, &head, connection.listener().scheme());
        let origin = place.origin;
        let method = head.method.clone();
        let on_upgrade = head.extensions.remove::<OnUpgrade>();
        let body = RequestBody::new(incoming, self.settings.timeouts.body_idle);
        record.receives(body.progress());
        let worker = connection.worker();
        let inbound = InboundRequest { head, origin, target, body, client, worker };
        let mut outbound = served.gate.admit(inbound, record).await?;
        connection.admitted();
        let needle = outbound.needle();
        let upgrader = outbound.take_upgrader();
        let offered = upgrader.as_ref().and_then(|_| outbound.offered_subprotocols());
        let answer = served.exchange(outbound, worker).await?;
        if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let (Some(on_upgrade), Some(token)) = (on_upgrade, upgrader) else { return Err(Rejection::UnexpectedUpgrade) };
            if !is_offered(offered.as_ref(), answer.response.headers()) {
                return Err(Rejection::UnexpectedUpgrade);
            }
            let settings = &self.settings;
            let bounds =
                TunnelBounds { token, revocations: Arc::clone(&settings.revocations), idle: settings.timeouts.websocket_idle };
            return Ok(tunnel::open(answer, Tunnel::new(on_upgrade, connection, bounds), needle.as_ref()));
        }
        self.pass_down(answer, &method, needle, home)
    }

    /// Has a response of the proxy's own words wait for its client at the expense of the peer, and not for long. Where no more
    /// may wait, a refusal is sent without its content.
    fn bound_own_words(
        &self,
        mut response: Response<ResponseBody>,
        connection: &Arc<Connection>,
        form: RefusalForm,
        record: &mut AccessRecord,
    ) -> Response<ResponseBody> {
        match Untaken::on(connection, &self.budget) {
            Ok(Some(untaken)) => {
                response.body_mut().hold(untaken);
                noted_own_words();
            }
            Ok(None) => {}
            Err(shortage) => {
                if response.status().is_success() {
                    let rejection = Rejection::from(shortage);
                    record.rejected(&rejection);
                    response = rejection.to_response(record.id, form);
                }
                response.headers_mut().remove(header::CONTENT_TYPE);
                *response.body_mut() = ResponseBody::full(bytes::Bytes::new());
            }
        }
        response
    }

    /// A place for a request that no token pays for: of the control plane.
    fn anonymous_exchange(&self, client: Client<'_>, head: &Parts) -> Result<Holding, Rejection> {
        let trusted = &self.settings.trusted_proxies;
        let peer = client.account_of(trusted.sender(&client.peer, &head.headers), trusted, &self.budget);
        Ok(self.budget.take(Resource::Exchanges, 1, &Payer::anonymous(peer))?)
    }

    /// The upstream of a listener that serves no other. One that is not served leads nowhere.
    fn bound(&self, connection: &Connection) -> Option<usize> {
        let bound = connection.listener().upstream.as_ref()?;
        Some(self.upstreams.iter().position(|served| served.settings.name == *bound).unwrap_or(usize::MAX))
    }

    fn pass_down(
        &self,
        answer: Answer,
        method: &Method,
        needle: Option<Needle>,
        home: Option<Home>,
    ) -> Result<Response<ResponseBody>, Rejection> {
        let Answer { response, lease, ahead, held, dropped, exchange } = answer;
        let (mut head, incoming) = response.into_parts();
        let coding = Coding::of(&head.headers);
        if !is_searchable(&head, coding) && !has_no_content(&head, method) && !incoming.is_end_stream() {
            return Err(Rejection::UnaskedCoding);
        }
        let received = Received { incoming, version: head.version, lease, ahead, held, exchange };
        let mut filter = ResponseFilter::new(needle.clone(), dropped);
        filter.head(&mut head, method);
        let plan = rewrite::apply(&mut head, coding, || home.map(|home| self.homes.rewriting(&self.places, home)));
        let timeouts = &self.settings.timeouts;
        let end = timeouts.total.map(|total| std::time::Instant::now() + total);
        let body = UpstreamBody::new(received, IdleTimer::new(timeouts.response_idle, end));
        let body = body.through(Pipeline::new(coding, needle, plan)).filtered(filter);
        Ok(Response::from_parts(head, ResponseBody::upstream(body)))
    }
}

/// What follows the control path, if that is what the path begins with.
fn below_control(path: &str) -> Option<&str> {
    path.strip_prefix(CONTROL_PATH).filter(|below| below.is_empty() || below.starts_with('/'))
}

/// hyper resolves a request with `Content-Length` and `Transfer-Encoding`; a proxy refuses it.
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
