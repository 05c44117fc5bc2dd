//! A description of the tokens that a configuration accepts and of who may mint, for people and for
//! programs. Shown by `serve` and `config check`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use magicproxy_core::{AcceptedTokens, Kem, TokenVersion};
use magicproxy_proxy::settings::{ApiRoot, UpstreamSettings};
use serde_json::{Value, json};

use super::Config;

/// Returns the description in words, a line for each version; separately for each upstream if the
/// upstreams differ.
pub fn in_words(config: &Config) -> Vec<String> {
    let told: Vec<Vec<String>> = config.upstreams.iter().map(|upstream| words(upstream)).collect();
    match told.first() {
        Some(words) if told.iter().all(|other| other == words) => words.clone(),
        _ => {
            let mut lines = Vec::new();
            for (upstream, words) in config.upstreams.iter().zip(&told) {
                for line in words {
                    lines.push(format!("`{}` {line}", upstream.name));
                }
            }
            lines
        }
    }
}

/// Returns the description as JSON.
pub fn to_json(config: &Config) -> Value {
    let of = |upstream: &UpstreamSettings| {
        json!({
            "upstream": upstream.name,
            "http_mint": if upstream.mints_over_http() { "open" } else { "closed" },
            "require_sub": upstream.acceptance.require_sub,
            "accepts": AcceptedTokens::any_of([&upstream.acceptance]),
        })
    };
    config.upstreams.iter().map(|upstream| of(upstream)).collect()
}

fn words(upstream: &UpstreamSettings) -> Vec<String> {
    let versions = &upstream.acceptance.versions;
    let of_v1 = match (versions.contains(&TokenVersion::V1), upstream.mints_over_http()) {
        (true, true) => {
            "accepts version 1: minting is open, who brings a credential may have a token (POST /__magictoken)"
        }
        (true, false) => {
            "accepts version 1: minting is closed, tokens come from `magicproxy mint` beside the keys"
        }
        (false, _) => "accepts no version 1: minting is closed",
    };
    let of_v2 = match versions.contains(&TokenVersion::V2) {
        true => format!("accepts version 2: {}", sealers(upstream)),
        false => "accepts no version 2 (sealed tokens)".to_owned(),
    };
    vec![of_v1.to_owned(), of_v2]
}

/// Returns the minters that may seal tokens, and the KEMs.
fn sealers(upstream: &UpstreamSettings) -> String {
    let acceptance = &upstream.acceptance;
    let who = match acceptance.minters.as_slice() {
        [] => "who has the public key may seal a token".to_owned(),
        [only] => format!("only the listed minter may seal a token ({})", only.id()),
        several => format!("only the {} listed minters may seal a token", several.len()),
    };
    let kems: Vec<&str> = acceptance.kems.iter().map(|kem| kem.as_str()).collect();
    let all = Kem::ALL.iter().all(|kem| acceptance.kems.contains(kem));
    if all { who } else { format!("{who}, with {} alone", kems.join(" and ")) }
}

/// Returns warnings on upstreams that list minters and accept none of their tokens.
pub fn idle_minters(config: &Config) -> Vec<String> {
    let idle = config.upstreams.iter().filter(|upstream| {
        !upstream.acceptance.minters.is_empty()
            && !upstream.acceptance.versions.contains(&TokenVersion::V2)
    });
    let told = idle.map(|upstream| {
        format!("minters are listed for `{}`, and tokens of version 2, which they sign, are not accepted there", upstream.name)
    });
    told.collect()
}

/// Returns warnings on upstreams for which a stranger can mint, and whose API strangers may not
/// reach directly.
pub fn open_to_private_apis(config: &Config) -> Vec<String> {
    config.upstreams.iter().filter_map(|upstream| open_to_private_api(upstream)).collect()
}

fn open_to_private_api(upstream: &UpstreamSettings) -> Option<String> {
    open_to(upstream, upstream.origins().find(|root| is_private(root))?)
}

/// Returns the warning on this private origin, if a stranger can mint for the upstream.
pub fn open_to(upstream: &UpstreamSettings, private: &ApiRoot) -> Option<String> {
    let acceptance = &upstream.acceptance;
    let unsigned = acceptance.versions.contains(&TokenVersion::V2) && acceptance.minters.is_empty();
    let ways_out = match (upstream.mints_over_http(), unsigned) {
        (false, false) => return None,
        (true, false) => "close minting (`mint.policy = \"closed\"`)",
        (_, true) => {
            "list `minters` and write no `mint.policy = \"open\"`, or close minting (`mint.policy = \"closed\"`) and accept `v1` alone"
        }
    };
    Some(format!(
        "anyone can mint for `{}`, and its API root `{private}` is a private address: whoever reaches this proxy reaches that API by it, \
         with any credential and any rule, and so what only the API's own network was to reach: {ways_out}, unless the API asks everyone \
         for a credential",
        upstream.name
    ))
}

/// Returns the name of an origin that must be resolved to know whether the origin is private.
pub fn name_to_resolve(root: &ApiRoot) -> Option<&str> {
    let is_address =
        root.host().trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    Some(root.host()).filter(|_| !is_address && !is_private(root))
}

/// True if the Internet at large does not reach this host, as far as the name shows. Nothing is
/// resolved: a start must not wait for a name server, and the name may lead to another address
/// tomorrow.
fn is_private(root: &ApiRoot) -> bool {
    let host = root.host().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) => is_private_address(address),
        Err(_) => is_private_name(host),
    }
}

/// Top-level names without a public name server: RFC 6761, 6762 and 8375, ICANN's `internal`, and
/// further names that networks use.
const PRIVATE_SUFFIXES: [&str; 12] = [
    "localhost",
    "local",
    "internal",
    "home.arpa",
    "localdomain",
    "lan",
    "home",
    "intranet",
    "corp",
    "private",
    "test",
    "svc",
];

fn is_private_name(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let below = |suffix: &&str| {
        name.strip_suffix(*suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    !name.contains('.') || PRIVATE_SUFFIXES.iter().any(below)
}

/// True for addresses that are loopback, link-local, private, shared (RFC 6598), unique local, or
/// unspecified, which means this machine as well.
pub fn is_private_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    first == 0 || shared || address.is_loopback() || address.is_private() || address.is_link_local()
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let embedded = match address.segments() {
        // NAT64 (RFC 6052), the addresses of RFC 4291 section 2.5.5.1, and 6to4 (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    };
    // Site-local addresses (RFC 3879) are no longer assigned, and still in use.
    let site_local = address.segments().first().is_some_and(|first| first & 0xffc0 == 0xfec0);
    let own = address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local();
    own || site_local || embedded.is_some_and(is_private_v4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_internet_does_not_reach_is_private() {
        let private = [
            "127.0.0.1",
            "127.255.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[fd00::1]",
            "[fc00::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[::10.0.0.1]",
            "[fec0::1]",
            "[2002:a00:1::1]",
            "localhost",
            "LOCALHOST",
            "api.localhost",
            "api",
            "api.",
            "gitlab.local",
            "gitlab.local.",
            "api.internal",
            "vault.corp",
            "x.home.arpa",
            "x.lan",
            "x.svc",
            "x.svc.cluster.local",
            "x.test",
        ];
        let public = [
            "api.github.com",
            "11.0.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.169.0.1",
            "169.253.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "8.8.8.8",
            "[2606:4700::1111]",
            "[fb00::1]",
            "[64:ff9b::8.8.8.8]",
            "[2002:808:808::1]",
            "api.github.com.",
            "local.example",
            "internal.example",
            "notlocal.example.com",
            "x.mylan",
            "x.latest",
        ];
        let is = |host: &str| is_private(&ApiRoot::parse(&format!("http://{host}:8080")).unwrap());
        for host in private {
            assert!(is(host), "{host}");
        }
        for host in public {
            assert!(!is(host), "{host}");
        }
    }
}
