//! What tokens are accepted, and whose word about a sender is taken.

use magicproxy_core::{Acceptance, MinterKey, Network, TokenVersion};
use magicproxy_proxy::settings::{MintSettings, TrustedProxies};

use super::check::{Checker, list, value};
use super::fault::Fault;
use super::raw::{RawTokens, RawUpstream};
use super::setting::{Given, Setting};
use super::value::VersionChoice;
use crate::failure::reason;

impl Checker<'_> {
    /// What one upstream says goes before what is said for all; none, if there is a fault.
    pub(super) fn acceptance(
        &mut self,
        tokens: &RawTokens,
        minting: &MintSettings,
        table: &str,
        own: &RawUpstream,
    ) -> Option<Acceptance> {
        let faults = self.faults.len();
        let max_lifetime = self.whole_seconds("tokens.max_lifetime", &tokens.max_lifetime).map(|lifetime| lifetime.as_secs());
        let minters = match own.minters.given() {
            Some(_) => self.minters(&format!("{table}.minters"), &own.minters),
            None => self.minters("tokens.minters", &tokens.minters),
        };
        let versions = match own.accept.given() {
            Some(_) => self.versions(&format!("{table}.accept"), &own.accept),
            None => self.versions("tokens.accept", &tokens.accept),
        };
        // Whoever closes minting means it: that anyone can mint with the public key alone is then to be asked for.
        let by_anyone = minting.open || !minters.is_empty();
        let default = || if by_anyone { vec![TokenVersion::V1, TokenVersion::V2] } else { vec![TokenVersion::V1] };
        self.thumbprints(&tokens.deny_kid);
        let acceptance = Acceptance {
            versions: versions.unwrap_or_else(default),
            denied_keys: list(&tokens.deny_kid).iter().map(|kid| kid.value.clone()).collect(),
            minters,
            require_sub: own.require_sub.given().map_or(value(&tokens.require_sub, false), |given| given.value),
            max_lifetime,
        };
        (self.faults.len() == faults).then_some(acceptance)
    }

    /// What cannot be the id of a key denies nothing, and nobody would notice.
    fn thumbprints(&mut self, setting: &Setting<Vec<Given<String>>>) {
        const LENGTH: usize = 43;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        for given in list(setting).iter().filter(|given| given.value.len() != LENGTH || !given.value.bytes().all(legal)) {
            let fault = Fault::new(
                format!("tokens.deny_kid `{}`: expected the id of a key, {LENGTH} characters of `A-Z a-z 0-9 - _`", given.value),
                given.origin.clone(),
            );
            self.push(fault.help("`magicproxy keys list` shows the ids of keys, `magicproxy inspect` that of a token's"));
        }
    }

    fn versions(&mut self, key: &str, setting: &Setting<Vec<Given<VersionChoice>>>) -> Option<Vec<TokenVersion>> {
        let given = setting.given()?;
        if given.value.is_empty() {
            self.fault(format!("{key}: expected `v1`, `v2` or both"), &given.origin);
        }
        Some(given.value.iter().map(|version| version.value.into()).collect())
    }

    fn minters(&mut self, key: &str, setting: &Setting<Vec<Given<String>>>) -> Vec<MinterKey> {
        let mut minters = Vec::new();
        for given in list(setting) {
            let path = self.path(given);
            let read = std::fs::read_to_string(&path).map_err(|error| reason(&error));
            match read.and_then(|text| MinterKey::from_json(&text).map_err(|error| error.to_string())) {
                Ok(minter) => minters.push(minter),
                Err(error) => self.fault(format!("{key} `{}`: {error}", path.display()), &given.origin),
            }
        }
        // An empty list would let everyone mint, which nobody means who writes one.
        if let Some(given) = setting.given().filter(|given| given.value.is_empty()) {
            self.fault(format!("{key}: expected at least one JWK file"), &given.origin);
        }
        minters
    }

    pub(super) fn trusted_proxies(&mut self, tokens: &RawTokens) -> TrustedProxies {
        let mut trusted = TrustedProxies::default();
        for given in list(&tokens.trusted_proxies) {
            match (given.value.as_str(), Network::parse(&given.value)) {
                ("unix", _) => trusted.unix = true,
                (_, Some(network)) => trusted.networks.push(network),
                (text, None) => {
                    let alone = match text.parse::<std::net::IpAddr>() {
                        Ok(std::net::IpAddr::V4(_)) => format!("; one address alone is `{text}/32`"),
                        Ok(std::net::IpAddr::V6(_)) => format!("; one address alone is `{text}/128`"),
                        Err(_) => String::new(),
                    };
                    self.fault(
                        format!("tokens.trusted_proxies `{text}`: expected a network such as `10.0.0.0/8`, or `unix`{alone}"),
                        &given.origin,
                    );
                }
            }
        }
        trusted
    }
}
