//! The upstreams: from what was written about each to checked settings, none of which gets in another's way.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::{EncodedSlash, PathReading, PatternMode, Policy, UnnamedTokens, UpstreamName};
use magicproxy_proxy::https::{TrustFault, check_trust};
use magicproxy_proxy::rewrite::Members;
use magicproxy_proxy::settings::{
    ApiRoot, Forwarding, HostName, Links, MountPath, PathMapping, PathTarget, Placing, UpstreamProtocol, UpstreamSettings,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::acceptance::{GeneralMinting, Minting};
use super::check::{Checker, list, value};
use super::check::{Checker, list, value};
use super::headers::names_in;
use super::headers::names_in;
use super::outbound::GeneralOutbound;
use super::outbound::GeneralOutbound;
use super::raw::{RawConfig, RawUpstream};
use super::scopes::CompiledScopes;
use super::setting::{Given, Section as _, Setting};
use super::value::{ForwardingChoice, ProtocolChoice};
use crate::ground::fault::{Fault, Origin};
use crate::ground::text::reason;
use crate::providers::PresetChoice;
use crate::providers::words::{ReadingChoice, RefusalChoice, SlashChoice};

/// One upstream as it was written, with the name of its table.
pub(super) struct Table<'r> {
    /// `upstream` or `upstreams.NAME`.
    pub(super) key: String,
    /// NAME.
    name: Option<&'r str>,
    pub(super) raw: &'r RawUpstream,
    /// Which tokens that name no upstream it takes.
    unnamed: UnnamedTokens,
}

/// Every upstream that was described: `[upstream]` first, unless others are described and nobody speaks of it.
pub(super) fn tables(raw: &RawConfig) -> Vec<Table<'_>> {
    let is_spoken_of = raw.upstreams.is_empty() || !raw.upstream.entries("").is_empty();
    let single = is_spoken_of.then(|| ("upstream".to_owned(), None, &raw.upstream));
    let named = raw.upstreams.iter().map(|(name, raw)| (format!("upstreams.{name}"), Some(name.as_str()), raw));
    let described: Vec<_> = single.into_iter().chain(named).collect();
    let is_alone = described.len() == 1;
    let table = |(key, name, raw): (String, Option<_>, _)| {
        let unnamed = if name.is_none() || is_alone { UnnamedTokens::Accept } else { UnnamedTokens::Refuse };
        Table { key, name, raw, unnamed }
    };
    described.into_iter().map(table).collect()
}

/// What is said for all upstreams, checked once.
struct General<'r> {
    raw: &'r RawConfig,
    scopes: CompiledScopes,
    minting: GeneralMinting<'r>,
    outbound: GeneralOutbound,
}

impl Table<'_> {
    pub(super) fn key(&self, setting: &str) -> String {
        format!("{}.{setting}", self.key)
    }

    /// How its patterns are matched, and those of scopes for its tokens.
    pub(super) fn patterns(&self) -> PatternMode {
        match value(&self.raw.danger_prefix_matching, false) {
            true => PatternMode::DangerPrefix,
            false => PatternMode::Whole,
        }
    }

    /// Where the table is, as far as anybody knows.
    fn origin(&self) -> Origin {
        let mut origins = self.raw.entries("").into_iter().map(|entry| entry.origin);
        origins.find(|origin| matches!(origin, Origin::File(_))).cloned().unwrap_or(Origin::Default)
    }
}

/// The real API root of the preset of each upstream, in the order of the upstreams: it may have another one configured.
pub(super) fn preset_roots(raw: &RawConfig) -> Vec<Option<&'static str>> {
    tables(raw).iter().map(|table| PresetChoice::root_of(table.raw.preset.given()?.value.name())).collect()
}

impl Checker<'_> {
    /// Every upstream that was described; none if one has a fault.
    pub(super) fn upstreams(&mut self, raw: &RawConfig) -> Option<Vec<Arc<UpstreamSettings>>> {
        let tables = tables(raw);
        self.distinct(&tables);
        let general = General {
            raw,
            scopes: self.scopes(raw, &tables),
            minting: self.general_minting(raw, &tables),
            outbound: self.general_outbound(raw, &tables),
        };
        let checked: Vec<_> = tables.iter().map(|table| self.upstream(&general, table)).collect();
        let checked: Vec<_> = checked.into_iter().collect::<Option<_>>()?;
        self.distinct_from_the_unnamed(&tables, &checked);
        self.pass_no_carriers(&tables, &checked);
        self.no_pages_beside_an_open_mint(&tables, &checked);
        Some(checked)
    }

    fn upstream(&mut self, general: &General<'_>, table: &Table<'_>) -> Option<Arc<UpstreamSettings>> {
        let raw = table.raw;
        let api_root =
            self.text(&table.key("api_root"), &raw.api_root, |text| ApiRoot::parse(text).map_err(|error| error.to_string()));
        if raw.api_root.given().is_none() {
            self.fault(format!("{} is needed: the URL of the API", table.key("api_root")), &table.origin());
        }
        let patterns = table.patterns();
        let minting = self.minting_of(&general.minting, table);
        let response_timeout = self.response_timeout(general.raw, table);
        let name = self.name(table, api_root.as_ref());
        let alias = alias(table, name.as_ref(), api_root.as_ref());
        let placing = self.placing(table);
        let protocol = self.protocol(table, api_root.as_ref(), placing.as_ref());
        let ceiling = self.ceiling(table, patterns);
        let drop_request_headers = self.header_names(&table.key("drop_request_headers"), names_in(&raw.drop_request_headers));
        let drop_response_headers = self.header_names(&table.key("drop_response_headers"), list(&raw.drop_response_headers));
        let extra_roots = self.extra_roots(table);
        let links = self.links(table);
        let credential = self.credential_carrier(&table.key("credential"), &raw.credential);
        let token_carriers = self.token_carriers(&table.key("accept_token_in"), &raw.accept_token_in);
        let pass_request_headers = self.passed_headers(table);
        let outbound = self.outbound(&general.outbound, table);
        let allow_origins = self.page_origins(table);
        // From here on nothing finds a fault.
        let Minting { acceptance, http_mint } = minting?;
        Some(Arc::new(UpstreamSettings {
            name: name?,
            alias,
            api_root: api_root?,
            protocol: protocol?,
            placing: placing?,
            unnamed: table.unnamed,
            acceptance,
            http_mint,
            scopes: general.scopes.matching(patterns),
            links: links?,
            response_timeout,
            encoded_slash: encoded_slash(raw),
            path_reading: path_reading(raw),
            patterns,
            ceiling,
            preset_request_headers: self.preset_headers(raw),
            pass_request_headers,
            drop_request_headers,
            drop_response_headers,
            drop_query_parameters: list(&raw.drop_query_parameters).iter().map(|name| name.value.clone()).collect(),
            extra_roots,
            outbound,
            websocket: value(&raw.websocket, false),
            forwarding: forwarding(raw),
            credential,
            token_carriers,
            refusals: value(&raw.refusals, RefusalChoice::Problem).into(),
            allow_origins,
        }))
    }

    /// What is said, else the name of the table, else that of the preset whose API root this is, else host and port of the API
    /// root.
    fn name(&mut self, table: &Table<'_>, api_root: Option<&ApiRoot>) -> Option<UpstreamName> {
        const EXPECTED: &str = "expected 1 to 255 characters of `A-Z a-z 0-9 . _ : - [ ]`";
        let parse = |text: &str| UpstreamName::parse(text).ok_or_else(|| EXPECTED.to_owned());
        match (table.raw.name.given(), table.name) {
            (Some(_), _) => self.text(&table.key("name"), &table.raw.name, parse),
            (None, Some(name)) => parse(name).map_err(|text| self.fault(format!("{}: {text}", table.key), &table.origin())).ok(),
            (None, None) => {
                let root = api_root?;
                let preset = PresetChoice::of_root(&root.to_string()).map(PresetChoice::name);
                UpstreamName::parse(preset.unwrap_or_else(|| root.authority().as_str()))
            }
        }
    }

    /// An operator who speaks of all upstreams knows better than a preset.
    fn response_timeout(&mut self, config: &RawConfig, table: &Table<'_>) -> Option<Duration> {
        let setting = &table.raw.response_timeout;
        let by_preset = matches!(setting.given()?.origin, Origin::Preset(_));
        let general = config.timeouts.response.given().is_some_and(|given| given.origin != Origin::Default);
        if by_preset && general { None } else { self.lifetime(&table.key("response_timeout"), setting) }
    }

    fn placing(&mut self, table: &Table<'_>) -> Option<Placing> {
        let mount = match (table.raw.mount.given(), table.name) {
            (Some(given), _) => self.mount(&table.key("mount"), given),
            (None, None) => Some(MountPath::default()),
            (None, Some(name)) => MountPath::parse(&format!("/{name}"))
                .map_err(|_| self.fault(format!("{} is needed: `/{name}` is no mount", table.key("mount")), &table.origin()))
                .ok(),
        };
        let mut hosts = Vec::new();
        for given in list(&table.raw.hosts) {
            match HostName::parse(&given.value) {
                Some(host) => hosts.push(host),
                None => self.fault(format!("{} `{}`: expected a host", table.key("hosts"), given.value), &given.origin),
            }
        }
        let paths = self.paths(table);
        Some(Placing { mount: mount?, hosts, paths })
    }

    /// HTTP/2 is agreed by TLS: who asks for it must have that at every origin.
    fn protocol(&mut self, table: &Table<'_>, api_root: Option<&ApiRoot>, placing: Option<&Placing>) -> Option<UpstreamProtocol> {
        let given = match table.raw.protocol.given() {
            Some(given) if given.value == ProtocolChoice::Http2 => given,
            Some(given) if given.value == ProtocolChoice::Auto => return Some(UpstreamProtocol::Negotiated),
            _ => return Some(UpstreamProtocol::Http1),
        };
        let further = placing.into_iter().flat_map(|placing| &placing.paths).filter_map(|path| match &path.to {
            PathTarget::Origin(root) => Some(root),
            PathTarget::Path(_) => None,
        });
        let Some(plain) = api_root.into_iter().chain(further).find(|root| !root.is_secure()) else {
            return Some(UpstreamProtocol::Negotiated);
        };
        let key = table.key("protocol");
        self.fault(
            format!("{key} `h2`: needs TLS, and `{plain}` has none: expected `auto` or `http/1.1`, or a root that begins with `https://`"),
            &given.origin,
        );
        None
    }

    fn mount(&mut self, key: &str, given: &Given<String>) -> Option<MountPath> {
        let parsed = MountPath::parse(&given.value);
        parsed.map_err(|error| self.fault(format!("{key} `{}`: {error}", given.value), &given.origin)).ok()
    }

    fn paths(&mut self, table: &Table<'_>) -> Vec<PathMapping> {
        let mut paths = Vec::new();
        let key = table.key("paths");
        for (prefix, given) in table.raw.paths.given().map(|given| &given.value).into_iter().flatten() {
            let from = Given { value: prefix.clone(), origin: given.origin.clone() };
            let prefix = self.mount(&key, &from).filter(|prefix| !prefix.is_root());
            let to = if given.value.starts_with('/') {
                self.mount(&format!("{key}.{}", from.value), given).map(PathTarget::Path)
            } else {
                let setting = Setting::new(given.value.clone(), given.origin.clone());
                let parse = |text: &str| ApiRoot::parse(text).map_err(|error| format!("expected a path, or a URL: {error}"));
                self.text(&format!("{key}.{}", from.value), &setting, parse).map(PathTarget::Origin)
            };
            if let (Some(prefix), Some(to)) = (prefix, to) {
                paths.push(PathMapping { prefix, to });
            }
        }
        paths
    }

    /// No two upstreams have one name, one mount or one host.
    fn distinct(&mut self, tables: &[Table<'_>]) {
        let mut seen = HashSet::new();
        for table in tables {
            let mount = table.raw.mount.given().map_or_else(
                || format!("/{}", table.name.unwrap_or_default()),
                |given| format!("/{}", given.value.trim_matches('/')),
            );
            let name = table.raw.name.given().map(|given| given.value.clone()).or_else(|| table.name.map(str::to_owned));
            let hosts = list(&table.raw.hosts).iter().map(|host| ("host", host.value.to_lowercase()));
            let claims = name.map(|name| ("name", name)).into_iter().chain([("mount", mount)]).chain(hosts);
            for (what, claim) in claims {
                if !seen.insert((what, claim.clone())) {
                    self.fault(format!("{}: the {what} `{claim}` is taken by another upstream", table.key), &table.origin());
                }
            }
        }
    }

    /// `[upstream]` may have its name from its API root, and so may somebody's table; and no upstream has the name by which the
    /// tokens of another may call that.
    fn distinct_from_the_unnamed(&mut self, tables: &[Table<'_>], checked: &[Arc<UpstreamSettings>]) {
        let (Some(table), Some((first, others))) = (tables.first(), checked.split_first()) else { return };
        if table.name.is_some() || table.raw.name.given().is_some() {
            return;
        }
        for name in [Some(&first.name), first.alias.as_ref()].into_iter().flatten() {
            if others.iter().any(|other| other.name == *name) {
                let message = format!("{}: the name `{name}` is taken by another upstream", table.key);
                self.faults.push(Fault::new(message, table.origin()).help("say how it is to be called: `upstream.name = \"…\"`"));
            }
        }
    }

    /// What is rewritten; each fault points at its member.
    fn links(&mut self, table: &Table<'_>) -> Option<Links> {
        let key = table.key("rewrite_members");
        let given = list(&table.raw.rewrite_members);
        let faults = self.faults.len();
        for Given { value, origin } in given {
            if let Err(error) = Members::parse([value.as_str()]) {
                self.fault(format!("{key} `{value}`: {error}"), origin);
            }
        }
        let members =
            Members::parse(given.iter().map(|given| given.value.as_str())).ok().filter(|_| self.faults.len() == faults)?;
        Some(if value(&table.raw.rewrite_links, true) { Links::Rewrite(Arc::new(members)) } else { Links::Keep })
    }

    fn ceiling(&mut self, table: &Table<'_>, patterns: PatternMode) -> Option<Policy> {
        let given = table.raw.ceiling.given()?;
        let key = table.key("ceiling");
        let rules = self.rules(&key, &given.value, &given.origin, patterns)?;
        if let Some(rule) = rules.iter().find(|rule| rule.state().is_some()) {
            self.fault(format!("{key}: `{rule}`: a ceiling gives nothing and counts nothing"), &given.origin);
            return None;
        }
        Policy::compile(&rules).map_err(|error| self.fault(format!("{key}: {error}"), &given.origin)).ok()
    }

    fn extra_roots(&mut self, table: &Table<'_>) -> Vec<CertificateDer<'static>> {
        self.certificates(&table.key("extra_ca_file"), &table.raw.extra_ca_file)
    }

    /// What is in a PEM file of certificates.
    pub(super) fn certificates(&mut self, key: &str, setting: &Setting<String>) -> Vec<CertificateDer<'static>> {
        let Some(given) = setting.given() else { return Vec::new() };
        let path = self.path(given);
        let fault = match std::fs::read(&path) {
            Err(error) => format!("{key} `{}`: {}", path.display(), reason(&error)),
            Ok(pem) => match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
                Ok(roots) if !roots.is_empty() => match check_trust(&roots) {
                    Err(TrustFault::Unreadable(number)) => {
                        format!("{key} `{}`: certificate number {number} in it cannot be read", path.display())
                    }
                    _ => return roots,
                },
                _ => format!("{key} `{}`: expected certificates in PEM", path.display()),
            },
        };
        self.fault(fault, &given.origin);
        Vec::new()
    }
}

/// Host and port of the API root, where the upstream had its name from there before presets gave theirs.
fn alias(table: &Table<'_>, name: Option<&UpstreamName>, api_root: Option<&ApiRoot>) -> Option<UpstreamName> {
    let unnamed = table.name.is_none() && table.raw.name.given().is_none();
    let host = UpstreamName::parse(api_root.filter(|_| unnamed)?.authority().as_str());
    host.filter(|host| Some(host) != name)
}

fn encoded_slash(raw: &RawUpstream) -> EncodedSlash {
    match value(&raw.encoded_slash, SlashChoice::Refuse) {
        SlashChoice::Refuse => EncodedSlash::Refuse,
        SlashChoice::Both => EncodedSlash::Both,
        SlashChoice::Opaque => EncodedSlash::Opaque,
    }
}

fn path_reading(raw: &RawUpstream) -> PathReading {
    match value(&raw.path_reading, ReadingChoice::Strict) {
        ReadingChoice::Strict => PathReading::Strict,
        ReadingChoice::DecodeOnce => PathReading::DecodeOnce,
        ReadingChoice::Servlet => PathReading::Servlet,
        ReadingChoice::Normalize => PathReading::Normalize,
    }
}

fn forwarding(raw: &RawUpstream) -> Forwarding {
    match value(&raw.forwarding, ForwardingChoice::None) {
        ForwardingChoice::None => Forwarding::None,
        ForwardingChoice::Forwarded => Forwarding::Forwarded,
        ForwardingChoice::XForwarded => Forwarding::XForwarded,
    }
}
