//! What the operator says about plugins, checked. Specification: `plugin.md` sections 1, 4 and 5.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::plugin::PluginName;
use magicproxy_core::state::StateStore;

/// The longest component.
pub const MAX_FILE_BYTES: u64 = 32 * 1024 * 1024;
/// The most memory that a plugin can be given.
pub const MAX_MEMORY_BYTES: usize = 1024 * 1024 * 1024;

/// All plugins, and what they share.
#[derive(Clone, Debug, Default)]
pub struct HostSettings {
    /// The plugins. No two have the same name.
    pub plugins: Vec<PluginSettings>,
    /// Where compiled functions are kept, if anywhere.
    pub cache: Option<PathBuf>,
    /// What plugins remember is kept here. Without it, `state` is unavailable.
    pub state: Option<Arc<dyn StateStore>>,
}

/// One plugin.
#[derive(Clone, Debug)]
pub struct PluginSettings {
    /// What rules call it.
    pub name: PluginName,
    /// The component.
    pub file: PathBuf,
    /// What a call may cost.
    pub limits: Limits,
    /// What a failure means.
    pub on_failure: OnFailure,
    /// What it is told when it asks for its configuration.
    pub config: Option<Arc<str>>,
}

impl PluginSettings {
    /// A plugin with the limits that most need.
    #[must_use]
    pub fn new(name: PluginName, file: PathBuf) -> Self {
        Self { name, file, limits: Limits::default(), on_failure: OnFailure::Deny, config: None }
    }
}

/// What one call may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run, waiting for the store not counted.
    pub time: Duration,
    /// How large its memories may be together, in bytes; at most [`MAX_MEMORY_BYTES`].
    pub memory: usize,
    /// How much it may do, in instructions of WebAssembly, roughly.
    pub fuel: u64,
    /// How often it may call `state`.
    pub state_calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_millis(20),
            memory: 16 * 1024 * 1024,
            fuel: 50_000_000,
            state_calls: 64,
        }
    }
}

/// What a failure of a plugin means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The request is denied.
    #[default]
    Deny,
    /// The plugin has said nothing: others decide. This fails open where the plugin is there to deny.
    Abstain,
}
