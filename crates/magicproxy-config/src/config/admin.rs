//! The section `[admin]`: addresses on which the proxy tells how it is, and who may read them
//! (`docs/spec/admin.md`).

use std::fmt;
use std::net::IpAddr;

use magicproxy_core::written_secret;
use magicproxy_proxy::settings::AdminToken;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Layers;
use super::address::ListenAddress;
use super::check::Checker;
use super::listeners::ListenerSettings;
use super::setting::{FromText, GivenValue, Setting, section};
use crate::ground::fault::{Fault, Origin};
use crate::ground::scheme::is_loopback_address;
use crate::ground::text::reason;
use crate::ground::trust;

section! {
    /// The admin listener: health, readiness, version and metrics of the proxy, on addresses of its
    /// own.
    RawAdmin {
        /// The addresses of the admin listener: `HOST:PORT`, `:PORT` for every address, or
        /// `unix:PATH`. Without an address, there is no admin listener.
        listen: AddressTexts,
        /// The mode of the files of its Unix sockets, in octal.
        mode: String = "0600".to_owned(),
        /// The token that programs show on its addresses of TCP, in `Authorization: Bearer`.
        token: AdminTokenText,
        /// A file that holds the token.
        token_file: String,
    }
}

/// The mode of a socket's file: its owner may connect.
const SOCKET_MODE: u32 = 0o600;

/// Addresses as written: one, or a list.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct AddressTexts(pub Vec<GivenValue<String>>);

impl FromText for AddressTexts {
    fn from_text(text: &str) -> Result<Self, String> {
        // The place of the setting stands for the place of its one element.
        Ok(Self(vec![GivenValue { value: text.to_owned(), origin: Origin::Default }]))
    }
}

/// The token as written, which is never shown.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AdminTokenText(pub String);

impl fmt::Debug for AdminTokenText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AdminTokenText(***)")
    }
}

impl Serialize for AdminTokenText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(not shown)")
    }
}

impl FromText for AdminTokenText {
    const MAY_HOLD_SECRET: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }

    fn hidden_text(&self) -> Option<&str> {
        Some(&self.0)
    }
}

/// Returns the addresses of the admin listener as they are written, even if other settings have
/// faults: the running proxy was started before, or has kept its old configuration.
pub fn written_addresses(layers: &Layers) -> Vec<ListenAddress> {
    let Some(given) = layers.raw.admin.listen.given() else { return Vec::new() };
    let address = |written: &GivenValue<String>| match ListenAddress::parse(&written.value).ok()? {
        ListenAddress::Unix(path) => {
            // The place of the setting stands for an element without a place.
            let origin =
                if written.origin == Origin::Default { &given.origin } else { &written.origin };
            Some(ListenAddress::Unix(layers.sources.absolute(path, origin)))
        }
        address @ ListenAddress::Tcp(_) => Some(address),
    };
    given.value.0.iter().filter_map(address).collect()
}

/// The checked settings of the admin listener.
#[derive(Clone, Debug, Default)]
pub struct AdminSettings {
    /// The addresses; none, if there is no admin listener.
    pub listen: Vec<ListenAddress>,
    /// The mode of the files of Unix sockets.
    pub mode: u32,
    /// The token that clients over TCP show.
    pub token: Option<AdminToken>,
}

impl AdminSettings {
    /// Returns warnings on addresses that others than the operator can reach.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> =
            self.listen.iter().filter_map(|listen| self.warning(listen)).collect();
        let has_socket = self.listen.iter().any(ListenAddress::is_unix);
        if has_socket && self.mode & 0o006 != 0 {
            warnings.push(format!(
                "admin.mode `{:04o}`: every user of this machine may read the admin listener, and change the running proxy by it",
                self.mode
            ));
        }
        warnings
    }

    fn warning(&self, listen: &ListenAddress) -> Option<String> {
        let ListenAddress::Tcp(address) = listen else { return None };
        let here = match address.host.parse::<IpAddr>() {
            Ok(ip) => is_loopback_address(ip),
            Err(_) => address.host.eq_ignore_ascii_case("localhost"),
        };
        let told = match self.token {
            _ if here => return None,
            Some(_) => {
                "the admin token travels in the clear, for others on the network to read what it reads"
            }
            None => {
                "without `admin.token_file` it tells other machines whether the proxy is ready, and nothing else"
            }
        };
        Some(format!("admin.listen `{listen}`: {told}"))
    }
}

impl Checker<'_> {
    /// Checks `[admin]`, against the addresses of the API's listeners; `None` if there is a fault.
    pub(super) fn admin(
        &mut self,
        raw: &RawAdmin,
        api: Option<&[(ListenerSettings, Origin)]>,
    ) -> Option<AdminSettings> {
        let faults = self.faults.len();
        let addresses = self.admin_addresses(raw);
        for (at, (listen, origin)) in addresses.iter().enumerate() {
            let mut earlier = addresses.iter().take(at).map(|(other, _)| other);
            if earlier.any(|other| other.overlaps(listen)) {
                self.fault(
                    format!("admin.listen `{listen}`: the list has this address already"),
                    origin,
                );
            }
            let mut of_api = api.into_iter().flatten().map(|(listener, _)| &listener.listen);
            if let Some(other) = of_api.find(|other| other.overlaps(listen)) {
                let fault = Fault::new(
                    format!(
                        "admin.listen `{listen}`: clients of the API connect there (`{other}`)"
                    ),
                    origin.clone(),
                );
                self.push(fault.help("the admin listener needs an address of its own, such as `127.0.0.1:5001` or a Unix socket"));
            }
        }
        let listen: Vec<_> = addresses.into_iter().map(|(listen, _)| listen).collect();
        let mode = self.admin_mode(raw, &listen);
        let token = self.admin_token(raw, &listen);
        (self.faults.len() == faults).then_some(AdminSettings { listen, mode, token })
    }

    fn admin_addresses(&mut self, raw: &RawAdmin) -> Vec<(ListenAddress, Origin)> {
        let Some(given) = raw.listen.given() else { return Vec::new() };
        let mut addresses = Vec::new();
        for one in &given.value.0 {
            let origin =
                if one.origin == Origin::Default { &given.origin } else { &one.origin }.clone();
            let one = Setting::new(one.value.clone(), origin.clone());
            match self.text("admin.listen", &one, ListenAddress::parse) {
                Some(ListenAddress::Unix(path)) => {
                    let path = self.sources.absolute(path, &origin);
                    addresses.push((ListenAddress::Unix(path), origin));
                }
                Some(address) => addresses.push((address, origin)),
                None => {}
            }
        }
        addresses
    }

    fn admin_mode(&mut self, raw: &RawAdmin, listen: &[ListenAddress]) -> u32 {
        let Some(given) = raw.mode.given() else { return SOCKET_MODE };
        let mode = self.octal_mode("admin.mode", given);
        let is_default = given.origin == Origin::Default;
        if mode.is_some() && !is_default && !listen.iter().any(ListenAddress::is_unix) {
            self.fault(
                "admin.mode: only a Unix socket has one, and `admin.listen` names none",
                &given.origin,
            );
        }
        mode.unwrap_or(SOCKET_MODE)
    }

    /// Reads the token from its one place. A fault never repeats a token.
    fn admin_token(&mut self, raw: &RawAdmin, listen: &[ListenAddress]) -> Option<AdminToken> {
        let (key, text, origin) = match (raw.token.given(), raw.token_file.given()) {
            (None, None) => return None,
            (Some(token), None) => ("admin.token", token.value.0.clone(), &token.origin),
            (None, Some(file)) => ("admin.token_file", self.token_in(file)?, &file.origin),
            (Some(_), Some(file)) => {
                self.fault(
                    "admin.token_file: there is `admin.token` as well; which of them is meant?",
                    &file.origin,
                );
                return None;
            }
        };
        if listen.iter().all(ListenAddress::is_unix) {
            self.fault(
                format!("{key}: only addresses of TCP ask for it, and `admin.listen` names none; `admin.mode` says who may connect to a socket"),
                origin,
            );
        }
        let token = written_secret(&text).map_err(|fault| fault.to_string());
        match token.and_then(|text| AdminToken::parse(text).map_err(|fault| fault.to_string())) {
            Ok(token) => Some(token),
            Err(fault) => {
                self.fault(format!("{key}: {fault}"), origin);
                None
            }
        }
    }

    fn token_in(&mut self, file: &GivenValue<String>) -> Option<String> {
        let path = self.path(file);
        if let Some(fault) = trust::writable_by_everybody(&path) {
            let fault = Fault::new(format!("admin.token_file {fault}"), file.origin.clone());
            self.push(fault.help(trust::remedy(&path)));
            return None;
        }
        let read = self.read_text("admin.token_file", &path);
        let fault = |error| format!("admin.token_file `{}`: {}", path.display(), reason(&error));
        read.map_err(|error| self.fault(fault(error), &file.origin)).ok()
    }
}
