//! Watches everything that could leak: all log events of this process at TRACE level, panics of the product, and (through
//! [`super::Client`]) every response that is the proxy's own.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{LazyLock, Mutex, Once, PoisonError, RwLock};

use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::keys::CREDENTIAL;
use super::soon;

/// Texts that must not show: the signatures of tokens minted in this process, by their beginnings.
/// A text that holds a token holds its signature.
static SECRETS: LazyLock<RwLock<HashMap<Beginning, Vec<String>>>> = LazyLock::new(RwLock::default);
static EVENTS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
static LEAKS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static INSTALLED: Once = Once::new();
/// Tells of each event of our own targets.
static CHANGED: LazyLock<watch::Sender<()>> = LazyLock::new(watch::Sender::default);

/// The first bytes of a secret: an event is searched for all of them at once, however many there
/// are.
type Beginning = [u8; 24];

/// From now on every event and every panic is watched.
pub(crate) fn install() {
    INSTALLED.call_once(|| {
        tracing::subscriber::set_global_default(Watcher).unwrap();
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            if !place.contains("tests/it") {
                lock(&LEAKS).push(format!("a panic outside the tests: {panic}"));
            }
            report(panic);
        }));
    });
}

/// A token that must show nowhere.
pub(crate) fn guard(token: &str) {
    let signature = token.rsplit('.').next().unwrap();
    let beginning = *signature.as_bytes().first_chunk::<{ size_of::<Beginning>() }>().unwrap();
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    secrets.entry(beginning).or_default().push(signature.to_owned());
}

/// Does a text hold a secret?
pub(crate) fn has_secret(text: &str) -> bool {
    if text.contains(CREDENTIAL) {
        return true;
    }
    let is_mark = |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    text.as_bytes()
        .split(is_mark)
        .flat_map(|run| run.windows(size_of::<Beginning>()))
        .filter_map(|beginning| secrets.get(beginning))
        .flatten()
        .any(|secret| text.contains(secret.as_str()))
}

/// Fails when anything has leaked so far, in whatever test.
#[track_caller]
pub(crate) fn assert_clean() {
    let leaks = lock(&LEAKS);
    assert!(leaks.is_empty(), "leaked: {leaks:#?}");
}

/// Looks at a response that the proxy made itself.
#[track_caller]
pub(crate) fn assert_no_secret(response: &[u8]) {
    let text = String::from_utf8_lossy(response);
    assert!(!has_secret(&text), "a rejection holds a secret: {text}");
}

/// Events of our own targets that hold all of `words`.
pub(crate) fn events_named(words: &[&str]) -> Vec<String> {
    let events = lock(&EVENTS);
    let ours = events.iter().filter(|(target, _)| target.starts_with("magicproxy"));
    ours.map(|(_, text)| text)
        .filter(|text| words.iter().all(|word| text.contains(word)))
        .cloned()
        .collect()
}

/// Waits until so many events of our own targets hold all of `words`. Each event is looked at once.
#[track_caller]
pub(crate) fn events_come(count: usize, words: &[&str]) -> impl Future<Output = ()> {
    let mut changes = CHANGED.subscribe();
    soon(async move {
        let (mut seen, mut found) = (0, 0);
        loop {
            {
                let events = lock(&EVENTS);
                let new = events.iter().skip(seen);
                found +=
                    new.filter(|(_, text)| words.iter().all(|word| text.contains(word))).count();
                seen = events.len();
            }
            if found >= count {
                return;
            }
            changes.changed().await.unwrap();
        }
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes every event, of every target, at every level.
struct Watcher;

impl Watcher {
    fn look(metadata: &Metadata<'_>, text: String) {
        if has_secret(&text) {
            lock(&LEAKS).push(format!("{} {}: {text}", metadata.level(), metadata.target()));
        }
        if metadata.target().starts_with("magicproxy") {
            lock(&EVENTS).push((metadata.target().to_owned(), text));
            CHANGED.send_replace(());
        }
    }
}

impl Subscriber for Watcher {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut text = Text::default();
        attributes.record(&mut text);
        Self::look(attributes.metadata(), text.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        Self::look(event.metadata(), text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}
