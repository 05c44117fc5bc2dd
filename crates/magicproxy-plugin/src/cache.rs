//! Compiled functions on disk, so that a large plugin starts at once. Specification: `plugin.md`
//! section 6.
//!
//! The files hold machine code, which is run unchecked. So no file is read that another user could
//! have written, and the program's own files are known by their digests. Each component has a file:
//! `SHA-256.functions`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use wasmtime::CacheStore;

/// The beginning of each file.
const MAGIC: &[u8] = b"magicproxy functions 1\n";
/// The longest file that is read or written, in bytes.
const MOST_BYTES: u64 = 512 * 1024 * 1024;
/// The most components whose files are kept.
const MOST_FILES: usize = 64;
const DIGEST_BYTES: usize = 32;

/// A cache with the functions of the component that is being compiled.
#[derive(Debug)]
pub(crate) struct FunctionCache {
    folder: PathBuf,
    open: Mutex<Functions>,
}

#[derive(Debug, Default)]
struct Functions {
    /// Functions from an earlier run.
    known: HashMap<Vec<u8>, Vec<u8>>,
    /// The functions that this compilation used, which are the functions to keep.
    used: HashMap<Vec<u8>, Vec<u8>>,
    added: usize,
}

impl CacheStore for FunctionCache {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let mut open = self.open();
        let value = open.known.get(key).or_else(|| open.used.get(key)).cloned()?;
        open.used.insert(key.to_vec(), value.clone());
        Some(Cow::Owned(value))
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        let mut open = self.open();
        open.used.insert(key.to_vec(), value);
        open.added += 1;
        true
    }
}

impl FunctionCache {
    /// Opens the cache in this folder, which is made if absent. A folder that others could write to
    /// is left alone.
    pub(crate) fn prepare(folder: &Path) -> Option<Self> {
        let fit = make(folder).and_then(|()| {
            let metadata = fs::symlink_metadata(folder)?;
            let private = metadata.is_dir() && is_private(&metadata, 0o077);
            if private {
                Ok(())
            } else {
                Err(io::Error::other("it is not a folder of this user alone, with mode 0700"))
            }
        });
        if let Err(error) = fit {
            tracing::warn!(name: "plugin_cache_unusable", folder = %folder.display(), %error, "compiled plugins are not kept");
            return None;
        }
        Some(Self { folder: folder.to_owned(), open: Mutex::default() })
    }

    /// Begins the compilation of a component: reads the functions of an earlier run.
    pub(crate) fn begin(&self, component: &[u8; 32]) {
        let file = self.file(component);
        let known = match read(&file) {
            Ok(known) => known,
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashMap::new(),
            Err(error) => {
                tracing::warn!(name: "compiled_plugin_not_used", file = %file.display(), %error, "a compiled plugin is not used");
                HashMap::new()
            }
        };
        *self.open() = Functions { known, ..Functions::default() };
    }

    /// Ends the compilation of a component: new functions are kept.
    pub(crate) fn end(&self, component: &[u8; 32]) {
        let functions = std::mem::take(&mut *self.open());
        if functions.added == 0 {
            return;
        }
        let file = self.file(component);
        if let Err(error) =
            write(&file, &encode(&functions.used)).and_then(|()| self.forget_oldest())
        {
            tracing::warn!(name: "compiled_plugin_not_kept", file = %file.display(), %error, "a compiled plugin is not kept");
        }
    }

    fn open(&self) -> MutexGuard<'_, Functions> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, component: &[u8; 32]) -> PathBuf {
        let name: String = component.iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(name + ".functions")
    }

    fn forget_oldest(&self) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "functions") {
                kept.push((fs::symlink_metadata(&path)?.modified()?, path));
            }
        }
        kept.sort();
        let surplus = kept.len().saturating_sub(MOST_FILES);
        kept.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
    }
}

fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// True if the file is the process's own, with none of the forbidden permissions.
#[cfg(unix)]
fn is_private(metadata: &Metadata, forbidden: u32) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & forbidden == 0
}

/// Always false, so that nothing is kept on a system without owners and modes.
#[cfg(not(unix))]
fn is_private(_: &Metadata, _: u32) -> bool {
    false
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino()) && other.nlink() == 1
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    false
}

/// Reads a file that this program wrote, and nothing else: no links, no file of another user or
/// with another name.
fn read(file: &Path) -> io::Result<HashMap<Vec<u8>, Vec<u8>>> {
    let named = fs::symlink_metadata(file)?;
    if !named.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let opened = File::open(file)?;
    let metadata = opened.metadata()?;
    if !is_same(&named, &metadata) || !is_private(&metadata, 0o022) {
        return Err(io::Error::other("others could have written it"));
    }
    if metadata.len() > MOST_BYTES {
        return Err(io::Error::other("it is too long"));
    }
    let mut bytes = Vec::new();
    opened.take(MOST_BYTES).read_to_end(&mut bytes)?;
    decode(&bytes).ok_or_else(|| io::Error::other("it is damaged"))
}

/// Writes the whole file under another name first, so that no reader meets half a file.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other("it is too long"));
    }
    let unfinished = file.with_extension(format!("{}.tmp", std::process::id()));
    // The remains of an interrupted run are not written into: the name might be a link.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&unfinished)?.write_all(bytes)?;
    fs::rename(&unfinished, file)
}

/// The magic bytes; key and value of each function, each behind its length; the SHA-256 of all
/// before.
fn encode(functions: &HashMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for text in functions.iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text);
    }
    let digest = digest(&SHA256, &bytes);
    bytes.extend_from_slice(digest.as_ref());
    bytes
}

fn decode(bytes: &[u8]) -> Option<HashMap<Vec<u8>, Vec<u8>>> {
    let (content, written) = bytes.split_last_chunk::<DIGEST_BYTES>()?;
    if digest(&SHA256, content).as_ref() != written {
        return None;
    }
    let mut rest = content.strip_prefix(MAGIC)?;
    let mut functions = HashMap::new();
    while !rest.is_empty() {
        let (key, after) = text(rest)?;
        let (value, after) = text(after)?;
        functions.insert(key.to_vec(), value.to_vec());
        rest = after;
    }
    Some(functions)
}

fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)
}
