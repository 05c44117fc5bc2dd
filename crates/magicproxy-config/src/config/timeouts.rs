//! The section `[timeouts]`. The default of `upstream_connection_age` follows from `keep_alive`.

use magicproxy_proxy::settings::Timeouts;

use super::check::Checker;
use super::duration::{DurationText, LONGEST, parse_duration};
use super::setting::{Setting, section};

section! {
    /// The time limits of the proxy.
    RawTimeouts {
        /// The longest time for a connection to the API, TLS included.
        connect: DurationText = DurationText::of(Timeouts::default().connect),
        /// The longest wait for a connection to the API, while all connections that the request may
        /// use are busy.
        upstream_queue: DurationText = DurationText::of(Timeouts::default().upstream_queue),
        /// The longest time for the head of a request.
        header: DurationText = DurationText::of(Timeouts::default().header),
        /// The longest time for the head of the API's response, from the end of the request on.
        response: DurationText = DurationText::of(Timeouts::default().response),
        /// The longest time without a byte of a request body, or without a byte taken by a slow
        /// reader.
        body_idle: DurationText = DurationText::of(Timeouts::default().body_idle),
        /// The longest time for a request body that a rule or a plugin must see, until it is whole;
        /// and again for each MiB of it that has come.
        inspected_body: DurationText = DurationText::of(Timeouts::default().inspected_body),
        /// The longest time without a byte of a response whose head has come.
        response_idle: DurationText = DurationText::of(Timeouts::default().response_idle),
        /// The longest time of a connection without a request. A client's connection stays a
        /// quarter longer.
        keep_alive: DurationText = DurationText::of(Timeouts::default().keep_alive),
        /// The age from which a connection to the API gets no new request. By default three times
        /// `keep_alive`.
        upstream_connection_age: DurationText,
        /// The longest time for a client to take a refusal over HTTP/2.
        refusal: DurationText = DurationText::of(Timeouts::default().refusal),
        /// The longest time of a WebSocket without a byte in either direction.
        websocket_idle: DurationText = DurationText::of(Timeouts::default().websocket_idle),
        /// The longest time of a whole exchange. No limit by default.
        total: DurationText,
        /// The longest time for responses in flight after SIGTERM.
        drain: DurationText = DurationText::of(Timeouts::default().drain),
    }
}

/// The default age of a connection to an API, in multiples of `keep_alive`: three minutes with the
/// default `keep_alive`, as in HTTP clients' pools that follow DNS, and long enough that idle
/// connections are not kept for nothing.
const AGE: u32 = 3;

/// Sets an age that is not given, so that `config show` shows the value in force.
pub(super) fn complete(timeouts: RawTimeouts) -> RawTimeouts {
    let keep_alive =
        timeouts.keep_alive.given().and_then(|given| parse_duration(&given.value.0).ok());
    let Some(keep_alive) = keep_alive else { return timeouts };
    let age = keep_alive.saturating_mul(AGE).min(LONGEST);
    let derived = Setting::by_default(DurationText(humantime::format_duration(age).to_string()));
    RawTimeouts {
        upstream_connection_age: timeouts.upstream_connection_age.or(derived),
        ..timeouts
    }
}

impl Checker<'_> {
    /// Checks all timeouts.
    pub(super) fn timeouts(&mut self, raw: &RawTimeouts) -> Timeouts {
        let defaults = Timeouts::default();
        Timeouts {
            connect: self.lifetime("timeouts.connect", &raw.connect).unwrap_or(defaults.connect),
            upstream_queue: self
                .lifetime("timeouts.upstream_queue", &raw.upstream_queue)
                .unwrap_or(defaults.upstream_queue),
            header: self.lifetime("timeouts.header", &raw.header).unwrap_or(defaults.header),
            response: self
                .lifetime("timeouts.response", &raw.response)
                .unwrap_or(defaults.response),
            body_idle: self
                .lifetime("timeouts.body_idle", &raw.body_idle)
                .unwrap_or(defaults.body_idle),
            inspected_body: self
                .lifetime("timeouts.inspected_body", &raw.inspected_body)
                .unwrap_or(defaults.inspected_body),
            response_idle: self
                .lifetime("timeouts.response_idle", &raw.response_idle)
                .unwrap_or(defaults.response_idle),
            keep_alive: self
                .lifetime("timeouts.keep_alive", &raw.keep_alive)
                .unwrap_or(defaults.keep_alive),
            upstream_connection_age: self
                .lifetime("timeouts.upstream_connection_age", &raw.upstream_connection_age)
                .unwrap_or(defaults.upstream_connection_age),
            refusal: self.lifetime("timeouts.refusal", &raw.refusal).unwrap_or(defaults.refusal),
            websocket_idle: self
                .lifetime("timeouts.websocket_idle", &raw.websocket_idle)
                .unwrap_or(defaults.websocket_idle),
            total: self.lifetime("timeouts.total", &raw.total).or(defaults.total),
            drain: self.lifetime("timeouts.drain", &raw.drain).unwrap_or(defaults.drain),
        }
    }
}
