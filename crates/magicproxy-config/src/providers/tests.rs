//! The specification and the data say the same: `docs/spec/upstreams.md` sections 7 and 8.

use std::collections::BTreeSet;

use magicproxy_proxy::settings::{RefusalMedia, RefusalPart, StatusWords};

use super::refusals::{ERROR_TYPES, PROBLEM, REFUSALS};
use super::*;

const SPECIFICATION: &str = include_str!("../../../../docs/spec/upstreams.md");

fn section(title: &str) -> &'static str {
    let start = SPECIFICATION
        .find(&format!("\n## {title}\n"))
        .unwrap_or_else(|| panic!("no section `{title}`"));
    let rest = &SPECIFICATION[start + 4..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

/// The rows of a section's table, without its head.
fn rows(title: &str) -> Vec<Vec<&'static str>> {
    let lines = section(title).lines().filter(|line| line.starts_with("| `"));
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

fn quoted(text: &str) -> String {
    format!("`{text}`")
}

/// How the table writes a carrier of tokens.
fn carrier(text: &str) -> String {
    match text.split_once(':').unwrap() {
        ("header", name) => quoted(name),
        ("subprotocol", prefix) => format!("subprotocols behind {}", quoted(prefix)),
        _ => panic!("the table has no words for `{text}`"),
    }
}

fn word(choice: &impl serde::Serialize) -> String {
    serde_json::to_value(choice).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn the_table_of_presets_is_the_specifications() {
    let written: Vec<Vec<String>> = PROVIDERS
        .into_iter()
        .map(|provider| {
            let paths = provider
                .paths
                .iter()
                .map(|(path, to)| format!("{} is {}", quoted(path), quoted(to)));
            vec![
                quoted(provider.name),
                provider.api_root.map_or("must be given".to_owned(), quoted),
                paths.collect::<Vec<_>>().join(", "),
                word(&provider.encoded_slash),
                quoted(&word(&provider.path_reading)),
                if provider.credential == "bearer" {
                    "bearer".to_owned()
                } else {
                    quoted(provider.credential)
                },
                provider
                    .accept_token_in
                    .iter()
                    .map(|text| carrier(text))
                    .collect::<Vec<_>>()
                    .join(", "),
                quoted(provider.refusals.name),
            ]
        })
        .collect();
    assert_eq!(rows("7. Presets"), written);
}

#[test]
fn what_few_presets_have_is_in_a_sentence_each() {
    let text = section("7. Presets");
    for provider in PROVIDERS {
        let takes =
            text.lines().find_map(|line| line.split_once(&format!("`{}` takes ", provider.name)));
        let taken = takes.map_or("", |(_, rest)| rest.split_once(" out of queries").unwrap().0);
        let taken: BTreeSet<&str> = taken.split('`').skip(1).step_by(2).collect();
        assert_eq!(
            taken,
            provider.drop_query_parameters.iter().copied().collect(),
            "{}",
            provider.name
        );
        let patient = text.lines().find(|line| line.contains("may take ten minutes")).unwrap();
        let expected = patient.contains(&quoted(provider.name)).then_some("10m");
        assert_eq!(provider.response_timeout, expected, "{}", provider.name);
    }
}

/// A member of a refusal, as the table writes it.
fn member((name, part): &(&str, RefusalPart)) -> String {
    match part {
        RefusalPart::Message => format!("`{name}` = `magicproxy: DETAIL`"),
        RefusalPart::Code => format!("`{name}` = the code"),
        RefusalPart::Type => format!("`{name}` = the `type`"),
        part => format!("`{name}: {}`", value(part)),
    }
}

fn value(part: &RefusalPart) -> String {
    let inner = |(name, part): &(&str, RefusalPart)| match part {
        RefusalPart::Null => format!("{name}: null"),
        RefusalPart::Code
        | RefusalPart::Message
        | RefusalPart::StatusNumber(_)
        | RefusalPart::StatusWord(_) => (*name).to_owned(),
        part => panic!("the table has no words for `{name}`: {part:?}"),
    };
    match part {
        RefusalPart::Null => "null".to_owned(),
        RefusalPart::False => "false".to_owned(),
        RefusalPart::Text(text) => format!("\"{text}\""),
        RefusalPart::List(parts) => {
            format!("[{}]", parts.iter().map(value).collect::<Vec<_>>().join(", "))
        }
        RefusalPart::Object(members) => {
            format!("{{{}}}", members.iter().map(inner).collect::<Vec<_>>().join(", "))
        }
        part => panic!("the table has no words for {part:?}"),
    }
}

/// What stands inside of a part, and the part itself.
fn parts(part: &'static RefusalPart) -> Vec<&'static RefusalPart> {
    let inside: Vec<&RefusalPart> = match part {
        RefusalPart::List(parts) => parts.iter().collect(),
        RefusalPart::Object(members) => members.iter().map(|(_, part)| part).collect(),
        _ => Vec::new(),
    };
    [part].into_iter().chain(inside.into_iter().flat_map(parts)).collect()
}

#[test]
fn the_table_of_refusals_is_the_specifications() {
    const TITLE: &str = "8. Refusals in the API's own shape";
    let rows = rows(TITLE);
    let named = |row: &[&'static str]| {
        row[0].split(", ").map(|name| name.trim_matches('`')).collect::<Vec<_>>()
    };
    let listed: BTreeSet<&str> = rows.iter().flat_map(|row| named(row)).collect();
    assert_eq!(listed, REFUSALS.iter().map(|refusals| refusals.name).collect());
    for refusals in REFUSALS {
        let row = rows.iter().find(|row| named(row).contains(&refusals.name)).unwrap()[1];
        let members: Vec<String> = refusals.shape.members.iter().map(member).collect();
        let told =
            row.strip_prefix("besides: ").filter(|told| told.starts_with(&members.join(", ")));
        assert_eq!(told.is_some(), refusals.name != PROBLEM.name, "{}: {members:?}", refusals.name);
        for part in refusals.shape.members.iter().flat_map(|(_, part)| parts(part)) {
            match part {
                RefusalPart::StatusNumber(numbers) => {
                    let numbers: Vec<_> = numbers
                        .iter()
                        .map(|(status, number)| format!("{number} for {status}"))
                        .collect();
                    assert!(
                        row.ends_with(&format!(
                            "is a number: {}, else the status",
                            numbers.join(", ")
                        )),
                        "{row}"
                    );
                }
                RefusalPart::StatusWord(words) => {
                    assert_eq!(*words, &ERROR_TYPES, "{}", refusals.name)
                }
                _ => {}
            }
        }
    }
    let StatusWords { known, server, other } = &ERROR_TYPES;
    let known: Vec<_> =
        known.iter().map(|(status, word)| format!("`{word}` for {status}")).collect();
    let sentence = format!("error is {}, `{server}` for 5xx and else `{other}`.", known.join(", "));
    let told = section(TITLE).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(&sentence), "{sentence}");
    let media: Vec<_> =
        REFUSALS.iter().filter(|refusals| refusals.shape.media == RefusalMedia::Problem).collect();
    let media: Vec<_> = media.iter().map(|refusals| quoted(refusals.name)).collect();
    assert!(told.contains(&format!(
        "The media type of {} is `application/problem+json`",
        media.join(" and ")
    )));
}

#[test]
fn every_provider_is_found_and_has_a_shape_that_can_be_named() {
    let names: BTreeSet<&str> = PROVIDERS.iter().map(|provider| provider.name).collect();
    assert_eq!(names.len(), PROVIDERS.len());
    for provider in PROVIDERS {
        assert!(
            REFUSALS.iter().any(|refusals| std::ptr::eq(*refusals, provider.refusals)),
            "{}",
            provider.name
        );
        assert!(
            provider.about.ends_with('.') && provider.refusals.about.ends_with('.'),
            "{}",
            provider.name
        );
        for kin in provider.kin {
            assert!(
                Provider::named(kin).unwrap().kin.contains(&provider.name),
                "{} and {kin}",
                provider.name
            );
        }
    }
}

/// Half a sentence beside each header.
#[test]
fn every_header_has_its_reason() {
    for (name, reason) in PROVIDERS.iter().flat_map(|provider| provider.request_headers) {
        assert!(
            reason.len() > 9 && !reason.ends_with('.') && !reason.contains('\n'),
            "{name}: {reason}"
        );
    }
}
