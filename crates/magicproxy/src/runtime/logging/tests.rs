use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing_subscriber::Registry;
use tracing_subscriber::fmt::FormatEvent;
use tracing_subscriber::fmt::format::DefaultFields;
use tracing_subscriber::layer::Layer;

use super::*;

/// A writer whose text the test reads.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the lines of the events of `log`.
pub(super) fn logged<F>(format: F, log: impl FnOnce()) -> String
where
    F: FormatEvent<Registry, DefaultFields> + Send + Sync + 'static,
{
    let sink = Sink::default();
    let writer = sink.clone();
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .event_format(format)
        .with_writer(move || writer.clone())
        .with_filter(LevelFilter::TRACE);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// Texts that would end a line, forge a field, steer a terminal or turn the direction of reading,
/// wherever they come from.
const HOSTILE: [&str; 8] = [
    "a\nb",
    "a\r\n{\"event\":\"token_minted\"}",
    "a\u{1b}[2J\u{1b}]0;t\u{7}",
    "a\", \"decision\":\"allowed",
    "a\\",
    "a\u{202e}b\u{2066}c\u{200f}",
    "a\u{85}b\u{2028}c\u{0}",
    "a\u{9b}31m\u{feff}\u{e0041}\u{61c}",
];

#[test]
fn no_text_forges_a_line_or_a_field() {
    for text in HOSTILE {
        let log = || {
            tracing::info!(name: "request", target: short::REQUESTS, status = 200_u16, method = text, path = text,
                rule = text, sub = text, upstream = text, decision = "not_allowed", limits = %text);
            tracing::warn!(name: "x", target: "magicproxy::x", rule = text, shown = %text, "{text}");
            tracing::warn!(name: "x", target: "magicproxy::x", "{text}");
        };
        let lines = logged(JsonLines, log);
        let obeyed = |c: char| c != '\n' && magicproxy_config::ground::text::is_obeyed(c);
        assert!(!lines.contains(obeyed), "{lines:?}");
        let objects: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects.len(), 3, "{lines:?}");
        assert_eq!(
            (&objects[0]["event"], &objects[0]["decision"], &objects[0]["status"]),
            (&"request".into(), &"not_allowed".into(), &200.into())
        );
        // Nothing is lost: a reader of JSON finds the very text.
        for member in ["path", "rule", "sub", "limits"] {
            assert_eq!(objects[0][member], text);
        }
        assert_eq!((&objects[1]["message"], &objects[1]["shown"]), (&text.into(), &text.into()));

        for format in [ShortLines::TimeOfDay, ShortLines::Dated] {
            let lines = logged(format, log);
            assert!(!lines.contains(obeyed), "{lines:?}");
            assert_eq!(lines.lines().count(), 3, "{lines:?}");
        }
    }
}

/// A process of its own, because a hook and a log are of the whole process.
const PANICS: &str = "MAGICPROXY_TEST_PANICS";

#[test]
fn a_panic_in_a_task_is_a_line_of_json_without_its_message() {
    if std::env::var_os(PANICS).is_some() {
        return panic_in_a_task();
    }
    for early in [false, true] {
        let name =
            "runtime::logging::tests::a_panic_in_a_task_is_a_line_of_json_without_its_message";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(PANICS, if early { "early" } else { "late" })
            .output()
            .unwrap();
        let said = String::from_utf8(child.stderr).unwrap();
        let lines: Vec<serde_json::Value> =
            said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 1, "{said}");
        assert_eq!((&lines[0]["event"], &lines[0]["level"]), (&"panic".into(), &"ERROR".into()));
        assert!(lines[0]["place"].as_str().unwrap().contains("logging/tests.rs:"), "{said}");
        assert!(!said.contains("ghp_secret"), "{said}");
    }
}

fn panic_in_a_task() {
    install_panic_hook(EarlyLog::Json);
    if std::env::var_os(PANICS).is_some_and(|when| when == "late") {
        install(LogSettings { format: Some(LogFormat::Json), level: LogLevel::Info });
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ended = runtime.block_on(async { tokio::spawn(async { panic!("ghp_secret") }).await });
    assert!(ended.is_err());
    drop(crate::ground::output::LastWords);
}
