//! Log lines for people at a terminal: the most needed fields, in one line of the screen. The lines
//! of JSON hold everything.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use magicproxy_core::token::MAX_UNIX_TIME;
use magicproxy_proxy::clock;
use serde::Deserialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use magicproxy_config::ground::text::harmless;

/// The columns of a line. Warnings and errors may be longer: they are shown whole.
const COLUMNS: usize = 120;
/// The least length of a shown path.
const SHORTEST_PATH: usize = 24;
/// The target of the lines of requests.
pub(super) const REQUESTS: &str = "magicproxy::access";

/// A format with one short line for each event, by the form of the time at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShortLines {
    /// `17:20:01Z`, for a terminal: its reader knows the day.
    TimeOfDay,
    /// `2026-11-30T17:20:01Z`, for a file or a pipe.
    Dated,
}

impl ShortLines {
    fn time(self, now: u64) -> String {
        let time = time_of_day(now);
        match self {
            Self::TimeOfDay => time,
            Self::Dated => {
                let date = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(now));
                date.to_string()
            }
        }
    }
}

impl<S, N> FormatEvent<S, N> for ShortLines
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
        let mut fields = Fields::default();
        event.record(&mut fields);
        let time = self.time(clock::now().0);
        let (level, target) = (event.metadata().level(), event.metadata().target());
        if target == REQUESTS {
            return writeln!(writer, "{time} {}", request_line(&fields, COLUMNS - time.len() - 1));
        }
        let shown = if writer.has_ansi_escapes() { coloured(*level) } else { level.to_string() };
        let columns = COLUMNS - time.len() - " DEBUG ".len();
        writeln!(writer, "{time} {shown} {}", other_line(&fields, *level, columns))
    }
}

/// Writes the time of day as `HH:MM:SSZ`, in UTC.
fn time_of_day(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}Z", seconds % 60)
}

/// Writes the level in its colour.
fn coloured(level: Level) -> String {
    let code = match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG | Level::TRACE => 34,
    };
    format!("\u{1b}[{code}m{level}\u{1b}[0m")
}

/// Writes `403 GET /user/keys not_allowed id=5b8f0c1d2e3f4a5b from=192.0.2.7 2ms github v1
/// ci>agent-7`. A simply allowed request has neither decision nor id nor address.
fn request_line(fields: &Fields, columns: usize) -> String {
    let decision = fields.get("decision").unwrap_or_default();
    let simple = matches!(decision, "allowed" | "control")
        && fields.get("error").is_none()
        && fields.get("aborted").is_none();
    let mut rest = Vec::new();
    if decision != "allowed" {
        rest.push(decision.to_owned());
    }
    rest.extend(fields.get("error").map(|error| format!("error={error}")));
    rest.extend(fields.get("aborted").map(|why| format!("({why})")));
    rest.extend(fields.get("ended").map(|why| format!("(ended: {why})")));
    rest.extend(fields.get("request_id").filter(|_| !simple).map(|id| format!("id={id}")));
    let from = fields.get("client").or_else(|| fields.get("peer")).filter(|_| !simple);
    rest.extend(from.map(|address| format!("from={address}")));
    rest.extend(fields.get("total_us").and_then(|micros| micros.parse().ok()).map(duration));
    rest.extend(fields.get("upstream").map(str::to_owned));
    rest.extend(whose(fields));
    rest.extend(fields.get("sub").map(str::to_owned));
    rest.extend(fewest_left(fields));
    let (before, rest) = (
        format!("{} {} ", fields.get("status").unwrap_or("-"), fields.get("method").unwrap_or("-")),
        rest.join(" "),
    );
    let room = columns
        .saturating_sub(before.chars().count() + rest.chars().count() + 1)
        .max(SHORTEST_PATH);
    shortened(
        &format!("{before}{} {rest}", shortened(fields.get("path").unwrap_or("-"), room)),
        columns,
    )
}

/// Writes the source of the label behind: of version 1, the holder of the private key; of version
/// 2, the minter with a key, or else anybody.
fn whose(fields: &Fields) -> Option<String> {
    const SHOWN: usize = 8;
    let version = fields.get("version")?;
    let minter = fields.get("minter").and_then(|minter| minter.get(..SHOWN));
    Some(minter.map_or_else(|| version.to_owned(), |minter| format!("{version}:{minter}")))
}

/// Writes the message, then the fields with their names, as far as there is room; of warnings and
/// errors all fields.
fn other_line(fields: &Fields, level: Level, columns: usize) -> String {
    let mut line = fields.get("message").unwrap_or_default().to_owned();
    for (name, value) in fields.0.iter().filter(|(name, _)| *name != "message") {
        let more = match moment(name, value) {
            Some(date) => format!(" {name}={date}"),
            None => format!(" {name}={}", delimited(value)),
        };
        if level > Level::WARN && line.chars().count() + more.chars().count() > columns {
            return line + " …";
        }
        line += &more;
    }
    line
}

/// Writes the value of a field such as `expires_at`, in seconds since 1970, as a date.
fn moment(name: &str, value: &str) -> Option<String> {
    let seconds = name.ends_with("_at").then(|| value.parse().ok()).flatten()?;
    // Beyond the year 9999 there are no dates.
    let seconds = Some(seconds).filter(|seconds| *seconds <= MAX_UNIX_TIME)?;
    Some(humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string())
}

/// Quotes a value whose end would not be seen, or that could pass for further fields.
fn delimited(value: &str) -> Cow<'_, str> {
    if !value.is_empty() && !value.contains([' ', '"', '=']) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// Writes `403 GET /user/keys not_allowed`: the message of a request's line of JSON.
pub(super) fn summary(fields: &Fields) -> String {
    let get = |name| fields.get(name).unwrap_or("-");
    let path = shortened(get("path"), COLUMNS);
    let decision = fields.get("decision").filter(|decision| *decision != "allowed");
    let decision = decision.map(|decision| format!(" {decision}")).unwrap_or_default();
    format!("{} {} {path}{decision}", get("status"), get("method"))
}

/// A limit of which a request took one, as its line says.
#[derive(Deserialize)]
struct LimitLeft {
    limit: String,
    left: u64,
}

/// Writes the limit with the fewest requests left as `left=41(requests=100/1h)`.
fn fewest_left(fields: &Fields) -> Option<String> {
    let limits: Vec<LimitLeft> = serde_json::from_str(fields.get("limits")?).ok()?;
    let tightest = limits.into_iter().min_by_key(|limit| limit.left)?;
    Some(format!("left={}({})", tightest.left, tightest.limit))
}

/// Writes a duration as `850us`, `12ms`, `3.4s`.
fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros}us"),
        1_000..1_000_000 => format!("{}ms", micros / 1_000),
        _ => format!("{}.{}s", micros / 1_000_000, micros / 100_000 % 10),
    }
}

/// Returns the text, or its beginning and a mark.
fn shortened(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

/// The fields of an event as text, in their order, without characters that a terminal would obey.
#[derive(Default)]
pub(super) struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), harmless(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), harmless(&format!("{value:?}"))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    #[test]
    fn a_request_is_a_line_of_what_a_person_needs() {
        let allowed = [
            ("request_id", "5b8f0c1d2e3f4a5b"),
            ("jti", "Zm9v"),
            ("sub", "ci>agent-7"),
            ("upstream", "github"),
            ("method", "GET"),
            ("path", "/repos/acme/rocket/issues"),
            ("rule", "GET /repos/acme/[^/]+/issues"),
            ("decision", "allowed"),
            ("status", "200"),
            ("total_us", "12345"),
        ];
        assert_eq!(
            request_line(&fields(&allowed), 110),
            "200 GET /repos/acme/rocket/issues 12ms github ci>agent-7"
        );
        let refused = allowed.map(|(name, value)| match name {
            "decision" => (name, "upstream_unreachable"),
            "status" => (name, "502"),
            _ => (name, value),
        });
        let refused = [refused.as_slice(), &[("error", "dns_error")]].concat();
        assert_eq!(
            request_line(&fields(&refused), 120),
            "502 GET /repos/acme/rocket/issues upstream_unreachable error=dns_error id=5b8f0c1d2e3f4a5b 12ms github ci>agent-7"
        );
        // A minter's label is distinct from the same label of another source.
        let minter = ("minter", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        for (token, shown) in [
            (vec![("version", "v1")], "github v1 ci>agent-7"),
            (vec![("version", "v2")], "github v2 ci>agent-7"),
            (vec![("version", "v2"), minter], "github v2:kPrK_qmx ci>agent-7"),
        ] {
            let line = request_line(&fields(&[allowed.as_slice(), &token].concat()), 120);
            assert!(line.ends_with(shown), "{line}");
        }
        let left = [
            ("decision", "undecided"),
            ("status", "0"),
            ("method", "POST"),
            ("aborted", "the client went away"),
        ];
        assert_eq!(request_line(&fields(&left), 110), "0 POST - undecided (the client went away)");
    }

    #[test]
    fn no_request_s_line_is_longer_than_a_screen() {
        for length in [0, 10, 80, 1_000, 8_000] {
            let path = format!("/{}", "x".repeat(length));
            let sub = "y".repeat(length);
            for (sub, most) in [("ci", SHORTEST_PATH), (sub.as_str(), 0)] {
                let pairs = [
                    ("status", "403"),
                    ("method", "PROPPATCH"),
                    ("path", path.as_str()),
                    ("decision", "decision_too_costly"),
                    ("total_us", "4294967295"),
                    ("upstream", "a-long-name-of-an-api"),
                    ("sub", sub),
                    ("request_id", "5b8f0c1d2e3f4a5b"),
                    ("aborted", "the client went away"),
                ];
                let line = request_line(&fields(&pairs), 110);
                assert!(line.chars().count() <= 110, "{}: {line}", line.chars().count());
                assert!(line.contains(" id=5b8f0c1d2e3f4a5b "), "{line}");
                assert!(line.matches('x').count() >= most.min(length).saturating_sub(2), "{line}");
            }
        }
    }

    #[test]
    fn nothing_is_left_out_of_a_warning() {
        let pairs = [
            ("message", "the state store did not answer"),
            ("cause", &"z".repeat(200)),
            ("request_id", "5b8f"),
        ];
        let warned = other_line(&fields(&pairs), Level::WARN, 100);
        assert!(
            warned.contains(&"z".repeat(200)) && warned.ends_with(" request_id=5b8f"),
            "{warned}"
        );
        let told = other_line(&fields(&pairs), Level::INFO, 100);
        assert_eq!(told, "the state store did not answer …");
    }

    #[test]
    fn durations_and_times() {
        for (micros, text) in [
            (0, "0us"),
            (999, "999us"),
            (1_000, "1ms"),
            (12_345, "12ms"),
            (3_456_789, "3.4s"),
            (61_000_000, "61.0s"),
        ] {
            assert_eq!(duration(micros), text);
        }
        assert_eq!(
            (time_of_day(0), time_of_day(86_399)),
            ("00:00:00Z".to_owned(), "23:59:59Z".to_owned())
        );
    }

    #[test]
    fn whence_a_refused_request_came_and_what_is_left_of_limits() {
        let pairs = [
            ("status", "429"),
            ("method", "GET"),
            ("path", "/x"),
            ("decision", "rate_limited"),
            ("request_id", "5b8f"),
            ("peer", "10.0.0.1"),
            ("client", "192.0.2.7"),
            ("sub", "ci"),
            (
                "limits",
                r#"[{"limit":"total=9","left":8},{"limit":"requests=2/1h","left":0,"retry_after":7}]"#,
            ),
        ];
        assert_eq!(
            request_line(&fields(&pairs), 120),
            "429 GET /x rate_limited id=5b8f from=192.0.2.7 ci left=0(requests=2/1h)"
        );
        let direct = pairs.map(|(name, value)| (if name == "client" { "" } else { name }, value));
        assert!(request_line(&fields(&direct), 120).contains(" from=10.0.0.1 "));
        let allowed =
            pairs.map(|(name, value)| (name, if name == "decision" { "allowed" } else { value }));
        assert_eq!(request_line(&fields(&allowed), 120), "429 GET /x ci left=0(requests=2/1h)");
    }

    #[test]
    fn no_value_passes_for_a_further_field() {
        for (value, shown) in [
            ("plain", "plain"),
            ("", "\"\""),
            ("two words", "\"two words\""),
            ("x sub=root", "\"x sub=root\""),
            ("a=b", "\"a=b\""),
            (r#"a" sub="root"#, r#""a\" sub=\"root""#),
            (r#"a\" b"#, r#""a\\\" b""#),
        ] {
            let line = other_line(&fields(&[("message", "m"), ("rule", value)]), Level::INFO, 100);
            assert_eq!(line, format!("m rule={shown}"));
        }
    }

    #[test]
    fn moments_are_dates() {
        for (name, value, shown) in [
            ("expires_at", "1796059201", "2026-11-30T17:20:01Z"),
            ("expires_at", "18446744073709551615", "18446744073709551615"),
            ("expires_at", "never", "never"),
            ("rules", "1796059201", "1796059201"),
        ] {
            let line = other_line(&fields(&[("message", "m"), (name, value)]), Level::INFO, 100);
            assert_eq!(line, format!("m {name}={shown}"));
        }
    }

    #[test]
    fn a_file_has_the_date_too() {
        assert_eq!(ShortLines::Dated.time(1_796_059_201), "2026-11-30T17:20:01Z");
        assert_eq!(ShortLines::TimeOfDay.time(1_796_059_201), "17:20:01Z");
    }

    #[test]
    fn a_terminal_obeys_no_value() {
        let mut said = Vec::new();
        #[derive(Clone)]
        struct Sink(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
        impl std::io::Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let sink = Sink(std::sync::Arc::default());
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .event_format(ShortLines::TimeOfDay)
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(subscriber.finish(), || {
            tracing::info!(target: REQUESTS, status = 200, method = "GET", path = "/a\u{1b}[2J\nb", decision = "allowed");
            tracing::warn!(upstream = "x\u{1b}]0;t\u{7}", "it\nbroke");
        });
        said.extend_from_slice(&sink.0.lock().unwrap());
        let said = String::from_utf8(said).unwrap();
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(said.chars().all(|c| !c.is_control() || c == '\n'), "{said:?}");
        assert!(said.contains("Z 200 GET /a") && said.contains("Z WARN it"), "{said}");
    }
}
