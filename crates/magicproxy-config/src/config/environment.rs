//! Settings in environment variables: this program's own, and the Python program's.
//!
//! Each setting that a line of text can give has a variable: `timeouts.connect` is
//! `MAGICPROXY_TIMEOUTS_CONNECT`.

use super::python::useful_public_access;
use super::raw::RawConfig;
use super::setting::Setting;
use crate::ground::environment::Environment;
use crate::ground::fault::{Fault, Origin};
use crate::ground::suggest;
use crate::ground::userinfo::value_without_userinfo;

const PREFIX: &str = "MAGICPROXY_";
/// The variable by which a proxy knows the process that it replaces. No setting, and not for people.
pub const PREDECESSOR: &str = "MAGICPROXY_PREDECESSOR";

/// Short names of the settings that are used most.
const SHORT: [(&str, &str); 4] = [
    ("MAGICPROXY_API_ROOT", "upstream.api_root"),
    ("MAGICPROXY_KEYS", "keys.folder"),
    ("MAGICPROXY_LOG", "log.level"),
    ("MAGICPROXY_LOG_FORMAT", "log.format"),
];

/// Further variables, which name the configuration file or give settings of the Python program.
const OTHERS: [&str; 8] = [
    "MAGICPROXY_CONFIG",
    "CONFIG_FILE",
    "API_ROOT",
    "PUBLIC_ACCESS",
    "KEYS_LOCATION",
    "PRIVATE_KEY_LOCATION",
    "PUBLIC_KEY_LOCATION",
    "PUBLIC_CERTIFICATE_LOCATION",
];

impl Environment {
    /// Returns the layer of this program's own variables.
    pub fn layer(&self, faults: &mut Vec<Fault>) -> RawConfig {
        let mut raw = RawConfig::default();
        faults.extend(self.unreadable());
        for (name, key) in names() {
            let Some(text) = self.var(&name) else { continue };
            let origin = Origin::Environment(name.clone());
            if let Err(expected) = raw.set(&key, text, origin.clone()) {
                let message = format!("{key} `{}`: {expected}", value_without_userinfo(text));
                faults.push(Fault::new(message, origin).of_setting(&key));
            }
        }
        raw
    }

    /// Returns faults for settings whose text is not UTF-8. Passing over an unreadable
    /// `MAGICPROXY_MINT_POLICY` would leave minting open.
    fn unreadable(&self) -> impl Iterator<Item = Fault> {
        let settings = names().map(|(name, _)| name).chain(OTHERS.map(str::to_owned));
        settings.filter(|name| self.is_unreadable(name)).map(|name| {
            let fault = format!("environment variable `{name}`: expected UTF-8 text");
            Fault::new(fault, Origin::Environment(name))
        })
    }

    /// Returns the layer of the Python program's variables, and adds to the warnings.
    pub fn python_layer(&self, warnings: &mut Vec<String>) -> RawConfig {
        let text = |name: &str| {
            self.var(name).map_or_else(Setting::default, |value| setting(name, value.to_owned()))
        };
        let public_access = useful_public_access(
            text("PUBLIC_ACCESS"),
            "environment variable `PUBLIC_ACCESS`",
            warnings,
        );
        let mut raw = RawConfig { public_access, ..RawConfig::default() };
        raw.upstream.api_root = text("API_ROOT");
        if self.var("KEYS_LOCATION").is_some() {
            // As in the Python program, the folder takes precedence over the single files.
            raw.keys.folder = text("KEYS_LOCATION");
        } else {
            raw.keys.private_key = text("PRIVATE_KEY_LOCATION");
            raw.keys.public_key = text("PUBLIC_KEY_LOCATION");
            raw.keys.certificate = text("PUBLIC_CERTIFICATE_LOCATION");
        }
        raw
    }

    /// Returns warnings on variables that look like misspelt settings. Other variables with the
    /// prefix are no fault: Kubernetes sets `MAGICPROXY_SERVICE_HOST` and similar names for a
    /// service called `magicproxy`.
    pub fn misspelt(&self) -> Vec<String> {
        let mut known: Vec<String> = names().map(|(name, _)| name).collect();
        known.extend(["MAGICPROXY_CONFIG", PREDECESSOR].map(str::to_owned));
        let mut warnings = Vec::new();
        for name in self.names() {
            let is_of_service = name.contains("_SERVICE_") || name.contains("_PORT");
            let is_known = known.iter().any(|known| known == name);
            if name.starts_with(PREFIX) && !is_known && !is_of_service {
                warnings.push(meaningless(name, &known));
            }
        }
        warnings
    }
}

/// Returns the current name of a variable whose setting was renamed; both names without the prefix.
fn renamed(name: &str, known: &[String]) -> Option<String> {
    let (section, key) = name.split_once('_')?;
    let now = suggest::renamed(&key.to_lowercase())?;
    Some(format!("{section}_{}", now.to_uppercase())).filter(|now| known.contains(now))
}

/// The warning for a variable that no setting has, with the variable that was meant.
fn meaningless(name: &str, known: &[String]) -> String {
    let bare = |name: &str| name.trim_start_matches(PREFIX).to_owned();
    let known: Vec<String> = known.iter().map(|known| bare(known)).collect();
    let warning = format!("environment variable `{name}` means nothing here");
    if let Some(now) = renamed(&bare(name), &known) {
        return format!("{warning}: it is called `{PREFIX}{now}` now");
    }
    match suggest::nearest(&bare(name), known.iter().map(String::as_str)) {
        Some(meant) => format!("{warning}: did you mean `{PREFIX}{meant}`?"),
        None => warning,
    }
}

/// Returns every variable of this program, with the variable's setting.
fn names() -> impl Iterator<Item = (String, String)> {
    let long = |key: &String| format!("{PREFIX}{}", key.to_uppercase().replace('.', "_"));
    let long = RawConfig::keys().into_iter().map(move |key| (long(&key), key));
    let short = SHORT.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned()));
    // The short names come last, so that they take precedence over the long names.
    long.filter(|(name, _)| SHORT.iter().all(|(short, _)| short != name)).chain(short)
}

fn setting(name: &str, value: String) -> Setting<String> {
    Setting::new(value, Origin::Environment(name.to_owned()))
}
