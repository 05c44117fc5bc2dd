//! Layers inside a crate: finds the uses between top-level modules, and refuses a use of a module
//! in a higher layer.
//!
//! `xtask/layers.toml` has the order and the meaning of each module.

mod arrows;
mod order;
mod picture;

use std::path::Path;

use anyhow::{Context, Result};

pub(crate) use arrows::{Arrow, Route, arrows, in_circles, routes};
use order::LayerList;

use crate::source::Crate;

/// The file with the order of the modules, and the document with the drawing.
const ORDER: &str = "xtask/layers.toml";
const DRAWING: &str = "ARCHITECTURE.md";

/// Compares every crate with the order, and the drawing with the order. Returns a line for each
/// fault, with the remedy.
pub(crate) fn faults(root: &Path, crates: &[Crate]) -> Result<Vec<String>> {
    let read = |file: &str| {
        std::fs::read_to_string(root.join(file)).with_context(|| format!("cannot read `{file}`"))
    };
    let orders =
        order::read(&read(ORDER)?).with_context(|| format!("`{ORDER}` cannot be understood"))?;
    let mut faults = Vec::new();
    for found in crates {
        match orders.iter().find(|order| order.name == found.name) {
            Some(order) => faults.extend(faults_of(found, order)),
            None if found.modules.len() > 1 => faults
                .push(format!("{ORDER}: the crate `{}` is missing: add its modules", found.name)),
            None => {}
        }
    }
    for order in orders.iter().filter(|order| crates.iter().all(|found| found.name != order.name)) {
        faults.push(format!("{ORDER}: there is no crate `{}`: take its section out", order.name));
    }
    faults.extend(
        picture::faults(&read(DRAWING)?, &orders)
            .into_iter()
            .map(|fault| format!("{DRAWING}: {fault}")),
    );
    Ok(faults)
}

fn faults_of(found: &Crate, order: &LayerList) -> Vec<String> {
    let modules = found.tops();
    let unlisted = modules.iter().filter(|module| order.place(module).is_none());
    let mut faults: Vec<String> = unlisted
        .map(|module| {
            format!(
                "{ORDER}: `{module}` of {} is missing: give it a place and a meaning",
                order.name
            )
        })
        .collect();
    let gone = order.layers.iter().filter(|layer| !modules.contains(layer.module.as_str()));
    faults.extend(gone.map(|layer| {
        format!("{ORDER}: {} has no module `{}`: take its line out", order.name, layer.module)
    }));
    let rising: Vec<Arrow> = arrows(found).into_iter().filter(|arrow| order.rises(arrow)).collect();
    faults.extend(
        rising.iter().filter(|arrow| !order.knows(arrow)).map(|arrow| order.mending(arrow)),
    );
    let mended = order.known.iter().filter(|known| !rising.iter().any(|arrow| known.is(arrow)));
    faults
        .extend(mended.map(|known| {
            format!("{ORDER}: `{known}` of {} is cut: take its line out", order.name)
        }));
    faults
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{LayerList, faults_of, order};
    use crate::source::{Crate, Module};

    fn crate_of(files: &[(&str, &str)]) -> Crate {
        let module = |(path, text): &(&str, &str)| Module {
            path: path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            file: PathBuf::from(format!("{path}.rs")),
            text: (*text).to_owned(),
        };
        Crate { name: "house".to_owned(), modules: files.iter().map(module).collect() }
    }

    fn ordered(text: &str) -> LayerList {
        order::read(text).unwrap().remove(0)
    }

    const ORDER: &str = "[house]\nroof = \"keeps rain out\"\nwall = \"bears the roof\"\n";

    fn check(files: &[(&str, &str)], order: &str, expected: &[&str]) {
        let faults = faults_of(&crate_of(files), &ordered(order));
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for (fault, beginning) in faults.iter().zip(expected) {
            assert!(fault.starts_with(beginning), "{fault}");
        }
    }

    #[test]
    fn a_module_uses_only_those_below_it() {
        let root = ("", "mod roof; mod wall;");
        check(&[root, ("roof", "use crate::wall;"), ("wall", "")], ORDER, &[]);
        check(
            &[root, ("roof", ""), ("wall", "\nuse crate::roof;")],
            ORDER,
            &["wall.rs:2: `wall` uses `roof`"],
        );
    }

    #[test]
    fn every_module_has_its_place_and_every_place_its_module() {
        check(
            &[("", ""), ("roof", ""), ("wall", ""), ("door", "")],
            ORDER,
            &["xtask/layers.toml: `door` of house is missing"],
        );
        check(&[("", ""), ("roof", "")], ORDER, &["xtask/layers.toml: house has no module `wall`"]);
    }

    #[test]
    fn known_arrows_may_only_shrink() {
        let known = format!(
            "{ORDER}[known.house]\n\"wall -> roof\" = \"stays until the roof is mended\"\n"
        );
        check(&[("", ""), ("roof", ""), ("wall", "use crate::roof;")], &known, &[]);
        check(
            &[("", ""), ("roof", ""), ("wall", "")],
            &known,
            &["xtask/layers.toml: `wall -> roof` of house is cut"],
        );
    }
}
