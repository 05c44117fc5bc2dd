//! The section `[limits]`. A share that is not given is a part of the total in force.

use std::num::NonZeroUsize;

use magicproxy_proxy::settings::{Limits, Quota};

use super::check::Checker;
use super::setting::{Setting, section};
use crate::ground::fault::Origin;

section! {
    /// The limits on connections, memory and requests.
    RawLimits {
        /// Open connections from clients, WebSockets included.
        connections: u64 = Limits::default().connections as u64,
        /// Open connections of one address (a /64 of IPv6), or of one user on a Unix socket. By
        /// default a quarter of `connections`. Trusted proxies are exempt.
        connections_per_peer: u64,
        /// Idle connections that are kept to the API.
        idle_upstream_connections: u64 = Limits::default().idle_upstream_connections as u64,
        /// Connections to one origin of an API, including idle connections.
        upstream_connections_per_origin: u64 = Limits::default().upstream_connections_per_origin as u64,
        /// Streams of one HTTP/2 connection to an API, at most 1,024. Fewer if the API allows
        /// fewer.
        upstream_streams_per_connection: u64 = Limits::default().upstream_streams_per_connection as u64,
        /// Memory for verified tokens, in bytes.
        token_cache_bytes: u64 = Limits::default().token_cache_bytes.total as u64,
        /// Threads that serve connections.
        workers: u64 = Limits::default().workers.get() as u64,
        /// Requests in progress, of all clients together. By default at most half of `connections`.
        exchanges: u64 = Limits::default().exchanges.total as u64,
        /// The part of `exchanges` for one token and all tokens narrowed from it. By default a
        /// quarter.
        exchanges_per_owner: u64,
        /// The part of `exchanges` for one address with tokens that anyone can mint. By default
        /// half.
        exchanges_per_peer: u64,
        /// The part of `exchanges` kept for tokens that no stranger can mint. By default an eighth.
        exchanges_reserved: u64,
        /// Connections to APIs in use by requests, of all clients together. Over HTTP/2, streams
        /// are counted.
        upstream_connections: u64 = Limits::default().upstream_connections.total as u64,
        /// The part of `upstream_connections` for one token and all tokens narrowed from it. By
        /// default a quarter.
        upstream_connections_per_owner: u64,
        /// The part of `upstream_connections` for one address with tokens that anyone can mint. By
        /// default half.
        upstream_connections_per_peer: u64,
        /// The part of `upstream_connections` kept for tokens that no stranger can mint. By default
        /// an eighth.
        upstream_connections_reserved: u64,
        /// Requests waiting for a connection to an API, of all clients together.
        upstream_queue: u64 = Limits::default().upstream_queue.total as u64,
        /// The part of `upstream_queue` for one token and all tokens narrowed from it. By default a
        /// quarter.
        upstream_queue_per_owner: u64,
        /// The part of `upstream_queue` for one address with tokens that anyone can mint. By
        /// default half.
        upstream_queue_per_peer: u64,
        /// The part of `upstream_queue` kept for tokens that no stranger can mint. By default an
        /// eighth.
        upstream_queue_reserved: u64,
        /// Bytes of responses that are read whole before they are passed on, of incomplete heads,
        /// and of windows of uploads over HTTP/2.
        buffered_bytes: u64 = Limits::default().buffered_bytes.total as u64,
        /// The part of `buffered_bytes` for one token and all tokens narrowed from it. By default a
        /// quarter.
        buffered_bytes_per_owner: u64,
        /// The part of `buffered_bytes` for one address with tokens that anyone can mint. By
        /// default half.
        buffered_bytes_per_peer: u64,
        /// The part of `buffered_bytes` kept for tokens that no stranger can mint. By default an
        /// eighth.
        buffered_bytes_reserved: u64,
        /// Bytes of request bodies that are held whole, because a rule or a plugin must see them.
        inspected_bytes: u64 = Limits::default().inspected_bytes.total as u64,
        /// The part of `inspected_bytes` for one token and all tokens narrowed from it. By default
        /// a quarter.
        inspected_bytes_per_owner: u64,
        /// The part of `inspected_bytes` for one address with tokens that anyone can mint. By
        /// default half.
        inspected_bytes_per_peer: u64,
        /// The part of `inspected_bytes` kept for tokens that no stranger can mint. By default an
        /// eighth.
        inspected_bytes_reserved: u64,
        /// The part of `token_cache_bytes` for one token and all tokens narrowed from it. By
        /// default a quarter.
        token_cache_bytes_per_owner: u64,
        /// The part of `token_cache_bytes` for one address with tokens that anyone can mint. By
        /// default half.
        token_cache_bytes_per_peer: u64,
        /// The part of `token_cache_bytes` kept for tokens that no stranger can mint. By default an
        /// eighth.
        token_cache_bytes_reserved: u64,
        /// Memory for the compiled rules of tokens, in bytes.
        rule_cache_bytes: u64 = Limits::default().rule_cache_bytes.total as u64,
        /// The part of `rule_cache_bytes` for one token and all tokens narrowed from it. By default
        /// a quarter.
        rule_cache_bytes_per_owner: u64,
        /// The part of `rule_cache_bytes` for one address with tokens that anyone can mint. By
        /// default half.
        rule_cache_bytes_per_peer: u64,
        /// The part of `rule_cache_bytes` kept for tokens that no stranger can mint. By default an
        /// eighth.
        rule_cache_bytes_reserved: u64,
        /// New tokens, and mint requests, waiting for their turn, of all clients together.
        verifications: u64 = Limits::default().verifications.total as u64,
        /// The part of `verifications` for one token and all tokens narrowed from it. By default a
        /// quarter.
        verifications_per_owner: u64,
        /// The part of `verifications` for one address with tokens that anyone can mint. By default
        /// half.
        verifications_per_peer: u64,
        /// The part of `verifications` kept for tokens that no stranger can mint. By default an
        /// eighth.
        verifications_reserved: u64,
        /// The part of `verifications` for tokens whose rules take long to compile.
        costly_verifications: u64 = Limits::default().costly_verifications.total as u64,
        /// The part of `costly_verifications` for one token and all tokens narrowed from it. By
        /// default a quarter.
        costly_verifications_per_owner: u64,
        /// The part of `costly_verifications` for one address with tokens that anyone can mint. By
        /// default half.
        costly_verifications_per_peer: u64,
        /// The part of `costly_verifications` kept for tokens that no stranger can mint. By default
        /// an eighth.
        costly_verifications_reserved: u64,
        /// Refusals, and responses of the control plane, over HTTP/2 that the client has not taken
        /// yet.
        own_responses: u64 = Limits::default().own_responses.total as u64,
        /// The part of `own_responses` for one token and all tokens narrowed from it. By default a
        /// quarter.
        own_responses_per_owner: u64,
        /// The part of `own_responses` for one address. By default half.
        own_responses_per_peer: u64,
        /// The part of `own_responses` kept for tokens that no stranger can mint. By default an
        /// eighth.
        own_responses_reserved: u64,
        /// Rows of the state store: counts, grants, list items, entries of plugins.
        state_rows: u64 = Limits::default().state_rows.total as u64,
        /// The part of `state_rows` for one token and all tokens narrowed from it, and for the
        /// items of one list. By default a hundredth.
        state_rows_per_owner: u64,
        /// The part of `state_rows` that one address may add in a day with tokens that anyone can
        /// mint. By default a hundredth.
        state_rows_per_peer: u64,
        /// The part of `state_rows` kept for tokens that no stranger can mint. By default an
        /// eighth.
        state_rows_reserved: u64,
    }
}

/// The settings of one quota.
#[derive(Clone, Copy)]
pub(super) struct RawQuota<'r> {
    /// The name of the total's setting; the names of the shares begin with this name.
    pub(super) name: &'static str,
    pub(super) total: &'r Setting<u64>,
    pub(super) per_owner: &'r Setting<u64>,
    pub(super) per_peer: &'r Setting<u64>,
    pub(super) reserved: &'r Setting<u64>,
}

/// The default shares of a total, by [`Quota::of`] or another function.
macro_rules! shares {
    ($total:ident) => {
        Quota::of($total)
    };
    ($total:ident, $shares:ident) => {
        Quota::$shares($total)
    };
}

/// Gives [`RawLimits`] a view of each quota, and a function that completes all quotas, so that each
/// name is written once.
macro_rules! quotas {
    ($($total:ident: $owner:ident, $peer:ident, $reserved:ident $(by $shares:ident)?;)*) => {
        impl RawLimits {
            $(pub(super) fn $total(&self) -> RawQuota<'_> {
                RawQuota {
                    name: stringify!($total),
                    total: &self.$total,
                    per_owner: &self.$owner,
                    per_peer: &self.$peer,
                    reserved: &self.$reserved,
                }
            })*
        }

        /// Sets each missing share to the default part of the total, so that `config show` shows
        /// the value in force.
        pub(super) fn complete(limits: RawLimits) -> RawLimits {
            let mut limits = within_connections(limits);
            $(if let Some(total) = limits.$total.given().and_then(|given| usize::try_from(given.value).ok()) {
                let quota = shares!(total $(, $shares)?);
                limits.$owner = limits.$owner.or(derived(quota.per_owner));
                limits.$peer = limits.$peer.or(derived(quota.per_peer));
                limits.$reserved = limits.$reserved.or(derived(quota.reserved));
            })*
            if let Some(total) = limits.connections.given().and_then(|given| usize::try_from(given.value).ok()) {
                limits.connections_per_peer = limits.connections_per_peer.or(derived(Limits::connections_share(total)));
            }
            limits
        }
    };
}

quotas! {
    exchanges: exchanges_per_owner, exchanges_per_peer, exchanges_reserved;
    upstream_connections: upstream_connections_per_owner, upstream_connections_per_peer, upstream_connections_reserved;
    upstream_queue: upstream_queue_per_owner, upstream_queue_per_peer, upstream_queue_reserved;
    buffered_bytes: buffered_bytes_per_owner, buffered_bytes_per_peer, buffered_bytes_reserved;
    inspected_bytes: inspected_bytes_per_owner, inspected_bytes_per_peer, inspected_bytes_reserved;
    token_cache_bytes: token_cache_bytes_per_owner, token_cache_bytes_per_peer, token_cache_bytes_reserved;
    rule_cache_bytes: rule_cache_bytes_per_owner, rule_cache_bytes_per_peer, rule_cache_bytes_reserved;
    verifications: verifications_per_owner, verifications_per_peer, verifications_reserved;
    costly_verifications: costly_verifications_per_owner, costly_verifications_per_peer, costly_verifications_reserved;
    own_responses: own_responses_per_owner, own_responses_per_peer, own_responses_reserved;
    state_rows: state_rows_per_owner, state_rows_per_peer, state_rows_reserved by of_rows;
}

impl RawLimits {
    /// Returns the most bytes of request bodies that any single client may hold, with the setting
    /// that says so.
    pub(super) fn inspected_share(&self) -> (&'static str, usize) {
        let Quota { total, per_owner, per_peer, reserved } = Limits::default().inspected_bytes;
        let said = |setting: &Setting<u64>, otherwise: usize| {
            setting
                .given()
                .map_or(otherwise, |given| usize::try_from(given.value).unwrap_or(usize::MAX))
        };
        let open = said(&self.inspected_bytes, total)
            .saturating_sub(said(&self.inspected_bytes_reserved, reserved));
        let shares = [
            ("limits.inspected_bytes_per_owner", said(&self.inspected_bytes_per_owner, per_owner)),
            ("limits.inspected_bytes_per_peer", said(&self.inspected_bytes_per_peer, per_peer)),
            ("limits.inspected_bytes without limits.inspected_bytes_reserved", open),
        ];
        let [first, ..] = shares;
        shares.into_iter().min_by_key(|(_, share)| *share).unwrap_or(first)
    }
}

/// Limits requests in progress to half as many as connections, unless the operator gave a number:
/// if every connection were in use, none could make way for a new one.
fn within_connections(mut limits: RawLimits) -> RawLimits {
    let is_default = limits.exchanges.given().is_none_or(|given| given.origin == Origin::Default);
    let connections =
        limits.connections.given().and_then(|given| usize::try_from(given.value).ok());
    if let Some(connections) = connections.filter(|_| is_default) {
        let most = Limits::default().exchanges.total;
        limits.exchanges = derived(most.min(connections / 2).max(1));
    }
    limits
}

fn derived(share: usize) -> Setting<u64> {
    Setting::by_default(share as u64)
}

impl Checker<'_> {
    /// Checks all limits.
    pub(super) fn limits(&mut self, raw: &RawLimits) -> Limits {
        let defaults = Limits::default();
        let connections =
            self.count("limits.connections", &raw.connections, 1).unwrap_or(defaults.connections);
        Limits {
            connections,
            connections_per_peer: self.connections_per_peer(raw, connections),
            idle_upstream_connections: self
                .count("limits.idle_upstream_connections", &raw.idle_upstream_connections, 0)
                .unwrap_or(defaults.idle_upstream_connections),
            upstream_connections_per_origin: self
                .count(
                    "limits.upstream_connections_per_origin",
                    &raw.upstream_connections_per_origin,
                    1,
                )
                .unwrap_or(defaults.upstream_connections_per_origin),
            upstream_streams_per_connection: self
                .streams(&raw.upstream_streams_per_connection)
                .unwrap_or(defaults.upstream_streams_per_connection),
            upstream_queue: self.quota(raw.upstream_queue(), defaults.upstream_queue),
            token_cache_bytes: self.quota(raw.token_cache_bytes(), defaults.token_cache_bytes),
            rule_cache_bytes: self.quota(raw.rule_cache_bytes(), defaults.rule_cache_bytes),
            verifications: self.quota(raw.verifications(), defaults.verifications),
            costly_verifications: self
                .quota(raw.costly_verifications(), defaults.costly_verifications),
            workers: self
                .count("limits.workers", &raw.workers, 1)
                .and_then(NonZeroUsize::new)
                .unwrap_or(defaults.workers),
            exchanges: self.quota(raw.exchanges(), defaults.exchanges),
            upstream_connections: self
                .quota(raw.upstream_connections(), defaults.upstream_connections),
            buffered_bytes: self.quota(raw.buffered_bytes(), defaults.buffered_bytes),
            inspected_bytes: self.quota(raw.inspected_bytes(), defaults.inspected_bytes),
            own_responses: self.quota(raw.own_responses(), defaults.own_responses),
            state_rows: self.quota(raw.state_rows(), defaults.state_rows),
        }
    }

    fn connections_per_peer(&mut self, raw: &RawLimits, connections: usize) -> usize {
        let (key, setting) = ("limits.connections_per_peer", &raw.connections_per_peer);
        let share =
            self.count(key, setting, 1).unwrap_or_else(|| Limits::connections_share(connections));
        if let Some(given) = setting.given().filter(|_| share > connections) {
            self.fault(
                format!(
                    "{key} `{}`: more than limits.connections, which is {connections}",
                    given.value
                ),
                &given.origin,
            );
        }
        share
    }

    /// Checks a total with its shares, none of which may exceed the total. Returns `otherwise`
    /// without a valid total.
    fn quota(&mut self, raw: RawQuota<'_>, otherwise: Quota) -> Quota {
        let name = raw.name;
        // A cache may keep nothing.
        let least = u64::from(!name.ends_with("_cache_bytes"));
        let Some(total) = self.count(&format!("limits.{name}"), raw.total, least) else {
            return otherwise;
        };
        let defaults = Quota::of(total);
        let mut share = |suffix: &str, setting: &Setting<u64>, least: u64, default: usize| {
            let key = format!("limits.{name}_{suffix}");
            let share = self.count(&key, setting, least).unwrap_or(default);
            if let Some(given) = setting.given().filter(|_| share > total.max(1)) {
                self.fault(
                    format!("{key} `{}`: more than limits.{name}, which is {total}", given.value),
                    &given.origin,
                );
            }
            share
        };
        Quota {
            total,
            per_owner: share("per_owner", raw.per_owner, 1, defaults.per_owner),
            per_peer: share("per_peer", raw.per_peer, 1, defaults.per_peer),
            reserved: share("reserved", raw.reserved, 0, defaults.reserved),
        }
    }

    /// Checks the number of streams, which is bounded because each stream has a window, and the
    /// connection has room for all windows.
    fn streams(&mut self, setting: &Setting<u64>) -> Option<usize> {
        const MOST: u64 = 1_024;
        let given = setting.given()?;
        if (1..=MOST).contains(&given.value) {
            return usize::try_from(given.value).ok();
        }
        let fault = format!(
            "limits.upstream_streams_per_connection `{}`: expected 1 to {MOST}",
            given.value
        );
        self.fault(fault, &given.origin);
        None
    }

    fn count(&mut self, key: &str, setting: &Setting<u64>, least: u64) -> Option<usize> {
        let given = setting.given()?;
        let count = usize::try_from(given.value).ok().filter(|_| given.value >= least);
        if count.is_none() {
            self.fault(
                format!("{key} `{}`: expected at least {least}", given.value),
                &given.origin,
            );
        }
        count
    }
}
