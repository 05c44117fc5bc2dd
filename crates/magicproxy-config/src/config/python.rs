//! The JSON configuration file of the Python program, read in the same way as by the Python
//! program.
//!
//! Members that the Python program ignores are ignored with a warning; a null counts as absent.
//! Plugins, which are written in Python, are refused by name.

use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;

use magicproxy_core::RawRule;
use magicproxy_core::json::UniqueValue;
use magicproxy_core::rule::{OneOrMany, RuleObject};
use serde_json::{Map, Value};

use super::address::PublicAccess;
use super::raw::RawConfig;
use super::scopes::RawRuleSetting;
use super::setting::{GivenValue, Setting};
use crate::ground::fault::{Fault, Origin, SourceFile};
use crate::ground::scheme::is_loopback_host;
use crate::ground::text::{harmless, quoted};
use crate::ground::userinfo::value_without_userinfo;

const MEMBERS: [&str; 8] = [
    "api_root",
    "keys_location",
    "plugins_location",
    "private_key_location",
    "public_access",
    "public_certificate_location",
    "public_key_location",
    "scopes",
];

/// The file as far as it could be read.
#[derive(Debug)]
pub(crate) struct PythonFile {
    pub raw: RawConfig,
    pub source: SourceFile,
    pub faults: Vec<Fault>,
    pub warnings: Vec<String>,
}

/// Reads the text of a JSON configuration file.
pub(crate) fn parse(path: &Path, text: String) -> PythonFile {
    let mut reader = Reader { text: &text, faults: Vec::new(), warnings: Vec::new() };
    let raw = match serde_json::from_str(&text) {
        Ok(UniqueValue(Value::Object(members))) => reader.config(&members),
        Ok(_) => reader.fail("expected a JSON object", "", RawConfig::default()),
        Err(error) => {
            let span = offset(&text, error.line(), error.column());
            let origin = Origin::PythonFile(Some(span..span));
            // A repeated member is the only valid JSON that is refused. The Python program would
            // take the last member, and a human reader perhaps the first.
            let twice = error.is_data();
            let message = if twice {
                "a member occurs twice in one object: remove one of them"
            } else {
                "this is not valid JSON"
            };
            reader.faults.push(Fault::new(message, origin));
            RawConfig::default()
        }
    };
    let (faults, warnings) = (reader.faults, reader.warnings);
    PythonFile { raw, source: SourceFile::new(path, text), faults, warnings }
}

struct Reader<'t> {
    text: &'t str,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn config(&mut self, members: &Map<String, Value>) -> RawConfig {
        for name in members.keys() {
            if !MEMBERS.contains(&name.as_str()) {
                self.warnings.push(format!(
                    "CONFIG_FILE: `{name}` is ignored, as the Python program ignored it"
                ));
            }
        }
        if let Some(folder) = members.get("plugins_location")
            && !folder.is_null()
        {
            self.plugins(folder.as_str().unwrap_or_default());
        }
        let public_access = self.string(members, "public_access");
        let public_access =
            useful_public_access(public_access, "CONFIG_FILE: `public_access`", &mut self.warnings);
        let mut raw = RawConfig { public_access, ..RawConfig::default() };
        raw.upstream.api_root = self.string(members, "api_root");
        raw.keys.folder = self.string(members, "keys_location");
        if raw.keys.folder.given().is_none() {
            raw.keys.private_key = self.string(members, "private_key_location");
            raw.keys.public_key = self.string(members, "public_key_location");
            raw.keys.certificate = self.string(members, "public_certificate_location");
        }
        match members.get("scopes") {
            None | Some(Value::Null) => {}
            Some(Value::Object(scopes)) => {
                for (name, rules) in scopes {
                    let rules = self.scope(name, rules);
                    raw.scopes.insert(name.clone(), rules);
                }
            }
            Some(_) => {
                self.fail("`scopes`: expected an object of lists of rules", "\"scopes\"", ())
            }
        }
        raw
    }

    /// Reports the Python plugins. Python does not run in this program, and silently missing scopes
    /// would be a riddle.
    fn plugins(&mut self, folder: &str) {
        let files = python_files(Path::new(folder));
        let named: String = files.iter().map(|file| format!(", `{file}`")).collect();
        let message = format!(
            "`plugins_location`: Python plugins do not run in this proxy{}",
            named.replacen(',', ":", 1)
        );
        let help = match files.first() {
            Some(first) => format!(
                "`magicproxy plugin import {}` says for each what to do instead; then remove `plugins_location`",
                quoted(first)
            ),
            None => "there are none in that folder: remove `plugins_location`".to_owned(),
        };
        let fault = Fault::new(message, self.place("\"plugins_location\"")).help(help);
        self.faults.push(fault);
    }

    fn string(&mut self, members: &Map<String, Value>, name: &str) -> Setting<String> {
        let key = format!("\"{name}\"");
        match members.get(name) {
            None | Some(Value::Null) => Setting::default(),
            Some(Value::String(value)) => Setting::new(value.clone(), self.place(&key)),
            Some(_) => self.fail(&format!("`{name}`: expected a string"), &key, Setting::default()),
        }
    }

    fn scope(&mut self, name: &str, rules: &Value) -> Vec<GivenValue<RawRuleSetting>> {
        let key = Value::from(name).to_string();
        let rules = match rules {
            Value::Array(rules) => rules.as_slice(),
            Value::String(_) | Value::Object(_) => std::slice::from_ref(rules),
            _ => {
                return self.fail(
                    &format!("scope `{name}`: expected a list of rules, or one rule"),
                    &key,
                    Vec::new(),
                );
            }
        };
        rules.iter().filter_map(|rule| self.rule(name, rule)).collect()
    }

    fn rule(&mut self, scope: &str, rule: &Value) -> Option<GivenValue<RawRuleSetting>> {
        let text = |member: &str| rule.get(member).and_then(Value::as_str).map(str::to_owned);
        let (raw, literal) = match (rule, text("method"), text("path")) {
            (Value::String(line), _, _) => (RawRule::Text(line.clone()), rule.to_string()),
            (Value::Object(_), Some(method), Some(path)) => {
                let literal = Value::from(path.as_str()).to_string();
                (
                    RawRule::Object(Box::new(RuleObject::plain(OneOrMany::One(method), path))),
                    literal,
                )
            }
            _ => {
                let message = format!(
                    "scope `{scope}`: expected `METHOD /pattern` or an object with `method` and `path`"
                );
                return self.fail(&message, &Value::from(scope).to_string(), None);
            }
        };
        Some(GivenValue { value: RawRuleSetting(raw), origin: self.place(&literal) })
    }

    fn fail<T>(&mut self, message: &str, literal: &str, instead: T) -> T {
        let origin = self.place(literal);
        self.faults.push(Fault::new(message, origin));
        instead
    }

    /// Returns the first occurrence of a JSON literal in the file, because serde_json does not
    /// report positions.
    fn place(&self, literal: &str) -> Origin {
        let start = (!literal.is_empty()).then(|| self.text.find(literal)).flatten();
        Origin::PythonFile(start.map(|start| Range { start, end: start + literal.len() }))
    }
}

/// Returns the Python program's public URL, if links in responses may lead there.
///
/// The Python program only puts the URL's host into a certificate, and the example file says
/// `http://localhost:5000`. In this program clients follow the URL. So a URL that would lead each
/// client to the client's own machine, or a text that is no URL, is left out with a warning: links
/// then lead to the name by which a client called the proxy.
pub(super) fn useful_public_access(
    given: Setting<String>,
    name: &str,
    warnings: &mut Vec<String>,
) -> Setting<String> {
    let Some(value) = given.given().map(|given| given.value.clone()) else { return given };
    let why = match PublicAccess::parse(&value) {
        Ok(public) if !is_own_machine(&public.host) => return given,
        Ok(_) => "leads clients to their own machine",
        Err(_) => "is no URL",
    };
    warnings.push(format!(
        "{name} `{}` {why} and is left out: links in responses lead to the name by which a client called the proxy \
         (`public_access` in magicproxy.toml says otherwise)",
        harmless(&value_without_userinfo(&value))
    ));
    Setting::default()
}

/// True if a client that follows this host reaches the client's own machine.
fn is_own_machine(host: &str) -> bool {
    let unspecified = host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    unspecified || is_loopback_host(host) || host.to_ascii_lowercase().ends_with(".localhost")
}

/// Returns the files that the Python program would load as plugins, sorted by name.
fn python_files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"));
    let mut files: Vec<String> = paths.map(|path| harmless(&path.display().to_string())).collect();
    files.sort();
    files
}

fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut offset = (start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
