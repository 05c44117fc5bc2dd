//! What tokens are accepted, and whose word about a sender is taken.

use magicproxy_core::{Acceptance, Kem, MinterKey, Network, TokenVersion};
use magicproxy_proxy::settings::{HttpMint, TrustedProxies};

use super::check::{Checker, list, value};
use super::raw::{RawConfig, RawTokens};
use super::setting::{Given, Setting};
use super::upstreams::Table;
use super::value::{KemChoice, MintPolicy, VersionChoice};
use crate::ground::fault::{Fault, Origin};
use crate::ground::text::reason;

/// Which tokens one upstream accepts, and whether they are minted over HTTP.
pub(super) struct Minting {
    pub(super) acceptance: Acceptance,
    pub(super) http_mint: HttpMint,
}

/// What is written of `POST /__magictoken`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy<'r> {
    /// Nothing: it is open, unless something else speaks against it.
    Unsaid,
    /// That it is open, here.
    Open(&'r Origin),
    Closed,
}

impl<'r> Policy<'r> {
    fn of(setting: &'r Setting<MintPolicy>) -> Self {
        match setting.given() {
            Some(Given { value: MintPolicy::Closed, .. }) => Self::Closed,
            Some(Given { value: MintPolicy::Open, origin }) if *origin != Origin::Default => Self::Open(origin),
            _ => Self::Unsaid,
        }
    }
}

impl Checker<'_> {
    /// What one upstream says goes before what is said for all; none, if there is a fault.
    ///
    /// Whoever lists minters means that nobody else mints: neither version 1, which whoever has the private key signs, nor the mint
    /// over HTTP, which signs for everyone, are left open by it.
    pub(super) fn minting_of(&mut self, config: &RawConfig, table: &Table<'_>) -> Option<Minting> {
        let (tokens, own) = (&config.tokens, table.raw);
        let faults = self.faults.len();
        let max_lifetime = self.whole_seconds("tokens.max_lifetime", &tokens.max_lifetime).map(|lifetime| lifetime.as_secs());
        let listed = if own.minters.given().is_some() { &own.minters } else { &tokens.minters };
        let minters = match own.minters.given() {
            Some(_) => self.minters(&table.key("minters"), listed),
            None => self.minters("tokens.minters", listed),
        };
        let versions = match own.accept.given() {
            Some(_) => self.versions(&table.key("accept"), &own.accept),
            None => self.versions("tokens.accept", &tokens.accept),
        };
        let kems = self.kems(&tokens.kems);
        let policy = Policy::of(&config.mint.policy);
        let versions = versions.unwrap_or_else(|| match (listed.given(), policy) {
            (Some(_), _) => vec![TokenVersion::V2],
            // Whoever closes minting means it: that anyone can mint with the public key alone is then to be asked for.
            (None, Policy::Closed) => vec![TokenVersion::V1],
            (None, _) => vec![TokenVersion::V1, TokenVersion::V2],
        });
        self.thumbprints(&tokens.deny_kid);
        let accepts_v1 = versions.contains(&TokenVersion::V1);
        if let (Policy::Open(origin), false) = (policy, accepts_v1) {
            self.open_in_vain(table, origin);
        }
        let http_mint = match policy {
            Policy::Open(_) if accepts_v1 => HttpMint::Open,
            Policy::Unsaid if accepts_v1 && listed.given().is_none() => HttpMint::Open,
            _ => HttpMint::Closed,
        };
        let acceptance = Acceptance {
            versions,
            denied_keys: list(&tokens.deny_kid).iter().map(|kid| kid.value.clone()).collect(),
            minters,
            kems,
            require_sub: own.require_sub.given().map_or(value(&tokens.require_sub, false), |given| given.value),
            max_lifetime,
        };
        (self.faults.len() == faults).then_some(Minting { acceptance, http_mint })
    }

    /// What is minted over HTTP is of version 1.
    fn open_in_vain(&mut self, table: &Table<'_>, origin: &Origin) {
        let message =
            format!("mint.policy `open`: tokens of version 1 are minted over HTTP, and `{}` does not accept them", table.key);
        let help = format!(
            "write `accept = [\"v1\", \"v2\"]` under `[{}]` (or `[tokens]`) to let everyone mint there; or leave `mint.policy` out: \
             then minting is open where version 1 is accepted and no minters are listed",
            table.key
        );
        self.push(Fault::new(message, origin.clone()).help(help));
    }

    /// All of them, unless some are named.
    fn kems(&mut self, setting: &Setting<Vec<Given<KemChoice>>>) -> Vec<Kem> {
        let Some(given) = setting.given() else { return Kem::ALL.into() };
        if given.value.is_empty() {
            self.fault("tokens.kems: expected `x25519`, `x-wing` or both", &given.origin);
        }
        given.value.iter().map(|kem| kem.value.into()).collect()
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
