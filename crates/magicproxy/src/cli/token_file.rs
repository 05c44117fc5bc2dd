//! The file of a magic token: read, checked for its form, and for other users who may read it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use magicproxy_core::{UnixTime, UnverifiedToken, is_armoured};
use magicproxy_proxy::clock;
use zeroize::Zeroizing;

use super::{secret, time};
use crate::ground::failure::Failure;
use crate::ground::output::{note, remark};
use crate::setup::assignment::{ClientSetup, TokenDestination};
use crate::setup::target::{absolute, split_name};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::harmless;

/// A token and its upstream, from `[NAME=]TOKEN`.
#[derive(Clone, Debug)]
struct NamedToken {
    name: Option<String>,
    source: Source,
}

/// The place of a token.
#[derive(Clone, Debug)]
enum Source {
    File(PathBuf),
    /// The reference `-` or `env:NAME`.
    Reference(String),
}

/// The flags that name tokens, perhaps several.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// File that holds the magic token; of several tokens each with the upstream that it is for:
    /// `github=gh.token`
    #[arg(long = "token-file", value_name = "[NAME=]FILE")]
    files: Vec<String>,
    /// Magic token as other commands take it: `@FILE`, `-` for standard input, `env:NAME`
    #[arg(long = "token", value_name = "[NAME=]@FILE")]
    tokens: Vec<String>,
}

fn named_file(text: &str) -> Result<NamedToken, String> {
    named_token(text).or_else(|_| {
        let (name, path) = split_name(text);
        if path.is_empty() {
            return Err("expected `FILE`, or `NAME=FILE` with the name of an upstream".to_owned());
        }
        if is_armoured(path) || UnverifiedToken::parse(path).is_ok() {
            return Err("this is a magic token, and no file: others see arguments".to_owned());
        }
        Ok(NamedToken { name: name.map(str::to_owned), source: Source::File(PathBuf::from(path)) })
    })
}

fn named_token(text: &str) -> Result<NamedToken, String> {
    let (name, token) = split_name(text);
    let source = match token.strip_prefix('@') {
        Some(path) if !path.is_empty() => Source::File(PathBuf::from(path)),
        None if token == "-" || token.starts_with("env:") => Source::Reference(token.to_owned()),
        _ => return Err("expected `@FILE`, `-` or `env:NAME`: others see arguments".to_owned()),
    };
    Ok(NamedToken { name: name.map(str::to_owned), source })
}

impl TokenArgs {
    /// Reads every token.
    pub(super) fn read(&self, environment: &Environment) -> Result<Tokens, Failure> {
        // Read here, because the parser of arguments would repeat a faulty text, perhaps a token.
        let files = self
            .files
            .iter()
            .map(|text| named_file(text).map_err(|expected| format!("--token-file: {expected}")));
        let tokens = self
            .tokens
            .iter()
            .map(|text| named_token(text).map_err(|expected| format!("--token: {expected}")));
        let named = files.chain(tokens).collect::<Result<Vec<_>, _>>().map_err(Failure::usage)?;
        let read =
            named.iter().map(|token| token.read(environment)).collect::<Result<Vec<_>, _>>()?;
        let (files, bearers) = read.into_iter().unzip();
        Ok(Tokens { files, bearers })
    }

    /// True if no token is named.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.tokens.is_empty()
    }
}

impl NamedToken {
    /// Reads the token, and its destination.
    fn read(&self, environment: &Environment) -> Result<(TokenFile, TokenDestination), Failure> {
        let (token, shown, file) = match &self.source {
            Source::File(path) => {
                let absolute = absolute(path, "--token-file")?;
                // A source that can be read only once, such as a pipe, cannot be named to the
                // program.
                (
                    TokenFile::read(path)?,
                    harmless(&path.to_string_lossy()),
                    path.is_file().then_some(absolute),
                )
            }
            Source::Reference(reference) => {
                let text = secret::from_reference(reference, environment)
                    .context("token")?
                    .context("token")?;
                let shown = if reference == "-" {
                    "standard input".to_owned()
                } else {
                    harmless(reference)
                };
                (TokenFile::of(&text).context("token")?, shown, None)
            }
        };
        let bearer = TokenDestination {
            name: self.name.clone(),
            shown,
            audience: token.audience.clone(),
            file,
        };
        Ok((token, bearer))
    }
}

/// The tokens, with their warnings and destinations.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub(super) files: Vec<TokenFile>,
    pub(super) bearers: Vec<TokenDestination>,
}

/// Says on standard error where each token goes, and warns of faults of the token or of its way.
pub(super) fn say(told: &[ClientSetup], bearers: &[TokenDestination], files: &[TokenFile]) {
    let warnings: Vec<&String> = files.iter().flat_map(|file| &file.warnings).collect();
    let exposures: BTreeSet<String> =
        told.iter().filter_map(|told| told.target.exposure()).collect();
    warnings.into_iter().chain(&exposures).for_each(|warning| note(&format!("warning: {warning}")));
    let mut said = BTreeSet::new();
    for told in told {
        let Some((bearer, file)) =
            told.bearer.and_then(|at| Some((bearers.get(at)?, files.get(at)?)))
        else {
            continue;
        };
        let id = file.id.as_deref().map(|id| format!(" ({})", harmless(id))).unwrap_or_default();
        let line = format!(
            "using the token{id} of {} for `{}` at {}",
            bearer.shown, told.setup.upstream, told.setup.api
        );
        if said.insert(line.clone()) {
            remark(&line);
        }
    }
}

/// A magic token, and its warnings.
pub(super) struct TokenFile {
    pub(super) token: Zeroizing<String>,
    /// The token's id, if any.
    pub(super) id: Option<String>,
    /// The upstream named by the token.
    pub(super) audience: Option<String>,
    pub(super) warnings: Vec<String>,
}

/// Shows no token: the token is its holder's secret.
impl std::fmt::Debug for TokenFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TokenFile")
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

impl TokenFile {
    /// Reads exactly one token, perhaps between line ends.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = secret::whole_file(path).with_context(|| "token file")?;
        let mut file =
            Self::of(&text).with_context(|| format!("token file `{}`", path.display()))?;
        file.warnings.extend(exposure(path));
        Ok(file)
    }

    fn of(text: &str) -> anyhow::Result<Self> {
        let token = secret::without_armour(&secret::written(text)?)?;
        let claims = claims(&token)?;
        let time = |name: &str| claims.get(name).and_then(serde_json::Value::as_u64).map(UnixTime);
        let now = clock::now();
        let moment = |at: UnixTime| format!("{} ({})", time::date(at), time::distance(at, now));
        let mut warnings = Vec::new();
        if let Some(end) = time("exp").filter(|end| end.0 <= now.0) {
            warnings.push(format!("the token expired {}", moment(end)));
        }
        if let Some(start) = time("nbf").filter(|start| start.0 > now.0) {
            warnings.push(format!("the token is not valid before {}", moment(start)));
        }
        let text =
            |name: &str| claims.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        Ok(Self { id: text("jti"), audience: audience(&token, &claims), token, warnings })
    }
}

/// Returns the upstream named by a token, in its claims or in a caveat.
pub(super) fn audience(token: &str, claims: &serde_json::Value) -> Option<String> {
    let of = |claims: &serde_json::Value| {
        claims.get("aud").and_then(serde_json::Value::as_str).map(str::to_owned)
    };
    let caveats = || match UnverifiedToken::parse(token).ok()? {
        UnverifiedToken::V1(_) => {
            claims.get("caveats").and_then(serde_json::Value::as_array)?.iter().find_map(of)
        }
        UnverifiedToken::V2(token) => {
            token.caveats().ok()?.iter().find_map(|caveat| Some(caveat.aud.as_ref()?.to_string()))
        }
    };
    of(claims).or_else(caveats)
}

/// Reads the claims of a text in the form of a token. A text in another form could be a credential:
/// nothing of it is shown.
fn claims(token: &str) -> anyhow::Result<serde_json::Value> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !token.bytes().all(legal) {
        bail!("expected one magic token and nothing else");
    }
    let parsed = UnverifiedToken::parse(token).context("expected a magic token")?;
    parsed
        .claims_for_display()
        .filter(serde_json::Value::is_object)
        .context("expected a magic token: its claims cannot be read")
}

/// Returns a warning, if others may read the file: by its mode, and by the mode of every folder
/// above. A user's own pipe is nobody else's.
#[cfg(unix)]
fn exposure(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode_of = |path: &Path| Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o777);
    let mode = mode_of(path).filter(|_| path.is_file())?;
    let full = std::fs::canonicalize(path).ok()?;
    // The class of users whose bit for reading is 0o040 or 0o004 passes a folder by 0o010 or 0o001.
    let reached = |read: u32| {
        full.ancestors()
            .skip(1)
            .all(|folder| mode_of(folder).is_none_or(|mode| mode & read >> 2 != 0))
    };
    let shown = harmless(&path.to_string_lossy());
    let exposed = [0o040, 0o004].into_iter().any(|read| mode & read != 0 && reached(read));
    exposed.then(|| {
        format!("the token file `{shown}` is open to others (mode {mode:04o}): chmod 600 it")
    })
}

#[cfg(not(unix))]
fn exposure(_: &Path) -> Option<String> {
    None
}
