//! The places of state and revocations: the section `[state]`, and `revocations` in `[tokens]`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use magicproxy_core::written_secret;
use magicproxy_proxy::settings::StrangerState;
use magicproxy_state::{ValkeySettings, ValkeyUrl};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Checker, said};
use super::duration::{DurationText, parse_duration};
use super::keys::KeySettings;
use super::raw::RawConfig;
use super::setting::{FromText, Section as _, choices, section};
use crate::ground::fault::Origin;
use crate::ground::text::reason;

/// The default name of the file of revocations, in the folder of keys.
pub const BESIDE_KEYS: &str = "revocations.json";

section! {
    /// The store for facts that the proxy cannot read from tokens: objects made with a token,
    /// counts of uses, revocations.
    RawState {
        /// The kind of the store.
        store: StoreChoice = StoreChoice::default(),
        /// The file of `redb`. By default `state.redb` beside the folder of the keys.
        path: String,
        /// The URL of the Valkey or Redis: `redis://HOST`, `rediss://USER:PASSWORD@HOST`,
        /// `unix:PATH`, `redis+sentinel://…`, `redis+cluster://…`.
        url: StoreUrlText,
        /// A file that holds the URL. The URL may name a password.
        url_file: String,
        /// The beginning of the names of all keys in the Valkey.
        prefix: String = "magicproxy:".to_owned(),
        /// A PEM file of certificates that the proxy trusts for the Valkey, in addition to the
        /// platform's.
        extra_ca_file: String,
        /// The longest time for a connection to the Valkey, and for each of its responses.
        timeout: DurationText = DurationText::of(Duration::from_secs(1)),
        /// The behaviour while the list of revocations in the Valkey cannot be read: `deny`, or
        /// `allow-stale 30s`, which uses the last list for 30 seconds more.
        on_unreachable: String = "deny".to_owned(),
        /// The treatment of a request that needs the store, with a token that anyone could have
        /// minted.
        unlisted_minters: StrangersChoice = StrangersChoice::default(),
    }
}

/// The kind of the state store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreChoice {
    /// A file of one proxy.
    #[default]
    Redb,
    /// A Valkey or Redis that several proxies share.
    Valkey,
    /// The memory of the process. Everything is lost when the process ends.
    Memory,
    /// No store. Tokens that need a store are refused.
    None,
}

/// The treatment of requests that need state, with tokens that anyone can mint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StrangersChoice {
    /// The request is refused.
    #[default]
    Refuse,
    /// The request is carried out.
    Accept,
}

impl From<StrangersChoice> for StrangerState {
    fn from(choice: StrangersChoice) -> Self {
        match choice {
            StrangersChoice::Refuse => Self::Refuse,
            StrangersChoice::Accept => Self::Accept,
        }
    }
}

/// The URL of a store. The URL may hold a password, and is shown without.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StoreUrlText(pub String);

impl StoreUrlText {
    fn shown(&self) -> String {
        self.0.parse().map_or_else(
            |_| "(not shown)".to_owned(),
            |url: magicproxy_state::ValkeyUrl| url.to_string(),
        )
    }
}

impl fmt::Debug for StoreUrlText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StoreUrlText({})", self.shown())
    }
}

impl Serialize for StoreUrlText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

impl FromText for StoreUrlText {
    const MAY_HOLD_SECRET: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }

    fn hidden_text(&self) -> Option<&str> {
        Some(&self.0)
    }
}

choices!(StoreChoice, StrangersChoice);

/// The settings of the state store.
#[derive(Clone, Debug)]
pub struct StateSettings {
    /// The store.
    pub store: StoreSettings,
    /// The treatment of strangers' tokens that need state.
    pub unlisted_minters: StrangerState,
    /// True if the operator chose a store; a default store is opened only when needed.
    pub chosen: bool,
}

/// A store that is not open yet.
#[derive(Clone, Debug)]
pub enum StoreSettings {
    /// No store.
    None,
    /// The memory of the process, lost at its end.
    Memory,
    /// A file of one proxy.
    Redb(PathBuf),
    /// A Valkey or Redis that several proxies share.
    Valkey(Box<ValkeySettings>),
}

/// The place of the revocation list.
#[derive(Clone, Debug)]
pub struct RevocationSettings {
    /// The file; `None` if the revocations are in the store that proxies share.
    pub file: Option<PathBuf>,
    /// The time for which a list is trusted that cannot be read anew.
    pub stale: Duration,
}

impl Checker<'_> {
    /// Checks `[state]`; `None` if there is a fault.
    pub(super) fn state(&mut self, raw: &RawConfig, keys: &KeySettings) -> Option<StateSettings> {
        let faults = self.faults.len();
        let state = &raw.state;
        let choice = said(&state.store);
        self.unused(state, choice);
        let store = match choice {
            StoreChoice::None => Some(StoreSettings::None),
            StoreChoice::Memory => Some(StoreSettings::Memory),
            StoreChoice::Redb => {
                let beside =
                    || keys.files.folder().parent().unwrap_or(Path::new("")).join("state.redb");
                Some(StoreSettings::Redb(
                    state.path.given().map_or_else(beside, |given| self.path(given)),
                ))
            }
            StoreChoice::Valkey => {
                self.valkey(state).map(|settings| StoreSettings::Valkey(Box::new(settings)))
            }
        };
        let chosen = state.entries("state").iter().any(|entry| *entry.origin != Origin::Default);
        let store = store.filter(|_| self.faults.len() == faults)?;
        let unlisted_minters = said(&state.unlisted_minters).into();
        Some(StateSettings { store, unlisted_minters, chosen })
    }

    pub(super) fn revocations(
        &mut self,
        raw: &RawConfig,
        keys: &KeySettings,
    ) -> RevocationSettings {
        let tokens = &raw.tokens;
        let shared = said(&raw.state.store) == StoreChoice::Valkey;
        if let Some(given) = tokens.revocations.given().filter(|_| shared) {
            self.fault(
                "tokens.revocations: with `state.store = \"valkey\"` revocations are in the store",
                &given.origin,
            );
        }
        let file = tokens
            .revocations
            .given()
            .map_or_else(|| keys.files.folder().join(BESIDE_KEYS), |given| self.path(given));
        let stale = self.text("state.on_unreachable", &raw.state.on_unreachable, |text| match text
            .strip_prefix("allow-stale ")
        {
            Some(duration) => parse_duration(duration),
            None if text == "deny" => Ok(Duration::ZERO),
            None => {
                Err("expected `deny`, or `allow-stale` and a duration such as `30s`".to_owned())
            }
        });
        RevocationSettings { file: (!shared).then_some(file), stale: stale.unwrap_or_default() }
    }

    /// Reports settings that the chosen store does not use, because such a setting is a mistake.
    fn unused(&mut self, raw: &RawState, choice: StoreChoice) {
        for entry in
            raw.entries("state").into_iter().filter(|entry| *entry.origin != Origin::Default)
        {
            let wanted = match entry.key.as_str() {
                "state.path" => StoreChoice::Redb,
                "state.url"
                | "state.url_file"
                | "state.prefix"
                | "state.extra_ca_file"
                | "state.timeout"
                | "state.on_unreachable" => StoreChoice::Valkey,
                _ => continue,
            };
            if choice != wanted {
                let name = if wanted == StoreChoice::Redb { "redb" } else { "valkey" };
                self.fault(
                    format!("{}: this is for `state.store = \"{name}\"`", entry.key),
                    entry.origin,
                );
            }
        }
    }

    fn valkey(&mut self, raw: &RawState) -> Option<ValkeySettings> {
        let url = self.url(raw);
        let timeout = self.lifetime("state.timeout", &raw.timeout);
        let prefix = self.text("state.prefix", &raw.prefix, |text| {
            let legal =
                text.len() <= 200 && text.chars().all(|character| character.is_ascii_graphic());
            if legal {
                Ok(text.to_owned())
            } else {
                Err("expected at most 200 visible ASCII characters".to_owned())
            }
        });
        let faults = self.faults.len();
        self.certificates("state.extra_ca_file", &raw.extra_ca_file);
        let extra = raw.extra_ca_file.given().filter(|_| self.faults.len() == faults);
        let extra_roots =
            extra.and_then(|given| self.read_text("state.extra_ca_file", &self.path(given)).ok());
        Some(ValkeySettings {
            prefix: prefix?,
            timeout: timeout?,
            extra_roots,
            ..ValkeySettings::new(url?)
        })
    }

    /// Checks the URL, which is a secret. A fault does not repeat the URL.
    fn url(&mut self, raw: &RawState) -> Option<ValkeyUrl> {
        let (key, text, origin) = match (raw.url.given(), raw.url_file.given()) {
            (Some(url), None) => ("state.url", url.value.0.clone(), &url.origin),
            (None, Some(file)) => {
                let path = self.path(file);
                match self.read_text("state.url_file", &path) {
                    Ok(text) => ("state.url_file", text, &file.origin),
                    Err(error) => {
                        self.fault(
                            format!("state.url_file `{}`: {}", path.display(), reason(&error)),
                            &file.origin,
                        );
                        return None;
                    }
                }
            }
            (Some(_), Some(file)) => {
                self.fault(
                    "state.url_file: there is `state.url` as well; which of them is meant?",
                    &file.origin,
                );
                return None;
            }
            (None, None) => {
                let origin = raw.store.given().map_or(&Origin::Default, |given| &given.origin);
                self.fault(
                    "state.store `valkey`: where is it? `state.url` or `state.url_file` is needed",
                    origin,
                );
                return None;
            }
        };
        let text = match written_secret(&text) {
            Ok(text) => text,
            Err(fault) => {
                self.fault(format!("{key}: {fault}"), origin);
                return None;
            }
        };
        text.parse()
            .map_err(|error: magicproxy_state::ParseUrlError| {
                self.fault(format!("{key}: {error}"), origin)
            })
            .ok()
    }
}
