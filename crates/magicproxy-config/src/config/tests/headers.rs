//! The list of request headers: what may be added, what it is, and that the guide has it.

use std::collections::BTreeSet;

use magicproxy_proxy::header::{FieldTreatment, RequestFields};

use super::*;
use crate::providers::PresetChoice;

/// The list of the upstream with this name.
fn list(config: &Config, name: &str) -> Vec<String> {
    let upstream = config.upstreams.iter().find(|upstream| upstream.name.as_str() == name).unwrap();
    RequestFields::of(upstream, &config.upstreams).names()
}

#[test]
fn an_operator_adds_to_the_list_and_drops_from_it() {
    let config = native(
        "[upstreams.openai]\npass_request_headers = ['OpenAI-Organization', 'X-Both']\ndrop_request_headers = ['X-Both', 'Origin']\n\
         [upstreams.dns]\npreset = 'powerdns'\napi_root = 'https://dns.example'\n",
    );
    let config = config.check().unwrap();
    let (openai, dns) = (list(&config, "openai"), list(&config, "dns"));
    for name in ["openai-organization", "openai-beta", "x-stainless-*", "accept", "traceparent"] {
        assert!(openai.iter().any(|listed| listed == name), "{name}");
    }
    assert!(!openai.iter().any(|name| name == "x-both" || name == "origin"), "{openai:?}");
    assert!(dns.iter().any(|name| name == "origin"));
    assert!(
        !dns.iter().any(|name| name.starts_with("openai") || name.starts_with("x-stainless")),
        "{dns:?}"
    );
}

/// From a variable, too: who migrates with nothing but an environment has no file for a list.
#[test]
fn the_environment_gives_names_with_commas() {
    let variables = [("MAGICPROXY_UPSTREAM_PASS_REQUEST_HEADERS", "Stripe-Account, X-Two,")];
    let config = Layers::gather(Flags::default(), &environment(&variables)).check().unwrap();
    let listed: Vec<String> =
        config.upstreams[0].pass_request_headers.iter().map(ToString::to_string).collect();
    assert_eq!(listed, ["stripe-account", "x-two"]);
    let wrong = [("MAGICPROXY_UPSTREAM_PASS_REQUEST_HEADERS", "Stripe-Account,Cookie")];
    let fault = faults(Layers::gather(Flags::default(), &environment(&wrong)));
    assert!(fault.contains("upstream.pass_request_headers `Cookie`"), "{fault}");
    assert!(fault.contains("MAGICPROXY_UPSTREAM_PASS_REQUEST_HEADERS"), "{fault}");
}

#[test]
fn what_steers_in_every_api_cannot_be_added() {
    for (name, reason) in [
        ("X-API-Key", "tokens and credentials stand in it"),
        ("Authorization", "tokens and credentials stand in it"),
        ("Cookie", "tokens and credentials stand in it"),
        ("X-JFrog-Art-Api", "tokens and credentials stand in it"),
        ("Connection", "it concerns one connection only"),
        ("Transfer-Encoding", "it concerns one connection only"),
        ("Content-Length", "it frames or addresses the message"),
        ("Host", "it frames or addresses the message"),
        ("X-HTTP-Method-Override", "it overrides the method or the path"),
        ("X-Rewrite-Path", "it overrides the method or the path"),
        ("X-Forwarded-For", "it claims who the client is"),
        ("Impersonate-User", "it claims who the client is"),
        ("X_Other", "there is a `_` in its name"),
        ("X-*", "without `*`"),
        ("a b", "expected the name of a header"),
    ] {
        let text = format!("[upstream]\n\npass_request_headers = [\n  'X-Fine',\n  '{name}',\n]");
        check(
            &text,
            &[&format!("upstream.pass_request_headers `{name}`"), reason, "[magicproxy.toml:5:3]"],
        );
    }
    // What another upstream takes tokens in is no field to pass on, by whatever name.
    let other = "[upstreams.a]\napi_root = 'https://a.example'\npass_request_headers = ['X-Elses']\n\
                 [upstreams.b]\napi_root = 'https://b.example'\naccept_token_in = ['header:X-Elses']\n";
    check(
        other,
        &[
            "upstreams.a.pass_request_headers `X-Elses`",
            "tokens and credentials stand in it",
            "[magicproxy.toml:3:",
        ],
    );
    let secret = faults(native("upstream.pass_request_headers = ['X-Api-Key: sk-marked']"));
    assert!(secret.contains("without its value") && !secret.contains("sk-marked"), "{secret}");
}

/// Names of presets are checked like anybody's, and nothing of a preset says for whom or on what a request acts.
#[test]
fn no_preset_lists_what_steers() {
    const STEERING: [&str; 12] = [
        "openai-organization",
        "openai-project",
        "anthropic-workspace-id",
        "anthropic-organization-id",
        "anthropic-user-profile-id",
        "chatgpt-account-id",
        "cf-r2-jurisdiction",
        "stripe-account",
        "sudo",
        "x-auth-email",
        "x-github-otp",
        "x-on-behalf-of",
    ];
    let mut text = String::new();
    for name in PresetChoice::apis() {
        text.push_str(&format!("[upstreams.{name}]\n"));
        if PresetChoice::root_of(name).is_none() {
            text.push_str("api_root = 'https://own.example'\n");
        }
    }
    let config = native(&text).check().unwrap();
    for upstream in &config.upstreams {
        let name = upstream.name.as_str();
        let written = PresetChoice::of_name(name).unwrap().request_headers();
        assert_eq!(
            upstream.preset_request_headers.len(),
            written.len(),
            "{name}: a name that cannot be listed"
        );
        let fields = RequestFields::of(upstream, &config.upstreams);
        for steering in STEERING {
            let treatment = fields.treatment(&steering.parse().unwrap());
            assert!(!matches!(treatment, FieldTreatment::Passes(_)), "{name}: {steering}");
        }
    }
}

#[test]
fn who_comes_from_the_python_program_is_told() {
    let told = |variables: &[(&str, &str)]| {
        let warnings = Layers::gather(Flags::default(), &environment(variables)).warnings;
        warnings
            .iter()
            .filter(|warning| warning.contains("only the request headers of a list"))
            .count()
    };
    assert_eq!(told(&[("API_ROOT", "https://a.example")]), 1);
    assert_eq!(told(&[("KEYS_LOCATION", "keys")]), 1);
    assert_eq!(told(&[("MAGICPROXY_API_ROOT", "https://a.example")]), 0);
    assert_eq!(told(&[]), 0);
    // Who has added something knows.
    assert_eq!(
        told(&[
            ("API_ROOT", "https://a.example"),
            ("MAGICPROXY_UPSTREAM_PASS_REQUEST_HEADERS", "X-A")
        ]),
        0
    );
}

/// `docs/guide/headers.md` has a table for every API and one for each preset: names in backticks, in the first column.
#[test]
fn the_guide_has_the_list() {
    const GUIDE: &str = include_str!("../../../../../docs/guide/headers.md");
    let section = |title: &str| {
        let start = GUIDE
            .find(&format!("\n## {title}\n"))
            .unwrap_or_else(|| panic!("no section `{title}`"));
        let rest = &GUIDE[start + 4..];
        &rest[..rest.find("\n## ").unwrap_or(rest.len())]
    };
    let names = |text: &str| {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_ascii_lowercase)
            .collect::<BTreeSet<String>>()
    };
    let rows = |title: &str| {
        section(title)
            .lines()
            .filter(|line| line.starts_with("| "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let config = native("[upstreams.dns]\napi_root = 'https://dns.example'\n").check().unwrap();
    let listed: BTreeSet<String> = rows("What every API gets")
        .iter()
        .flat_map(|row| names(row.split('|').nth(2).unwrap()))
        .collect();
    assert_eq!(listed, list(&config, "dns").into_iter().collect());
    for api in PresetChoice::apis() {
        let written = PresetChoice::of_name(api).unwrap().request_headers();
        let rows = rows("What presets add");
        let row = rows
            .iter()
            .find(|row| row.starts_with(&format!("| `{api}` |")))
            .unwrap_or_else(|| panic!("no row `{api}`"));
        let written: BTreeSet<String> = written.map(|name| name.to_ascii_lowercase()).collect();
        assert_eq!(names(row.split('|').nth(2).unwrap()), written, "{api}");
    }
}
