//! The check of guarded types: types that send a request to an upstream, pass a response down, or
//! hold an opened credential. Such a type stands in a layer below the only module that may use it,
//! so Rust's visibility lets the whole crate name the type.
//!
//! `xtask/users.toml` lists the types, each with the modules that may name the type.

use crate::layers::{Route, routes};
use crate::lists::Section;
use crate::source::{Crate, Module};

/// Returns a line for each module that names a guarded type without permission, and for each line
/// of the list without a use.
pub(super) fn faults(crates: &[Crate], listed: &[Section<'_>]) -> Vec<String> {
    let mut faults = Vec::new();
    for section in listed {
        let Some(found) = crates.iter().find(|found| found.name == section.name) else {
            faults.push(format!(
                "xtask/users.toml: there is no crate `{}`: take its section out",
                section.name
            ));
            continue;
        };
        let routes: Vec<_> = found.modules.iter().map(|module| (module, routes(module))).collect();
        for (name, users) in &section.lines {
            faults.extend(faults_of(&routes, &Guarded::new(name, users)));
        }
    }
    faults
}

/// A guarded type or module, which only the listed modules and the modules of its own layer may
/// name.
struct Guarded<'l> {
    name: &'l str,
    path: Vec<&'l str>,
    users: Vec<Vec<&'l str>>,
}

impl<'l> Guarded<'l> {
    fn new(name: &'l str, users: &'l str) -> Self {
        let path = |text: &'l str| text.trim().split("::").collect::<Vec<_>>();
        Self { name, path: path(name), users: users.split(',').map(path).collect() }
    }

    fn admits(&self, module: &Module) -> bool {
        let is_in = |path: &[&str]| {
            module.path.len() >= path.len()
                && path.iter().zip(&module.path).all(|(name, part)| name == part)
        };
        is_in(self.path.get(..1).unwrap_or_default()) || self.users.iter().any(|user| is_in(user))
    }

    /// True if the path leads to the guarded type, or to a whole module around the type.
    fn is_reached_by(&self, route: &Route<'_>) -> bool {
        let names = route.names.strip_suffix(&["*"]).unwrap_or(&route.names);
        !names.is_empty() && names.iter().zip(&self.path).all(|(name, part)| name == part)
    }
}

fn faults_of(routes: &[(&Module, Vec<Route<'_>>)], guarded: &Guarded<'_>) -> Vec<String> {
    let Guarded { name, .. } = guarded;
    let all = || {
        routes.iter().flat_map(|(module, routes)| routes.iter().map(move |route| (*module, route)))
    };
    let mut faults: Vec<String> = all()
        .filter(|(module, route)| guarded.is_reached_by(route) && !guarded.admits(module))
        .map(|(module, route)| {
            format!(
                "{}:{}: names `{name}`, and xtask/users.toml lets it not",
                module.file.display(),
                route.line
            )
        })
        .collect();
    let is_whole = |route: &Route<'_>| route.names.starts_with(&guarded.path);
    if !all().any(|(module, route)| is_whole(route) && guarded.admits(module)) {
        faults.push(format!(
            "xtask/users.toml: nobody names `{name}`: take its line out, or write its new name"
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::faults;
    use crate::lists;
    use crate::source::{Crate, Module};

    fn crate_of(files: &[(&str, &str)]) -> Vec<Crate> {
        let module = |(path, text): &(&str, &str)| Module {
            path: path.split("::").map(str::to_owned).collect(),
            file: PathBuf::from(format!("{path}.rs")),
            text: (*text).to_owned(),
        };
        vec![Crate { name: "house".to_owned(), modules: files.iter().map(module).collect() }]
    }

    const LIST: &str = "[house]\n\"cellar::wine::Key\" = \"kitchen::cook, hall\"\n";

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let cook = ("kitchen::cook", "use crate::cellar::wine::{Bottle, Key};");
        let files = [&[cook], files].concat();
        assert_eq!(faults(&crate_of(&files), &lists::read(LIST).unwrap()), expected);
    }

    #[test]
    fn only_those_who_may_name_it() {
        check(
            &[
                ("hall::door", "use crate::cellar::wine::Key as K;"),
                ("cellar", "use self::wine::Key;"),
            ],
            &[],
        );
        check(&[("garden", "use crate::cellar::wine::Bottle; use crate::cellar::Rack;")], &[]);
        let refused = "garden.rs:1: names `cellar::wine::Key`, and xtask/users.toml lets it not";
        for text in [
            "use crate::cellar::wine::Key;",
            "use crate::{cellar::wine::Key as K, hall};",
            "fn f() { crate::cellar::wine::Key::new() }",
            "use super::cellar::wine::{Bottle, Key};",
            // A path to all of the module, or to the module itself, would reach the type.
            "use crate::cellar::wine;",
            "use crate::cellar::wine::*;",
            "use crate::cellar::{self};",
        ] {
            check(&[("garden", text)], &[refused]);
        }
        check(
            &[("kitchen", "use crate::cellar::wine::Key;")],
            &[&refused.replace("garden", "kitchen")],
        );
    }

    #[test]
    fn the_list_goes_with_the_sources() {
        let missed = |text: &str, list: &str| {
            faults(&crate_of(&[("hall", text)]), &lists::read(list).unwrap())
        };
        assert_eq!(
            missed("use crate::cellar::wine::Lock;", LIST),
            [
                "xtask/users.toml: nobody names `cellar::wine::Key`: take its line out, or write its new name"
            ]
        );
        assert_eq!(
            missed("", "[hut]\na = \"b\"\n"),
            ["xtask/users.toml: there is no crate `hut`: take its section out"]
        );
    }
}
