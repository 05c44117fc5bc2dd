//! The environment of the process, read once. An empty variable counts as unset, because compose
//! files and CI systems write "unset" as an empty value.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

/// A copy of the environment variables that are not empty.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// The names of variables whose values are not UTF-8.
    unreadable: BTreeSet<String>,
}

/// Shows no variables, because they hold secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Environment").finish_non_exhaustive()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        variables
            .into_iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)))
            .collect()
    }
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables.into_iter().filter(|(_, value)| !value.is_empty()) {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(environment.variables.insert(name, value)),
                Err(_) => drop(environment.unreadable.insert(name)),
            }
        }
        environment
    }
}

impl Environment {
    /// Reads the environment of this process.
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// Returns the value of a variable.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Returns a folder of the XDG base directory specification: the variable's, or the default
    /// below the home folder.
    pub fn xdg(&self, name: &str, below_home: &str) -> Option<PathBuf> {
        let named = self.var(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || self.var("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        named.or_else(|| home().map(|home| home.join(below_home)))
    }

    /// Returns the names of all variables, including those whose values are not UTF-8.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().chain(&self.unreadable).map(String::as_str)
    }

    /// True if the variable has a value that is not UTF-8.
    pub fn is_unreadable(&self, name: &str) -> bool {
        self.unreadable.contains(name)
    }
}
