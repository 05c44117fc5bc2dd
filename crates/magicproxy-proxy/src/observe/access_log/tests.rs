use std::fmt::Write as _;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::*;
use crate::rejection::tests::every;
use crate::settings::RouteSettings;
use crate::settings::fixture::upstream;

/// Keeps every event as text: its level, then its fields.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(Level, String)>>>);

impl Subscriber for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.0.lock().unwrap().push((*event.metadata().level(), fields.0));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

/// What is logged of one request to an upstream.
fn logged(what: impl FnOnce(&mut AccessRecord)) -> Vec<(Level, String)> {
    let kept = Kept::default();
    tracing::subscriber::with_default(kept.clone(), || {
        let mut record = AccessRecord::new(RequestId::next(), &Method::GET, Instant::now());
        record.upstream(
            &UpstreamNames::of(
                &upstream("api", "https://api.example:8443", RouteSettings::default()),
                UpstreamMetrics::unread(),
            ),
            OriginId::ROOT,
        );
        what(&mut record);
        write(&record, None, Instant::now());
    });
    let kept = kept.0.lock().unwrap();
    kept.clone()
}

#[test]
fn the_proxys_own_responses_are_logged_with_their_code_behind_the_permit_too() {
    for rejection in every() {
        let lines = logged(|record| {
            record.permitted(&"GET /x".into());
            record.rejected(&rejection);
            record.head(rejection.status());
            record.completed();
        });
        let (level, line) = lines.last().unwrap();
        assert_eq!(*level, Level::INFO);
        let decision = format!("decision={:?} ", rejection.code());
        assert!(line.contains(&decision), "{rejection:?}: {line}");
        assert!(
            line.contains(&format!("status={} ", rejection.status().as_u16())),
            "{rejection:?}: {line}"
        );
        assert!(
            line.contains("rule=\"GET /x\"") && !line.contains("aborted="),
            "{rejection:?}: {line}"
        );
        let status = rejection.status().as_u16();
        let upstream_failed = status >= 502 && rejection.code().starts_with("upstream_")
            || rejection.code() == "existence_unknown";
        let error = rejection.upstream_error().map(|error| format!("error={error:?} "));
        assert_eq!(error.is_some(), upstream_failed, "{rejection:?}");
        assert!(error.as_deref().is_none_or(|error| line.contains(error)), "{rejection:?}: {line}");
        assert_eq!(line.contains("error="), error.is_some(), "{rejection:?}: {line}");
    }
}

#[test]
fn an_upstream_that_fails_is_a_warning_that_names_it() {
    for rejection in every() {
        let lines = logged(|record| record.rejected(&rejection));
        let warnings: Vec<_> = lines.iter().filter(|(level, _)| *level == Level::WARN).collect();
        let is_store = matches!(rejection, Rejection::Store(_));
        assert_eq!(
            warnings.len(),
            usize::from(rejection.is_upstream_s_fault() || is_store),
            "{rejection:?}: {lines:?}"
        );
        let Some((_, warning)) = warnings.first().filter(|_| !is_store) else { continue };
        for part in ["request_id=", "upstream=\"api\"", "host=\"api.example:8443\"", "error="] {
            assert!(warning.contains(part), "{part} in {warning}");
        }
    }
}

#[test]
fn a_response_that_cannot_have_content_ends_with_its_head() {
    for (status, whole) in [(204, true), (304, true), (101, true), (200, false), (404, false)] {
        let lines = logged(|record| record.head(StatusCode::from_u16(status).unwrap()));
        assert_eq!(!lines[0].1.contains("aborted="), whole, "{status}: {lines:?}");
    }
    let lines = logged(|record| {
        record.method = Method::HEAD;
        record.head(StatusCode::OK);
    });
    assert!(!lines[0].1.contains("aborted="), "{lines:?}");
}

#[test]
fn what_broke_behind_the_head_is_told_and_nothing_is_called_decided_that_was_not() {
    for (error, word) in [
        (BodyError::Idle, "connection_read_timeout"),
        (BodyError::Total, "http_response_timeout"),
        (BodyError::Truncated, "http_response_incomplete"),
        (BodyError::Reflected(crate::http::body::ReflectedCredential), "credential_echoed"),
    ] {
        let lines = logged(|record| {
            record.permitted(&"GET /x".into());
            record.head(StatusCode::OK);
            record.failed(&error);
        });
        let line = &lines[0].1;
        for part in [
            "decision=\"allowed\"",
            "status=200",
            &format!("error={word:?}"),
            &format!("aborted={:?}", error.to_string()),
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
    let left = logged(|_| ());
    assert!(
        left[0].1.contains("decision=\"undecided\"")
            && left[0].1.contains("aborted=\"the client went away\""),
        "{left:?}"
    );
}

#[test]
fn a_line_has_segments_and_methods_of_bounded_length() {
    let segment = |length: usize| "s".repeat(length);
    for (path, shown) in [
        (format!("/{}/x", segment(96)), format!("/{}/x", segment(96))),
        (format!("/{}/x", segment(97)), "/<97 bytes>/x".to_owned()),
        (format!("/{}/{}", segment(97), segment(96)), format!("/<97 bytes>/{}", segment(96))),
    ] {
        assert_eq!(shorten_segments(&path), shown);
    }
    for (sent, shown) in [(32, 32), (33, 32)] {
        let kept = Kept::default();
        let method = Method::from_bytes("M".repeat(sent).as_bytes()).unwrap();
        tracing::subscriber::with_default(kept.clone(), || {
            let mut record = AccessRecord::new(RequestId::next(), &method, Instant::now());
            record.completed();
            write(&record, None, Instant::now());
        });
        let lines = kept.0.lock().unwrap().clone();
        assert!(
            lines
                .iter()
                .any(|(_, line)| line.contains(&format!("method={:?} ", "M".repeat(shown)))),
            "{sent}: {lines:?}"
        );
    }
}
