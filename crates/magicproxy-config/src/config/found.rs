//! Configuration files: found, read, and passed over.
//!
//! Few commands find a file in the working directory: see [`WorkingDirectory`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::raw::RawConfig;
use super::setting::GivenValue;
use super::{Flags, Layers, WorkingDirectory, native, python};
use crate::ground::environment::Environment;
use crate::ground::fault::{Fault, Origin};
use crate::ground::text::{harmless, reason};
use crate::ground::trust;

/// The file that some commands find in the working directory.
const FILE_HERE: &str = "magicproxy.toml";

/// Reads the native file: the named file, or else the first file found.
pub(super) fn native(
    flags: &Flags,
    environment: &Environment,
    faults: &mut Vec<Fault>,
) -> Option<native::NativeFile> {
    let (path, origin) = match (&flags.config, environment.var("MAGICPROXY_CONFIG")) {
        (Some(path), _) => (path.clone(), Origin::Flag("--config")),
        (None, Some(path)) => {
            (PathBuf::from(path), Origin::Environment("MAGICPROXY_CONFIG".to_owned()))
        }
        (None, None) => (discover(environment, flags.working_directory)?, Origin::Default),
    };
    let text = read_text(&path, origin, faults)?;
    Some(native::parse(&path, text))
}

/// Returns the first existing file among the default places.
fn discover(environment: &Environment, here: WorkingDirectory) -> Option<PathBuf> {
    let here = (here == WorkingDirectory::Read).then(|| PathBuf::from(FILE_HERE));
    let user = environment
        .xdg("XDG_CONFIG_HOME", ".config")
        .map(|folder| folder.join("magicproxy/config.toml"));
    let system = Some(PathBuf::from("/etc/magicproxy/config.toml"));
    [here, user, system].into_iter().flatten().find(|path| path.exists())
}

/// Reads the Python program's file that the environment names.
pub(super) fn python(
    environment: &Environment,
    faults: &mut Vec<Fault>,
) -> Option<python::PythonFile> {
    let path = PathBuf::from(environment.var("CONFIG_FILE")?);
    let text = read_text(&path, Origin::Environment("CONFIG_FILE".to_owned()), faults)?;
    Some(python::parse(&path, text))
}

fn read_text(path: &Path, origin: Origin, faults: &mut Vec<Fault>) -> Option<String> {
    if let Some(fault) = trust::writable_by_everybody(path) {
        faults.push(
            Fault::new(format!("configuration file {fault}"), origin.clone())
                .help(trust::remedy(path)),
        );
    }
    let fault = match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => return Some(text),
        Ok(Err(_)) => format!("configuration file `{}`: expected UTF-8 text", path.display()),
        Err(error) => format!("configuration file `{}`: {}", path.display(), reason(&error)),
    };
    faults.push(Fault::new(fault, origin));
    None
}

/// True if a file in the working directory is not read, because no setting names it.
pub(super) fn is_passed_over(flags: &Flags, environment: &Environment) -> bool {
    let unnamed = flags.config.is_none() && environment.var("MAGICPROXY_CONFIG").is_none();
    flags.working_directory == WorkingDirectory::Ignored && unnamed && Path::new(FILE_HERE).exists()
}

/// Returns faults for keys that a Python file names by a relative path. The Python program takes
/// such a path from the working directory, from which this command reads nothing.
pub(super) fn relative_keys(raw: &RawConfig) -> Vec<Fault> {
    let keys = [&raw.keys.private_key, &raw.keys.public_key, &raw.keys.certificate];
    let relative = |given: &&GivenValue<String>| {
        matches!(given.origin, Origin::PythonFile(_)) && Path::new(&given.value).is_relative()
    };
    let fault = |given: &GivenValue<String>| {
        let message = format!(
            "`{}` is relative to the working directory, which is not read here",
            harmless(&given.value)
        );
        Fault::new(message, given.origin.clone()).help("write an absolute path, or say --keys DIR")
    };
    keys.into_iter()
        .filter_map(|setting| setting.given())
        .find(relative)
        .map(fault)
        .into_iter()
        .collect()
}

impl Layers {
    /// Returns a note on the unread file in the working directory; `None` without such a file.
    pub fn passed_over(&self) -> Option<String> {
        self.passed_over.then(|| format!("./{FILE_HERE} is not used here: --config ./{FILE_HERE}"))
    }

    /// Returns warnings on files of other users.
    pub fn of_others(&self) -> Vec<String> {
        self.sources.files().iter().filter_map(|file| trust::of_another(Path::new(file))).collect()
    }

    /// Returns one line with the files and variables in use; `None` if everything is a default.
    pub fn used(&self) -> Option<String> {
        let mut parts = Vec::new();
        for file in self.sources.files() {
            let full = match std::path::absolute(&file) {
                Ok(path) => path.display().to_string(),
                Err(_) => file,
            };
            parts.push(harmless(&full));
        }
        for name in self.used_variables() {
            parts.push(format!("${name}"));
        }
        if parts.is_empty() {
            return None;
        }
        Some(format!("using the configuration of {}", parts.join(", ")))
    }

    /// Returns the names of the variables that give a setting; those of the log are left out.
    pub fn used_variables(&self) -> BTreeSet<String> {
        let mut variables = BTreeSet::new();
        for entry in self.raw.entries() {
            if let Origin::Environment(name) = entry.origin
                && !entry.key.starts_with("log.")
            {
                variables.insert(name.clone());
            }
        }
        variables
    }
}
