//! Arrows between a crate's top-level modules: every path in a source that leads from one module
//! into another.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::path::PathBuf;
use std::slice::Iter;

use crate::source::{Crate, Module, Token};

/// The name of the crate's root at the end of an arrow.
const ROOT: &str = "lib";

/// A use of one top-level module in another, with the place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
}

/// A path in a source, resolved from the crate's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route<'t> {
    pub(crate) names: Vec<&'t str>,
    /// The new name behind `as`.
    alias: Option<&'t str>,
    pub(crate) line: usize,
}

/// Returns every arrow of a crate, sorted by file and line.
pub(crate) fn arrows(found: &Crate) -> Vec<Arrow> {
    let tops = found.tops();
    let homes = found.modules.first().map(|root| homes(root, &tops)).unwrap_or_default();
    let mut arrows = Vec::new();
    for module in &found.modules {
        let Some(from) = module.path.first() else { continue };
        for route in routes(module) {
            let name = route.names.first().copied().unwrap_or(ROOT);
            let to = if tops.contains(name) {
                name
            } else {
                homes.get(name).map_or(ROOT, String::as_str)
            };
            if to != from {
                arrows.push(Arrow {
                    from: from.clone(),
                    to: to.to_owned(),
                    file: module.file.clone(),
                    line: route.line,
                });
            }
        }
    }
    arrows
}

/// Returns the modules from which a chain of arrows leads back to the same module.
pub(crate) fn in_circles(arrows: &[Arrow]) -> BTreeSet<&str> {
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in arrows {
        reached.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    loop {
        let further = |set: &BTreeSet<&'_ str>| {
            set.iter().filter_map(|via| reached.get(via)).flatten().copied().collect()
        };
        let next: BTreeMap<&str, BTreeSet<&str>> = reached
            .iter()
            .map(|(from, set)| (*from, set.union(&further(set)).copied().collect()))
            .collect();
        if next == reached {
            break;
        }
        reached = next;
    }
    reached.iter().filter(|(from, set)| set.contains(*from)).map(|(from, _)| *from).collect()
}

/// Returns the names that the root reexports from modules, each with the module: `crate::Name`
/// leads to the module.
fn homes(root: &Module, tops: &BTreeSet<&str>) -> BTreeMap<String, String> {
    let tokens = root.tokens();
    let mut rest = tokens.iter().peekable();
    let mut routes = Vec::new();
    while let Some(token) = rest.next() {
        if token.text == "use" {
            let crate_or_self = |token: &&Token<'_>| ["crate", "self", "::"].contains(&token.text);
            while rest.next_if(crate_or_self).is_some() {}
            members(&mut rest, &[], &mut routes);
        }
    }
    let inside = routes
        .iter()
        .filter(|route| route.names.first().is_some_and(|module| tops.contains(module)));
    let named = inside.filter_map(|route| {
        Some((route.alias.or(route.names.last().copied())?, *route.names.first()?))
    });
    named.map(|(name, module)| (name.to_owned(), module.to_owned())).collect()
}

/// Returns every path of a module that begins with `crate`, `self` or `super`.
pub(crate) fn routes(module: &Module) -> Vec<Route<'_>> {
    let tokens = module.tokens();
    let mut here: Vec<&str> = module.path.iter().map(String::as_str).collect();
    // The depth of braces at which each inline module begins.
    let (mut depth, mut inner) = (0_usize, Vec::new());
    let (mut found, mut before) = (Vec::new(), "");
    let mut rest = tokens.iter().peekable();
    while let Some(token) = rest.next() {
        let is_path = rest.peek().is_some_and(|next| next.text == "::");
        match token.text {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if inner.last() == Some(&depth) {
                    inner.pop();
                    here.pop();
                }
            }
            "crate" if is_path => follow(&mut rest, &[], token.line, &mut found),
            "self" if is_path => follow(&mut rest, &here, token.line, &mut found),
            "super" if is_path => follow(&mut rest, parent(&here), token.line, &mut found),
            name if before == "mod" && rest.peek().is_some_and(|next| next.text == "{") => {
                here.push(name);
                inner.push(depth);
            }
            _ => {}
        }
        before = token.text;
    }
    found
}

fn parent<'p, 't>(here: &'p [&'t str]) -> &'p [&'t str] {
    here.split_last().map_or(here, |(_, parent)| parent)
}

/// Reads the rest of a path: `::name`, `::*`, or the several paths of `::{…}`.
fn follow<'t>(
    rest: &mut Peekable<Iter<'_, Token<'t>>>,
    prefix: &[&'t str],
    line: usize,
    found: &mut Vec<Route<'t>>,
) {
    let mut names = prefix.to_vec();
    while rest.next_if(|token| token.text == "::").is_some() {
        if rest.next_if(|token| token.text == "{").is_some() {
            return members(rest, &names, found);
        }
        match rest.next_if(|token| token.is_word() || token.text == "*") {
            Some(token) if token.text == "super" => drop(names.pop()),
            Some(token) => names.push(token.text),
            None => break,
        }
    }
    let is_renamed = rest.next_if(|token| token.text == "as").is_some();
    let alias = if is_renamed { rest.next().map(|token| token.text) } else { None };
    found.push(Route { names, alias, line });
}

/// Reads the members of a list until the closing brace, each as a path behind the prefix.
fn members<'t>(
    rest: &mut Peekable<Iter<'_, Token<'t>>>,
    prefix: &[&'t str],
    found: &mut Vec<Route<'t>>,
) {
    while let Some(token) = rest.next() {
        match token.text {
            "}" | ";" => return,
            "{" | "," => {}
            "self" => follow(rest, prefix, token.line, found),
            "super" => follow(rest, parent(prefix), token.line, found),
            name => follow(rest, &[prefix, &[name]].concat(), token.line, found),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{arrows, in_circles};
    use crate::source::{Crate, Module};

    /// Checks a crate with `text` in `a` or below it, and with modules `b` to `e`, some of whose
    /// names stand in the root.
    fn check(path: &str, text: &str, expected: &[(&str, usize)]) {
        let module = |path: &str, text: &str| Module {
            path: path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            file: PathBuf::new(),
            text: text.to_owned(),
        };
        let root = "mod a; pub use b::Beam; pub use crate::c::{d::Door as Gate, self as cellar}; struct Own; use std::e;";
        let mut modules = vec![module("", root)];
        modules.extend(["b", "c", "d", "e"].map(|name| module(name, "")));
        modules.push(module(path, text));
        let found = arrows(&Crate { name: String::new(), modules });
        assert_eq!(
            found.iter().map(|arrow| (arrow.to.as_str(), arrow.line)).collect::<Vec<_>>(),
            expected,
            "{text}"
        );
    }

    #[test]
    fn every_way_to_write_a_path_is_read() {
        check("a", "use crate::b;", &[("b", 1)]);
        check("a", "pub use crate::b::x as y;", &[("b", 1)]);
        check(
            "a",
            "use crate::{b, c::{d}, e::{self, f::*}};",
            &[("b", 1), ("c", 1), ("e", 1), ("e", 1)],
        );
        check(
            "a",
            "use crate::{\n    b::x,\n    c::{\n        y, z,\n    },\n};",
            &[("b", 2), ("c", 4), ("c", 4)],
        );
        check(
            "a",
            "fn f(x: &crate::b::X) -> crate::c::Y<crate::d::Z> { crate::e::f::<u8>() }",
            &[("b", 1), ("c", 1), ("d", 1), ("e", 1)],
        );
        check("a", "macro_rules! m { () => { $crate::b::x!() } }", &[("b", 1)]);
        check("a", "use crate::b::X as Y; use crate::c;", &[("b", 1), ("c", 1)]);
        check("a", "#[derive(crate::b::D)] struct S;", &[("b", 1)]);
    }

    #[test]
    fn paths_upwards_end_where_they_lead() {
        check("a", "use super::b::X;", &[("b", 1)]);
        check("a::n", "use super::X; use self::Y; use super::super::b::X;", &[("b", 1)]);
        check("a::n", "use super::{X, super::c};", &[("c", 1)]);
        check(
            "a",
            "mod n { use super::X; mod m { use super::super::super::b; } use super::super::c; } use super::d;",
            &[("b", 1), ("c", 1), ("d", 1)],
        );
    }

    #[test]
    fn names_of_the_root_lead_to_their_module() {
        check("a", "use crate::{Beam, Gate, cellar};", &[("b", 1), ("c", 1), ("c", 1)]);
        check(
            "a",
            "use crate::Own; use super::Own; use crate::*;",
            &[("lib", 1), ("lib", 1), ("lib", 1)],
        );
    }

    #[test]
    fn only_what_is_compiled_into_the_product_counts() {
        check(
            "a",
            "//! [`crate::b`]\n// crate::b\n/* crate::b */ const A: &str = \"crate::b\";",
            &[],
        );
        check(
            "a",
            "#[cfg(test)]\nuse crate::b;\n#[cfg(test)]\nmod tests { use crate::b; }\nuse crate::c;",
            &[("c", 5)],
        );
        check("a", "pub(crate) fn f() { self.crate_::b(); } pub(in crate::a) fn g() {}", &[]);
        check("a", "use crate::a::n; use b::X; use std::c;", &[]);
    }

    #[test]
    fn circles_are_found_through_others() {
        let arrow = |(from, to): (&str, &str)| super::Arrow {
            from: from.into(),
            to: to.into(),
            file: PathBuf::new(),
            line: 1,
        };
        let found: Vec<_> =
            [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("x", "a")]
                .map(arrow)
                .into();
        assert_eq!(in_circles(&found).into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
