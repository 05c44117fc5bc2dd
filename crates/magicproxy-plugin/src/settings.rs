//! The operator's settings for plugins, checked. Specification: `plugin.md` sections 1, 4 and 5.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::plugin::PluginName;
use magicproxy_core::state::StateStore;

/// The longest component, in bytes.
pub const MAX_FILE_BYTES: u64 = 32 * 1024 * 1024;
/// The most memory that a plugin can be given, in bytes.
pub const MAX_MEMORY_BYTES: usize = 1024 * 1024 * 1024;

/// The settings of all plugins, and of the parts that plugins share.
#[derive(Clone, Debug, Default)]
pub struct HostSettings {
    /// The plugins. No two have the same name.
    pub plugins: Vec<PluginSettings>,
    /// The folder for compiled functions, if any are kept.
    pub cache: Option<PathBuf>,
    /// The store for the entries of plugins. Without a store, `state` is unavailable.
    pub state: Option<Arc<dyn StateStore>>,
}

/// The settings of a plugin.
#[derive(Clone, Debug)]
pub struct PluginSettings {
    /// The name of the plugin in rules.
    pub name: PluginName,
    /// The file of the component.
    pub file: PathBuf,
    /// The limits of a call.
    pub limits: Limits,
    /// The meaning of a failure.
    pub on_failure: OnFailure,
    /// The configuration that the plugin can read.
    pub config: Option<Arc<str>>,
}

impl PluginSettings {
    /// Makes the settings of a plugin with the usual limits, whose failures deny.
    #[must_use]
    pub fn new(name: PluginName, file: PathBuf) -> Self {
        Self { name, file, limits: Limits::default(), on_failure: OnFailure::Deny, config: None }
    }
}

/// The limits of a single call: `plugin.md` section 4. Beyond a limit the call fails, and
/// [`OnFailure`] decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The time to run, without the waiting for the store.
    pub time: Duration,
    /// The size of all memories together, in bytes; at most [`MAX_MEMORY_BYTES`].
    pub memory: usize,
    /// The work, in instructions of WebAssembly, roughly.
    pub fuel: u64,
    /// The number of calls of `state`.
    pub state_calls: u32,
    /// The longest body of a request that is shown, in bytes; at most half of the memory that an
    /// instance has left of `memory`, and by default a quarter.
    pub body: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_millis(20),
            memory: 16 * 1024 * 1024,
            fuel: 50_000_000,
            state_calls: 64,
            body: None,
        }
    }
}

/// The meaning of a plugin's failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// A denial of the request.
    #[default]
    Deny,
    /// An abstention of the plugin: rules and other plugins decide. **This fails open** for a
    /// plugin whose purpose is to deny.
    Abstain,
}
