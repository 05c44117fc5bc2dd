//! Why a plugin was not loaded, or did not answer. Specification: `plugin.md` sections 5 and 6.

use std::path::PathBuf;
use std::time::Duration;

use magicproxy_core::plugin::PluginName;

/// What to do where [`LoadError::NotBuilt`] comes back.
pub const HOW_TO_BUILD: &str = "build it with them: `cargo build --release --features plugins`";

/// Why there is no host, or no new plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The program was compiled without the feature `plugins`.
    #[error("this program was built without plugins; {}", HOW_TO_BUILD)]
    NotBuilt,
    /// WebAssembly does not run here.
    #[error("plugins cannot run on this machine: {0}")]
    Engine(String),
    /// Two plugins have one name.
    #[error("two plugins are called `{0}`")]
    TwiceNamed(PluginName),
    /// One plugin was refused.
    #[error("plugin `{name}`, file `{}`: {failure}", file.display())]
    Plugin {
        /// Its name.
        name: PluginName,
        /// Its file.
        file: PathBuf,
        /// Why.
        failure: LoadFailure,
    },
}

/// Why a component was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadFailure {
    /// It could not be read.
    #[error("cannot read it: {0}")]
    Unreadable(#[from] std::io::Error),
    /// A folder, a device, …
    #[error("it is not a regular file")]
    NotAFile,
    /// Whoever may write to it decides who may do what.
    #[error("everybody may write to it; expected mode 0644 or less")]
    WritableByAll,
    /// There is too much of it.
    #[error("it has {0} bytes; a component has at most {max}", max = crate::settings::MAX_FILE_BYTES)]
    TooLong(u64),
    /// A module is not a component.
    #[error(
        "it is a core module, not a component; `wasm-tools component new` makes one of it (see docs/guide/plugins.md)"
    )]
    CoreModule,
    /// It is no program at all, or one that wants more of WebAssembly than plugins have.
    #[error("it is not a component that can be run: {0}")]
    Malformed(String),
    /// It wants what plugins do not have.
    #[error("it imports `{import}`, which a plugin does not have; {}", way_forward(import))]
    Import {
        /// The first import that is unknown.
        import: String,
    },
    /// It is not a plugin, or one for another version.
    #[error("it does not fit the world `magicproxy:plugin/plugin@1.0.0`: {0}")]
    WrongWorld(String),
    /// It did not say what it is interested in.
    #[error("asked for its interests, {0}")]
    NoInterests(#[from] CallFailure),
    /// It is interested in what it must not see.
    #[error(
        "it is interested in the field `{0}`, which can bear a token or a credential and is never shown"
    )]
    NeverShown(String),
    /// It is interested in something that is no field.
    #[error(
        "it is interested in `{0}`, which is not the name of a field in lower case, of at most 64 characters"
    )]
    NotAField(String),
    /// It is interested in too much.
    #[error("it is interested in {0} fields; expected at most 32")]
    TooManyFields(usize),
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

/// Why a plugin did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallFailure {
    /// It ran too long.
    #[error("it ran longer than {0:?}")]
    OutOfTime(Duration),
    /// It ran, waited for its turn, or for the store.
    #[error("it was not done after {0:?}, waiting for the store included")]
    OutOfPatience(Duration),
    /// It did too much.
    #[error("it did more than {0} instructions")]
    OutOfFuel(u64),
    /// It wanted more memory, and stopped where it got none.
    #[error("it stopped after it had been refused more than {0} bytes of memory")]
    OutOfMemory(usize),
    /// It called itself without end.
    #[error("it overflowed its stack")]
    StackOverflow,
    /// It asked for state too often.
    #[error("it called `state` more than {0} times")]
    TooManyStateCalls(u32),
    /// It wrote lines without end.
    #[error("it flooded the log")]
    LogFlood,
    /// It stopped, or was stopped.
    #[error("it stopped: {0}")]
    Trapped(String),
    /// There is no such plugin.
    #[error("there is no plugin of this name")]
    Unknown,
    /// `on-response` returned an error.
    #[error("it says that it could not do what it had to: {0}")]
    Unrecorded(String),
}
