//! Doors: the services that listeners offer to clients. This module has all that is alike at every
//! door: every request gets a response, every response is recorded, and every refusal is written
//! here.
//!
//! A door reads a request and runs an exchange (`exchange::served`); a door decides nothing and
//! sends nothing itself.

mod control;
mod current;
mod reverse;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Response, Version, header};
use hyper::Request;
use hyper::body::{Body as _, Incoming};

use crate::admission::Budget;
use crate::downstream::listener::{DoorKind, ListenerDoor};
use crate::downstream::{Connection, PushListener, UnreadResponse, noted_own_words};
use crate::exchange::served::{SetupError, Upstreams};
use crate::observe::ongoing::OngoingRequest;
use crate::rejection::{RefusalForm, Rejection};
use crate::response::body::ResponseBody;
use crate::routing::cross_origin::page_of;
use crate::services::Services;
use crate::settings::{Settings, UpstreamId};
pub use current::ReplacementReport;
pub(crate) use current::{ConnectionDoor, CurrentDoors};
use reverse::{ReverseDoor, ReverseListener};

/// The doors of one configuration, with the settings and upstreams behind them. A request goes
/// through the doors of the configuration in which the request began.
#[derive(Debug)]
pub(crate) struct Doors {
    settings: Arc<Settings>,
    upstreams: Arc<Upstreams>,
    reverse: ReverseDoor,
    /// True if pages of other origins may call at least one upstream.
    serves_pages: bool,
    /// The entrances of the listeners, if the configuration has changed since the listeners were
    /// made: by the number of the listener.
    entrances: Option<Vec<ListenerDoor>>,
    /// The number of the configuration, from 0 on.
    number: u64,
}

/// The door of a listener.
#[derive(Debug)]
pub(crate) struct Door {
    doors: Arc<Doors>,
    entry: DoorTarget,
}

/// The kind of a door, and the part of the proxy behind it.
#[derive(Debug)]
enum DoorTarget {
    Reverse(ReverseListener),
}

/// The configuration that follows another.
#[derive(Debug)]
pub(crate) struct NextConfiguration {
    pub(crate) settings: Arc<Settings>,
    pub(crate) services: Services,
    /// The entrances of the listeners, by number; `None`: as before.
    pub(crate) entrances: Option<Vec<ListenerDoor>>,
}

/// A request at a door, with the facts known so far.
struct DoorRequest<'c> {
    connection: &'c Arc<Connection>,
    request: OngoingRequest,
    form: RefusalForm,
    /// The upstream whose listed pages may read the response, a refusal included.
    pages_of: Option<UpstreamId>,
    /// The commands of a push, for its refusal. `None` for every other request.
    push: Option<PushListener>,
    /// The deadline of the exchange.
    end: Option<Instant>,
}

impl Doors {
    /// Makes the doors to all upstreams of these settings.
    pub(crate) fn new(
        settings: Arc<Settings>,
        services: Services,
    ) -> Result<Arc<Self>, SetupError> {
        let upstreams = Arc::new(Upstreams::new(&settings, services)?);
        Ok(Arc::new(Self::before(settings, upstreams, None, 0)))
    }

    /// Makes the doors of the next configuration. Whatever depends on nothing that has changed goes
    /// on. These doors serve on, and no limit changes before [`Self::begin`].
    fn followed_by(&self, next: NextConfiguration) -> Result<Arc<Self>, SetupError> {
        let NextConfiguration { settings, services, entrances } = next;
        let upstreams = Arc::new(self.upstreams.followed_by(&settings, services)?);
        let entrances = entrances.or_else(|| self.entrances.clone());
        Ok(Arc::new(Self::before(settings, upstreams, entrances, self.number + 1)))
    }

    fn before(
        settings: Arc<Settings>,
        upstreams: Arc<Upstreams>,
        entrances: Option<Vec<ListenerDoor>>,
        number: u64,
    ) -> Self {
        let reverse = ReverseDoor::new(&settings, &upstreams);
        let serves_pages =
            settings.upstreams.iter().any(|upstream| !upstream.allow_origins.is_empty());
        Self { settings, upstreams, reverse, serves_pages, entrances, number }
    }

    /// Changes the limits to those of these doors' settings.
    fn begin(&self) {
        self.upstreams.begin(&self.settings.limits);
    }

    /// Returns the door of the listener of this number, whose first entrance is `first`.
    pub(crate) fn door(self: &Arc<Self>, listener: usize, first: &ListenerDoor) -> Arc<Door> {
        let changed = self.entrances.as_ref().map(|all| all.get(listener));
        let entry = match changed {
            None => self.target_of(first),
            Some(Some(entrance)) => self.target_of(entrance),
            // A listener that the configuration does not name leads nowhere.
            Some(None) => DoorTarget::Reverse(ReverseListener::nowhere()),
        };
        Arc::new(Door { doors: Arc::clone(self), entry })
    }

    fn target_of(&self, entrance: &ListenerDoor) -> DoorTarget {
        let ListenerDoor { door, host_check } = entrance;
        match door {
            DoorKind::Reverse { only } => {
                DoorTarget::Reverse(self.reverse.entrance(only.as_ref(), host_check.clone()))
            }
        }
    }

    /// Returns keys, revocations, the store and plugins.
    pub(crate) fn services(&self) -> &Services {
        self.upstreams.services()
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Returns the budget shared by all clients.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        self.upstreams.budget()
    }
}

impl Door {
    /// Responds to a request. Every request gets a response, and every response is recorded.
    pub(crate) async fn respond(
        &self,
        request: Request<Incoming>,
        connection: &Arc<Connection>,
    ) -> Response<ResponseBody> {
        let doors = &*self.doors;
        let mut visit = doors.visit(&request, connection);
        let version = request.version();
        connection.begin_content(&request);
        let page = if doors.serves_pages { page_of(request.headers()) } else { None };
        let end = visit.end;
        let outcome = match &self.entry {
            DoorTarget::Reverse(entrance) => {
                within(end, pin!(doors.reverse.handle(request, entrance, &mut visit))).await
            }
        };
        let mut response = match (outcome, visit.push.take()) {
            (Ok(response), _) => response,
            (Err(rejection), None) => visit.refuse(&rejection),
            (Err(rejection), Some(push)) => Box::pin(visit.refuse_push(&rejection, push)).await,
        };
        if let Some(served) = visit.pages_of.and_then(|upstream| doors.upstreams.get(upstream).ok())
        {
            served.settings().allow_origins.mark(response.headers_mut(), page.as_ref());
        }
        if connection.has_rest() {
            Box::pin(connection.end_content(response.headers_mut())).await;
        }
        if response.body().is_own_words() {
            response = visit.bound_own_words(response, doors.budget());
        }
        visit.request.record.head(response.status());
        if version == Version::HTTP_10 {
            visit.end_as_http_10(&mut response);
        }
        response.body_mut().accompany(visit.request);
        response
    }
}

impl Doors {
    fn visit<'c>(
        &self,
        request: &Request<Incoming>,
        connection: &'c Arc<Connection>,
    ) -> DoorRequest<'c> {
        let mut ongoing = OngoingRequest::begin(connection, request.method());
        ongoing.record.version(request.version());
        let trusted = &self.settings.trusted_proxies;
        ongoing.record.named_client(trusted.named_by(&connection.peer(), request.headers()));
        let end = self.settings.timeouts.total.map(|total| Instant::now() + total);
        DoorRequest {
            connection,
            request: ongoing,
            form: RefusalForm::accepted(request.headers()),
            pages_of: None,
            push: None,
            end,
        }
    }
}

impl DoorRequest<'_> {
    /// Makes the response to a refused request. The connection may end with this response.
    fn refuse(&mut self, rejection: &Rejection) -> Response<ResponseBody> {
        self.request.record.rejected(rejection);
        let mut response =
            rejection.to_response(self.request.record.id, self.form).map(ResponseBody::full);
        if self.connection.refused(response.status()) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Makes the response to a refused push: git's own report where the client reads one, because
    /// git takes any other status than 200 for a broken connection, and shows no reason.
    async fn refuse_push(
        &mut self,
        rejection: &Rejection,
        push: PushListener,
    ) -> Response<ResponseBody> {
        let commands = push.commands().await;
        let mut response = self.refuse(rejection);
        if let Some(report) = rejection.push_report(commands.as_ref().map(|known| &known.list)) {
            report.replace(&mut response, ResponseBody::full);
        }
        response
    }

    /// Makes a response of the proxy's own words wait for its client at the expense of the peer,
    /// and for a bounded time. Where no more may wait, a refusal is sent without content.
    fn bound_own_words(
        &mut self,
        mut response: Response<ResponseBody>,
        budget: &Arc<Budget>,
    ) -> Response<ResponseBody> {
        match UnreadResponse::on(self.connection, budget) {
            Ok(Some(untaken)) => {
                response.body_mut().hold(untaken);
                noted_own_words();
            }
            Ok(None) => {}
            Err(shortage) => {
                if response.status().is_success() {
                    let rejection = Rejection::from(shortage);
                    self.request.record.rejected(&rejection);
                    response = rejection
                        .to_response(self.request.record.id, self.form)
                        .map(ResponseBody::full);
                }
                response.headers_mut().remove(header::CONTENT_TYPE);
                *response.body_mut() = ResponseBody::full(Bytes::new());
            }
        }
        response
    }

    /// Ends the connection with a response of unknown length to a client of HTTP/1.0: the end of
    /// the connection is the only end that such a client knows.
    fn end_as_http_10(&self, response: &mut Response<ResponseBody>) {
        let ends_with_connection =
            !self.request.record.is_complete() && response.body().size_hint().exact().is_none();
        if ends_with_connection {
            self.connection.begin_close_delimited();
        }
        if ends_with_connection || response.headers().contains_key(header::CONNECTION) {
            // To a response of a later version, hyper adds that the connection is kept, if the
            // client asked.
            *response.version_mut() = Version::HTTP_10;
        }
    }
}

/// Waits for the response until the deadline of the exchange, if any.
async fn within<T>(
    end: Option<Instant>,
    handling: Pin<&mut impl Future<Output = Result<T, Rejection>>>,
) -> Result<T, Rejection> {
    match end {
        None => handling.await,
        Some(end) => tokio::time::timeout_at(end.into(), handling)
            .await
            .unwrap_or(Err(Rejection::ExchangeTimeout)),
    }
}
