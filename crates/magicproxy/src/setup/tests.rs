use std::process::Command;

use super::clients::CLIENTS;
use super::public_url::PublicUrl;
use super::shell::{Shell, Writer, posix_quoted};
use super::target::Target;
use super::value::{Piece, TemplateSources, Value};
use super::*;
use magicproxy_config::providers::PresetChoice;
use magicproxy_config::providers::client::ANY;

fn target(preset: &'static str) -> Target {
    Target {
        name: preset.to_owned(),
        alias: None,
        preset: Some(preset),
        api_root: None,
        public_url: PublicUrl::parse("https://proxy.example").unwrap(),
        mount: format!("/{preset}"),
        hosts: Vec::new(),
        ca_file: Some("/etc/it's $HOME/ca.pem".to_owned()),
        unix_socket: Some("/run/magic.sock".to_owned()),
        name_is_guessed: false,
    }
}

/// No typo in a template is left as text, and no token gets into arguments.
#[test]
fn every_template_is_filled() {
    for client in CLIENTS {
        for method in client.methods {
            let target = target(if method.preset == ANY { "github" } else { method.preset });
            let setup = Setup::new(client, method, &target, Some("/run/token"));
            let values = setup.numbered(0).into_iter().map(|(_, value)| value);
            let values = values.chain(setup.files.iter().map(|(_, content)| content.clone()));
            let values = values.chain(setup.folder.iter().map(|folder| folder.content.clone()));
            let texts = values
                .map(|value| value.without_token())
                .chain(setup.usage.clone())
                .chain(setup.notes.clone());
            for text in texts {
                let place = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
                for (name, _) in place {
                    assert!(
                        !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                        "{}: {{{name}}}",
                        client.name
                    );
                }
            }
            assert!(
                setup
                    .commands
                    .iter()
                    .flatten()
                    .all(|word| !word.pieces().iter().any(Piece::is_token)),
                "{}",
                client.name
            );
            assert!(
                setup.usage.iter().chain(&setup.notes).all(|line| !line.contains('\n')),
                "{}",
                client.name
            );
        }
    }
}

#[test]
fn the_table_is_in_order_and_every_preset_is_known() {
    assert!(CLIENTS.is_sorted_by_key(|client| client.name));
    let mut programs: Vec<_> = CLIENTS.iter().flat_map(|client| client.programs).collect();
    programs.sort_unstable();
    assert!(programs.windows(2).all(|pair| pair[0] != pair[1]), "{programs:?}");
    for client in CLIENTS {
        assert!(!client.methods.is_empty(), "{}", client.name);
        assert!(
            client
                .presets()
                .iter()
                .all(|preset| *preset == ANY || PresetChoice::of_name(preset).is_some()),
            "{}",
            client.name
        );
        // What needs something comes before what needs nothing or less.
        assert!(
            client
                .methods
                .iter()
                .filter(|method| matches!(method.needs, SetupNeeds::Socket))
                .count()
                <= 1,
            "{}",
            client.name
        );
    }
}

#[test]
fn a_template_keeps_other_braces() {
    let target = target("github");
    let places = TemplateSources { target: &target, token_file: None };
    let fill = |template: &str| Value::fill(template, &places).without_token();
    assert_eq!(
        fill("f({ a: \"{api}\", {x}, {{token}} })"),
        "f({ a: \"https://proxy.example/github\", {x}, {$MAGIC_TOKEN} })"
    );
    assert_eq!(fill("{"), "{");
    assert_eq!(fill("a{b"), "a{b");
    assert_eq!(fill("{}{origin}{host}"), "{}https://api.github.comapi.github.com");
    assert_eq!(Value::fill("{token}", &places), Value::token());
}

const HOSTILE: [&str; 18] = [
    "",
    " ",
    "a b",
    "it's",
    "''",
    "\"",
    "$HOME",
    "$(touch x)",
    "`touch x`",
    "a\nb",
    "\\",
    "\\'",
    "~root",
    "-n",
    "*",
    "a;b&c|d>e<f#g",
    "!!",
    "ü\u{2019}\u{1f980}",
];

fn bash(script: &str) -> String {
    let output = Command::new("bash")
        .arg("-c")
        .arg(script)
        .env_clear()
        .env("HOME", "/nowhere")
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// bash reads back what was quoted, in words and in assignments, beside a token of any kind.
#[test]
fn bash_reads_back_what_was_quoted() {
    let folder = tempfile::tempdir().unwrap();
    for (index, text) in HOSTILE.iter().enumerate() {
        assert_eq!(bash(&format!("printf '%s' {}", posix_quoted(text))), *text);
        assert_eq!(bash(&format!("export X={}; printf '%s' \"$X\"", posix_quoted(text))), *text);
        let file = folder.path().join(format!("{index}{}", text.replace('/', "")));
        std::fs::write(&file, "to.k-e_n\n").unwrap();
        let file = file.to_str().unwrap();
        let target = Target { unix_socket: Some((*text).to_owned()), ..target("github") };
        let value = Value::fill(
            "{socket}{token}{socket}",
            &TemplateSources { target: &target, token_file: Some(file) },
        );
        let writer = Writer { shell: Shell::Sh, token_file: Some(file) };
        let words = writer.command(&[Value::text("printf"), Value::text("%s"), value]);
        assert_eq!(bash(&words), format!("{text}to.k-e_n{text}"));
    }
}

/// git runs its helper with sh: the path of the token's file is quoted inside it too, and only the first line is answered.
#[test]
fn the_helper_of_git_responds_with_the_token_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    for (index, text) in HOSTILE.iter().enumerate() {
        let file = folder.path().join(format!("{index}{}", text.replace('/', "")));
        // As Windows writes it.
        std::fs::write(&file, "\u{feff}to.k-e_n\r\nquit=1\r\n").unwrap();
        let target = target("github-git");
        let places = TemplateSources { target: &target, token_file: file.to_str() };
        let helper = Value::fill("{git_helper}", &places).without_token();
        let line = format!("{} \"$@\"", helper.strip_prefix('!').unwrap());
        let ask = |what: &str| bash(&format!("sh -c {} x {what}", posix_quoted(&line)));
        assert_eq!(ask("get"), "username=x-access-token\npassword=to.k-e_n\n");
        for other in ["store", "erase"] {
            let asked = format!("sh -c {} x {other} || true", posix_quoted(&line));
            assert_eq!(bash(&asked), "");
        }
    }
}

#[test]
fn other_shells_quote_in_their_own_way() {
    let line = |shell: Shell, text: &str| {
        let value = Value::fill(
            "{socket}{token}",
            &TemplateSources {
                target: &Target { unix_socket: Some(text.to_owned()), ..target("github") },
                token_file: Some("/it's"),
            },
        );
        Writer { shell, token_file: Some("/it's") }.command(&[value])
    };
    assert_eq!(line(Shell::Sh, "a'b"), r#"'a'\''b'"$(LC_ALL=C tr -dc A-Za-z0-9._- <'/it'\''s')""#);
    assert_eq!(line(Shell::Fish, r"a'\b"), r"'a\'\\b'(env LC_ALL=C tr -dc A-Za-z0-9._- <'/it\'s')");
    assert_eq!(
        line(Shell::Powershell, "a'\u{2019}b"),
        "'a''\u{2019}\u{2019}b' + (Get-Content -Raw -LiteralPath '/it''s').Trim()"
    );
    let armoured = |shell: Shell, token_file: Option<&str>| {
        let value = Value::fill(
            "{armoured_token}",
            &TemplateSources { target: &target("github"), token_file },
        );
        Writer { shell, token_file }.command(&[value])
    };
    let sed = "LC_ALL=C sed -e '/^eyJ/{s/z/z0/g;s/-/z1/g;s/_/z2/g;s/^/mt1_/;}'";
    assert!(!sed.contains('!'), "an interactive shell may put an older command there");
    let replaced = "-creplace '(?<=^eyJ.*)z', 'z0' -creplace '(?<=^eyJ.*)-', 'z1' -creplace '(?<=^eyJ.*)_', 'z2' -creplace '^(?=eyJ)', 'mt1_'";
    assert_eq!(
        armoured(Shell::Fish, Some("/t")),
        format!("(env LC_ALL=C tr -dc A-Za-z0-9._- </t | env {sed})")
    );
    assert_eq!(
        armoured(Shell::Fish, None),
        format!(r#"(printf '%s\n' "$MAGIC_TOKEN" | env {sed})"#)
    );
    assert_eq!(
        armoured(Shell::Powershell, Some("/t")),
        format!("((Get-Content -Raw -LiteralPath '/t').Trim() {replaced})")
    );
    assert_eq!(armoured(Shell::Powershell, None), format!("($env:MAGIC_TOKEN {replaced})"));
}

#[track_caller]
fn check_url(text: &str, expected: Option<&str>) {
    let parsed = PublicUrl::parse(text).map(|url| url.authority().to_owned());
    assert_eq!(parsed.as_deref().ok(), expected, "{text}: {parsed:?}");
    if let Err(message) = PublicUrl::parse(text) {
        assert!(!message.contains("secret"), "{message}");
    }
}

#[test]
fn a_public_url_has_parts() {
    let parts = |text: &str| {
        let url = PublicUrl::parse(text).unwrap();
        (url.host().to_owned(), url.port().map(str::to_owned), url.path().to_owned())
    };
    let expected = |host: &str, port: Option<&str>, path: &str| {
        (host.to_owned(), port.map(str::to_owned), path.to_owned())
    };
    assert_eq!(parts("http://127.0.0.1:5000/a/b/"), expected("127.0.0.1", Some("5000"), "/a/b"));
    assert_eq!(parts("https://proxy.example"), expected("proxy.example", None, ""));
    assert_eq!(parts("http://[::1]:80"), expected("::1", Some("80"), ""));
    assert_eq!(parts("http://[::1]/x"), expected("::1", None, "/x"));
}

#[test]
fn a_public_url_is_plain() {
    check_url("https://proxy.example", Some("proxy.example"));
    check_url("https://proxy.example/", Some("proxy.example"));
    check_url("http://127.0.0.1:5000/github/x~y", Some("127.0.0.1:5000"));
    check_url("http://[::1]:5000/github", Some("[::1]:5000"));
    let refused = [
        "",
        "proxy.example",
        "ftp://proxy.example",
        "HTTPS://proxy.example",
        "https://",
        "https:///x",
        "https://:80/",
        "https://user:secret@proxy.example",
        "https://proxy.example/?token=secret",
        "https://proxy.example/#secret",
        "https://proxy.example//github",
        "https://proxy.example/a//",
        "https://proxy.example/../x",
        "https://proxy.example/%67ithub",
        "https://proxy.example/a b",
        "https://proxy.example/$HOME",
        "https://proxy.example/`x`",
        "https://proxy.example/a'b",
        "https://proxy.example/a\nb",
        "https://proxy.example\\@secret",
        "https://proxy.example/ü",
        "https://proxy.example/a:b",
        "https://proxy.example:99999/",
    ];
    refused.iter().for_each(|text| check_url(text, None));
}
