//! The file that holds a magic token: read, checked for its form, and for who else may read it.

use std::path::Path;

use anyhow::{Context as _, bail};
use magicproxy_core::{UnixTime, UnverifiedToken};
use magicproxy_proxy::clock;
use zeroize::Zeroizing;

use super::{secret, time};

/// A magic token, and what is worth saying about it.
pub(super) struct TokenFile {
    pub(super) token: Zeroizing<String>,
    pub(super) warnings: Vec<String>,
}

/// The token is its holder's secret.
impl std::fmt::Debug for TokenFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TokenFile").field("warnings", &self.warnings).finish_non_exhaustive()
    }
}

impl TokenFile {
    /// Reads exactly one token, which one line end may follow.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let named = || format!("token file `{}`", path.display());
        let text = secret::whole_file(path).with_context(|| "token file")?;
        let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        let token = Zeroizing::new(line.to_owned());
        let claims = claims(&token).with_context(named)?;
        let time = |name: &str| claims.get(name).and_then(serde_json::Value::as_u64).map(UnixTime);
        let now = clock::now();
        let moment = |at: UnixTime| format!("{} ({})", time::date(at), time::distance(at, now));
        let mut warnings: Vec<String> = exposure(path).into_iter().collect();
        if let Some(end) = time("exp").filter(|end| end.0 <= now.0) {
            warnings.push(format!("the token expired {}", moment(end)));
        }
        if let Some(start) = time("nbf").filter(|start| start.0 > now.0) {
            warnings.push(format!("the token is not valid before {}", moment(start)));
        }
        Ok(Self { token, warnings })
    }
}

/// The claims of a text that has the form of a token. What has another form could be a credential: nothing of it is shown.
fn claims(token: &str) -> anyhow::Result<serde_json::Value> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !token.bytes().all(legal) {
        bail!("expected one magic token and nothing else");
    }
    let parsed = UnverifiedToken::parse(token).context("expected a magic token")?;
    parsed.claims_for_display().filter(serde_json::Value::is_object).context("expected a magic token: its claims cannot be read")
}

/// A warning, where others may read the file. A pipe of one's own is nobody else's.
#[cfg(unix)]
fn exposure(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let mode = metadata.permissions().mode() & 0o777;
    let shown = crate::output::harmless(&path.to_string_lossy());
    (mode & 0o077 != 0).then(|| format!("the token file `{shown}` is open to others (mode {mode:04o}): chmod 600 it"))
}

#[cfg(not(unix))]
fn exposure(_: &Path) -> Option<String> {
    None
}
