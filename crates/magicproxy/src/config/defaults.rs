//! The lowest layer: what holds where nobody says anything.
//!
//! Numbers come from the engine's own defaults, so that they are written once.

use std::path::Path;
use std::time::Duration;

use magicproxy_proxy::settings::{Announcement, Limits, MintSettings, Timeouts};

use super::WorkingDirectory;
use super::carrier::CarrierText;
use super::plugins;
use super::raw::{RawAcme, RawConfig, RawKeys, RawLimits, RawLog, RawMint, RawState, RawTimeouts, RawUpstream};
use super::setting::Setting;
use super::value::{
    AnnounceChoice, DurationText, ForwardingChoice, HostCheckChoice, LogLevel, MintPolicy, ProtocolChoice, StoreChoice,
    StrangersChoice,
};
use crate::ground::environment::Environment;
use crate::ground::fault::Origin;
use crate::providers::words::{ReadingChoice, RefusalChoice, SlashChoice};

/// The folder of keys where there is no home folder and the working directory is nobody's.
const SYSTEM_KEYS: &str = "/var/lib/magicproxy/keys";

/// The defaults, in this environment.
pub(crate) fn layer(environment: &Environment, here: WorkingDirectory) -> RawConfig {
    let limits = Limits::default();
    RawConfig {
        listen: text("127.0.0.1:5000"),
        check_host: set(HostCheckChoice::Loopback),
        danger_plain_http: set(false),
        acme: RawAcme { directory: text("https://acme-v02.api.letsencrypt.org/directory"), ..RawAcme::default() },
        keys: RawKeys { folder: text(key_folder(environment, here)), bits: set(2048), ..RawKeys::default() },
        mint: mint(&MintSettings::default()),
        state: RawState {
            store: set(StoreChoice::Redb),
            prefix: text("magicproxy:"),
            timeout: duration(Duration::from_secs(1)),
            on_unreachable: text("deny"),
            strangers: set(StrangersChoice::Refuse),
            ..RawState::default()
        },
        upstream: RawUpstream {
            api_root: text("https://api.github.com"),
            protocol: set(ProtocolChoice::Http1),
            encoded_slash: set(SlashChoice::Refuse),
            path_reading: set(ReadingChoice::Strict),
            danger_prefix_matching: set(false),
            websocket: set(false),
            forwarding: set(ForwardingChoice::None),
            credential: set(CarrierText("bearer".to_owned())),
            refusals: set(RefusalChoice::Problem),
            ..RawUpstream::default()
        },
        timeouts: timeouts(&Timeouts::default()),
        limits: RawLimits {
            connections: set(limits.connections as u64),
            idle_upstream_connections: set(limits.idle_upstream_connections as u64),
            token_cache_bytes: set(limits.token_cache_bytes.total as u64),
            rule_cache_bytes: set(limits.rule_cache_bytes.total as u64),
            verifications: set(limits.verifications.total as u64),
            costly_verifications: set(limits.costly_verifications.total as u64),
            workers: set(limits.workers.get() as u64),
            exchanges: set(limits.exchanges.total as u64),
            upstream_connections_per_origin: set(limits.upstream_connections_per_origin as u64),
            upstream_streams_per_connection: set(limits.upstream_streams_per_connection as u64),
            upstream_queue: set(limits.upstream_queue.total as u64),
            upstream_connections: set(limits.upstream_connections.total as u64),
            buffered_bytes: set(limits.buffered_bytes.total as u64),
            own_responses: set(limits.own_responses.total as u64),
            state_rows: set(limits.state_rows.total as u64),
            // Shares follow from the totals that hold: `limits::complete`.
            ..RawLimits::default()
        },
        plugin_cache: plugins::default_cache(environment),
        log: RawLog { level: set(LogLevel::Info), ..RawLog::default() },
        ..RawConfig::default()
    }
}

/// What systemd hands over (`LoadCredential=`), if keys are there; `keys` in a working directory that is read, if the Python
/// program's are there; else the user's data folder.
fn key_folder(environment: &Environment, here: WorkingDirectory) -> String {
    if let Some(folder) = environment.var("CREDENTIALS_DIRECTORY").filter(|folder| Path::new(folder).join("private.pem").exists())
    {
        return folder.to_owned();
    }
    let is_read = here == WorkingDirectory::Read;
    if is_read && Path::new("keys/private.pem").exists() {
        return "keys".to_owned();
    }
    let data = environment.xdg("XDG_DATA_HOME", ".local/share").map(|data| data.join("magicproxy/keys"));
    let without_home = if is_read { "keys" } else { SYSTEM_KEYS };
    data.map_or_else(|| without_home.to_owned(), |folder| folder.to_string_lossy().into_owned())
}

fn mint(mint: &MintSettings) -> RawMint {
    RawMint {
        policy: set(MintPolicy::Open),
        default_lifetime: duration(mint.default_lifetime),
        max_lifetime: duration(mint.max_lifetime),
        announce: set(match mint.announce {
            Announcement::Root => AnnounceChoice::Root,
            Announcement::All => AnnounceChoice::All,
        }),
    }
}

fn timeouts(timeouts: &Timeouts) -> RawTimeouts {
    RawTimeouts {
        connect: duration(timeouts.connect),
        upstream_queue: duration(timeouts.upstream_queue),
        header: duration(timeouts.header),
        response: duration(timeouts.response),
        body_idle: duration(timeouts.body_idle),
        response_idle: duration(timeouts.response_idle),
        keep_alive: duration(timeouts.keep_alive),
        // Follows from `keep_alive`.
        upstream_connection_age: Setting::default(),
        refusal: duration(timeouts.refusal),
        websocket_idle: duration(timeouts.websocket_idle),
        total: timeouts.total.map_or_else(Setting::default, duration),
        drain: duration(timeouts.drain),
    }
}

/// In the largest unit that divides it: `24h`, `366d`, `90s`.
fn duration(duration: Duration) -> Setting<DurationText> {
    let seconds = duration.as_secs();
    let unit =
        [(86_400, "d"), (3_600, "h"), (60, "m")].into_iter().find(|(unit, _)| seconds > *unit && seconds.is_multiple_of(*unit));
    set(DurationText(unit.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))))
}

fn text(text: impl Into<String>) -> Setting<String> {
    set(text.into())
}

fn set<T>(value: T) -> Setting<T> {
    Setting::new(value, Origin::Default)
}
