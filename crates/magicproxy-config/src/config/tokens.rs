//! The sections on tokens: the tokens that are accepted, and the proxies that are trusted to name a
//! sender.

use magicproxy_core::{Acceptance, Kem, MinterKey, Network, TokenVersion};
use magicproxy_proxy::settings::{HttpMint, TrustedProxies};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Checker, list, value};
use super::duration::DurationText;
use super::mint::MintPolicy;
use super::raw::RawConfig;
use super::setting::{GivenValue, Setting, choices, section};
use super::upstream::RawUpstream;
use super::upstream::Table;
use crate::ground::fault::{Fault, Origin};
use crate::ground::text::reason;

section! {
    /// The tokens that are accepted.
    RawTokens {
        /// The longest lifetime of an accepted token. By default sealed tokens (version 2) may live
        /// 366 days, and others any time.
        max_lifetime: DurationText,
        /// The versions of tokens that are accepted. By default both; `v2` alone if minters are
        /// listed; `v1` alone if minting is closed and no minters are listed.
        accept: Vec<GivenValue<VersionChoice>>,
        /// The KEMs of sealed tokens that are accepted, and of the sealing keys that are published.
        /// By default both.
        kems: Vec<GivenValue<KemChoice>>,
        /// Ids of keys whose tokens are refused, for instance because a key leaked.
        deny_kid: Vec<GivenValue<String>>,
        /// JWK files of the minters whose sealed tokens are accepted. By default anyone with the
        /// public key may seal tokens.
        minters: Vec<GivenValue<String>>,
        /// Refuses tokens without a `sub`, which names the user of the token.
        require_sub: bool,
        /// The file of revocations, unless a shared store holds them. By default `revocations.json`
        /// in the folder of the keys.
        revocations: String,
        /// Networks of proxies in front of this proxy, or `unix`. The sender of a request is the
        /// address that such a proxy names.
        trusted_proxies: Vec<GivenValue<String>>,
    }
}

/// A version of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VersionChoice {
    /// Signed by the proxy.
    V1,
    /// Sealed to the proxy's public key.
    V2,
}

impl From<VersionChoice> for TokenVersion {
    fn from(choice: VersionChoice) -> Self {
        match choice {
            VersionChoice::V1 => Self::V1,
            VersionChoice::V2 => Self::V2,
        }
    }
}

/// A KEM of sealed tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KemChoice {
    /// X25519 alone.
    #[serde(rename = "x25519")]
    X25519,
    /// ML-KEM-768 and X25519 together.
    #[serde(rename = "x-wing")]
    XWing,
}

impl From<KemChoice> for Kem {
    fn from(choice: KemChoice) -> Self {
        match choice {
            KemChoice::X25519 => Self::X25519,
            KemChoice::XWing => Self::XWing,
        }
    }
}

choices!(VersionChoice, KemChoice);

/// The accepted tokens of one upstream, and the state of minting over HTTP.
pub(super) struct MintingSettings {
    pub(super) acceptance: Acceptance,
    pub(super) http_mint: HttpMint,
}

/// The operator's choice on `POST /__magictoken`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy<'r> {
    /// No choice: minting is open, unless another setting closes it.
    Unsaid,
    /// Open, with the place of the setting.
    Open(&'r Origin),
    Closed,
}

impl<'r> Policy<'r> {
    fn of(setting: &'r Setting<MintPolicy>) -> Self {
        match setting.given() {
            Some(GivenValue { value: MintPolicy::Closed, .. }) => Self::Closed,
            Some(GivenValue { value: MintPolicy::Open, origin }) if *origin != Origin::Default => {
                Self::Open(origin)
            }
            _ => Self::Unsaid,
        }
    }
}

/// The accepted tokens of upstreams whose tables have no such setting: `[tokens]` and
/// `mint.policy`, checked once.
pub(super) struct GeneralMintingSettings<'r> {
    tokens: &'r RawTokens,
    policy: Policy<'r>,
    minters: Vec<MinterKey>,
    kems: Vec<Kem>,
    max_lifetime: Option<u64>,
    /// True if no fault was found in the settings.
    is_sound: bool,
}

impl GeneralMintingSettings<'_> {
    /// Returns the versions that an upstream with this table accepts.
    fn versions(&self, own: &RawUpstream) -> Vec<TokenVersion> {
        let minters_are_listed =
            own.minters.given().is_some() || self.tokens.minters.given().is_some();
        match (own.accept.given().or(self.tokens.accept.given()), self.policy) {
            (Some(given), _) => given.value.iter().map(|version| version.value.into()).collect(),
            (None, _) if minters_are_listed => vec![TokenVersion::V2],
            // Closed minting accepts no strangers' tokens: version 2, which anyone can seal with
            // the public key, must then be listed in `accept`.
            (None, Policy::Closed) => vec![TokenVersion::V1],
            (None, _) => vec![TokenVersion::V1, TokenVersion::V2],
        }
    }

    /// True if minting is set to open, and the upstream does not accept version 1, the version
    /// minted over HTTP.
    fn is_open_in_vain(&self, own: &RawUpstream) -> bool {
        matches!(self.policy, Policy::Open(_)) && !self.versions(own).contains(&TokenVersion::V1)
    }
}

impl Checker<'_> {
    /// Checks the settings for all upstreams whose tables have no such setting.
    pub(super) fn general_minting<'r>(
        &mut self,
        raw: &'r RawConfig,
        tables: &[Table<'_>],
    ) -> GeneralMintingSettings<'r> {
        let (tokens, faults) = (&raw.tokens, self.faults.len());
        let max_lifetime = self
            .whole_seconds("tokens.max_lifetime", &tokens.max_lifetime)
            .map(|lifetime| lifetime.as_secs());
        let mut minters = Vec::new();
        if tables.iter().any(|table| table.raw.minters.given().is_none()) {
            minters = self.minters("tokens.minters", &tokens.minters);
        }
        if tables.iter().any(|table| table.raw.accept.given().is_none()) {
            self.at_least_one_version("tokens.accept", &tokens.accept);
        }
        let kems = self.kems(&tokens.kems);
        self.thumbprints(&tokens.deny_kid);
        let is_sound = self.faults.len() == faults;
        let general = GeneralMintingSettings {
            tokens,
            policy: Policy::of(&raw.mint.policy),
            minters,
            kems,
            max_lifetime,
            is_sound,
        };
        self.open_in_vain(&general, tables);
        general
    }

    /// Checks the settings of one upstream, which take precedence over the settings for all; `None`
    /// if there is a fault.
    ///
    /// A list of minters means that nobody else mints. So the list closes version 1, which any
    /// holder of the private key signs, and minting over HTTP, which signs for everyone, unless a
    /// setting opens them.
    pub(super) fn minting_of(
        &mut self,
        general: &GeneralMintingSettings<'_>,
        table: &Table<'_>,
    ) -> Option<MintingSettings> {
        let (tokens, own, faults) = (general.tokens, table.raw, self.faults.len());
        let minters = match own.minters.given() {
            Some(_) => self.minters(&table.key("minters"), &own.minters),
            None => general.minters.clone(),
        };
        let minters_are_listed = own.minters.given().or(tokens.minters.given()).is_some();
        self.at_least_one_version(&table.key("accept"), &own.accept);
        let versions = general.versions(own);
        let accepts_v1 = versions.contains(&TokenVersion::V1);
        let http_mint = match general.policy {
            Policy::Open(_) if accepts_v1 => HttpMint::Open,
            Policy::Unsaid if accepts_v1 && !minters_are_listed => HttpMint::Open,
            _ => HttpMint::Closed,
        };
        let acceptance = Acceptance {
            versions,
            denied_keys: list(&tokens.deny_kid).iter().map(|kid| kid.value.clone()).collect(),
            minters,
            kems: general.kems.clone(),
            require_sub: own
                .require_sub
                .given()
                .map_or(value(&tokens.require_sub, false), |given| given.value),
            max_lifetime: general.max_lifetime,
        };
        let is_sound =
            general.is_sound && !general.is_open_in_vain(own) && self.faults.len() == faults;
        is_sound.then_some(MintingSettings { acceptance, http_mint })
    }

    /// Reports one fault for all upstreams that accept no tokens minted over HTTP, though minting
    /// is set to open.
    fn open_in_vain(&mut self, general: &GeneralMintingSettings<'_>, tables: &[Table<'_>]) {
        let Policy::Open(origin) = general.policy else { return };
        let vain: Vec<&str> = tables
            .iter()
            .filter(|table| general.is_open_in_vain(table.raw))
            .map(|table| table.key.as_str())
            .collect();
        let (who_does_not, place) = match vain.as_slice() {
            [] => return,
            [only] => (format!("`{only}` does not"), format!("under `[{only}]` (or `[tokens]`)")),
            several => (
                format!("`{}` do not", several.join("`, `")),
                "under `[tokens]` (or each of them)".to_owned(),
            ),
        };
        let message = format!(
            "mint.policy `open`: tokens of version 1 are minted over HTTP, and {who_does_not} accept them"
        );
        let help = format!(
            "write `accept = [\"v1\", \"v2\"]` {place} to let everyone mint there; or leave `mint.policy` out: \
             then minting is open where version 1 is accepted and no minters are listed"
        );
        self.push(Fault::new(message, origin.clone()).help(help));
    }

    /// Checks the KEMs: all, unless some are named.
    fn kems(&mut self, setting: &Setting<Vec<GivenValue<KemChoice>>>) -> Vec<Kem> {
        let Some(given) = setting.given() else { return Kem::ALL.into() };
        if given.value.is_empty() {
            self.fault("tokens.kems: expected `x25519`, `x-wing` or both", &given.origin);
        }
        given.value.iter().map(|kem| kem.value.into()).collect()
    }

    /// Refuses a text that cannot be a key's id, because such an entry would deny nothing, and
    /// nobody would notice.
    fn thumbprints(&mut self, setting: &Setting<Vec<GivenValue<String>>>) {
        const LENGTH: usize = 43;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        for given in list(setting)
            .iter()
            .filter(|given| given.value.len() != LENGTH || !given.value.bytes().all(legal))
        {
            let fault = Fault::new(
                format!(
                    "tokens.deny_kid `{}`: expected the id of a key, {LENGTH} characters of `A-Z a-z 0-9 - _`",
                    given.value
                ),
                given.origin.clone(),
            );
            self.push(fault.help("`magicproxy keys list` shows the ids of keys, `magicproxy inspect` that of a token's"));
        }
    }

    fn at_least_one_version(
        &mut self,
        key: &str,
        setting: &Setting<Vec<GivenValue<VersionChoice>>>,
    ) {
        if let Some(given) = setting.given().filter(|given| given.value.is_empty()) {
            self.fault(format!("{key}: expected `v1`, `v2` or both"), &given.origin);
        }
    }

    fn minters(&mut self, key: &str, setting: &Setting<Vec<GivenValue<String>>>) -> Vec<MinterKey> {
        let mut minters = Vec::new();
        for given in list(setting) {
            let path = self.path(given);
            let read = self.read_text(key, &path).map_err(|error| reason(&error));
            match read
                .and_then(|text| MinterKey::from_json(&text).map_err(|error| error.to_string()))
            {
                Ok(minter) => minters.push(minter),
                Err(error) => {
                    self.fault(format!("{key} `{}`: {error}", path.display()), &given.origin)
                }
            }
        }
        // An empty list would let everyone mint, against the intention of every operator who writes
        // a list.
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
                        Ok(std::net::IpAddr::V4(_)) => {
                            format!("; one address alone is `{text}/32`")
                        }
                        Ok(std::net::IpAddr::V6(_)) => {
                            format!("; one address alone is `{text}/128`")
                        }
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
