use magicproxy_core::Denial;
use magicproxy_git::{CommandListBounds, CommandListReader, Reading};

use super::*;

fn list(text: &str) -> CommandList {
    let mut reader = CommandListReader::new(CommandListBounds::default());
    match reader.read(text.as_bytes()) {
        Ok(Reading::Whole { list, .. }) => list,
        other => panic!("{other:?}"),
    }
}

/// The list of a push of `main` and `other` with these capabilities.
fn push(capabilities: &str) -> CommandList {
    let (old, new) = ("1".repeat(40), "2".repeat(40));
    let first = format!("{old} {new} refs/heads/main\0 {capabilities}");
    let second = format!("{old} {new} refs/heads/other");
    let line = |line: &str| format!("{:04x}{line}", line.len() + 4);
    list(&format!("{}{}0000", line(&first), line(&second)))
}

fn denied(reasons: &[&'static str]) -> Rejection {
    let reasons = reasons.into();
    Rejection::Denied {
        denial: Denial::NotAllowed,
        needed: Vec::new(),
        unmet: Box::default(),
        reasons,
    }
}

#[track_caller]
fn check(rejection: &Rejection, list: Option<&CommandList>, expected: &[&str]) {
    let report = rejection.push_report(list).expect("the client reads reports");
    let text = String::from_utf8_lossy(&report.0).into_owned();
    for part in expected {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn every_command_has_its_reason() {
    let list = push("report-status side-band-64k");
    let rejection = denied(&["not allowed", "not attempted"]);
    let expected = [
        "ng refs/heads/main magicproxy: not allowed\n",
        "ng refs/heads/other magicproxy: not attempted\n",
        "\u{2}magicproxy: the token does not allow this request\n",
        "unpack ok\n",
    ];
    check(&rejection, Some(&list), &expected);
}

#[test]
fn without_reasons_every_command_has_that_of_the_request() {
    let list = push("report-status side-band-64k");
    let reason = "the token has been revoked\n";
    let named = |name: &str| format!("ng refs/heads/{name} magicproxy: {reason}");
    check(&Rejection::Revoked, Some(&list), &[&named("main"), &named("other")]);
    check(&denied(&[]), Some(&list), &["ng refs/heads/main magicproxy: the token does not allow"]);
}

#[test]
fn unknown_commands_and_probes_are_failures_of_the_remote() {
    let expected = ["unpack magicproxy: the token has been revoked\n"];
    check(&Rejection::Revoked, None, &expected);
    check(&Rejection::Revoked, Some(&list("0000")), &expected);
}

#[test]
fn some_refusals_keep_their_status() {
    assert!(Rejection::NoToken.push_report(None).is_none());
    assert!(Rejection::Revoked.push_report(Some(&push("agent=x"))).is_none());
}
