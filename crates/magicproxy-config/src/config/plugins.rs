//! Plugins, from the written configuration to the settings of the plugin host.

use std::path::{Path, PathBuf};
use std::time::Duration;

use magicproxy_core::RawRule;
use magicproxy_core::plugin::PluginName;
use magicproxy_plugin::{HOW_TO_BUILD, Limits, MAX_MEMORY_BYTES, OnFailure, PluginSettings};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Checker, said};
use super::duration::DurationText;
use super::raw::RawConfig;
use super::setting::{GivenValue, Setting, choices, section};
use super::size::SizeText;
use crate::ground::environment::Environment;
use crate::ground::fault::{Fault, Origin};
use crate::ground::suggest;

/// The longest time limit of a call, because a client waits for the call.
const MOST_TIME: Duration = Duration::from_secs(10);
/// The least memory limit: one WebAssembly page, which any plugin needs.
const LEAST_MEMORY: u64 = 64 * 1024;

section! {
    /// A plugin and its limits.
    RawPlugin {
        /// The file of the component. Required.
        file: String,
        /// The longest running time of one call, at most `10s`. Waiting for the store does not
        /// count. By default `20ms`.
        time_limit: DurationText,
        /// The most memory of the plugin, at most `1GiB`. By default `16MiB`.
        memory_limit: SizeText,
        /// The longest body of a request that the plugin is shown. A request with a longer body is
        /// refused. At most half of the memory that the component leaves of `memory_limit`, by
        /// default a quarter of it.
        max_body: SizeText,
        /// The most instructions of one call, roughly. By default 50,000,000.
        fuel: u64,
        /// The most uses of the plugin's state in one call. By default 64.
        state_calls: u64,
        /// The consequence of a plugin's failure. By default `deny`.
        on_failure: FailureChoice,
        /// The text of the plugin's configuration, which the plugin can ask for.
        config: String,
    }
}

/// The consequence of a plugin's failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailureChoice {
    /// The request is denied.
    #[default]
    Deny,
    /// The rules and other plugins decide. A plugin that is there to deny then fails open.
    Abstain,
}

choices!(FailureChoice);

/// The configured plugins.
#[derive(Clone, Debug, Default)]
pub struct PluginsSettings {
    /// The plugins, one entry each.
    pub plugins: Vec<PluginSettings>,
    /// The folder of compiled plugins.
    pub cache: Option<PathBuf>,
}

/// Returns the default folder of compiled plugins: in the user's cache folder, or in the folder
/// that systemd made (`CacheDirectory=`).
pub(super) fn default_cache(environment: &Environment) -> Setting<String> {
    let folder = match environment.var("CACHE_DIRECTORY") {
        Some(folder) => Some(Path::new(folder).join("plugins")),
        None => environment
            .xdg("XDG_CACHE_HOME", ".cache")
            .map(|cache| cache.join("magicproxy/plugins")),
    };
    folder.map_or_else(Setting::default, |folder| {
        Setting::new(folder.to_string_lossy().into_owned(), Origin::Default)
    })
}

impl Checker<'_> {
    pub(super) fn plugins(&mut self, raw: &RawConfig) -> PluginsSettings {
        let cache = raw.plugin_cache.given().map(|given| self.path(given));
        let mut settings = PluginsSettings { cache, ..PluginsSettings::default() };
        for (name, plugin) in &raw.plugins {
            let origin =
                plugin.file.given().map_or_else(|| origin_of(plugin), |file| file.origin.clone());
            if let Some(plugin) = self.plugin(name, plugin, &origin) {
                settings.plugins.push(plugin);
            }
        }
        self.named_plugins(raw);
        if cfg!(not(feature = "plugins")) {
            self.no_plugins_built(raw);
        }
        settings
    }

    /// Refuses each plugin in a program that was built without plugins, and says how to build a
    /// program with plugins.
    fn no_plugins_built(&mut self, raw: &RawConfig) {
        for (name, plugin) in &raw.plugins {
            let origin =
                plugin.file.given().map_or_else(|| origin_of(plugin), |file| file.origin.clone());
            let fault = Fault::new(
                format!("plugin `{name}`: this program was built without plugins"),
                origin,
            );
            self.faults.push(fault.help(HOW_TO_BUILD));
        }
    }

    /// Checks that every plugin named in a scope exists, because a missing plugin denies
    /// everything.
    fn named_plugins(&mut self, raw: &RawConfig) {
        for (scope, rules) in &raw.scopes {
            for given in rules {
                let RawRule::Plugin(object) = &given.value.0 else { continue };
                let name = object.plugin.as_str();
                if raw.plugins.contains_key(name) {
                    continue;
                }
                let help = match suggest::nearest(name, raw.plugins.keys().map(String::as_str)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("configure it: `[plugins.{name}]` with `file`"),
                };
                let fault = Fault::new(
                    format!("scope `{scope}`: there is no plugin `{name}`"),
                    given.origin.clone(),
                );
                self.faults.push(fault.help(help));
            }
        }
    }

    fn plugin(&mut self, name: &str, raw: &RawPlugin, origin: &Origin) -> Option<PluginSettings> {
        let parsed = PluginName::parse(name);
        if parsed.is_none() {
            self.fault(format!("plugin `{name}`: expected a name of 1 to 64 characters `a-z 0-9 _ -`, a letter first"), origin);
        }
        if raw.file.given().is_none() {
            self.fault(format!("plugin `{name}`: expected `file`, the component"), origin);
        }
        let limits = self.plugin_limits(name, raw);
        let file = raw.file.given().map(|file| self.path(file));
        Some(PluginSettings {
            limits,
            on_failure: match said(&raw.on_failure) {
                FailureChoice::Deny => OnFailure::Deny,
                FailureChoice::Abstain => OnFailure::Abstain,
            },
            config: raw.config.given().map(|config| config.value.as_str().into()),
            ..PluginSettings::new(parsed?, file?)
        })
    }

    fn plugin_limits(&mut self, name: &str, raw: &RawPlugin) -> Limits {
        let defaults = Limits::default();
        let key = |key: &str| format!("plugins.{name}.{key}");
        let time = self.lifetime(&key("time_limit"), &raw.time_limit);
        if let (Some(given), Some(_)) =
            (raw.time_limit.given(), time.filter(|time| *time > MOST_TIME))
        {
            self.fault(
                format!("{} `{}`: expected at most `10s`", key("time_limit"), given.value.0),
                &given.origin,
            );
        }
        Limits {
            time: time.unwrap_or(defaults.time),
            memory: self.memory(&key("memory_limit"), &raw.memory_limit).unwrap_or(defaults.memory),
            fuel: self.positive(&key("fuel"), &raw.fuel).unwrap_or(defaults.fuel),
            state_calls: self
                .positive(&key("state_calls"), &raw.state_calls)
                .map_or(defaults.state_calls, |calls| u32::try_from(calls).unwrap_or(u32::MAX)),
            body: self.inspected_body(&key("max_body"), &raw.max_body),
        }
    }

    fn memory(&mut self, key: &str, setting: &Setting<SizeText>) -> Option<usize> {
        let given = setting.given()?;
        let bytes = given.value.bytes().and_then(|bytes| {
            let sensible = (LEAST_MEMORY..=MAX_MEMORY_BYTES as u64).contains(&bytes);
            let bytes = usize::try_from(bytes).ok().filter(|_| sensible);
            bytes.ok_or_else(|| "expected `64KiB` to `1GiB`".to_owned())
        });
        bytes
            .map_err(|expected| {
                self.fault(format!("{key} `{}`: {expected}", given.value.0), &given.origin)
            })
            .ok()
    }

    fn positive(&mut self, key: &str, setting: &Setting<u64>) -> Option<u64> {
        let GivenValue { value, origin } = setting.given()?;
        if *value == 0 {
            self.fault(format!("{key} `0`: expected at least 1"), origin);
        }
        Some(*value)
    }
}

/// Returns the place of any setting of a plugin whose file is not given.
fn origin_of(raw: &RawPlugin) -> Origin {
    use super::setting::Section as _;
    raw.entries("").first().map_or(Origin::Default, |entry| entry.origin.clone())
}
