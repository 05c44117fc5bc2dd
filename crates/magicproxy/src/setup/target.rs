//! The API at the proxy for a client: chosen among the configuration's upstreams, or named by
//! flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use magicproxy_core::UpstreamName;
use magicproxy_proxy::settings::UpstreamSettings;

use super::choice::or_list;
use super::public_url::PublicUrl;
use crate::ground::failure::Failure;
use crate::runtime::settings;
use magicproxy_config::config::raw::RawConfig;
use magicproxy_config::config::{Flags, Layers};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::fault::{Fault, Faults, Origin};
use magicproxy_config::ground::scheme::is_loopback_host;
use magicproxy_config::ground::suggest::nearest;
use magicproxy_config::ground::text::harmless;
use magicproxy_config::providers::PresetChoice;

/// The flags that name the API, and its place.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// Where the proxy serves the API, such as `https://proxy.example/github`; of several APIs
    /// `NAME=URL`, once for each [default: from the configuration]
    #[arg(long = "proxy", value_name = "[NAME=]URL")]
    proxies: Vec<String>,
    /// Upstream of the configuration; with --proxy, the kind of API: github, digitalocean, …
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// Certificate authority of the proxy's own TLS (PEM)
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Unix socket on which the proxy listens, for clients that can use one
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", conflicts_with = "proxies")]
    config: Option<PathBuf>,
}

/// An API at the proxy, as a client may be led to it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The name of the upstream.
    pub(crate) name: String,
    /// A second name for `--upstream`: the API's host, for an upstream named by its preset.
    pub(crate) alias: Option<String>,
    /// The preset, if the kind of API is known.
    pub(crate) preset: Option<&'static str>,
    /// The upstream's own URL, if known.
    pub(crate) api_root: Option<String>,
    /// The URL of the proxy.
    pub(crate) public_url: PublicUrl,
    /// The upstream's mount: empty for the root, else `/` and segments.
    pub(crate) mount: String,
    /// Hosts with the upstream at their root, besides the mount.
    pub(crate) hosts: Vec<String>,
    /// The certificate authority's file, as an absolute path.
    pub(crate) ca_file: Option<String>,
    /// The Unix socket, as an absolute path.
    pub(crate) unix_socket: Option<String>,
    /// True if the proxy's name for the upstream is unknown: flags name a URL, or the configuration
    /// names no API.
    pub(crate) name_is_guessed: bool,
}

/// All APIs that a client could speak to.
#[derive(Debug)]
pub(crate) enum Targets {
    /// The upstreams of the configuration, and the name given by `--upstream`.
    Configured { targets: Vec<Target>, wanted: Option<String> },
    /// The target of a single `--proxy`; its preset comes from `--upstream`, or else from the
    /// client.
    Named(Target),
}

impl Target {
    /// True for the target's name and for its second name.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.alias.as_deref() == Some(name)
    }

    /// Returns the URL of the API for clients, without a final `/`.
    pub(crate) fn api(&self) -> String {
        format!("{}{}", self.public_url.as_str(), self.mount)
    }

    /// Returns the origin that clients would speak to without the proxy; empty if unknown.
    pub(crate) fn origin(&self) -> String {
        let root = self
            .api_root
            .as_deref()
            .or_else(|| self.preset.and_then(PresetChoice::root_of))
            .unwrap_or_default();
        let scheme_end = root.find("://").map_or(0, |at| at + 3);
        let end = root
            .get(scheme_end..)
            .and_then(|rest| rest.find('/'))
            .map_or(root.len(), |at| scheme_end + at);
        root.get(..end).unwrap_or_default().to_owned()
    }

    /// Returns the target at the root of a host, if the proxy or one of the upstream's hosts has
    /// the API at its root.
    pub(super) fn at_a_root(&self) -> Option<Self> {
        if self.mount.is_empty() && self.public_url.path().is_empty() {
            return Some(self.clone());
        }
        let host = self.hosts.first()?;
        let port = self
            .public_url
            .port()
            .filter(|_| !host.contains(':'))
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        let public_url =
            PublicUrl::parse(&format!("{}://{host}{port}", self.public_url.scheme())).ok()?;
        Some(Self { public_url, mount: String::new(), ..self.clone() })
    }

    /// Returns the proxy's host, if the host is this machine.
    pub(crate) fn loopback(&self) -> Option<&str> {
        Some(self.public_url.host()).filter(|host| is_loopback_host(host))
    }

    /// Returns a warning, if the token would travel unencrypted to another machine.
    pub(crate) fn exposure(&self) -> Option<String> {
        let exposed = self.public_url.scheme() == "http" && self.loopback().is_none();
        exposed.then(|| format!("the token travels unencrypted to {}", self.public_url.as_str()))
    }
}

impl Targets {
    /// Gathers the targets from the flags, or else from the configuration.
    pub(crate) fn gather(args: TargetArgs, environment: &Environment) -> Result<Self, Failure> {
        let ca_file =
            args.ca_file.as_deref().map(|path| absolute(path, "--ca-file")).transpose()?;
        let unix_socket =
            args.socket.as_deref().map(|path| absolute(path, "--socket")).transpose()?;
        let paths = Paths { ca_file, unix_socket };
        if args.proxies.is_empty() {
            let layers =
                Layers::gather(Flags { config: args.config, ..Flags::default() }, environment);
            settings::say_what_is_used(&layers);
            let targets = of_config(layers)?.into_iter();
            let with_flags = |target: Target| Target {
                ca_file: paths.ca_file.clone().or(target.ca_file),
                unix_socket: paths.unix_socket.clone().or(target.unix_socket),
                ..target
            };
            return Ok(Self::Configured {
                targets: targets.map(with_flags).collect(),
                wanted: args.upstream,
            });
        }
        match args.proxies.as_slice() {
            [url] if split_name(url).0.is_none() => {
                let preset = args.upstream.as_deref().map(api_named).transpose()?;
                Ok(Self::Named(paths.target(preset.unwrap_or("API"), preset, url)?))
            }
            proxies => {
                let target = |proxy: &String| match split_name(proxy) {
                    (Some(name), url) => {
                        paths.target(name, PresetChoice::apis().find(|kind| *kind == name), url)
                    }
                    (None, _) => Err(Failure::usage(
                        "--proxy: of several, each needs a name: `--proxy github=https://…`",
                    )),
                };
                let targets = proxies.iter().map(target).collect::<Result<_, _>>()?;
                Ok(Self::Configured { targets, wanted: args.upstream })
            }
        }
    }
}

/// The paths given by flags, for every target.
struct Paths {
    ca_file: Option<String>,
    unix_socket: Option<String>,
}

impl Paths {
    /// Makes a target from flags.
    fn target(
        &self,
        name: &str,
        preset: Option<&'static str>,
        url: &str,
    ) -> Result<Target, Failure> {
        let public_url = PublicUrl::parse(url)
            .map_err(|expected| Failure::usage(format!("--proxy: {expected}")))?;
        Ok(Target {
            name: name.to_owned(),
            alias: None,
            preset,
            api_root: None,
            public_url,
            mount: String::new(),
            hosts: Vec::new(),
            ca_file: self.ca_file.clone(),
            unix_socket: self.unix_socket.clone(),
            name_is_guessed: true,
        })
    }
}

/// Splits `NAME=VALUE` into name and value. A path that holds `=` has no name: `./a=b`.
pub(crate) fn split_name(text: &str) -> (Option<&str>, &str) {
    let is_name = |name: &str| UpstreamName::parse(name).is_some() && !name.contains(['/', ':']);
    match text.split_once('=') {
        Some((name, value)) if is_name(name) => (Some(name), value),
        _ => (None, text),
    }
}

/// Reads the upstreams of the configuration as targets.
fn of_config(layers: Layers) -> Result<Vec<Target>, Failure> {
    let presets = presets(&layers.raw);
    let config = settings::check(layers)?;
    let url = config.public_access().url;
    let public_url = PublicUrl::parse(&url).map_err(|expected| {
        Faults::one(Fault::new(format!("public_access: {expected}"), Origin::Default))
    })?;
    let path = |path: &Path| absolute(path, "the configuration's path").ok();
    let target = |upstream: &UpstreamSettings| Target {
        name: upstream.name.to_string(),
        alias: upstream.alias.as_ref().map(ToString::to_string),
        // An upstream named by no table is `[upstream]`.
        preset: presets
            .get(&Some(upstream.name.to_string()))
            .or_else(|| presets.get(&None))
            .copied()
            .and_then(PresetChoice::api),
        api_root: Some(upstream.api_root.to_string()),
        public_url: public_url.clone(),
        mount: upstream.routes.mount.as_str().to_owned(),
        hosts: upstream.routes.hosts.iter().map(|host| host.as_str().to_owned()).collect(),
        ca_file: config.development_authority().and_then(|file| path(&file)),
        unix_socket: config.socket_of(&upstream.name).and_then(path),
        name_is_guessed: config.upstream_assumed,
    };
    Ok(config.upstreams.iter().map(|upstream| target(upstream)).collect())
}

/// Returns the presets of upstreams by their names; `[upstream]` has the preset without a name.
fn presets(raw: &RawConfig) -> BTreeMap<Option<String>, PresetChoice> {
    let tables = raw.upstreams.iter().map(|(table, upstream)| {
        let name = upstream.name.given().map_or(table, |given| &given.value);
        (Some(name.clone()), upstream)
    });
    let all = tables.chain([(None, &raw.upstream)]);
    all.filter_map(|(name, upstream)| Some((name, upstream.preset.given()?.value))).collect()
}

fn api_named(name: &str) -> Result<&'static str, Failure> {
    PresetChoice::apis().find(|known| *known == name).ok_or_else(|| {
        let known: Vec<&str> = PresetChoice::apis().collect();
        let meant = nearest(name, known.iter().copied());
        let meant = meant.map_or_else(
            || format!("expected {}", or_list(&known)),
            |meant| format!("did you mean `{meant}`?"),
        );
        Failure::usage(format!("--upstream `{}` is no kind of API: {meant}", harmless(name)))
    })
}

/// Returns a path fit for any line: absolute, of UTF-8, without control characters.
pub(crate) fn absolute(path: &Path, flag: &str) -> Result<String, Failure> {
    let absolute = std::path::absolute(path).ok();
    let text = absolute
        .as_deref()
        .and_then(Path::to_str)
        .filter(|text| !text.chars().any(char::is_control));
    text.map(str::to_owned).ok_or_else(|| {
        let shown = harmless(&path.to_string_lossy());
        Failure::usage(format!(
            "{flag} `{shown}`: expected a path of UTF-8 without control characters"
        ))
    })
}
