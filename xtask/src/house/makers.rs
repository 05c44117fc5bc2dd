//! The check of the makers of proofs: the functions that return a proof type, the literals that
//! make a proof, and the visibility of each.
//!
//! Tests that must not compile stand outside of the crates, and would not notice a maker that the
//! maker's own crate may call. So `xtask/makers.toml` lists every maker, with the module within
//! which the maker may be called.

use std::collections::BTreeMap;

use super::Surveyed;
use crate::lists::Section;
use crate::source::{Function, Module, Token, closing, reach};

/// The proof types, whose values prove a fact, each with the crate.
const PROOFS: [(&str, &str); 13] = [
    ("magicproxy-core", "VerifiedToken"),
    ("magicproxy-core", "Permit"),
    ("magicproxy-proxy", "Reservation"),
    ("magicproxy-proxy", "OutboundRequest"),
    ("magicproxy-proxy", "Dispatch"),
    ("magicproxy-proxy", "ConnectedRequest"),
    ("magicproxy-proxy", "AdmittedRequest"),
    ("magicproxy-proxy", "PendingResponse"),
    ("magicproxy-proxy", "CommittedResponse"),
    ("magicproxy-proxy", "UnfilteredResponse"),
    ("magicproxy-proxy", "UpgradedResponse"),
    ("magicproxy-proxy", "AttachedCredential"),
    ("magicproxy-proxy", "SourceRequest"),
];

/// The name of the literal in the list. Every type has a literal, and a literal needs all fields.
const LITERAL: &str = "a literal";

/// The visibility of a maker that every crate may call.
const EVERYWHERE: &str = "everywhere";
/// The visibility of a maker that all of its own crate may call.
const CRATE: &str = "crate";

/// The makers of one proof type, each with the module within which the maker may be called.
type Makers = BTreeMap<String, String>;

/// Returns the text of the list as the sources require.
pub(super) fn listed(crates: &[Surveyed<'_>]) -> String {
    let mut text = String::new();
    for (home, proof) in PROOFS {
        text += &format!("[{proof}]\n");
        makers(crates, home, proof)
            .iter()
            .for_each(|(maker, reach)| text += &format!("\"{maker}\" = \"{reach}\"\n"));
        text += "\n";
    }
    text
}

/// Returns a line for each maker that differs from the list.
pub(super) fn faults(crates: &[Surveyed<'_>], listed: &[Section<'_>]) -> Vec<String> {
    let mut faults = Vec::new();
    for (home, proof) in PROOFS {
        let found = makers(crates, home, proof);
        if !found.contains_key(LITERAL) {
            faults.push(format!(
                "{home} defines no `{proof}`: its new name belongs into xtask/src/house/makers.rs"
            ));
        }
        let lines = listed
            .iter()
            .find(|section| section.name == proof)
            .map(|section| section.lines.as_slice())
            .unwrap_or_default();
        let known =
            |maker: &str| lines.iter().find(|(name, _)| *name == maker).map(|(_, reach)| *reach);
        for (maker, reach) in &found {
            faults.extend(match known(maker) {
                Some(before) if before == reach => None,
                Some(before) if is_within(reach, before) => Some(format!(
                    "{maker} makes a {proof} within `{reach}` now: write so in xtask/makers.toml, where it says `{before}`"
                )),
                Some(before) => Some(format!("{maker} makes a {proof} within `{reach}`, and only `{before}` may: narrow it")),
                None => Some(format!(
                    "{maker} makes a {proof} within `{reach}`, and xtask/makers.toml knows no such maker: is it needed?"
                )),
            });
        }
        let gone = lines.iter().filter(|(maker, _)| !found.contains_key(*maker));
        faults.extend(gone.map(|(maker, _)| {
            format!("{maker} makes no {proof}: take its line out of xtask/makers.toml")
        }));
    }
    faults
}

/// True if the whole module `reach` lies in the module `other`.
fn is_within(reach: &str, other: &str) -> bool {
    let inside =
        reach.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    other == EVERYWHERE || (other == CRATE && reach != EVERYWHERE) || inside
}

fn makers(crates: &[Surveyed<'_>], home: &str, proof: &str) -> Makers {
    let mut found = Makers::new();
    for module in crates.iter().filter(|found| found.name == home).flat_map(|found| found.modules) {
        found.extend(literal(module, proof));
    }
    let is_public = found.remove("pub").is_some();
    for other in crates.iter().filter(|other| is_public || other.name == home) {
        for (_, function) in other.functions.iter().filter(|(_, function)| returns(function, proof))
        {
            let owner = function.owner.map_or_else(String::new, |owner| format!("{owner}::"));
            found.insert(
                format!("{} {owner}{}", other.name, function.name),
                shown(function.reach.as_deref()),
            );
        }
    }
    found
}

fn shown(reach: Option<&[&str]>) -> String {
    match reach {
        None => EVERYWHERE.to_owned(),
        Some([]) => CRATE.to_owned(),
        Some(path) => path.join("::"),
    }
}

/// True if the function returns a proof itself, and not only a reference to a proof.
fn returns(function: &Function<'_>, proof: &str) -> bool {
    let mut is_reference = false;
    function.returned.iter().any(|text| {
        let is_given =
            !is_reference && (*text == proof || (*text == "Self" && function.owner == Some(proof)));
        is_reference = *text == "&"
            || (is_reference && (["Arc", "<", "mut"].contains(text) || text.starts_with('\'')));
        is_given
    })
}

/// Reads the makers in the type's definition, each with the visibility: the literal, each derived
/// trait that makes or copies a value, and `pub` if the type itself is public.
fn literal(module: &Module, proof: &str) -> Vec<(String, String)> {
    let tokens = module.tokens();
    let Some(at) = tokens
        .windows(2)
        .position(|two| matches!(two, [word, name] if word.text == "struct" && name.text == proof))
    else {
        return Vec::new();
    };
    let (before, rest) = tokens.split_at(at);
    let here: Vec<&str> = module.path.iter().map(String::as_str).collect();
    let mut found = vec![(LITERAL.to_owned(), shown(narrowest(rest, &here).as_deref()))];
    let derived = before
        .iter()
        .rev()
        .map(|token| token.text)
        .take_while(|text| ![";", "}", "{"].contains(text));
    let copies = derived.filter(|text| ["Clone", "Copy", "Default", "Deserialize"].contains(text));
    found.extend(copies.map(|text| (format!("derive({text})"), EVERYWHERE.to_owned())));
    if before.last().is_some_and(|last| last.text == "pub") {
        found.push(("pub".to_owned(), EVERYWHERE.to_owned()));
    }
    found
}

/// Returns the narrowest visibility of a field: a literal must name all fields.
fn narrowest<'t>(definition: &[Token<'t>], here: &[&'t str]) -> Option<Vec<&'t str>> {
    let open =
        definition.iter().position(|token| ["{", "(", ";"].contains(&token.text)).unwrap_or(0);
    let inside = definition.get(open..).unwrap_or_default();
    let inside = inside.get(1..closing(inside)).unwrap_or_default();
    // The longest path is the narrowest visibility; `None` means every crate.
    let reaches = fields(inside).into_iter().map(|field| reach(visibility(field), here));
    reaches.max_by_key(|reach| reach.as_ref().map(Vec::len)).flatten()
}

/// Splits the tokens into fields, at commas outside of brackets.
fn fields<'f, 't>(inside: &'f [Token<'t>]) -> Vec<&'f [Token<'t>]> {
    let mut depth = 0_usize;
    let fields = inside.split(|token| {
        match token.text {
            "(" | "[" | "<" | "{" => depth += 1,
            ")" | "]" | ">" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.text == ","
    });
    fields.filter(|field| !field.is_empty()).collect()
}

/// Returns `pub`, `pub(…)` or nothing, behind a field's attributes.
fn visibility<'t>(mut field: &[Token<'t>]) -> Vec<&'t str> {
    while let [sign, attribute @ ..] = field
        && sign.text == "#"
    {
        field = attribute.get(closing(attribute) + 1..).unwrap_or_default();
    }
    let length = match field {
        [keyword, scope @ ..] if keyword.text == "pub" => {
            if scope.first().is_some_and(|sign| sign.text == "(") { closing(scope) + 2 } else { 1 }
        }
        _ => 0,
    };
    field.iter().take(length).map(|token| token.text).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{faults, makers, narrowest};
    use crate::house::survey;
    use crate::lists;
    use crate::source::{Crate, Module, tokens};

    fn crates(proof: &str, user: &str) -> Vec<Crate> {
        let module = |path: &[&str], text: &str| Module {
            path: path.iter().map(|name| (*name).to_owned()).collect(),
            file: PathBuf::new(),
            text: text.to_owned(),
        };
        let house = |name: &str, modules| Crate { name: name.to_owned(), modules };
        vec![
            house("magicproxy-core", vec![module(&["decision", "permit"], proof)]),
            house("magicproxy-proxy", vec![module(&["exchange"], user)]),
        ]
    }

    #[track_caller]
    fn check(proof: &str, user: &str, expected: &[(&str, &str)]) {
        let crates = crates(proof, user);
        let found = makers(&survey(&crates), "magicproxy-core", "Permit");
        let found: Vec<(&str, &str)> =
            found.iter().map(|(maker, reach)| (maker.as_str(), reach.as_str())).collect();
        assert_eq!(found, expected, "{proof} {user}");
    }

    const IN_ITS_MODULE: (&str, &str) = ("a literal", "decision::permit");

    #[test]
    fn whoever_gives_a_proof_away_is_a_maker() {
        let new = |visibility: &str| {
            format!(
                "pub struct Permit {{ a: A }} impl Permit {{ {visibility} fn new() -> Self {{}} }}"
            )
        };
        for (visibility, reach) in [
            ("", "decision::permit"),
            ("pub(super)", "decision"),
            ("pub(in crate::decision)", "decision"),
            ("pub(crate)", "crate"),
            ("pub", "everywhere"),
        ] {
            check(&new(visibility), "", &[IN_ITS_MODULE, ("magicproxy-core Permit::new", reach)]);
        }
        let gives = "pub struct Permit { a: A } fn a() -> Option<Arc<Permit>> {} fn b(x: &Permit) -> B {} fn c() -> impl Future<Output = Permit> {}";
        check(
            gives,
            "",
            &[
                IN_ITS_MODULE,
                ("magicproxy-core a", "decision::permit"),
                ("magicproxy-core c", "decision::permit"),
            ],
        );
        let looks = "pub struct Permit { a: A } impl X { fn a(&self) -> &Permit {} fn b(&self) -> Option<&'a Arc<Permit>> {} fn c() -> Self {} }";
        check(looks, "", &[IN_ITS_MODULE]);
        check(
            "pub struct Permit { a: A } impl From<A> for Permit { fn from(a: A) -> Self {} }",
            "",
            &[IN_ITS_MODULE, ("magicproxy-core Permit::from", "everywhere")],
        );
    }

    #[test]
    fn other_crates_make_what_is_public_only() {
        let user = "impl Gate { pub(super) fn ask() -> Result<Permit, Denial> {} }";
        check(
            "pub struct Permit { a: A }",
            user,
            &[IN_ITS_MODULE, ("magicproxy-proxy Gate::ask", "crate")],
        );
        check("pub(crate) struct Permit { a: A }", user, &[IN_ITS_MODULE]);
    }

    #[test]
    fn a_copy_is_made_by_a_derived_trait_too() {
        let copied = [IN_ITS_MODULE, ("derive(Clone)", "everywhere")];
        check("#[derive(Debug, Clone)] pub(crate) struct Permit { a: A }", "", &copied);
        check(
            "#[derive(Clone)] struct Other { a: A } #[derive(Debug)] pub(crate) struct Permit { a: A }",
            "",
            &[IN_ITS_MODULE],
        );
    }

    #[test]
    fn a_literal_needs_every_field() {
        for (definition, expected) in [
            ("struct P { a: A, pub b: B }", Some(vec!["x", "y"])),
            (
                "struct P { #[serde(default)] pub(super) a: A<B, C>, pub(crate) b: (B, C) }",
                Some(vec!["x"]),
            ),
            ("struct P(pub(crate) A);", Some(vec![])),
            ("struct P { pub a: A, pub b: B }", None),
        ] {
            let tokens = tokens(definition);
            assert_eq!(narrowest(&tokens, &["x", "y"]), expected, "{definition}");
        }
    }

    #[test]
    fn none_widens_and_the_list_goes_with_the_sources() {
        let proof = "pub struct Permit { a: A } impl Permit { pub(super) fn new() -> Self {} }";
        let literal = "[Permit]\n\"a literal\" = \"decision::permit\"\n";
        for (line, why) in [
            ("\"magicproxy-core Permit::new\" = \"decision\"", None),
            ("\"magicproxy-core Permit::new\" = \"decision::permit\"", Some("narrow it")),
            ("\"magicproxy-core Permit::new\" = \"token\"", Some("narrow it")),
            ("\"magicproxy-core Permit::new\" = \"crate\"", Some("write so")),
            ("\"magicproxy-core Permit::new\" = \"everywhere\"", Some("write so")),
            ("", Some("knows no such maker")),
            (
                "\"magicproxy-core Permit::new\" = \"decision\"\n\"x y\" = \"crate\"",
                Some("x y makes no Permit"),
            ),
        ] {
            let text = format!("{literal}{line}\n");
            let mut found = faults(&survey(&crates(proof, "")), &lists::read(&text).unwrap());
            found.retain(|fault| !fault.contains("defines no"));
            assert_eq!(found.len(), usize::from(why.is_some()), "{line}: {found:?}");
            assert!(
                found.iter().zip(why).all(|(fault, why)| fault.contains(why)),
                "{line}: {found:?}"
            );
        }
    }

    #[test]
    fn a_proof_that_was_renamed_is_missed() {
        let missed = |proof: &str| {
            let found = faults(&survey(&crates(proof, "")), &lists::read("[Permit]\n").unwrap());
            found.iter().any(|fault| fault.starts_with("magicproxy-core defines no `Permit`"))
        };
        assert!(missed("pub struct Licence { a: A }") && !missed("pub struct Permit { a: A }"));
    }
}
