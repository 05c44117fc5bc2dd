//! The way from a file to a plugin that can be called. Specification: `plugin.md` sections 2, 3
//! and 6.

use std::fs::{self, File, Metadata};
use std::future::Future;
use std::io::Read;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use magicproxy_core::UnixTime;
use magicproxy_core::plugin::Interests;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Precompiled};

use crate::call::Call;
use crate::failure::LoadFailure;
use crate::guest::Guest;
use crate::journal::Journal;
use crate::meter::Meter;
use crate::settings::{Limits, MAX_FILE_BYTES, PluginSettings};
use crate::trap::innermost;
use crate::wit::{Plugin, PluginPre};

/// The most names of fields in a list.
const MOST_FIELDS: usize = 32;
/// The longest name of a field, in bytes.
const FIELD_BYTES: usize = 64;
/// The time for `interests`, unless the plugin's limit is longer.
const INTERESTS_TIME: Duration = Duration::from_secs(1);
/// Fields that bear tokens or credentials with some API.
const NEVER_SHOWN: [&str; 14] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "api-key",
    "private-token",
    "job-token",
    "x-auth-token",
    "x-auth-key",
    "x-auth-email",
    "x-goog-api-key",
    "x-amz-security-token",
    "magic-receipt",
];

/// A component, read and not yet understood.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sha256: [u8; 32],
    pub(crate) stamp: Stamp,
}

/// The state of a file, to tell if the file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

/// A plugin that can be called.
pub(crate) struct LoadedPlugin {
    pub(crate) pre: PluginPre<Guest>,
    pub(crate) interests: Arc<Interests>,
    /// The most bytes of a request's body that an instance takes.
    pub(crate) longest_body: usize,
    pub(crate) imports: Vec<String>,
    pub(crate) sha256: [u8; 32],
    pub(crate) bytes: usize,
}

impl Stamp {
    pub(crate) fn of(file: &Path) -> Option<Self> {
        fs::metadata(file).ok().map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self { modified: metadata.modified().ok(), length: metadata.len(), inode }
    }
}

/// Reads a component.
pub(crate) fn read(file: &Path) -> Result<Source, LoadFailure> {
    // Before the file is opened: opening a pipe would wait for its other end.
    usable(&fs::metadata(file)?)?;
    let opened = File::open(file)?;
    let metadata = opened.metadata()?;
    usable(&metadata)?;
    let mut bytes = Vec::new();
    opened.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(LoadFailure::TooLong(bytes.len() as u64));
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, &bytes).as_ref());
    Ok(Source { bytes, sha256, stamp: Stamp::from(&metadata) })
}

fn usable(metadata: &Metadata) -> Result<(), LoadFailure> {
    if !metadata.is_file() {
        return Err(LoadFailure::NotAFile);
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(LoadFailure::TooLong(metadata.len()));
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::mode(metadata) & 0o002 != 0 {
        return Err(LoadFailure::WritableByAll);
    }
    Ok(())
}

/// Compiles a component, checks its imports, and asks for its interests.
pub(crate) fn load(
    engine: &Engine,
    source: &Source,
    settings: &PluginSettings,
) -> Result<LoadedPlugin, LoadFailure> {
    // A file of wasmtime's own, with machine code inside, is not a component.
    match Engine::detect_precompiled(&source.bytes) {
        Some(Precompiled::Module | Precompiled::Component) => {
            return Err(LoadFailure::Malformed("it is machine code".to_owned()));
        }
        None if source.bytes.starts_with(b"\0asm\x01\0\0\0") => {
            return Err(LoadFailure::CoreModule);
        }
        None => {}
    }
    let component = Component::from_binary(engine, &source.bytes)
        .map_err(|error| LoadFailure::Malformed(innermost(&error)))?;
    let imports = imports(engine, &component)?;
    let wrong = |error: wasmtime::Error| LoadFailure::WrongWorld(format!("{error:#}"));
    let mut linker = Linker::new(engine);
    Plugin::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest).map_err(wrong)?;
    let pre = linker.instantiate_pre(&component).and_then(PluginPre::new).map_err(wrong)?;
    let (interests, memory_left) = interests(&pre, settings)?;
    let longest_body = longest_body(&interests, memory_left, settings.limits.body)?;
    let interests = Arc::new(interests);
    let (sha256, bytes) = (source.sha256, source.bytes.len());
    Ok(LoadedPlugin { pre, interests, longest_body, imports, sha256, bytes })
}

/// Returns the most bytes of a request's body that a guest takes, so that no client makes the guest
/// fail for want of memory. As much again as the longest body stays for the guest's own work, and
/// three times as much where the operator says nothing.
fn longest_body(
    interests: &Interests,
    memory_left: usize,
    wanted: Option<usize>,
) -> Result<usize, LoadFailure> {
    let most = memory_left / 2;
    match wanted {
        Some(wanted) if interests.request_body && wanted > most => {
            Err(LoadFailure::NoRoomForBody { wanted, most })
        }
        Some(wanted) => Ok(wanted),
        None => Ok(memory_left / 4),
    }
}

/// Returns the names of a component's imports, or refuses the first import that is not ours.
fn imports(engine: &Engine, component: &Component) -> Result<Vec<String>, LoadFailure> {
    let names: Vec<String> =
        component.component_type().imports(engine).map(|(name, _)| name.to_owned()).collect();
    match names.iter().find(|name| !is_ours(name)) {
        Some(import) => Err(LoadFailure::Import { import: import.clone() }),
        None => Ok(names),
    }
}

fn is_ours(import: &str) -> bool {
    let Some((interface, version)) =
        import.strip_prefix("magicproxy:plugin/").and_then(|rest| rest.split_once('@'))
    else {
        return false;
    };
    version == "1.0.0" && ["exchange", "state", "log", "clock", "config"].contains(&interface)
}

fn interests(
    pre: &PluginPre<Guest>,
    settings: &PluginSettings,
) -> Result<(Interests, usize), LoadFailure> {
    let call = Call {
        pre: pre.clone(),
        limits: Limits { time: settings.limits.time.max(INTERESTS_TIME), ..settings.limits },
        config: settings.config.clone(),
        plugin_store: None,
        now: UnixTime(0),
        journal: Arc::new(Journal::default()),
        meter: Arc::new(Meter::default()),
    };
    let (interests, memory_left) = call.judged(finish(call.meter.measure(call.interests())))?;
    [&interests.request_headers, &interests.response_headers]
        .into_iter()
        .try_for_each(|names| fields(names))?;
    Ok((interests, memory_left))
}

/// Drives a call that waits for nothing: without a store, a guest only yields to other guests, and
/// no others run here.
fn finish<F: Future>(call: F) -> F::Output {
    let mut call = pin!(call);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = call.as_mut().poll(&mut context) {
            return output;
        }
    }
}

fn fields(names: &[String]) -> Result<(), LoadFailure> {
    if names.len() > MOST_FIELDS {
        return Err(LoadFailure::TooManyFields(names.len()));
    }
    names.iter().try_for_each(|name| field(name))
}

fn field(name: &str) -> Result<(), LoadFailure> {
    let legal = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
    };
    if name.is_empty() || name.len() > FIELD_BYTES || !name.bytes().all(legal) {
        return Err(LoadFailure::NotAField(crate::journal::one_line(name, FIELD_BYTES)));
    }
    if NEVER_SHOWN.contains(&name) {
        return Err(LoadFailure::NeverShown(name.to_owned()));
    }
    Ok(())
}
