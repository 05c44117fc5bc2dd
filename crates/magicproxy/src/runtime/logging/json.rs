//! Log lines for machines: each event is one JSON object in one line.
//!
//! Every object begins with the same members: `timestamp` (RFC 3339, UTC), `level`, `target`,
//! `event` (the stable name of the event) and `message`. The fields of the event follow:
//! `docs/reference/log.md`.
//!
//! Whatever a terminal would obey is written as an escape (`\u001b`, `\u202e`), also where JSON
//! would allow the character: who reads the lines without a parser sees no forged line either.

use std::fmt;

use serde::de::IgnoredAny;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::short::{Fields, REQUESTS, summary};
use magicproxy_config::ground::text::is_obeyed;

/// The event of a line whose writer named none: warnings of libraries.
const UNNAMED: &str = "library";
/// The fields whose text is JSON already, and stands in the object as such.
const STRUCTURED: [&str; 1] = ["limits"];

/// A format with one JSON object for each event.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut members = Members::default();
        event.record(&mut members);
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let message = if target == REQUESTS {
            let mut fields = Fields::default();
            event.record(&mut fields);
            summary(&fields)
        } else {
            members.message
        };
        let line = line(*level, target, (name(event.metadata()), &message), &members.rest);
        writer.write_str(&line)
    }
}

/// Returns the stable name of an event.
fn name(event: &Metadata<'_>) -> &'static str {
    // Without a name of its own, an event is called by the place of its code.
    if event.name().starts_with("event ") { UNNAMED } else { event.name() }
}

/// Writes a line with its line end. `rest` holds further members, each behind a comma.
pub(super) fn line(
    level: Level,
    target: &str,
    (event, message): (&str, &str),
    rest: &str,
) -> String {
    let mut line = String::with_capacity(192 + message.len() + rest.len());
    line.push_str("{\"timestamp\":\"");
    // The clock of the lines cannot fail, and a string takes everything.
    let _ = SystemTime.format_time(&mut Writer::new(&mut line));
    line.push('"');
    for (name, value) in
        [("level", level.as_str()), ("target", target), ("event", event), ("message", message)]
    {
        add(&mut line, name, value);
    }
    line.push_str(rest);
    line.push_str("}\n");
    line
}

/// Adds a member with a text.
pub(super) fn add(line: &mut String, name: &str, text: &str) {
    line.push(',');
    quote(line, name);
    line.push(':');
    quote(line, text);
}

/// Writes a text as a JSON string (RFC 8259 section 7).
fn quote(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if is_obeyed(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    line.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => line.push(c),
        }
    }
    line.push('"');
}

/// The message and the further members of an event.
#[derive(Default)]
struct Members {
    message: String,
    rest: String,
}

impl Members {
    fn add_bare(&mut self, field: &Field, value: &dyn fmt::Display) {
        self.rest.push(',');
        quote(&mut self.rest, field.name());
        self.rest.push_str(&format!(":{value}"));
    }
}

impl Visit for Members {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add_bare(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add_bare(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add_bare(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            name => add(&mut self.rest, name, value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        let is_json = || serde_json::from_str::<IgnoredAny>(&text).is_ok();
        if STRUCTURED.contains(&field.name()) && is_json() {
            self.add_bare(field, &text);
        } else {
            self.record_str(field, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::logged;
    use super::*;

    fn parsed(log: impl FnOnce()) -> Vec<Value> {
        let text = logged(JsonLines, log);
        assert!(text.chars().all(|c| c == '\n' || !is_obeyed(c)), "{text:?}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn each_line_begins_with_the_same_members() {
        let lines = parsed(|| {
            tracing::info!(name: "one", target: "magicproxy::x", count = 3_u64, at = -1_i64, is = true, none = None::<&str>, "said {}", 1);
            tracing::warn!(target: "hyper::y", "of a library");
            tracing::info!(name: "request", target: REQUESTS, status = 403_u16, method = "GET", path = "/a", decision = "not_allowed");
        });
        let members = |line: &Value, further: Value| {
            let mut line = line.clone();
            let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            let time = humantime::parse_rfc3339(time.as_str().unwrap());
            assert!(time.is_ok(), "{time:?}");
            assert_eq!(line, further);
        };
        members(
            &lines[0],
            json!({ "level": "INFO", "target": "magicproxy::x", "event": "one", "message": "said 1", "count": 3, "at": -1, "is": true }),
        );
        members(
            &lines[1],
            json!({ "level": "WARN", "target": "hyper::y", "event": "library", "message": "of a library" }),
        );
        members(
            &lines[2],
            json!({ "level": "INFO", "target": REQUESTS, "event": "request", "message": "403 GET /a not_allowed",
                "status": 403, "method": "GET", "path": "/a", "decision": "not_allowed" }),
        );
    }

    #[test]
    fn limits_are_an_array_and_nothing_else_is_taken_for_json() {
        let lines = parsed(|| {
            let limits = r#"[{"limit":"total=3","left":2}]"#;
            tracing::info!(name: "a", limits = %limits, other = %limits, "x");
            tracing::info!(name: "a", limits = %"\"}, \"forged\": 1", "x");
        });
        assert_eq!(lines[0]["limits"], json!([{ "limit": "total=3", "left": 2 }]));
        assert_eq!(lines[0]["other"], json!(r#"[{"limit":"total=3","left":2}]"#));
        assert_eq!(lines[1]["limits"], json!("\"}, \"forged\": 1"));
    }
}
