use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::downstream::tests::connection;

/// A log whose writer has a bug.
struct Panicking;

impl tracing::Subscriber for Panicking {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        panic!("on purpose")
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Whoever writes the line of a request may panic: its connection is free for the next one all the same.
#[test]
fn a_log_that_panics_leaves_no_connection_busy() {
    let connection = connection();
    for _ in 0..2 {
        let request = OngoingRequest::begin(&connection, &Method::GET);
        assert!(!connection.is_idle());
        let ending =
            AssertUnwindSafe(|| tracing::subscriber::with_default(Panicking, || drop(request)));
        assert!(catch_unwind(ending).is_err(), "the log is written");
        assert!(connection.is_idle());
    }
}
