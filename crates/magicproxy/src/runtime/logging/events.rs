//! Events that several parts of a running proxy write.

use std::path::Path;

use magicproxy_config::config::Layers;
use magicproxy_config::ground::text::harmless;

/// The occasion on which the configuration was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConfigOccasion {
    /// The start of the proxy.
    Start,
    /// A reload while the proxy runs.
    Reload,
}

impl ConfigOccasion {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Reload => "reload",
        }
    }
}

/// The files and variables of a configuration, as the log names them. No values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConfigSources {
    files: Vec<String>,
    /// The SHA-256 digests of the files, in hexadecimal digits. Passwords in URLs are masked
    /// before, so that nobody tries passwords against a digest.
    digests: Vec<String>,
    variables: Vec<String>,
    /// The files and variables in one line; `None` if everything is a default.
    described: Option<String>,
}

impl ConfigSources {
    /// Notes the sources of a gathered configuration, before it is checked.
    pub(crate) fn of(layers: &Layers) -> Self {
        let read = || [&layers.sources.native, &layers.sources.python].into_iter().flatten();
        let full = |path: &Path| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            harmless(&path.display().to_string())
        };
        Self {
            files: read().map(|file| full(&file.path)).collect(),
            digests: read().map(|file| sha256(&file.text)).collect(),
            variables: layers.used_variables().into_iter().collect(),
            described: layers.used(),
        }
    }

    /// Returns the files and variables in one line for people; `None` if everything is a default.
    pub(crate) fn described(&self) -> Option<String> {
        self.described.clone()
    }
}

/// Logs a configuration that is in force from now on; `warnings` is their number.
pub(crate) fn config_loaded(occasion: ConfigOccasion, sources: &ConfigSources, warnings: usize) {
    tracing::info!(
        name: "config_loaded",
        target: "magicproxy::config",
        occasion = occasion.as_str(),
        files = joined(&sources.files),
        sha256 = joined(&sources.digests),
        variables = joined(&sources.variables),
        warnings,
        "the configuration is loaded"
    );
}

fn joined(parts: &[String]) -> Option<String> {
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
