//! The configuration as it is written: nothing here is checked beyond its form. [`check`](super::check) does the rest.
//!
//! One [`RawConfig`] is made for each layer: flags, environment, files, defaults. The doc comments of the fields are what
//! editors show, by way of `magicproxy config schema`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::carrier::CarrierText;
use super::outbound::{OutboundText, RawProxies};
use super::setting::{Entry, FromText as _, Given, Section, Setting, section};
use super::size::SizeText;
use super::value::{
    AnnounceChoice, DurationText, FailureChoice, ForwardingChoice, HeaderNames, HostCheckChoice, KemChoice, LogFormat, LogLevel,
    MintPolicy, ProtocolChoice, RawRuleSetting, StoreChoice, StoreUrlText, StrangersChoice, VersionChoice,
};
use crate::ground::fault::Origin;
use crate::providers::PresetChoice;
use crate::providers::words::{ReadingChoice, RefusalChoice, SlashChoice};

/// Configuration of Magic API Proxy.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawConfig {
    /// Where the proxy listens: `HOST:PORT` or `unix:PATH`.
    #[serde(default)]
    pub(crate) listen: Setting<String>,
    /// Where it listens besides. Without `listen`, only there.
    #[serde(default)]
    pub(crate) listeners: Vec<RawListener>,
    /// Names by which clients may call the proxy besides those that other settings tell, where that is checked.
    #[serde(default)]
    pub(crate) allowed_hosts: Setting<Vec<Given<String>>>,
    /// Where the name is checked by which a request calls the proxy: `loopback`, on listeners with a loopback address, or
    /// `everywhere`, on all of TCP.
    #[serde(default)]
    pub(crate) check_host: Setting<HostCheckChoice>,
    /// May others than this machine reach the proxy without TLS, and mint? For containers behind something that speaks TLS.
    #[serde(default)]
    pub(crate) danger_plain_http: Setting<bool>,
    /// TLS towards callers.
    #[serde(default)]
    pub(crate) tls: RawTls,
    /// A certificate from an ACME server, such as Let's Encrypt. Whoever names domains here agrees to its terms of service.
    #[serde(default)]
    pub(crate) acme: RawAcme,
    /// The URL by which callers reach the proxy; its host is the name in the certificate beside the keys.
    #[serde(default)]
    pub(crate) public_access: Setting<String>,
    /// The signing keys.
    #[serde(default)]
    pub(crate) keys: RawKeys,
    /// What minters may have.
    #[serde(default)]
    pub(crate) mint: RawMint,
    /// Which tokens are accepted.
    #[serde(default)]
    pub(crate) tokens: RawTokens,
    /// Where the proxy keeps what it cannot read from tokens.
    #[serde(default)]
    pub(crate) state: RawState,
    /// The proxy by which APIs are reached, with `CONNECT`: `http://USER:PASSWORD@HOST:PORT`; `environment` for what `HTTPS_PROXY`,
    /// `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say; or `none`.
    #[serde(default)]
    pub(crate) outbound_proxy: Setting<OutboundText>,
    /// A file that holds the URL of the outbound proxy, which may name a password.
    #[serde(default)]
    pub(crate) outbound_proxy_file: Setting<String>,
    /// What the environment says of such proxies.
    #[serde(skip)]
    pub(crate) proxies: RawProxies,
    /// The API behind the proxy, found at its root.
    #[serde(default)]
    pub(crate) upstream: RawUpstream,
    /// Further APIs, by name; each is found at `/NAME` unless it says otherwise.
    #[serde(default)]
    pub(crate) upstreams: BTreeMap<String, RawUpstream>,
    /// How long the proxy waits.
    #[serde(default)]
    pub(crate) timeouts: RawTimeouts,
    /// How much the proxy takes.
    #[serde(default)]
    pub(crate) limits: RawLimits,
    /// What the proxy writes to stderr.
    #[serde(default)]
    pub(crate) log: RawLog,
    /// Plugins by name: WebAssembly components that a scope's rules may ask.
    #[serde(default)]
    pub(crate) plugins: BTreeMap<String, RawPlugin>,
    /// The folder of compiled plugins; `magicproxy/plugins` in the user's cache folder by default.
    #[serde(default)]
    pub(crate) plugin_cache: Setting<String>,
    /// Named lists of rules that tokens may refer to.
    #[serde(default)]
    pub(crate) scopes: BTreeMap<String, Vec<Given<RawRuleSetting>>>,
}

section! {
    /// The signing keys.
    RawKeys {
        /// The folder that holds `private.pem`, `public.pem` and `public.x509.cer`.
        folder: String,
        /// The private key, where it is not `private.pem` in the folder.
        private_key: String,
        /// The public key, where it is not `public.pem` in the folder.
        public_key: String,
        /// The certificate, where it is not `public.x509.cer` in the folder.
        certificate: String,
        /// The size of new keys: 2048, 3072 or 4096.
        bits: u64,
    }
}

section! {
    /// One place to listen.
    RawListener {
        /// `HOST:PORT` or `unix:PATH`.
        listen: String,
        /// The name of the one upstream that requests are for; as their mounts say by default.
        upstream: String,
        /// Must callers speak TLS? By default on TCP, where there is a certificate.
        tls: bool,
        /// The mode of a Unix socket's file, in octal: `"0660"`.
        mode: String,
    }
}

section! {
    /// TLS towards callers.
    RawTls {
        /// A PEM file: the certificate, then those that it is signed with.
        certificate: String,
        /// A PEM file: the private key of the certificate.
        private_key: String,
        /// Make a certificate at each start, signed by a certificate authority of this machine's own.
        dev: bool,
    }
}

section! {
    /// A certificate from an ACME server, such as Let's Encrypt. Whoever names domains here agrees to its terms of service.
    RawAcme {
        /// The names in the certificate. Port 443 of each must lead to a listener that speaks TLS.
        domains: Vec<Given<String>>,
        /// How the server's operators may reach the proxy's: `mailto:admin@example.com`.
        contact: String,
        /// The server's directory.
        directory: String,
        /// The folder of account and certificate; `acme` beside the keys by default.
        cache: String,
        /// A PEM file of certificates to trust besides the platform's, for the server.
        extra_ca_file: String,
    }
}

section! {
    /// What minters may have.
    RawMint {
        /// May anyone who holds a credential mint over HTTP?
        policy: MintPolicy,
        /// The lifetime of a token whose order names none.
        default_lifetime: DurationText,
        /// The longest lifetime that may be ordered.
        max_lifetime: DurationText,
        /// What clients without a token are told: of the API at the `root` only, or of `all` upstreams, mounts and scopes.
        announce: AnnounceChoice,
    }
}

section! {
    /// Which tokens are accepted.
    RawTokens {
        /// Tokens that live longer than this are refused; unless given, those of version 2 that live longer than 366 days.
        max_lifetime: DurationText,
        /// The versions that are accepted: by default both; where minters are listed, `v2` only; else, while minting is closed, `v1` only.
        accept: Vec<Given<VersionChoice>>,
        /// The KEMs of version 2 tokens that are accepted, and of sealing keys that are published: by default `x25519` and `x-wing`.
        kems: Vec<Given<KemChoice>>,
        /// Ids of keys whose tokens are refused, because they leaked for instance.
        deny_kid: Vec<Given<String>>,
        /// JWK files of those who may mint version 2 tokens; without any, whoever has the public key.
        minters: Vec<Given<String>>,
        /// Refuse tokens that do not say whom they are for.
        require_sub: bool,
        /// The file of revocations, where they are not in a shared store; `revocations.json` in the folder of the keys by default.
        revocations: String,
        /// Networks of proxies in front of this one, or `unix`: who sends a request is taken from what they say.
        trusted_proxies: Vec<Given<String>>,
    }
}

section! {
    /// Where the proxy keeps what it cannot read from tokens: what they made, how often they were used, which are revoked.
    RawState {
        /// `redb`, a file of one proxy; `valkey`, a server that several share; `memory`, for trying out; or `none`.
        store: StoreChoice,
        /// The file of `redb`; `state.redb` beside the folder of the keys by default.
        path: String,
        /// Where the Valkey or Redis is: `redis://HOST`, `rediss://USER:PASSWORD@HOST`, `unix:PATH`, `redis+sentinel://…`, `redis+cluster://…`.
        url: StoreUrlText,
        /// A file that holds the URL, which may name a password.
        url_file: String,
        /// What the names of all keys in the Valkey begin with.
        prefix: String,
        /// A PEM file of certificates to trust besides the platform's, for the Valkey.
        extra_ca_file: String,
        /// How long the Valkey may take to be connected, and to answer.
        timeout: DurationText,
        /// When the list of revocations in the Valkey cannot be read: `deny`, or `allow-stale 30s`.
        on_unreachable: String,
        /// Requests for which something would be kept, with sealed tokens of no listed minter, which anyone can mint: `refuse`, or
        /// `accept`.
        strangers: StrangersChoice,
    }
}

section! {
    /// The API behind the proxy.
    RawUpstream {
        /// Its name, the `aud` of its tokens; by default the name of its table, or the host and port of the API root.
        name: String,
        /// What a known API needs; everything else here overrides it.
        preset: PresetChoice,
        /// The API's root: `https://api.github.com`.
        api_root: String,
        /// What is spoken to it: `auto` (HTTP/2 where the API agrees to it, else HTTP/1.1) or `http/1.1`.
        protocol: ProtocolChoice,
        /// The path of the proxy at which it is found.
        mount: String,
        /// Values of `Host` by which it is found.
        hosts: Vec<Given<String>>,
        /// Further prefixes inside the mount: each stands for a path of the API, or for another origin of it.
        paths: BTreeMap<String, Given<String>>,
        /// Are URLs of the API in its responses made to lead to the proxy, where clients follow them?
        rewrite_links: bool,
        /// The members of JSON bodies that clients follow, instead of the preset's: `next`, `*_url`, `_links.*.href`, `!config.url`.
        rewrite_members: Vec<Given<String>>,
        /// How long the head of an answer may take, where that is not `timeouts.response`.
        response_timeout: DurationText,
        /// What the API makes of `%2F` in a path.
        encoded_slash: SlashChoice,
        /// How the API's server reads `%25`, `;` and look-alikes of `.`, `/` and `%` in a path: `strict`, unless it is known.
        path_reading: ReadingChoice,
        /// Match patterns as the Python program did: from the start, not to the end, ignoring case.
        danger_prefix_matching: bool,
        /// The versions of tokens that are accepted, where that is not `tokens.accept`.
        accept: Vec<Given<VersionChoice>>,
        /// JWK files of those who may mint its tokens, where that is not `tokens.minters`.
        minters: Vec<Given<String>>,
        /// Refuse tokens that do not say whom they are for, where that is not `tokens.require_sub`.
        require_sub: bool,
        /// Rules that no token can exceed.
        ceiling: Vec<Given<RawRuleSetting>>,
        /// Request headers that the API gets besides those that every API and the preset's get: `docs/guide/headers.md`.
        pass_request_headers: HeaderNames,
        /// Request headers to drop, whoever lets them pass.
        drop_request_headers: HeaderNames,
        /// Response headers to drop, such as `Set-Cookie` of an API that opens a session for whoever shows its credential.
        drop_response_headers: Vec<Given<String>>,
        /// Query parameters to drop.
        drop_query_parameters: Vec<Given<String>>,
        /// A PEM file of certificates to trust besides the platform's.
        extra_ca_file: String,
        /// The proxy by which it is reached, where that is not the `outbound_proxy` of all: `none` for an API inside of the network.
        outbound_proxy: OutboundText,
        /// May WebSocket handshakes pass? What flows through them is not checked further.
        websocket: bool,
        /// What the API is told about the caller.
        forwarding: ForwardingChoice,
        /// Where the credential goes out: `bearer`, `token`, `basic`, `basic:USER`, `header:NAME` or `query:NAME`.
        credential: CarrierText,
        /// Where callers may put their tokens besides the usual places: `header:NAME`, `query:NAME`.
        accept_token_in: Vec<Given<CarrierText>>,
        /// The shape of what the proxy refuses, so that clients of this API show it.
        refusals: RefusalChoice,
        /// Origins of pages that may call the API through the proxy, such as `https://app.example.com`; only where minting is closed.
        allow_origins: Vec<Given<String>>,
    }
}

section! {
    /// One plugin.
    RawPlugin {
        /// The component's file.
        file: String,
        /// How long a call may run: `20ms` unless given, at most `10s`. Waiting for the store does not count.
        time_limit: DurationText,
        /// How large its memory may become: `16MiB` unless given, at most `1GiB`.
        memory_limit: SizeText,
        /// How much a call may do, in instructions, roughly; 50,000,000 unless given.
        fuel: u64,
        /// How often a call may use its state; 64 times unless given.
        state_calls: u64,
        /// What a failure means: `deny`, or `abstain`, which leaves it to others and fails open for a plugin that denies.
        on_failure: FailureChoice,
        /// What it is told when it asks for its configuration.
        config: String,
    }
}

section! {
    /// How long the proxy waits.
    RawTimeouts {
        /// For a connection to the API, TLS included.
        connect: DurationText,
        /// In the queue for a connection to the API, where all that a request may use are in use.
        upstream_queue: DurationText,
        /// For the head of a request.
        header: DurationText,
        /// For the head of the API's answer, from the end of the request.
        response: DurationText,
        /// Without a byte of a request body, or a byte taken by a slow reader.
        body_idle: DurationText,
        /// Without a byte of an answer whose head has come.
        response_idle: DurationText,
        /// A connection without a request.
        keep_alive: DurationText,
        /// The age from which a connection to the API gets no new request.
        upstream_connection_age: DurationText,
        /// For a client to take a refusal over HTTP/2.
        refusal: DurationText,
        /// A WebSocket without a byte in either direction.
        websocket_idle: DurationText,
        /// A whole exchange; no limit by default.
        total: DurationText,
        /// For answers in flight after SIGTERM.
        drain: DurationText,
    }
}

section! {
    /// How much the proxy takes.
    RawLimits {
        /// Open connections from clients, WebSockets included.
        connections: u64,
        /// The same of one address, or of one user on a Unix socket: a quarter of the total, unless given. Trusted proxies are exempt.
        connections_per_peer: u64,
        /// Idle connections kept to the API.
        idle_upstream_connections: u64,
        /// Connections to one origin of an API, idle ones among them.
        upstream_connections_per_origin: u64,
        /// Streams of one HTTP/2 connection to an API, at most 1,024; fewer where the API says so.
        upstream_streams_per_connection: u64,
        /// Memory for verified tokens, in bytes.
        token_cache_bytes: u64,
        /// Threads that serve connections: as many as the machine runs at once, unless given.
        workers: u64,
        /// Requests in progress, of all clients together.
        exchanges: u64,
        /// Requests in progress of one token and of all that are narrowed from it: a quarter of the total, unless given.
        exchanges_per_owner: u64,
        /// Requests in progress of one address with tokens that anyone can mint: half of the total, unless given.
        exchanges_per_peer: u64,
        /// Of the total, what is kept for tokens that no stranger can mint: an eighth, unless given.
        exchanges_reserved: u64,
        /// Connections to APIs that requests use, over HTTP/2 streams, of all clients together.
        upstream_connections: u64,
        /// The same of one token and of all that are narrowed from it: a quarter of the total, unless given.
        upstream_connections_per_owner: u64,
        /// The same of one address with tokens that anyone can mint: half of the total, unless given.
        upstream_connections_per_peer: u64,
        /// Of the total, what is kept for tokens that no stranger can mint: an eighth, unless given.
        upstream_connections_reserved: u64,
        /// Requests that wait for a connection to an API, of all clients together.
        upstream_queue: u64,
        /// The same of one token and of all that are narrowed from it: a quarter of the total, unless given.
        upstream_queue_per_owner: u64,
        /// The same of one address with tokens that anyone can mint: half of the total, unless given.
        upstream_queue_per_peer: u64,
        /// Of the total, what is kept for tokens that no stranger can mint: an eighth, unless given.
        upstream_queue_reserved: u64,
        /// Bytes of bodies that are read whole before they go on, and of heads that are not complete.
        buffered_bytes: u64,
        /// The same of one token and of all that are narrowed from it: a quarter of the total, unless given.
        buffered_bytes_per_owner: u64,
        /// The same of one address with tokens that anyone can mint: half of the total, unless given.
        buffered_bytes_per_peer: u64,
        /// Of the total, what is kept for tokens that no stranger can mint: an eighth, unless given.
        buffered_bytes_reserved: u64,
        /// The same of one token and of all that are narrowed from it: a quarter of the total, unless given.
        token_cache_bytes_per_owner: u64,
        /// The same of one address with tokens that anyone can mint: half of the total, unless given.
        token_cache_bytes_per_peer: u64,
        /// Of the total, what is kept for tokens that no stranger can mint: an eighth, unless given.
        token_cache_bytes_reserved: u64,
        /// Memory for compiled rules that tokens bring along, in bytes.
        rule_cache_bytes: u64,
        /// The same of one token and of all that are narrowed from it: a quarter of the total, unless given.
        rule_cache_bytes_per_owner: u64,
        /// The same of one address with tokens that anyone can mint: half of the total, unless given.
        rule_cache_bytes_per_peer: u64,
        /// Of the total, what is kept for tokens that no stranger can mint: an eighth, unless given.
        rule_cache_bytes_reserved: u64,
        /// Tokens and orders that wait to be verified, minted or narrowed, of all clients together.
        verifications: u64,
        /// The same of one token and of all that are narrowed from it: a quarter of the total, unless given.
        verifications_per_owner: u64,
        /// The same of one address with tokens that anyone can mint: half of the total, unless given.
        verifications_per_peer: u64,
        /// Of the total, what is kept for tokens that no stranger can mint: an eighth, unless given.
        verifications_reserved: u64,
        /// The same where rules take long to compile.
        costly_verifications: u64,
        /// The same of one token and of all that are narrowed from it: a quarter of the total, unless given.
        costly_verifications_per_owner: u64,
        /// The same of one address with tokens that anyone can mint: half of the total, unless given.
        costly_verifications_per_peer: u64,
        /// Of the total, what is kept for tokens that no stranger can mint: an eighth, unless given.
        costly_verifications_reserved: u64,
        /// Refusals and other responses of the proxy's own words over HTTP/2 that their client has not taken yet.
        own_responses: u64,
        /// The same of one token and of all that are narrowed from it: a quarter of the total, unless given.
        own_responses_per_owner: u64,
        /// The same of one address: half of the total, unless given.
        own_responses_per_peer: u64,
        /// Of the total, what is kept for tokens that no stranger can mint: an eighth, unless given.
        own_responses_reserved: u64,
        /// Rows of the state store: counts, grants, elements, entries of plugins.
        state_rows: u64,
        /// The same of one token and of all that are narrowed from it, and of the elements of one list: a hundredth of the total,
        /// unless given.
        state_rows_per_owner: u64,
        /// The same that one address adds in a day with tokens that anyone can mint: a hundredth of the total, unless given.
        state_rows_per_peer: u64,
        /// Of the total, what is kept for tokens that no stranger can mint: an eighth, unless given.
        state_rows_reserved: u64,
    }
}

section! {
    /// What the proxy writes to stderr.
    RawLog {
        /// `pretty` for people, `json` for machines.
        format: LogFormat,
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: LogLevel,
    }
}

/// The sections and their names, once.
macro_rules! each_section {
    ($config:expr, $do:ident $(, $extra:expr)*) => {
        $do!($config, tls $(, $extra)*);
        $do!($config, acme $(, $extra)*);
        $do!($config, keys $(, $extra)*);
        $do!($config, mint $(, $extra)*);
        $do!($config, tokens $(, $extra)*);
        $do!($config, state $(, $extra)*);
        $do!($config, upstream $(, $extra)*);
        $do!($config, timeouts $(, $extra)*);
        $do!($config, limits $(, $extra)*);
        $do!($config, log $(, $extra)*);
    };
}

impl RawConfig {
    /// This layer, completed by a lower one. Scopes are completed by name.
    pub(crate) fn or(self, lower: Self) -> Self {
        let mut scopes = lower.scopes;
        scopes.extend(self.scopes);
        let mut upstreams = lower.upstreams;
        for (name, upstream) in self.upstreams {
            let below = upstreams.remove(&name).unwrap_or_default();
            upstreams.insert(name, upstream.or(below));
        }
        let mut plugins = lower.plugins;
        for (name, plugin) in self.plugins {
            let below = plugins.remove(&name).unwrap_or_default();
            plugins.insert(name, plugin.or(below));
        }
        Self {
            listen: self.listen.or(lower.listen),
            listeners: if self.listeners.is_empty() { lower.listeners } else { self.listeners },
            allowed_hosts: self.allowed_hosts.or(lower.allowed_hosts),
            check_host: self.check_host.or(lower.check_host),
            danger_plain_http: self.danger_plain_http.or(lower.danger_plain_http),
            tls: self.tls.or(lower.tls),
            acme: self.acme.or(lower.acme),
            public_access: self.public_access.or(lower.public_access),
            keys: self.keys.or(lower.keys),
            mint: self.mint.or(lower.mint),
            tokens: self.tokens.or(lower.tokens),
            state: self.state.or(lower.state),
            outbound_proxy: self.outbound_proxy.or(lower.outbound_proxy),
            outbound_proxy_file: self.outbound_proxy_file.or(lower.outbound_proxy_file),
            proxies: if self.proxies == RawProxies::default() { lower.proxies } else { self.proxies },
            upstream: self.upstream.or(lower.upstream),
            upstreams,
            timeouts: self.timeouts.or(lower.timeouts),
            limits: self.limits.or(lower.limits),
            log: self.log.or(lower.log),
            plugins,
            plugin_cache: self.plugin_cache.or(lower.plugin_cache),
            scopes,
        }
    }

    /// Everything that is given, for `config show`.
    pub(crate) fn entries(&self) -> Vec<Entry<'_>> {
        let mut entries = Vec::new();
        entries.extend(entry("listen", &self.listen));
        entries.extend(entry("allowed_hosts", &self.allowed_hosts));
        entries.extend(entry("check_host", &self.check_host));
        entries.extend(entry("danger_plain_http", &self.danger_plain_http));
        entries.extend(entry("public_access", &self.public_access));
        entries.extend(entry("plugin_cache", &self.plugin_cache));
        entries.extend(entry("outbound_proxy", &self.outbound_proxy));
        entries.extend(entry("outbound_proxy_file", &self.outbound_proxy_file));
        let listeners = self.listeners.iter().zip(1..);
        entries.extend(listeners.flat_map(|(listener, number)| listener.entries(&format!("listeners.{number}"))));
        macro_rules! list {
            ($config:expr, $name:ident) => {
                entries.extend($config.$name.entries(stringify!($name)));
            };
        }
        each_section!(self, list);
        entries.extend(self.upstreams.iter().flat_map(|(name, upstream)| upstream.entries(&format!("upstreams.{name}"))));
        entries.extend(self.plugins.iter().flat_map(|(name, plugin)| plugin.entries(&format!("plugins.{name}"))));
        for (name, rules) in &self.scopes {
            let origin = rules.first().map_or(&Origin::Default, |rule| &rule.origin);
            entries.push(Entry { key: format!("scopes.{name}"), value: serde_json::to_value(rules).unwrap_or_default(), origin });
        }
        entries
    }

    /// The settings that text can give: `listen`, `keys.folder`, ….
    pub(crate) fn keys() -> Vec<String> {
        let mut keys: Vec<String> = TOP_LEVEL.map(str::to_owned).into();
        macro_rules! list {
            ($config:expr, $name:ident) => {
                keys.extend(section_keys(&$config.$name).iter().map(|key| format!("{}.{key}", stringify!($name))));
            };
        }
        let config = Self::default();
        each_section!(config, list);
        keys
    }

    /// Sets one of [`Self::keys`] from text; the error says what was expected.
    pub(crate) fn set(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), String> {
        match key {
            "listen" => self.listen = Setting::new(text.to_owned(), origin),
            "outbound_proxy" => self.outbound_proxy = Setting::new(OutboundText::from_text(text)?, origin),
            "outbound_proxy_file" => self.outbound_proxy_file = Setting::new(text.to_owned(), origin),
            "plugin_cache" => self.plugin_cache = Setting::new(text.to_owned(), origin),
            "public_access" => self.public_access = Setting::new(text.to_owned(), origin),
            "check_host" => self.check_host = Setting::new(HostCheckChoice::from_text(text)?, origin),
            "danger_plain_http" => self.danger_plain_http = Setting::new(bool::from_text(text)?, origin),
            _ => return self.set_in_section(key, text, origin),
        }
        Ok(())
    }

    fn set_in_section(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), String> {
        let (section, key) = key.split_once('.').unwrap_or((key, ""));
        macro_rules! set {
            ($config:expr, $name:ident) => {
                if section == stringify!($name) {
                    return $config.$name.set(key, text, origin);
                }
            };
        }
        each_section!(self, set);
        Err("there is no such setting".to_owned())
    }
}

/// The settings outside of every table that text can give.
const TOP_LEVEL: [&str; 7] =
    ["listen", "plugin_cache", "public_access", "check_host", "danger_plain_http", "outbound_proxy", "outbound_proxy_file"];

/// The line of `config show` of a setting outside of every table.
fn entry<'s, T: Serialize>(key: &str, setting: &'s Setting<T>) -> Option<Entry<'s>> {
    let value = |given: &Given<T>| serde_json::to_value(&given.value).unwrap_or_default();
    setting.given().map(|given| Entry { key: key.to_owned(), value: value(given), origin: &given.origin })
}

fn section_keys<S: Section>(_: &S) -> &'static [&'static str] {
    S::KEYS
}
