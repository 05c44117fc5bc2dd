//! The settings of an upstream: each key with its comment, its form and its default, and the
//! engine's settings made from the keys.
//!
//! A new key is written in three places: in [`RawUpstream`], in the check, and in the engine's
//! settings.

pub(super) mod carrier;
mod forwarding;
mod headers;
mod inspection;
mod links;
mod pages;
mod protocol;
mod routes;
mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::{PatternMode, Policy};
use magicproxy_proxy::settings::{ApiRoot, UpstreamSettings};

use self::carrier::CarrierText;
use self::forwarding::ForwardingChoice;
use self::headers::{HeaderNames, names_in};
use self::inspection::DEFAULT_INSPECTED_BODY;
use self::protocol::ProtocolChoice;
use self::routes::alias;
use super::check::{Checker, list, said};
use super::duration::DurationText;
use super::outbound::{GeneralOutbound, OutboundText};
use super::raw::RawConfig;
use super::scopes::{CompiledScopes, RawRuleSetting};
use super::setting::{GivenValue, choices, section};
use super::size::SizeText;
use super::tokens::{GeneralMintingSettings, MintingSettings, VersionChoice};
use crate::ground::fault::{Fault, Origin};
use crate::providers::words::{PlusChoice, ReadingChoice, SlashChoice};
use crate::providers::{PresetChoice, RefusalChoice};

pub(super) use tables::{Table, preset_roots, tables};

section! {
    /// The API behind the proxy.
    RawUpstream {
        /// The name, which is the `aud` of the API's tokens. By default the name of the table or of
        /// the preset, else the host and port of the API root.
        name: String,
        /// A known API. The preset gives the other keys their values; a key in the table overrides
        /// the preset.
        preset: PresetChoice,
        /// The root of the API: `https://api.github.com`.
        api_root: String = "https://api.github.com".to_owned(),
        /// The protocol that the proxy speaks to the API.
        protocol: ProtocolChoice = ProtocolChoice::default(),
        /// The path of the proxy at which the API is found.
        mount: String,
        /// Values of `Host` by which the API is found.
        hosts: Vec<GivenValue<String>>,
        /// Further prefixes inside the mount. Each stands for a path of the API, or for another
        /// origin of the API.
        paths: BTreeMap<String, GivenValue<String>>,
        /// Rewrites URLs of the API in responses to URLs of the proxy, so that clients follow them
        /// through the proxy.
        rewrite_links: bool,
        /// The members of JSON bodies that clients follow, instead of the preset's: `next`,
        /// `*_url`, `_links.*.href`, `!config.url`.
        rewrite_members: Vec<GivenValue<String>>,
        /// The longest time for the head of a response, instead of `timeouts.response`.
        response_timeout: DurationText,
        /// The API's reading of `%2F` in a path.
        encoded_slash: SlashChoice = SlashChoice::default(),
        /// The API's reading of `%25`, `;` and look-alikes of `.`, `/` and `%` in a path.
        path_reading: ReadingChoice = ReadingChoice::default(),
        /// The API's reading of `+` in a query, for rules with conditions on the query.
        query_plus: PlusChoice = PlusChoice::default(),
        /// Matches patterns as in the Python program: from the start of the path, not to its end,
        /// ignoring case.
        danger_prefix_matching: bool = false,
        /// The versions of tokens that are accepted, instead of `tokens.accept`.
        accept: Vec<GivenValue<VersionChoice>>,
        /// JWK files of the minters whose tokens are accepted, instead of `tokens.minters`.
        minters: Vec<GivenValue<String>>,
        /// Refuses tokens without a `sub`, which names the user of the token, instead of
        /// `tokens.require_sub`.
        require_sub: bool,
        /// Rules that every request must satisfy in addition to the token's own rules.
        ceiling: Vec<GivenValue<RawRuleSetting>>,
        /// Request headers that pass to the API, in addition to the headers of every API and of the
        /// preset: `docs/guide/headers.md`.
        pass_request_headers: HeaderNames,
        /// Request headers withheld from the API, even if another setting lists them.
        drop_request_headers: HeaderNames,
        /// Response headers withheld from clients, such as `Set-Cookie` of an API that opens a
        /// session for every request with its credential.
        drop_response_headers: Vec<GivenValue<String>>,
        /// Query parameters withheld from the API.
        drop_query_parameters: Vec<GivenValue<String>>,
        /// A PEM file of certificates that the proxy trusts for the API, in addition to the
        /// platform's.
        extra_ca_file: String,
        /// The proxy by which the API is reached, instead of the general `outbound_proxy`. Write
        /// `none` for an API inside of the network.
        outbound_proxy: OutboundText,
        /// The longest body of a request that rules and plugins may look into, at most `64MiB`. A
        /// request with a longer body is refused where a rule or a plugin must see it.
        max_inspected_body: SizeText = SizeText(DEFAULT_INSPECTED_BODY.to_owned()),
        /// Lets WebSocket handshakes pass. The messages of a WebSocket are not checked.
        websocket: bool = false,
        /// The headers that tell the API about the client.
        forwarding: ForwardingChoice = ForwardingChoice::default(),
        /// The carrier in which the credential goes to the API.
        credential: CarrierText = CarrierText("bearer".to_owned()),
        /// Further carriers of tokens: `header:NAME`, `query:NAME`, `subprotocol:PREFIX`.
        accept_token_in: Vec<GivenValue<CarrierText>>,
        /// The shape of the proxy's refusals, so that clients of this API show them.
        refusal_format: RefusalChoice = RefusalChoice::default(),
        /// Origins of web pages that may call the API through the proxy, such as
        /// `https://app.example.com`. Allowed only if minting is closed.
        allow_origins: Vec<GivenValue<String>>,
    }
}

/// The settings for all upstreams, checked once.
struct GeneralSettings<'r> {
    raw: &'r RawConfig,
    scopes: CompiledScopes,
    minting: GeneralMintingSettings<'r>,
    outbound: GeneralOutbound,
    /// The faults in scopes and minting, until the first upstream reports them.
    faults: Vec<Fault>,
    /// The faults in `outbound`, until the first upstream that uses `outbound` reports them.
    outbound_faults: Vec<Fault>,
}

impl Checker<'_> {
    /// Checks one upstream; `None` if the upstream has a fault.
    fn upstream(
        &mut self,
        general: &mut GeneralSettings<'_>,
        table: &Table<'_>,
    ) -> Option<Arc<UpstreamSettings>> {
        let raw = table.raw;
        let api_root = self.text(&table.key("api_root"), &raw.api_root, |text| {
            ApiRoot::parse(text).map_err(|error| error.to_string())
        });
        if raw.api_root.given().is_none() {
            self.fault(
                format!("{} is needed: the URL of the API", table.key("api_root")),
                &table.origin(),
            );
        }
        self.faults.append(&mut general.faults);
        let patterns = table.patterns();
        let minting = self.minting_of(&general.minting, table);
        let response_timeout = self.response_timeout(general.raw, table);
        let name = self.name(table, api_root.as_ref());
        let alias = alias(table, name.as_ref(), api_root.as_ref());
        let routes = self.routes(table);
        let protocol = self.protocol(table, api_root.as_ref(), routes.as_ref());
        let ceiling = self.ceiling(table, patterns);
        let drop_request_headers = self
            .header_names(&table.key("drop_request_headers"), names_in(&raw.drop_request_headers));
        let drop_response_headers = self
            .header_names(&table.key("drop_response_headers"), list(&raw.drop_response_headers));
        let extra_roots = self.certificates(&table.key("extra_ca_file"), &raw.extra_ca_file);
        let links = self.links(table);
        let credential = self.credential_carrier(&table.key("credential"), &raw.credential);
        let token_carriers =
            self.token_carriers(&table.key("accept_token_in"), &raw.accept_token_in);
        let pass_request_headers = self.passed_headers(table);
        if table.goes_by_general_outbound() {
            self.faults.append(&mut general.outbound_faults);
        }
        let outbound = self.outbound(&general.outbound, table);
        let allow_origins = self.page_origins(table);
        let max_inspected_body = self.max_inspected_body(general, table);
        // No fault is found from here on.
        let MintingSettings { acceptance, http_mint } = minting?;
        Some(Arc::new(UpstreamSettings {
            name: name?,
            alias,
            api_root: api_root?,
            protocol: protocol?,
            routes: routes?,
            unnamed: table.unnamed,
            acceptance,
            http_mint,
            scopes: general.scopes.matching(patterns),
            links: links?,
            response_timeout,
            encoded_slash: said(&raw.encoded_slash).into(),
            path_reading: said(&raw.path_reading).into(),
            query_plus: said(&raw.query_plus).into(),
            patterns,
            ceiling,
            preset_request_headers: self.preset_headers(raw),
            pass_request_headers,
            drop_request_headers,
            drop_response_headers,
            drop_query_parameters: list(&raw.drop_query_parameters)
                .iter()
                .map(|name| name.value.clone())
                .collect(),
            extra_roots,
            outbound,
            max_inspected_body,
            websocket: said(&raw.websocket),
            forwarding: said(&raw.forwarding).into(),
            credential,
            token_carriers,
            refusal_format: said(&raw.refusal_format).into(),
            allow_origins,
        }))
    }

    /// Checks the response timeout. A time that the operator gave for all upstreams takes
    /// precedence over a preset's.
    fn response_timeout(&mut self, config: &RawConfig, table: &Table<'_>) -> Option<Duration> {
        let setting = &table.raw.response_timeout;
        let by_preset = matches!(setting.given()?.origin, Origin::Preset(_));
        let general =
            config.timeouts.response.given().is_some_and(|given| given.origin != Origin::Default);
        if by_preset && general {
            None
        } else {
            self.lifetime(&table.key("response_timeout"), setting)
        }
    }

    fn ceiling(&mut self, table: &Table<'_>, patterns: PatternMode) -> Option<Policy> {
        let given = table.raw.ceiling.given()?;
        let key = table.key("ceiling");
        let rules = self.rules(&key, &given.value, &given.origin, patterns)?;
        if let Some(rule) = rules.iter().find(|rule| rule.state().is_some()) {
            self.fault(
                format!("{key}: `{rule}`: a ceiling gives nothing and counts nothing"),
                &given.origin,
            );
            return None;
        }
        Policy::compile(&rules)
            .map_err(|error| self.fault(format!("{key}: {error}"), &given.origin))
            .ok()
    }
}

choices!(PresetChoice, SlashChoice, ReadingChoice, PlusChoice, RefusalChoice);
