//! `serve` as its operator sees it: where it listens, what it refuses to be, what it says.

use super::exchange;
use super::program::{Place, Running, SECRET};

/// A proxy that serves, and the address at which it is found on this machine.
struct Serving {
    running: Running,
    /// The line that says where it listens.
    line: String,
    address: String,
}

impl Serving {
    fn of(place: &Place, args: &[&str]) -> Self {
        Self::with(place, args, &[])
    }

    fn with(place: &Place, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let args =
            [&["serve", "--keys", "keys", "--api-root", "http://127.0.0.1:1"], args].concat();
        let program = variables
            .iter()
            .fold(place.program(&args), |program, (name, value)| program.env(name, value));
        let mut running = program.spawn();
        let line = running.line(" listens on ");
        let url = line.split_once("http://").unwrap().1.replacen("[::]", "every", 1);
        let port: String =
            url.split_once(':').unwrap().1.chars().take_while(char::is_ascii_digit).collect();
        Self { running, line, address: format!("127.0.0.1:{port}") }
    }

    /// The status of a request that calls the proxy by this name.
    fn ask(&self, line: &str, host: &str) -> u16 {
        let response = exchange(
            &self.address,
            &format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        );
        response
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("{response:?}"))
    }
}

#[test]
fn without_tls_other_machines_are_not_served_unless_somebody_says_so() {
    let place = Place::with_keys();
    for args in [
        ["serve", "--listen", "0.0.0.0:0"],
        ["serve", "--listen", "[::]:0"],
        ["serve", "--listen", ":0"],
    ] {
        let refused = place.program(&args).output();
        assert_eq!(refused.code, 78, "{refused:?}");
        for part in [
            "without TLS others",
            "danger_plain_http = true",
            "--danger-plain-http",
            "MAGICPROXY_DANGER_PLAIN_HTTP",
        ] {
            assert!(refused.stderr.contains(part), "{part} in {refused:?}");
        }
    }
    let checked =
        place.program(&["config", "check"]).env("MAGICPROXY_LISTEN", "0.0.0.0:5050").output();
    assert_eq!(
        (checked.code, checked.stderr.contains("danger_plain_http")),
        (78, true),
        "{checked:?}"
    );
    let said = [("MAGICPROXY_LISTEN", "0.0.0.0:5050"), ("MAGICPROXY_DANGER_PLAIN_HTTP", "true")];
    let checked = said
        .iter()
        .fold(place.program(&["config", "check"]), |program, (name, value)| {
            program.env(name, value)
        })
        .output();
    assert_eq!(checked.code, 0, "{checked:?}");
    place.write("closed.toml", "mint.policy = 'closed'\n");
    place.write("open.toml", "danger_plain_http = true\n");
    for (args, variables) in [
        (vec!["--danger-plain-http"], vec![]),
        (vec![], vec![("MAGICPROXY_DANGER_PLAIN_HTTP", "true")]),
        (vec!["--config", "open.toml"], vec![]),
        (vec!["--config", "closed.toml"], vec![]),
    ] {
        let serving = Serving::with(
            &place,
            &[&["--listen", "0.0.0.0:0"], args.as_slice()].concat(),
            &variables,
        );
        let port = serving.address.rsplit(':').next().unwrap();
        let shown =
            format!("listens on http://0.0.0.0:{port} (every IPv4 address of this machine)");
        assert!(serving.line.contains(&shown), "{}", serving.line);
        let ended = serving.running.terminate();
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(
            ended.stderr.contains("tokens travel in the clear"),
            args.contains(&"closed.toml"),
            "{ended:?}"
        );
    }
}

#[test]
fn signals_that_mean_nothing_end_nothing() {
    let place = Place::with_keys();
    let mut serving = Serving::of(&place, &["--listen", "127.0.0.1:0"]);
    let unchanged = "the configuration has not changed";
    for (name, said) in [("HUP", unchanged), ("USR1", "SIGUSR1"), ("HUP", unchanged)] {
        serving.running.signal(name);
        serving.running.line(said);
        assert_eq!(serving.ask("GET /__magictoken", "localhost"), 200, "after {name}");
    }
    serving.running.signal("PIPE");
    assert_eq!(serving.ask("GET /__magictoken", "localhost"), 200, "after PIPE");
    assert_eq!(serving.running.terminate().code, 0);
}

#[test]
fn such_signals_end_nothing_with_tls_nor_in_the_demonstration() {
    let place = Place::with_keys();
    let args = [
        "serve",
        "--keys",
        "keys",
        "--api-root",
        "http://127.0.0.1:1",
        "--listen",
        "127.0.0.1:0",
        "--tls-dev",
    ];
    let mut running = place.program(&args).spawn();
    running.line(" listens on ");
    for (name, said) in [("HUP", "the configuration has not changed"), ("USR1", "SIGUSR1")] {
        running.signal(name);
        running.line(said);
    }
    assert_eq!(running.terminate().code, 0);
    let mut running = place.program(&["demo"]).spawn();
    let shown = running.printed("press Ctrl-C");
    let url = shown
        .split("the proxy listens on http://")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    for name in ["HUP", "USR1", "USR2"] {
        running.signal(name);
        let response = exchange(
            &url,
            "GET /__magictoken HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        );
        assert!(response.starts_with("HTTP/1.1 200 "), "after {name}: {response}");
    }
    assert_eq!(running.terminate().code, 0);
}

/// Whatever the system makes of `::`, and without the form in which it shows IPv4 there.
#[test]
fn a_port_alone_is_every_address() {
    let place = Place::with_keys();
    let serving = Serving::of(&place, &["--listen", ":0", "--danger-plain-http"]);
    let shown = serving.line.contains("http://[::]:")
        && serving.line.contains("(every address of this machine)");
    assert!(shown || serving.line.contains("http://0.0.0.0:"), "{}", serving.line);
    assert_eq!(serving.ask("GET /__magictoken", "localhost"), 200);
    assert_eq!(serving.running.terminate().code, 0);
}

#[test]
fn a_loopback_listener_takes_requests_by_names_of_its_own() {
    let place = Place::with_keys();
    place.write(
        "magicproxy.toml",
        "allowed_hosts = ['docker.internal']\npublic_access = 'https://proxy.example'\n",
    );
    let serving = Serving::of(&place, &["--listen", "127.0.0.1:0"]);
    for (host, known) in [
        (serving.address.as_str(), true),
        ("localhost:1", true),
        ("docker.internal:5000", true),
        ("proxy.example", true),
        ("rebind.attacker.example", false),
        ("127.0.0.1.attacker.example:5000", false),
    ] {
        let expected = if known { (200, 401) } else { (421, 421) };
        assert_eq!(
            (serving.ask("GET /__magictoken", host), serving.ask("GET /user", host)),
            expected,
            "{host}"
        );
    }
    assert_eq!(serving.running.terminate().code, 0);
}

#[test]
fn elsewhere_names_are_checked_where_somebody_asks_for_it() {
    let place = Place::with_keys();
    let listen = ["--listen", "0.0.0.0:0", "--danger-plain-http"];
    for (choice, status) in [("loopback", 200), ("everywhere", 421)] {
        let serving = Serving::with(&place, &listen, &[("MAGICPROXY_CHECK_HOST", choice)]);
        assert_eq!(serving.ask("GET /__magictoken", "rebind.attacker.example"), status, "{choice}");
        assert_eq!(serving.ask("GET /__magictoken", "192.0.2.7:80"), 200, "{choice}");
        assert_eq!(serving.running.terminate().code, 0);
    }
}

#[test]
fn the_commands_that_ask_a_proxy_call_it_by_a_name_that_it_takes() {
    let place = Place::with_keys();
    let serving = Serving::of(&place, &["--listen", "localhost:0"]);
    let port = serving.address.rsplit(':').next().unwrap();
    assert!(serving.line.contains(&format!("http://localhost:{port} (")), "{}", serving.line);
    let url = format!("http://localhost:{port}");
    let minted = place
        .program(&["mint", "--proxy", &url, "--credential-env", "S", "--allow", "GET /user"])
        .env("S", SECRET)
        .output();
    assert_eq!(minted.code, 0, "{minted:?}");
    assert_eq!(serving.running.terminate().code, 0);
}

/// Every line is one JSON object with a level; the messages.
#[track_caller]
fn messages(stderr: &str) -> Vec<String> {
    let message = |line: &str| {
        let json: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}\nin {stderr}"));
        assert!(json["level"].is_string() && json["timestamp"].is_string(), "{line}");
        format!(
            "{} {}",
            json["level"].as_str().unwrap(),
            json["message"].as_str().unwrap_or_default()
        )
    };
    stderr.lines().map(message).collect()
}

#[test]
fn with_json_every_line_is_json() {
    // The format is asked for, and is the one of what is no terminal.
    for format in [&["--log-format", "json"][..], &[]] {
        let place = Place::new();
        place.write("magicproxy.toml", "limits.connections = 8\n");
        let args = [
            &[
                "--listen",
                "127.0.0.1:0",
                "--tls-dev",
                "--keys",
                "keys",
                "--api-root",
                "http://192.0.2.1",
            ],
            format,
        ]
        .concat();
        let program =
            place.program(&[&["serve"], args.as_slice()].concat()).env("MAGICPROXY_LISTN", "x");
        let mut running = program.spawn();
        running.line(" listens on https://127.0.0.1:");
        running.signal("HUP");
        running.line("the configuration has not changed");
        let ended = running.terminate();
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
        let said = messages(&ended.stderr);
        for part in [
            "INFO magicproxy ",
            "INFO made a new signing key",
            "WARN environment variable `MAGICPROXY_LISTN` means nothing here",
            "WARN the API root `http://192.0.2.1` is plain http",
            "INFO the configuration is read again",
            "INFO stopping",
        ] {
            assert!(said.iter().any(|line| line.contains(part)), "{part} in {said:#?}");
        }
    }
}

#[test]
fn with_json_a_start_that_fails_says_so_in_json() {
    let place = Place::with_keys();
    place.write("bad.toml", "lisen = 1\n[upstream]\napi_rot = 'x'\n");
    place.write("json.toml", "log.format = 'json'\nlisten = '0.0.0.0:1'\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (args, code, parts) in [
        (
            vec!["--config", "bad.toml"],
            78,
            vec!["ERROR unknown key `lisen`", "ERROR unknown key `upstream.api_rot`"],
        ),
        (vec!["--config", "json.toml"], 78, vec!["ERROR listen `0.0.0.0:1`: without TLS"]),
        (vec!["--config", "nowhere.toml"], 78, vec!["ERROR configuration file `nowhere.toml`"]),
        (vec!["--listen", &taken], 1, vec!["ERROR cannot listen on"]),
        (vec!["--log-level", "error", "--listen", &taken], 1, vec!["ERROR cannot listen on"]),
    ] {
        let ended =
            place.program(&[&["serve", "--keys", "keys"], args.as_slice()].concat()).output();
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{ended:?}");
        let said = messages(&ended.stderr);
        for part in parts {
            assert!(said.iter().any(|line| line.starts_with(part)), "{part} in {said:#?}");
        }
    }
}

#[test]
fn pretty_lines_are_short() {
    let place = Place::with_keys();
    let mut serving = Serving::of(&place, &["--listen", "127.0.0.1:0", "--log-format", "pretty"]);
    assert_eq!(serving.ask(&format!("GET /{}?secret=1", "a/".repeat(300)), "localhost"), 401);
    assert_eq!(serving.ask(&format!("GET /{}b", "a/".repeat(300)), "localhost"), 401);
    let line = serving.running.line(" missing_token ");
    assert!(
        line.chars().count() <= 120 && line.contains("Z 401 GET /a/a/") && line.contains(" id="),
        "{line}"
    );
    let ended = serving.running.terminate();
    assert!(!ended.stderr.contains("secret"), "{ended:?}");
    let is_long = |line: &&str| line.chars().count() > 120 && !line.starts_with("warning: ");
    let long: Vec<_> = ended.stderr.lines().filter(is_long).collect();
    assert!(long.is_empty(), "{long:#?}");
}

/// Makes this many requests, each with a log line of some 4 kB: a pipe holds sixteen of them, the proxy a thousand.
fn ask_at_length(serving: &Serving, requests: usize) {
    let path = format!("/{}", "a".repeat(90)).repeat(43) + "/";
    for number in 0..requests {
        assert_eq!(
            serving.ask(&format!("GET {path}{number}"), "localhost"),
            401,
            "request {number}"
        );
    }
}

fn lines_of_requests(stderr: &str) -> usize {
    stderr.lines().filter(|line| line.contains("missing_token")).count()
}

#[test]
fn standard_error_that_nobody_reads_holds_up_neither_requests_nor_the_end() {
    for format in ["json", "pretty"] {
        let place = Place::with_keys();
        let serving = Serving::of(&place, &["--listen", "127.0.0.1:0", "--log-format", format]);
        // A line of `pretty` is short.
        ask_at_length(&serving, if format == "json" { 40 } else { 800 });
        serving.running.signal("TERM");
        assert_eq!(serving.running.end_unread(), 0, "{format}");
    }
}

#[test]
fn lines_that_are_read_late_are_all_there_and_dropped_ones_are_counted() {
    let place = Place::with_keys();
    let serving = Serving::of(&place, &["--listen", "127.0.0.1:0"]);
    ask_at_length(&serving, 40);
    let ended = serving.running.terminate();
    assert_eq!((ended.code, lines_of_requests(&ended.stderr)), (0, 40));
    assert!(!ended.stderr.contains("dropped"));

    let serving = Serving::of(&place, &["--listen", "127.0.0.1:0"]);
    ask_at_length(&serving, 1_400);
    let ended = serving.running.terminate();
    let report = ended.stderr.lines().find(|line| line.contains("log lines were dropped")).unwrap();
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    let (kept, dropped) = (lines_of_requests(&ended.stderr), report["lines"].as_u64().unwrap());
    // The two lines of the end may be among the dropped.
    let lost = dropped as usize;
    assert!(
        kept > 900 && (1_400 - kept..=1_402 - kept).contains(&lost),
        "{kept} kept, {lost} dropped"
    );
}

/// What the first start prints is to be typed as it stands: a command that mints says for which of several APIs.
#[test]
fn the_first_steps_work_with_several_upstreams() {
    for (policy, step) in [
        ("closed", "magicproxy mint --aud b --credential-file - --allow 'GET /'"),
        ("open", "/b/__magictoken"),
    ] {
        let place = Place::new();
        let upstreams = "[upstreams.b]\napi_root = 'http://127.0.0.1:1'\n[upstreams.c]\napi_root = 'http://127.0.0.1:2'\n";
        place.write(
            "magicproxy.toml",
            &format!("listen = '127.0.0.1:0'\nmint.policy = '{policy}'\n{upstreams}"),
        );
        let mut running = place.program(&["serve", "--log-format", "pretty"]).spawn();
        running.line(step);
        running.line("curl -i -H");
        assert_eq!(running.terminate().code, 0, "{policy}");
    }
}
