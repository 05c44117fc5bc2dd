//! The reasons why a plugin was not loaded, or did not reply. Specification: `plugin.md` sections 5
//! and 6.

use std::path::PathBuf;
use std::time::Duration;

use magicproxy_core::plugin::PluginName;

/// The remedy for [`LoadError::NotBuilt`].
pub const HOW_TO_BUILD: &str = "build it with them: `cargo build --release --features plugins`";

/// The reasons why a host was not made, or a plugin not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The program was compiled without the feature `plugins`.
    #[error("this program was built without plugins; {}", HOW_TO_BUILD)]
    NotBuilt,
    /// WebAssembly does not run on this machine.
    #[error("plugins cannot run on this machine: {0}")]
    Engine(String),
    /// Two plugins have the same name.
    #[error("two plugins are called `{0}`")]
    TwiceNamed(PluginName),
    /// A plugin was refused.
    #[error("plugin `{name}`, file `{}`: {failure}", file.display())]
    Plugin {
        /// The plugin's name.
        name: PluginName,
        /// The plugin's file.
        file: PathBuf,
        /// The reason of the refusal.
        failure: LoadFailure,
    },
}

/// The reasons why a component is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadFailure {
    /// The file could not be read.
    #[error("cannot read it: {0}")]
    Unreadable(#[from] std::io::Error),
    /// The path is no regular file but a folder, a device, …
    #[error("it is not a regular file")]
    NotAFile,
    /// Everybody may write to the file, and could decide who may do what.
    #[error("everybody may write to it; expected mode 0644 or less")]
    WritableByAll,
    /// The file is longer than [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES).
    #[error("it has {0} bytes; a component has at most {max}", max = crate::settings::MAX_FILE_BYTES)]
    TooLong(u64),
    /// The file is a core module, and not a component.
    #[error(
        "it is a core module, not a component; `wasm-tools component new` makes one of it (see docs/guide/plugins.md)"
    )]
    CoreModule,
    /// The file is no program at all, or a program that wants more of WebAssembly than plugins
    /// have.
    #[error("it is not a component that can be run: {0}")]
    Malformed(String),
    /// The component imports an interface that plugins do not have.
    #[error("it imports `{import}`, which a plugin does not have; {}", way_forward(import))]
    Import {
        /// The first unknown import.
        import: String,
    },
    /// The component is not a plugin, or a plugin for another version.
    #[error("it does not fit the world `magicproxy:plugin/plugin@1.0.0`: {0}")]
    WrongWorld(String),
    /// The plugin did not tell its interests.
    #[error("asked for its interests, {0}")]
    NoInterests(#[from] CallFailure),
    /// The plugin is interested in a field that must not be shown.
    #[error(
        "it is interested in the field `{0}`, which can bear a token or a credential and is never shown"
    )]
    NeverShown(String),
    /// The plugin is interested in a name that no field can have.
    #[error(
        "it is interested in `{0}`, which is not the name of a field in lower case, of at most 64 characters"
    )]
    NotAField(String),
    /// The plugin is interested in too many fields.
    #[error("it is interested in {0} fields; expected at most 32")]
    TooManyFields(usize),
    /// The plugin's memory has no room for the longest body that it is to be shown.
    #[error(
        "`max_body` is {wanted} bytes, and its `memory_limit` leaves room for a body of at most {most}; raise `memory_limit`"
    )]
    NoRoomForBody {
        /// The longest body as configured, in bytes.
        wanted: usize,
        /// The longest body that fits, in bytes.
        most: usize,
    },
}

fn way_forward(import: &str) -> &'static str {
    if import.starts_with("wasi:") {
        "build it without WASI: in Rust for `wasm32-unknown-unknown`, in JavaScript with every feature disabled (see docs/guide/plugins.md)"
    } else if import.starts_with("magicproxy:plugin/") {
        "this proxy knows version 1.0.0 of that package"
    } else {
        "it may import `state`, `log`, `clock` and `config` of `magicproxy:plugin@1.0.0`, and nothing else"
    }
}

/// The reasons why a call of a plugin failed: `plugin.md` sections 4 and 5. For the operator's log;
/// clients learn only of the denial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallFailure {
    /// The plugin ran too long.
    #[error("it ran longer than {0:?}")]
    OutOfTime(Duration),
    /// The plugin took too long, with the waiting for its turn and for the store.
    #[error("it was not done after {0:?}, waiting for the store included")]
    OutOfPatience(Duration),
    /// The plugin did too many instructions.
    #[error("it did more than {0} instructions")]
    OutOfFuel(u64),
    /// The plugin wanted more memory, and stopped when refused.
    #[error("it stopped after it had been refused more than {0} bytes of memory")]
    OutOfMemory(usize),
    /// The plugin called itself without end.
    #[error("it overflowed its stack")]
    StackOverflow,
    /// The plugin called `state` too often.
    #[error("it called `state` more than {0} times")]
    TooManyStateCalls(u32),
    /// The plugin wrote lines without end.
    #[error("it flooded the log")]
    LogFlood,
    /// The plugin stopped, or was stopped.
    #[error("it stopped: {0}")]
    Trapped(String),
    /// No plugin has this name.
    #[error("there is no plugin of this name")]
    Unknown,
    /// The plugin's `on-response` returned an error.
    #[error("it says that it could not do what it had to: {0}")]
    Unrecorded(String),
}

impl CallFailure {
    /// The reason in a word, for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OutOfTime(_) => "out_of_time",
            Self::OutOfPatience(_) => "out_of_patience",
            Self::OutOfFuel(_) => "out_of_fuel",
            Self::OutOfMemory(_) => "out_of_memory",
            Self::StackOverflow => "stack_overflow",
            Self::TooManyStateCalls(_) => "too_many_state_calls",
            Self::LogFlood => "log_flood",
            Self::Trapped(_) => "trapped",
            Self::Unknown => "unknown",
            Self::Unrecorded(_) => "unrecorded",
        }
    }
}
