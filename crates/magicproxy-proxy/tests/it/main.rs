//! The engine as clients and upstreams see it: real sockets, raw bytes, a recording upstream.
//!
//! Every test is also part of the marked-secret test: whatever the proxy logs, refuses with or panics with, anywhere in
//! this binary, is searched for credentials and tokens (`support::watch`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop where they stand"
)]

mod support;

mod admission;
mod broken_off;
mod carriers;
mod conditions;
mod content;
mod control;
mod cross_origin;
mod explained;
mod few_requests;
mod framing;
mod git_program;
mod given_up;
mod header_lists;
mod headers;
mod held;
mod hosts;
mod http2;
mod idle;
mod inspected;
mod last_stream;
mod lfs;
mod limits;
mod links;
mod listed_headers;
mod listeners;
mod log_lines;
mod metrics;
mod minters;
mod multiplexing;
mod outbound;
mod path;
mod path_readings;
mod pool;
mod property;
mod pushes;
mod queue;
mod reaching;
mod reconfiguration;
mod replaced;
mod resending;
mod rest;
mod revocations;
mod revoked_in_progress;
mod rewriting;
mod scrubbing;
mod sealed;
mod secrets;
mod short_ends;
mod stalled;
mod state;
mod status_lines;
mod streaming;
mod timeouts;
mod tls;
mod truncation;
mod unprocessed;
mod upstreams;
mod websocket;
