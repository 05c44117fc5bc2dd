//! Warnings on settings that are valid and hardly intended. Shown by `serve` and `config check`.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;

use magicproxy_core::{PatternMode, Policy, RawRule, Rule};
use magicproxy_proxy::header::RequestFields;
use magicproxy_proxy::settings::UpstreamSettings;

use super::check::list;
use super::raw::RawConfig;
use super::scopes::RawRuleSetting;
use super::setting::GivenValue;
use super::upstream::{Table, tables};
use super::{Config, accepted, unseen_headers};
use crate::ground::scheme::is_loopback_host;
use crate::ground::suggest::nearest;
use crate::ground::text::harmless;

/// The shortest prefixes, for IPv4 and IPv6, of a network of trusted proxies without a warning:
/// larger networks hardly consist of one's own proxies.
const LEAST_PREFIX: [u8; 2] = [8, 16];
/// The most rules of a scope that are compared with ceilings, because the comparison takes time.
const MAX_COMPARED: usize = 64;

/// The facts about a proxy's keys that warnings need.
#[derive(Clone, Debug)]
pub struct KnownKeys<'k> {
    /// The folder of the keys.
    pub folder: Option<&'k Path>,
    /// The ids of all keys with which tokens are signed, or to which tokens are sealed.
    pub ids: Vec<&'k str>,
    /// The ids of the sealing keys that are not retired.
    pub active_sealing: Vec<&'k str>,
}

/// Returns all warnings. Denied keys are looked up in `keys`.
pub fn warnings(raw: &RawConfig, config: &Config, keys: Option<&KnownKeys<'_>>) -> Vec<String> {
    let mut warnings = trusted_networks(raw);
    warnings.extend(config.upstreams.iter().filter_map(|upstream| plain_http(upstream)));
    warnings.extend(keys.into_iter().flat_map(|keys| denied_keys(raw, keys)));
    warnings.extend(keys.into_iter().flat_map(|keys| denied_and_active(config, keys)));
    warnings.extend(shadowed_mounts(config));
    warnings.extend(shadowed_hosts(config));
    warnings.extend(accepted::idle_minters(config));
    warnings.extend(accepted::open_to_private_apis(config));
    warnings.extend(futile_scopes(raw, config));
    warnings.extend(vain_rules(raw));
    warnings.extend(headers_without_effect(raw, config));
    warnings.extend(config.admin.warnings());
    warnings
}

/// Warns of networks like `0.0.0.0/0`, in which every client would be believed.
fn trusted_networks(raw: &RawConfig) -> Vec<String> {
    let is_large = |text: &str| {
        let (address, length) = text.split_once('/')?;
        let [v4, v6] = LEAST_PREFIX;
        let least = if address.parse::<IpAddr>().ok()?.is_ipv4() { v4 } else { v6 };
        length.parse::<u8>().ok().filter(|length| *length < least)
    };
    let large =
        list(&raw.tokens.trusted_proxies).iter().filter(|given| is_large(&given.value).is_some());
    let told = large.map(|given| {
        format!(
            "tokens.trusted_proxies `{}`: whoever connects from there may say whose request it is, so that tokens bound to a sender \
             are bound to nobody, and shares of an address are nobody's: name the addresses of your own proxies",
            given.value
        )
    });
    told.collect()
}

fn plain_http(upstream: &UpstreamSettings) -> Option<String> {
    let exposed =
        upstream.origins().find(|root| !root.is_secure() && !is_loopback_host(root.host()));
    exposed.map(|root| {
        format!(
            "the API root `{root}` is plain http: credentials travel unencrypted to another machine"
        )
    })
}

/// Warns of a denied key that does not exist: the key is gone, or its id is misspelt.
fn denied_keys(raw: &RawConfig, keys: &KnownKeys<'_>) -> Vec<String> {
    let folder = keys.folder.map(|folder| folder.display().to_string()).unwrap_or_default();
    let mut warnings = Vec::new();
    for given in list(&raw.tokens.deny_kid) {
        if keys.ids.contains(&given.value.as_str()) {
            continue;
        }
        let hint = match nearest(&given.value, keys.ids.iter().copied()) {
            Some(meant) => format!(": did you mean `{meant}`?"),
            None => ", so this denies nothing now (`magicproxy keys list` shows them)".to_owned(),
        };
        warnings.push(format!(
            "tokens.deny_kid `{}`: no key in `{folder}` has this id{hint}",
            given.value
        ));
    }
    warnings
}

/// Warns of a sealing key that is denied and not retired. Such a key is no longer published, but
/// minters who cannot ask seal to the key for 30 days.
fn denied_and_active(config: &Config, keys: &KnownKeys<'_>) -> Vec<String> {
    let denied = config.denied_keys();
    let told = keys.active_sealing.iter().filter(|id| denied.iter().any(|one| one == *id)).map(|id| {
        format!(
            "tokens.deny_kid `{id}`: this key is not retired, and in its place there may be none to seal to: `magicproxy keys rotate` makes \
             another, and lets those who follow the key set know that it is newer"
        )
    });
    told.collect()
}

/// Warns of requests that never reach an upstream because of another upstream's longer mount: the
/// longest mount decides.
fn shadowed_mounts(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    for inner in config.upstreams.iter().filter(|upstream| !upstream.routes.mount.is_root()) {
        let mount = inner.routes.mount.as_str();
        for outer in config.upstreams.iter().filter(|outer| outer.name != inner.name) {
            let own = outer.routes.mount.as_str();
            if !own.is_empty() && is_below(mount, own) {
                warnings.push(format!(
                    "requests below `{mount}` are for the upstream `{}`, and never for `{}`, whose mount is `{own}`",
                    inner.name, outer.name
                ));
            }
            let hidden =
                outer.routes.paths.iter().map(|path| format!("{own}{}", path.prefix.as_str()));
            for path in hidden.filter(|path| mount.len() > own.len() && is_below(path, mount)) {
                warnings.push(format!(
                    "requests below `{path}` are for the upstream `{}`, whose mount is `{mount}`, and never for `{}`, which has that path",
                    inner.name, outer.name
                ));
            }
        }
    }
    warnings
}

fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Warns of host names that never reach an upstream. Names are compared before mounts: APIs' own
/// names first, then hosts in the order of the upstreams.
fn shadowed_hosts(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let several = config.upstreams.len() > 1;
    let public = match &config.public_access {
        Some(public) if several => Some(public.host.to_lowercase()),
        Some(_) | None => None,
    };
    let mut earlier: Vec<(&str, &str)> = Vec::new();
    for upstream in &config.upstreams {
        let name = upstream.name.as_str();
        for host in upstream.routes.hosts.iter().map(|host| host.as_str()) {
            let bare = without_port(host);
            let api = config.upstreams.iter().find(|other| {
                other.name != upstream.name
                    && other.api_root.authority().as_str().eq_ignore_ascii_case(host)
            });
            if let Some(api) = api {
                warnings.push(format!(
                    "hosts `{host}` of the upstream `{name}`: requests with this name are for `{}`, whose API it is",
                    api.name
                ));
            }
            let taken = earlier.iter().find(|(other, owner)| {
                *owner != name && (*other == bare || without_port(other) == host)
            });
            if let Some((other, owner)) = taken {
                warnings.push(format!(
                    "hosts `{host}` of the upstream `{name}` and `{other}` of `{owner}` overlap: requests with both are for `{owner}`"
                ));
            }
            if public.as_deref() == Some(bare) {
                warnings.push(format!(
                    "hosts `{host}` of the upstream `{name}` is the name in `public_access`: by that URL no other upstream is reached"
                ));
            }
        }
        earlier.extend(upstream.routes.hosts.iter().map(|host| (host.as_str(), name)));
    }
    warnings
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((bare, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => bare,
        _ => host,
    }
}

/// Warns of rules in scopes of which no ceiling allows anything.
fn futile_scopes(raw: &RawConfig, config: &Config) -> Vec<String> {
    let ceilings: Option<Vec<Vec<Rule>>> = tables(raw).iter().map(ceiling).collect();
    // An upstream without a ceiling, or with another way of matching, may allow every rule.
    let Some(ceilings) = ceilings else { return Vec::new() };
    if ceilings.is_empty() || ceilings.len() != config.upstreams.len() {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for (name, given) in &raw.scopes {
        let Some(rules) = parsed(given) else { continue };
        if rules.len() > MAX_COMPARED {
            continue;
        }
        let mut futile: HashSet<usize> = (0..rules.len()).collect();
        for ceiling in &ceilings {
            let of_this: HashSet<usize> = Policy::futile(&rules, ceiling).into_iter().collect();
            futile.retain(|at| of_this.contains(at));
        }
        let mut futile: Vec<_> = futile.into_iter().collect();
        futile.sort_unstable();
        for rule in futile.into_iter().filter_map(|at| rules.get(at)) {
            warnings.push(format!(
                "scope `{name}`: no ceiling allows anything of `{}`",
                harmless(&rule.to_string())
            ));
        }
    }
    warnings
}

/// Warns of rules that another rule of their list makes vain.
fn vain_rules(raw: &RawConfig) -> Vec<String> {
    let of_list = |what: &str, rules: &[Rule]| -> Vec<String> {
        let vain = Policy::vain(rules).into_iter();
        vain.map(|vain| format!("{what}: {}", harmless(&vain.to_string()))).collect()
    };
    let scopes = raw
        .scopes
        .iter()
        .filter_map(|(name, given)| Some(of_list(&format!("scope `{name}`"), &parsed(given)?)));
    let tables = tables(raw);
    let ceilings = tables
        .iter()
        .filter_map(|table| Some(of_list(&format!("{}.ceiling", table.key), &ceiling(table)?)));
    scopes.chain(ceilings).flatten().collect()
}

/// Warns of rules that test header fields which no API gets.
fn headers_without_effect(raw: &RawConfig, config: &Config) -> Vec<String> {
    let fields = |upstream| RequestFields::of(upstream, &config.upstreams);
    let mut warnings = Vec::new();
    for (name, given) in &raw.scopes {
        let rules = parsed(given).unwrap_or_default();
        if rules.iter().any(|rule| rule.header_names().next().is_some()) {
            let all: Vec<_> = config.upstreams.iter().map(|upstream| fields(upstream)).collect();
            let unseen = unseen_headers(&rules, &all).into_iter();
            warnings.extend(unseen.map(|unseen| format!("scope `{name}`: {unseen}")));
        }
    }
    let tables = tables(raw);
    for (table, upstream) in tables.iter().zip(&config.upstreams) {
        let rules = ceiling(table).unwrap_or_default();
        if rules.iter().any(|rule| rule.header_names().next().is_some()) {
            let unseen = unseen_headers(&rules, &[fields(upstream)]).into_iter();
            warnings.extend(unseen.map(|unseen| format!("{}.ceiling: {unseen}", table.key)));
        }
    }
    warnings
}

fn ceiling(table: &Table<'_>) -> Option<Vec<Rule>> {
    match table.patterns() {
        PatternMode::Whole => parsed(&table.raw.ceiling.given()?.value),
        PatternMode::DangerPrefix => None,
    }
}

/// Parses rules that were checked before; plugins are left out.
fn parsed(given: &[GivenValue<RawRuleSetting>]) -> Option<Vec<Rule>> {
    let rules = given
        .iter()
        .map(|given| given.value.0.clone())
        .filter(|rule| !matches!(rule, RawRule::Plugin(_)));
    Rule::parse_list(&rules.collect::<Vec<_>>(), Default::default()).ok()
}
