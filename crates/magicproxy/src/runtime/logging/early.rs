//! The form of lines before the configuration is read: faults in the arguments, and panics.

use std::ffi::OsString;

use tracing::Level;

use super::json;
use magicproxy_config::ground::environment::Environment;

/// The form of lines on standard error before the log is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EarlyLog {
    /// Lines of JSON, because the arguments or the environment ask `serve` for them.
    Json,
    /// Text for people.
    Text,
}

impl EarlyLog {
    /// Finds the form in arguments that may be faulty, and in the environment.
    pub(crate) fn of(arguments: impl Iterator<Item = OsString>, environment: &Environment) -> Self {
        let words: Vec<String> =
            arguments.skip(1).filter_map(|word| word.into_string().ok()).collect();
        if !words.iter().any(|word| word == "serve") {
            return Self::Text;
        }
        let flag = words.iter().enumerate().find_map(|(at, word)| match word.as_str() {
            "--log-format" => words.get(at + 1).map(String::as_str),
            word => word.strip_prefix("--log-format="),
        });
        match flag.or_else(|| environment.var("MAGICPROXY_LOG_FORMAT")) {
            Some("json") => Self::Json,
            _ => Self::Text,
        }
    }

    /// Returns the line for a fault in the arguments, where the lines are JSON.
    pub(crate) fn usage_fault(self, message: &str) -> Option<String> {
        let message = message.trim().strip_prefix("error: ").unwrap_or(message.trim());
        let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
        let help: Vec<&str> = rest.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let help = help.join("; ");
        (self == Self::Json).then(|| json_line(("usage_fault", first), &[("help", &help)]))
    }
}

/// Writes a line of JSON for an error, with its line end.
pub(super) fn json_line((event, message): (&str, &str), fields: &[(&str, &str)]) -> String {
    let mut rest = String::new();
    fields.iter().for_each(|(name, value)| json::add(&mut rest, name, value));
    json::line(Level::ERROR, "magicproxy::logging", (event, message), &rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_asked_for_by_serve_alone() {
        let early = |words: &[&str], variable: Option<&str>| {
            let variable =
                variable.map(|value| ("MAGICPROXY_LOG_FORMAT".to_owned(), value.to_owned()));
            let environment: Environment = variable.into_iter().collect();
            EarlyLog::of(["magicproxy"].iter().chain(words).map(OsString::from), &environment)
        };
        for (words, variable, form) in [
            (&["serve", "--log-format", "json", "--bogus"][..], None, EarlyLog::Json),
            (&["serve", "--bogus", "--log-format=json"], None, EarlyLog::Json),
            (&["serve", "--bogus"], Some("json"), EarlyLog::Json),
            (&["serve", "--log-format", "pretty"], Some("json"), EarlyLog::Text),
            (&["serve", "--bogus"], None, EarlyLog::Text),
            (&["serve", "--log-format"], None, EarlyLog::Text),
            (&["mint", "--bogus"], Some("json"), EarlyLog::Text),
        ] {
            assert_eq!(early(words, variable), form, "{words:?} {variable:?}");
        }
    }
}
