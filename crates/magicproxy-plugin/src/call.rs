//! A single call of a plugin: a new instance, its bounds, and the outcome. Specification:
//! `plugin.md` sections 2, 4 and 5.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::UnixTime;
use magicproxy_core::plugin::{Interests, PluginRequest, PluginResponse, Verdict};
use wasmtime::{Store, UpdateDeadline};

use crate::bounds::{BYTES_TO_HOST, Bounds, REASON_BYTES};
use crate::failure::CallFailure;
use crate::guest::{Guest, PluginStore};
use crate::journal::{Journal, one_line};
use crate::meter::Meter;
use crate::report::Report;
use crate::settings::Limits;
use crate::wit::PluginPre;
use crate::wit::magicproxy::plugin::exchange;

/// The time that a call may wait for its turn and for the store, beyond its time to run.
const PATIENCE: Duration = Duration::from_secs(2);

/// All inputs of a call.
pub(crate) struct Call {
    pub(crate) pre: PluginPre<Guest>,
    pub(crate) limits: Limits,
    pub(crate) config: Option<Arc<str>>,
    pub(crate) plugin_store: Option<PluginStore>,
    pub(crate) now: UnixTime,
    pub(crate) journal: Arc<Journal>,
    pub(crate) meter: Arc<Meter>,
}

impl Call {
    /// Asks the plugin about a request.
    pub(crate) async fn decide(
        &self,
        request: &PluginRequest,
        interests: &Interests,
    ) -> wasmtime::Result<Verdict> {
        let mut store = self.store()?;
        let plugin = self.pre.instantiate_async(&mut store).await?;
        let shown = ShownRequest::of(request, interests);
        let verdict = plugin.call_is_request_allowed(&mut store, shown.argument()).await?;
        Ok(match verdict {
            exchange::Verdict::Allow => Verdict::Allow,
            exchange::Verdict::Deny(reason) => Verdict::Deny(one_line(&reason, REASON_BYTES)),
            exchange::Verdict::Abstain => Verdict::Abstain,
        })
    }

    /// Tells the plugin of a response.
    pub(crate) async fn observe(
        &self,
        request: &PluginRequest,
        response: &PluginResponse,
        interests: &Interests,
    ) -> wasmtime::Result<()> {
        let mut store = self.store()?;
        let plugin = self.pre.instantiate_async(&mut store).await?;
        let request = ShownRequest::of(request, interests);
        let response = exchange::Response {
            status: response.status,
            headers: &shown_headers(&response.headers, &interests.response_headers),
            body: response.body.as_deref().filter(|_| interests.response_body),
        };
        let recorded = plugin.call_on_response(&mut store, request.argument(), response).await?;
        recorded.map_err(|reason| {
            wasmtime::Error::new(CallFailure::Unrecorded(one_line(&reason, REASON_BYTES)))
        })
    }

    /// Asks the plugin for its interests. Returns them with the memory that an instance finds left
    /// of its limit, in bytes.
    pub(crate) async fn interests(&self) -> wasmtime::Result<(Interests, usize)> {
        let mut store = self.store()?;
        let plugin = self.pre.instantiate_async(&mut store).await?;
        let left = store.data().bounds.memory_left();
        let interests = plugin.call_interests(&mut store).await?;
        let interests = Interests {
            request_headers: interests.request_headers,
            request_body: interests.request_body,
            responses: interests.responses,
            response_headers: interests.response_headers,
            response_body: interests.response_body,
        };
        Ok((interests, left))
    }

    /// Reports the outcome of a call, however the call ended. A call that still waits at the end of
    /// all patience is dropped.
    pub(crate) async fn report<T>(
        &self,
        call: impl Future<Output = wasmtime::Result<T>>,
    ) -> Report<T> {
        let patience = self.limits.time.saturating_add(PATIENCE);
        let outcome = match tokio::time::timeout(patience, self.meter.measure(call)).await {
            Ok(outcome) => self.judged(outcome),
            Err(_) => Err(CallFailure::OutOfPatience(patience)),
        };
        Report { outcome, lines: self.journal.take_lines(), spent: self.meter.spent() }
    }

    pub(crate) fn judged<T>(&self, outcome: wasmtime::Result<T>) -> Result<T, CallFailure> {
        outcome.map_err(|error| CallFailure::of(&error, self.limits.fuel, &self.journal))
    }

    fn store(&self) -> wasmtime::Result<Store<Guest>> {
        let mut store = Store::new(self.pre.engine(), self.guest());
        store.limiter(|guest| &mut guest.bounds);
        store.set_fuel(self.limits.fuel)?;
        store.set_hostcall_fuel(BYTES_TO_HOST);
        store.set_epoch_deadline(1);
        let (meter, limit) = (Arc::clone(&self.meter), self.limits.time);
        store.epoch_deadline_callback(move |_| {
            if meter.spent() > limit {
                return Err(wasmtime::Error::new(CallFailure::OutOfTime(limit)));
            }
            Ok(UpdateDeadline::Yield(1))
        });
        Ok(store)
    }

    fn guest(&self) -> Guest {
        Guest {
            bounds: Bounds::new(self.limits.memory, Arc::clone(&self.journal)),
            journal: Arc::clone(&self.journal),
            config: self.config.clone(),
            now: self.now,
            plugin_store: self.plugin_store.clone(),
            state_calls: self.limits.state_calls,
            state_calls_left: self.limits.state_calls,
        }
    }
}

/// A request as a plugin is shown it: nothing but the plugin's interests, even if the request holds
/// more. The body stays where it is: it goes into the guest without another copy.
struct ShownRequest<'r> {
    request: &'r PluginRequest,
    headers: Vec<exchange::Header<'r>>,
    body: Option<&'r [u8]>,
    sender: Option<String>,
    labels: Vec<&'r str>,
}

impl<'r> ShownRequest<'r> {
    fn of(request: &'r PluginRequest, interests: &Interests) -> Self {
        Self {
            request,
            headers: shown_headers(&request.headers, &interests.request_headers),
            body: request.body.as_deref().filter(|_| interests.request_body),
            sender: request.sender.map(|sender| sender.to_string()),
            labels: request.labels.iter().map(String::as_str).collect(),
        }
    }

    fn argument(&self) -> exchange::Request<'_> {
        exchange::Request {
            upstream: &self.request.upstream,
            method: &self.request.method,
            path: &self.request.path,
            query: self.request.query.as_deref(),
            headers: &self.headers,
            body: self.body,
            sender: self.sender.as_deref(),
            token_id: &self.request.token_id,
            labels: &self.labels,
        }
    }
}

fn shown_headers<'h>(
    headers: &'h [(String, Vec<u8>)],
    interesting: &[String],
) -> Vec<exchange::Header<'h>> {
    let shown = headers.iter().filter(|(name, _)| interesting.contains(name));
    shown.map(|(name, value)| exchange::Header { name, value }).collect()
}
