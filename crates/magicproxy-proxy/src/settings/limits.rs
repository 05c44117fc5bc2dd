//! Limits on connections, memory and requests, and their fit to the number of files that a process
//! may open.

use std::num::NonZeroUsize;

/// Files that are not connections: listeners, runtimes, the store, keys, plugins, the log, and a
/// rest to accept connections with.
const LEAST_RESERVED_FILES: usize = 64;

/// Limits on connections, memory and requests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections from clients, WebSockets included.
    pub connections: usize,
    /// Open connections from one peer that is no trusted proxy: an address, a /64 of IPv6, or a
    /// user on a Unix socket.
    pub connections_per_peer: usize,
    /// Idle connections kept to the upstream.
    pub idle_upstream_connections: usize,
    /// Connections to one origin of an upstream, including idle connections.
    pub upstream_connections_per_origin: usize,
    /// Streams of one HTTP/2 connection to an upstream; fewer if the upstream allows fewer.
    pub upstream_streams_per_connection: usize,
    /// Requests that wait for a connection to an upstream.
    pub upstream_queue: Quota,
    /// Memory for verified tokens, in bytes.
    pub token_cache_bytes: Quota,
    /// Memory for compiled rules of tokens, in bytes.
    pub rule_cache_bytes: Quota,
    /// Tokens waiting for their verification, or for another check of about the same cost.
    pub verifications: Quota,
    /// Tokens waiting for the compilation of their rules, which takes longer than a verification.
    pub costly_verifications: Quota,
    /// Threads that serve connections; by default the number of threads that the machine runs at
    /// once.
    pub workers: NonZeroUsize,
    /// Requests in progress, from admission to the end of the response.
    pub exchanges: Quota,
    /// Connections to upstreams in use by exchanges; over HTTP/2, streams.
    pub upstream_connections: Quota,
    /// Bytes of responses that are read whole before they are passed on, of incomplete heads, and
    /// of windows of uploads over HTTP/2.
    pub buffered_bytes: Quota,
    /// Bytes of request bodies that are held whole for rules and plugins.
    pub inspected_bytes: Quota,
    /// Rows of the state store. The share of a peer is the number of rows that the peer may add in
    /// a day.
    pub state_rows: Quota,
    /// Responses of the proxy's own words over HTTP/2 (refusals, the control plane) that the client
    /// has not taken yet.
    pub own_responses: Quota,
}

/// The limits on one resource: the total, and the shares of one owner and one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The limit for all together.
    pub total: usize,
    /// The limit for one owner: a token and all tokens narrowed from it.
    pub per_owner: usize,
    /// The limit for one peer with tokens that anyone can mint: an address, or a /64 of IPv6.
    pub per_peer: usize,
    /// The part of the total that is reserved for tokens of minters whom the operator knows.
    pub reserved: usize,
}

impl Quota {
    /// Makes a quota of this total with the default shares: a quarter for an owner, half for a
    /// peer, an eighth in reserve. At least one of each may be held.
    #[must_use]
    pub fn of(total: usize) -> Self {
        let share = |part: usize| (total / part).max(1);
        Self { total, per_owner: share(4), per_peer: share(2), reserved: total / 8 }
    }

    /// Makes a quota for rows of the state store, which stay for long: a hundredth for an owner,
    /// and a hundredth for the rows that a peer adds in a day.
    #[must_use]
    pub fn of_rows(total: usize) -> Self {
        let share = (total / 100).max(1);
        Self { total, per_owner: share, per_peer: share, reserved: total / 8 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            connections: 16_384,
            connections_per_peer: 4_096,
            idle_upstream_connections: 256,
            upstream_connections_per_origin: 1_024,
            upstream_streams_per_connection: 32,
            upstream_queue: Quota::of(2_048),
            token_cache_bytes: Quota::of(64 * 1024 * 1024),
            rule_cache_bytes: Quota::of(32 * 1024 * 1024),
            verifications: Quota::of(1_024),
            costly_verifications: Quota::of(64),
            workers,
            exchanges: Quota::of(8_192),
            upstream_connections: Quota::of(4_096),
            buffered_bytes: Quota::of(256 * 1024 * 1024),
            inspected_bytes: Quota::of(128 * 1024 * 1024),
            state_rows: Quota::of_rows(1_000_000),
            own_responses: Quota::of(1_024),
        }
    }
}

impl Limits {
    /// Returns the default share of one peer in the total number of connections: a quarter.
    #[must_use]
    pub fn connections_share(connections: usize) -> usize {
        (connections / 4).max(1)
    }

    /// Returns smaller limits, for a process with at most `open_files` open files; `None` if the
    /// limits fit. Some files stay in reserve, for accepting and for everything that is no
    /// connection. Connections of each kind, requests in progress, and their shares, shrink by the
    /// same factor.
    #[must_use]
    pub fn fit(self, open_files: usize) -> Option<Self> {
        // An eighth of a small process's files, and at most 1,024 of a large process's files.
        let reserved = (open_files / 8).clamp(LEAST_RESERVED_FILES, 1_024);
        let available = open_files.saturating_sub(reserved);
        // Idle connections to upstreams are part of `upstream_connections`.
        let needed = self.connections.saturating_add(self.upstream_connections.total);
        if needed <= available {
            return None;
        }
        let part = |count: usize| {
            usize::try_from(count as u128 * available as u128 / needed as u128).unwrap_or(count)
        };
        let share = |count: usize| part(count).max(1);
        let scaled = |quota: Quota| {
            let Quota { total, per_owner, per_peer, reserved } = quota;
            Quota {
                total: share(total),
                per_owner: share(per_owner),
                per_peer: share(per_peer),
                reserved: part(reserved),
            }
        };
        Some(Self {
            connections: share(self.connections),
            connections_per_peer: share(self.connections_per_peer),
            idle_upstream_connections: part(self.idle_upstream_connections),
            upstream_connections_per_origin: share(self.upstream_connections_per_origin),
            upstream_connections: scaled(self.upstream_connections),
            // Fewer exchanges than connections: if every connection were in use, none could make
            // way for a new one.
            exchanges: scaled(self.exchanges),
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(limits: &Limits) -> usize {
        limits.connections + limits.upstream_connections.total
    }

    #[test]
    fn limits_that_fit_stay() {
        let limits = Limits::default();
        assert!(limits.fit(1_048_576).is_none());
        assert!(limits.fit(files(&limits) + 1_024).is_none());
        assert!(limits.fit(files(&limits) + 1_023).is_some());
    }

    #[test]
    fn limits_that_do_not_fit_leave_files_in_reserve_and_keep_their_proportions() {
        for open_files in [256, 512, 1_024, 4_096, 20_480] {
            let given = Limits::default();
            let limits = given.fit(open_files).unwrap();
            let left = open_files - files(&limits);
            assert!(
                left >= LEAST_RESERVED_FILES.max(open_files / 8).min(1_024),
                "{open_files}: {left}"
            );
            assert!(
                left <= (open_files / 8).clamp(LEAST_RESERVED_FILES, 1_024) + 3,
                "{open_files}: {left} unused"
            );
            let quota = limits.upstream_connections;
            assert!(
                limits.connections > 3 * quota.total && limits.connections <= 5 * quota.total,
                "{limits:?}"
            );
            assert!(
                quota.per_owner <= quota.total
                    && quota.per_peer <= quota.total
                    && quota.reserved < quota.total
            );
            assert!(limits.connections_per_peer <= limits.connections / 2);
            assert!(limits.exchanges.total <= limits.connections / 2 + 1, "{limits:?}");
            assert_eq!(limits.buffered_bytes, given.buffered_bytes);
            assert_eq!(limits.inspected_bytes, given.inspected_bytes);
            assert!(limits.fit(open_files).is_none());
        }
    }

    #[test]
    fn at_least_one_of_each_is_left() {
        let limits = Limits::default().fit(16).unwrap();
        assert_eq!(
            (limits.connections, limits.upstream_connections.total, limits.connections_per_peer),
            (1, 1, 1)
        );
    }
}
