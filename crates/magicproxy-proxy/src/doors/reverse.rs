//! The reverse door: callers speak to the proxy as if it were the API.

mod homes;
mod objects;
mod tunnel;

use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, Version, header};
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use tokio::sync::watch;

use crate::admission::{Budget, Holding, Payer, Resource};
use crate::doors::control::{Asking, Control};
use crate::downstream::{Connection, Untaken, noted_own_words};
use crate::exchange::gate::{Client, Gate, InboundRequest, OutboundRequest, read_head};
use crate::exchange::upstream::{Answer, Upstream};
use crate::exchange::verifier::Shared;
use crate::http::body::{IdleTimer, RequestBody};
use crate::http::header::is_offered;
use crate::mask::Needle;
use crate::observe::access_log::{AccessRecord, UpstreamNames};
use crate::rejection::{Challenge, RefusalForm, Rejection};
use crate::request_id::RequestId;
use crate::response::body::{self, ResponseBody, UpstreamBody};
use crate::response::header::{Coding, ResponseFilter, has_no_content, is_searchable};
use crate::response::pipeline::Pipeline;
use crate::response::rewrite;
use crate::routing::cross_origin::page_of;
use crate::routing::lfs;
use crate::routing::placing::Places;
use crate::server::StartError;
use crate::services::{Revocations, Services};
use crate::settings::{Settings, UpstreamSettings};
use crate::transport::Sockets;
use crate::worker::WorkerId;
use homes::{Home, Homes};
use objects::ObjectsFor;
use tunnel::{Tunnel, TunnelBounds};

/// The path of the control plane; it and what lies below it never reach the upstream.
const CONTROL_PATH: &str = "/__magictoken";

/// The reverse door of all upstreams.
#[derive(Debug)]
pub(crate) struct ReverseDoor {
    settings: Arc<Settings>,
    revocations: Arc<Revocations>,
    places: Places,
    upstreams: Vec<Arc<Served>>,
    control: Control,
    homes: Homes,
    budget: Arc<Budget>,
    /// May pages of other origins call some upstream?
    serves_pages: bool,
}

/// One upstream with what it takes to serve it.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) settings: Arc<UpstreamSettings>,
    pub(crate) gate: Gate,
    upstream: Arc<Upstream>,
    names: Arc<UpstreamNames>,
}

/// What holds for one exchange.
struct Terms {
    form: RefusalForm,
    /// When it must be over.
    end: Option<Instant>,
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

/// A request to the control plane.
struct ControlRequest<'a> {
    head: &'a Parts,
    body: RequestBody,
    client: Client<'a>,
}

/// An upstream's response on its way down.
struct Passing<'a> {
    answer: Answer,
    method: &'a Method,
    /// What is looked for in it.
    needle: Option<Needle>,
    /// Where its URLs lead.
    home: Option<Home>,
    /// When it must be over.
    end: Option<Instant>,
}

/// What decides how a response is read: the method of its request, and when it must be over.
struct Expected<'a> {
    method: &'a Method,
    end: Option<Instant>,
}

/// A response whose head was filtered.
struct Received {
    head: http::response::Parts,
    /// In which its body comes.
    coding: Coding,
    body: UpstreamBody,
}

impl ReverseDoor {
    pub(crate) fn new(settings: Arc<Settings>, services: Services) -> Result<Self, StartError> {
        let revocations = Arc::clone(&services.revocations);
        let shared = Shared::new(&settings.limits, services);
        let budget = Arc::clone(&shared.budget);
        let sockets = Sockets::new(settings.limits.upstream_connections.total);
        let served = |upstream| Served::new(&settings, upstream, &shared, &sockets).map(Arc::new);
        let upstreams = settings.upstreams.iter().map(served).collect::<Result<_, StartError>>()?;
        let places = Places::new(&settings.upstreams);
        let control = Control::new(Arc::clone(&settings), shared.clone());
        let homes = Homes::new(&settings);
        let serves_pages = settings.upstreams.iter().any(|upstream| !upstream.allow_origins.is_empty());
        Ok(Self { settings, revocations, places, upstreams, control, homes, budget, serves_pages })
    }

    /// What all clients share.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Answers one request. There is always an answer.
    pub(crate) async fn answer(&self, request: Request<Incoming>, connection: &Arc<Connection>) -> Response<ResponseBody> {
        let in_flight = connection.begin();
        let version = request.version();
        connection.begin_content(&request);
        let end = self.settings.timeouts.total.map(|total| Instant::now() + total);
        let mut terms = Terms { form: RefusalForm::accepted(request.headers()), end };
        let mut record = AccessRecord::new(RequestId::next(), request.method());
        let page = if self.serves_pages { page_of(request.headers()) } else { None };
        let outcome = within(end, pin!(self.handle(request, connection, &mut record, &mut terms))).await;
        let form = terms.form;
        let mut response = match outcome {
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
        if let Some(served) = form.pages_of.and_then(|upstream| self.upstreams.get(upstream)) {
            served.settings.allow_origins.mark(response.headers_mut(), page.as_ref());
        }
        if connection.has_rest() {
            Box::pin(connection.settle_content(response.headers_mut())).await;
        }
        if response.body().is_own_words() {
            response = self.bound_own_words(response, connection, form, &mut record);
        }
        record.head(response.status());
        if version == Version::HTTP_10 {
            let ends_with_connection = !record.is_complete() && response.body().size_hint().exact().is_none();
            if ends_with_connection {
                connection.begin_close_delimited();
            }
            if ends_with_connection || response.headers().contains_key(header::CONNECTION) {
                // To a response of a later version the HTTP library adds that the connection is kept, where the client asked for that.
                *response.version_mut() = version;
            }
        }
        response.body_mut().accompany(record, in_flight);
        response
    }

    async fn handle(
        &self,
        request: Request<Incoming>,
        connection: &Arc<Connection>,
        record: &mut AccessRecord,
        terms: &mut Terms,
    ) -> Result<Response<ResponseBody>, Rejection> {
        check_framing(&request, connection)?;
        let (mut head, incoming) = request.into_parts();
        let body = RequestBody::new(incoming, self.settings.timeouts.body_idle, connection);
        let (authority, text) = read_head(&head)?;
        if !connection.listener().admits(authority, &head) {
            return Err(Rejection::UnknownHost);
        }
        let client = Client { peer: connection.peer(), account: connection.account() };
        let Some(place) = self.places.place(authority, text, self.bound(connection)) else {
            let below = below_control(text.split('?').next().unwrap_or_default()).ok_or(Rejection::NoUpstream)?;
            return Box::pin(self.control(None, below, ControlRequest { head: &head, body, client }, record)).await;
        };
        let served = self.upstreams.get(place.upstream).ok_or(Rejection::Internal)?;
        record.upstream(&served.names, place.origin);
        terms.form.shape = served.settings.refusals;
        terms.form.challenge = if served.settings.credential.is_basic() { Challenge::Basic } else { Challenge::BearerOrBasic };
        terms.form.pages_of = (!served.settings.allow_origins.is_empty()).then_some(place.upstream);
        let target = served.gate.read_target(&place.target)?;
        record.path(target.path());
        if let Some(below) = below_control(target.path()) {
            // No page reads what the control plane says.
            terms.form.pages_of = None;
            return Box::pin(self.control(Some(served), below, ControlRequest { head: &head, body, client }, record)).await;
        }
        if body.is_empty()
            && let Some(response) = served.settings.allow_origins.preflight(&head)
        {
            record.preflight();
            terms.form.pages_of = None;
            return Ok(response);
        }
        let home = self.homes.home(&served.settings, &place, &head, connection.listener().scheme());
        let (origin, way) = (place.origin, place.way);
        let lfs_client = served.gate.lfs_client(&head);
        let method = head.method.clone();
        let asked = lfs::Asked::by(&method, target.path(), lfs_client.as_ref());
        let on_upgrade = head.extensions.remove::<OnUpgrade>();
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
            let (revocations, idle) = (Arc::clone(&self.revocations), settings.timeouts.websocket_idle);
            let bounds = TunnelBounds { token, revocations, idle, end: terms.end };
            return Ok(tunnel::open(answer, Tunnel::new(on_upgrade, connection, bounds), needle.as_ref()));
        }
        let passing = Passing { answer, method: &method, needle, home, end: terms.end };
        if asked.may_get_them_by(&passing.answer.response) && method != Method::HEAD {
            let objects = ObjectsFor { way, upstream: Arc::clone(&served.settings), client: lfs_client };
            return Box::pin(self.pass_objects(passing, objects)).await;
        }
        self.pass_down(passing)
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

    /// What the control plane answers. The log says whose token was borne, where one was asked for and is genuine.
    async fn control(
        &self,
        served: Option<&Served>,
        below: &str,
        request: ControlRequest<'_>,
        record: &mut AccessRecord,
    ) -> Result<Response<ResponseBody>, Rejection> {
        record.control();
        let ControlRequest { head, body, client } = request;
        let (exchange, token) = (&self.anonymous_exchange(client, head)?, &OnceLock::new());
        let asking = Asking { head, client, token, exchange, upstreams: &self.upstreams };
        let answer = self.control.answer(served, below, asking, body).await;
        if let Some(token) = token.get() {
            record.token(token);
        }
        answer
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

    fn pass_down(&self, passing: Passing<'_>) -> Result<Response<ResponseBody>, Rejection> {
        let Passing { answer, method, needle, home, end } = passing;
        let Received { mut head, coding, mut body } = self.received(answer, Expected { method, end }, needle.as_ref())?;
        let plan = rewrite::apply(&mut head, coding, || home.map(|home| self.homes.rewriting(&self.places, home)));
        body.pass_through(Pipeline::new(coding, needle, plan));
        Ok(Response::from_parts(head, ResponseBody::upstream(body)))
    }

    /// A response of which nothing passes that should not, but for its body, in which the credential is still to be looked for.
    #[inline]
    fn received(&self, answer: Answer, expected: Expected<'_>, needle: Option<&Needle>) -> Result<Received, Rejection> {
        let Expected { method, end } = expected;
        let Answer { response, lease, ahead, held, dropped, exchange } = answer;
        let (mut head, incoming) = response.into_parts();
        let coding = Coding::of(&head.headers);
        if !is_searchable(&head, coding) && !has_no_content(&head, method) && !incoming.is_end_stream() {
            return Err(Rejection::UnaskedCoding);
        }
        let received = body::Received { incoming, version: head.version, lease, ahead, held, exchange };
        let mut filter = ResponseFilter::new(needle.cloned(), dropped);
        filter.head(&mut head, method);
        let mut body = UpstreamBody::new(received, IdleTimer::new(self.settings.timeouts.response_idle, end));
        body.filter(filter);
        Ok(Received { head, coding, body })
    }
}

/// The response, if it is there in time.
async fn within<T>(end: Option<Instant>, handling: Pin<&mut impl Future<Output = Result<T, Rejection>>>) -> Result<T, Rejection> {
    match end {
        None => handling.await,
        Some(end) => tokio::time::timeout_at(end.into(), handling).await.unwrap_or(Err(Rejection::ExchangeTimeout)),
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
