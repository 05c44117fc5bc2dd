//! The families of metrics: names, units, kinds and words of help. `docs/reference/metrics.md` has
//! the same list, with the labels.

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// A family of metrics: all series of one name.
#[derive(Debug)]
pub(crate) struct Family {
    /// The name, without unit and suffix.
    stem: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    help: &'static str,
}

const fn counter(stem: &'static str, help: &'static str) -> Family {
    Family { stem, unit: None, kind: MetricType::Counter, help }
}

const fn gauge(stem: &'static str, help: &'static str) -> Family {
    Family { stem, unit: None, kind: MetricType::Gauge, help }
}

const fn seconds(stem: &'static str, help: &'static str) -> Family {
    Family { stem, unit: Some(Unit::Seconds), kind: MetricType::Gauge, help }
}

const fn durations(stem: &'static str, help: &'static str) -> Family {
    Family { stem, unit: Some(Unit::Seconds), kind: MetricType::Histogram, help }
}

const fn bytes(stem: &'static str, help: &'static str) -> Family {
    Family { stem, unit: Some(Unit::Bytes), kind: MetricType::Counter, help }
}

impl Family {
    /// Begins the family in a document.
    pub(super) fn begin<'e>(
        &'e self,
        encoder: &'e mut DescriptorEncoder<'_>,
    ) -> Result<MetricEncoder<'e>, std::fmt::Error> {
        encoder.encode_descriptor(self.stem, self.help, self.unit.as_ref(), self.kind)
    }

    /// The name without unit and suffix, which tells the family from others.
    pub(super) fn stem(&self) -> &'static str {
        self.stem
    }

    pub(super) fn is_counter(&self) -> bool {
        matches!(self.kind, MetricType::Counter)
    }

    /// The name in the text format.
    #[cfg(test)]
    pub(super) fn name(&self) -> String {
        let unit = self.unit.as_ref().map(|unit| format!("_{}", unit.as_str()));
        let suffix = match self.kind {
            MetricType::Counter => "_total",
            MetricType::Info => "_info",
            MetricType::Gauge | MetricType::Histogram | MetricType::Unknown => "",
        };
        format!("{}{}{suffix}", self.stem, unit.unwrap_or_default())
    }
}

/// Makes the families, and the list of all.
macro_rules! families {
    ($($name:ident = $family:expr;)*) => {
        $(pub(crate) static $name: Family = $family;)*

        /// All families.
        #[cfg(test)]
        pub(super) static ALL: &[&Family] = &[$(&$name),*];
    };
}

families! {
    BUILD = Family {
        stem: "magicproxy_build",
        unit: None,
        kind: MetricType::Info,
        help: "The version of the program",
    };
    PROCESS_START = seconds("process_start_time", "Start of the process, since 1970");
    SERVER_DURATION = durations(
        "http_server_request_duration",
        "Time from the head of a request to the end of its response",
    );
    SERVER_ACTIVE = gauge("http_server_active_requests", "Requests in progress");
    CLIENT_DURATION = durations(
        "http_client_request_duration",
        "Time from sending a request to an upstream to the head of its response",
    );
    DECISIONS = counter("magicproxy_decisions", "Requests by what was decided");
    TOKEN_OPENS = counter("magicproxy_token_opens", "Tokens opened and verified, or found in the cache");
    VERIFICATIONS_RUNNING = gauge(
        "magicproxy_verifications_running",
        "Verifications of tokens and other work that takes turns, in progress",
    );
    VERIFICATIONS_WAITING = gauge(
        "magicproxy_verifications_waiting",
        "Verifications of tokens and other work that takes turns, waiting",
    );
    ADMISSION_HELD = gauge("magicproxy_admission_held", "Amount of a resource that clients hold");
    ADMISSION_LIMIT = gauge("magicproxy_admission_limit", "Amount of a resource that clients may hold");
    ADMISSION_REFUSED = counter(
        "magicproxy_admission_refused",
        "Times that a client was refused a resource, by the share that was used up",
    );
    CLIENT_CONNECTIONS = gauge("magicproxy_client_connections", "Open connections from clients");
    CLIENT_CONNECTIONS_LIMIT = gauge(
        "magicproxy_client_connections_limit",
        "Connections from clients that may be open",
    );
    CLIENT_CONNECTIONS_REFUSED = counter(
        "magicproxy_client_connections_refused",
        "Connections from clients closed at once, by the share that was used up",
    );
    CLIENT_BYTES = bytes("magicproxy_client_network", "Bytes read from and written to clients");
    UPSTREAM_CONNECTIONS = gauge("magicproxy_upstream_connections", "Connections to an upstream");
    UPSTREAM_WAITING = gauge(
        "magicproxy_upstream_connection_waiting_requests",
        "Requests that wait in the queue for a connection to an upstream",
    );
    UPSTREAM_WAIT = durations(
        "magicproxy_upstream_connection_wait",
        "Time that a request waited for a connection to an upstream, of the requests that waited",
    );
    UPSTREAM_BYTES = bytes("magicproxy_upstream_network", "Bytes read from and written to an upstream");
    STORE_DURATION = durations("magicproxy_store_operation", "Time of an operation of the state store");
    STORE_FAILURES = counter("magicproxy_store_failures", "Operations of the state store that failed");
    LIMIT_TAKES = counter(
        "magicproxy_limit_takes",
        "Units of tokens' limits that requests asked for, by what came of it",
    );
    PLUGIN_CALLS = counter("magicproxy_plugin_calls", "Calls of a plugin by what came of it");
    PLUGIN_FAILURES = counter("magicproxy_plugin_failures", "Calls of a plugin that failed, by the reason");
    KEYS = gauge("magicproxy_keys", "Keys by their use and by whether they are in use or retired");
    KEY_AGE = seconds("magicproxy_key_age", "Age of the newest key in use, where known");
    CERTIFICATE_EXPIRY = seconds(
        "magicproxy_certificate_expiry_timestamp",
        "End of the certificate that clients see, since 1970",
    );
    CERTIFICATE_START = seconds(
        "magicproxy_certificate_start_timestamp",
        "Beginning of the certificate that clients see, since 1970",
    );
    REVOCATIONS = gauge("magicproxy_revocations", "Revocations in force, by kind");
    REVOCATIONS_AGE = seconds(
        "magicproxy_revocations_age",
        "Time since the list of revocations was last read or confirmed",
    );
    CONFIG_RELOADS = counter("magicproxy_config_reloads", "Times that the configuration was read again");
    CONFIG_SUCCESSFUL = gauge(
        "magicproxy_config_last_reload_successful",
        "1 if the configuration in use is the one last read, 0 if that one was refused",
    );
    CONFIG_TIME = seconds(
        "magicproxy_config_last_reload_success_timestamp",
        "Time at which the configuration in use was read, since 1970",
    );
}
