//! The figures of the house: makers of proofs and their visibility, lengths of functions and files,
//! density of code, circles of modules, and the spread of an upstream's keys over files.

mod constants;
mod density;
mod keys;
mod makers;
mod users;

use std::path::Path;

use anyhow::{Context, Result};

use crate::layers::{arrows, in_circles};
use crate::lists;
use crate::source::{Crate, Function, Module, crates};
use crate::workspace::Workspace;

use density::{Density, density};

/// The greatest length of a function in lines: for nine functions in ten, and for every function.
const MOST_OF_NINE_IN_TEN: usize = 30;
const MOST: usize = 80;
/// The greatest length of a file in lines, without tests.
const MOST_OF_A_FILE: usize = 600;

/// The lists of the makers of proofs, and of the modules that may name the parts of proofs.
const MAKERS: &str = "xtask/makers.toml";
const USERS: &str = "xtask/users.toml";

/// A crate with all functions, each beside the module of the function.
#[derive(Debug)]
struct Surveyed<'c> {
    name: &'c str,
    modules: &'c [Module],
    functions: Vec<(&'c Module, Function<'c>)>,
}

fn survey(crates: &[Crate]) -> Vec<Surveyed<'_>> {
    crates
        .iter()
        .map(|found| Surveyed {
            name: &found.name,
            modules: &found.modules,
            functions: functions(found),
        })
        .collect()
}

fn functions(found: &Crate) -> Vec<(&Module, Function<'_>)> {
    found
        .modules
        .iter()
        .flat_map(|module| module.functions().into_iter().map(move |function| (module, function)))
        .collect()
}

/// Returns a line for each fault: a function or a file that is too long, a maker of a proof that
/// differs from the list, a forbidden name, or a bound with two values.
pub(crate) fn faults(root: &Path, crates: &[Crate]) -> Result<Vec<String>> {
    let read = |file: &str| {
        std::fs::read_to_string(root.join(file)).with_context(|| format!("cannot read `{file}`"))
    };
    let (listed, users) = (read(MAKERS)?, read(USERS)?);
    let listed =
        lists::read(&listed).with_context(|| format!("`{MAKERS}` cannot be understood"))?;
    let users = lists::read(&users).with_context(|| format!("`{USERS}` cannot be understood"))?;
    let surveyed = survey(crates);
    let mut faults = makers::faults(&surveyed, &listed);
    faults.extend(users::faults(crates, &users));
    faults.extend(lengths_of_functions(&surveyed).faults());
    faults.extend(long_files(crates));
    faults.extend(constants::faults(crates));
    Ok(faults)
}

/// `cargo xtask measure house`: prints every figure.
pub(crate) fn measure(workspace: &Workspace) -> Result<bool> {
    let crates = crates(&workspace.root)?;
    let surveyed = survey(&crates);
    println!("top-level modules in circles");
    for found in crates.iter().filter(|found| found.modules.len() > 1) {
        let arrows = arrows(found);
        let circles = in_circles(&arrows);
        let names = circles.iter().copied().collect::<Vec<_>>().join(" ");
        println!("  {:<18} {} of {} {names}", found.name, circles.len(), found.tops().len());
    }
    println!("lines of functions, tests apart\n  {}", lengths_of_functions(&surveyed));
    println!(
        "files of more than {MOST_OF_A_FILE} lines, tests apart\n  {}",
        long_files(&crates).len()
    );
    print_densities(&crates);
    println!(
        "files that name a key of an upstream, tests and documents apart\n{}",
        keys::measured(&crates)?
    );
    println!(
        "makers of proofs, and the modules that may call them\n{}",
        makers::listed(&surveyed).trim_end()
    );
    Ok(true)
}

fn print_densities(crates: &[Crate]) {
    println!("density of code, tests apart");
    let mut all = Density::default();
    for found in crates {
        let density = density(found);
        println!("  {:<18} {density}", found.name);
        all += density;
    }
    println!("  {:<18} {all}", "all");
}

/// The lengths of all functions, the shortest first, and the places of the functions that are too
/// long.
#[derive(Debug)]
struct Lengths {
    lines: Vec<usize>,
    too_long: Vec<String>,
}

impl Lengths {
    /// Returns the length that the given percentage of the functions does not exceed.
    fn kept_by(&self, percent: usize) -> usize {
        let last = self.lines.len().saturating_sub(1);
        self.lines.get(last * percent / 100).copied().unwrap_or(0)
    }

    fn faults(self) -> Vec<String> {
        let most = self.kept_by(90);
        let all = (most > MOST_OF_NINE_IN_TEN).then(|| {
            format!(
                "of ten functions one has more than {most} lines; at most {MOST_OF_NINE_IN_TEN}"
            )
        });
        self.too_long.into_iter().chain(all).collect()
    }
}

impl std::fmt::Display for Lengths {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [half, most, all] = [50, 90, 100].map(|percent| self.kept_by(percent));
        write!(
            formatter,
            "p50 {half}, p90 {most}, longest {all}, of {} functions",
            self.lines.len()
        )
    }
}

fn lengths_of_functions(crates: &[Surveyed<'_>]) -> Lengths {
    let (mut lines, mut too_long) = (Vec::new(), Vec::new());
    for (module, function) in crates.iter().flat_map(|found| &found.functions) {
        lines.push(function.lines);
        if function.lines > MOST {
            let (file, line) = (module.file.display(), function.line);
            too_long.push(format!(
                "{file}:{line}: `{}` has {} lines; at most {MOST}",
                function.name, function.lines
            ));
        }
    }
    lines.sort_unstable();
    Lengths { lines, too_long }
}

fn long_files(crates: &[Crate]) -> Vec<String> {
    let modules = crates.iter().flat_map(|found| &found.modules);
    let long = modules
        .map(|module| (module, module.text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_OF_A_FILE);
    long.map(|(module, lines)| {
        format!("{}: {lines} lines; at most {MOST_OF_A_FILE}", module.file.display())
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{lengths_of_functions, long_files, survey};
    use crate::source::{Crate, Module};

    fn crate_of(text: String) -> Vec<Crate> {
        let module = Module { path: vec!["a".to_owned()], file: PathBuf::from("a.rs"), text };
        vec![Crate { name: "house".to_owned(), modules: vec![module] }]
    }

    fn function(lines: usize) -> String {
        format!("fn f() {{{}}}\n", "\n".repeat(lines - 1))
    }

    #[test]
    fn a_function_has_at_most_so_many_lines() {
        let lengths = |lines: &[usize]| {
            let crates = crate_of(lines.iter().map(|lines| function(*lines)).collect());
            lengths_of_functions(&survey(&crates))
        };
        assert_eq!(lengths(&[80, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]).faults(), Vec::<String>::new());
        assert_eq!(
            lengths(&[81, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]).faults(),
            ["a.rs:1: `f` has 81 lines; at most 80"]
        );
        assert_eq!(
            lengths(&[30, 30, 2, 2, 2, 2, 2, 1, 1, 1]).to_string(),
            "p50 2, p90 30, longest 30, of 10 functions"
        );
        assert_eq!(lengths(&[31, 31, 1, 1, 1, 1, 1, 1, 1, 1]).faults().len(), 1);
    }

    #[test]
    fn a_file_has_at_most_so_many_lines() {
        assert_eq!(long_files(&crate_of("\n".repeat(600))).len(), 0);
        assert_eq!(long_files(&crate_of("\n".repeat(601))), ["a.rs: 601 lines; at most 600"]);
    }
}
