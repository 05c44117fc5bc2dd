//! The version of the program: name, features, and the wire formats that it speaks, for
//! `magicproxy version` and for `/version`.

use serde_json::{Value, json};

const NAME: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The versions of tokens that the program reads and makes.
const TOKEN_VERSIONS: [u32; 2] = [1, 2];
/// The versions of the interface of plugins (`wit/`).
const PLUGIN_INTERFACES: [&str; 1] = ["1.0.0"];

/// Returns the name and the version in one line.
pub(crate) fn line() -> String {
    format!("{NAME} {VERSION}")
}

/// Returns the lines of the page `/version`.
pub(super) fn text() -> String {
    let versions = TOKEN_VERSIONS.map(|version| version.to_string()).join(", ");
    let plugins = if has_plugins() {
        format!("interface {}", PLUGIN_INTERFACES.join(", "))
    } else {
        "not compiled in".to_owned()
    };
    let (profile, target) = (profile(), target());
    format!(
        "{}\ntokens: version {versions}\nplugins: {plugins}\nprofile: {profile}\ntarget: {target}\n",
        line()
    )
}

/// Returns the same facts for machines.
pub(crate) fn to_json() -> Value {
    let interfaces: &[&str] = if has_plugins() { &PLUGIN_INTERFACES } else { &[] };
    json!({
        "name": NAME,
        "version": VERSION,
        "token_versions": TOKEN_VERSIONS,
        "plugins": has_plugins(),
        "plugin_interfaces": interfaces,
        "profile": profile(),
        "target": target(),
    })
}

fn has_plugins() -> bool {
    cfg!(feature = "plugins")
}

fn profile() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "optimized" }
}

fn target() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}
