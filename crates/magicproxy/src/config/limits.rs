//! The shares of `[limits]` that nobody gave: parts of the totals that hold.

use magicproxy_proxy::settings::{Limits, Quota};

use super::raw::RawLimits;
use super::setting::Setting;
use crate::ground::fault::Origin;

/// The settings of one quota.
#[derive(Clone, Copy)]
pub(super) struct RawQuota<'r> {
    pub(super) total: &'r Setting<u64>,
    pub(super) per_owner: &'r Setting<u64>,
    pub(super) per_peer: &'r Setting<u64>,
    pub(super) reserved: &'r Setting<u64>,
}

/// The shares of a total, as [`Quota::of`] or another function has them.
macro_rules! shares {
    ($total:ident) => {
        Quota::of($total)
    };
    ($total:ident, $shares:ident) => {
        Quota::$shares($total)
    };
}

/// Gives [`RawLimits`] a view of each quota, and completes all of them: each name stands here once.
macro_rules! quotas {
    ($($total:ident: $owner:ident, $peer:ident, $reserved:ident $(by $shares:ident)?;)*) => {
        impl RawLimits {
            $(pub(super) fn $total(&self) -> RawQuota<'_> {
                RawQuota {
                    total: &self.$total,
                    per_owner: &self.$owner,
                    per_peer: &self.$peer,
                    reserved: &self.$reserved,
                }
            })*
        }

        /// Sets each share that nobody gave to its part of the total, so that `config show` tells what holds.
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
    token_cache_bytes: token_cache_bytes_per_owner, token_cache_bytes_per_peer, token_cache_bytes_reserved;
    rule_cache_bytes: rule_cache_bytes_per_owner, rule_cache_bytes_per_peer, rule_cache_bytes_reserved;
    verifications: verifications_per_owner, verifications_per_peer, verifications_reserved;
    costly_verifications: costly_verifications_per_owner, costly_verifications_per_peer, costly_verifications_reserved;
    own_responses: own_responses_per_owner, own_responses_per_peer, own_responses_reserved;
    state_rows: state_rows_per_owner, state_rows_per_peer, state_rows_reserved by of_rows;
}

/// Requests in progress are at most half as many as connections, unless somebody says otherwise: where every connection was in use,
/// none could make way for a new one.
fn within_connections(mut limits: RawLimits) -> RawLimits {
    let is_default = limits.exchanges.given().is_none_or(|given| given.origin == Origin::Default);
    let connections = limits.connections.given().and_then(|given| usize::try_from(given.value).ok());
    if let Some(connections) = connections.filter(|_| is_default) {
        let most = Limits::default().exchanges.total;
        limits.exchanges = derived(most.min(connections / 2).max(1));
    }
    limits
}

fn derived(share: usize) -> Setting<u64> {
    Setting::new(share as u64, Origin::Default)
}
