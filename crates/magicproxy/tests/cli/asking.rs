//! Commands that ask a running proxy: what they say when it is not there, not trusted, or something else.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::ports::reserved_port;
use crate::program::{Output, Place, Running, SECRET};

/// A proxy with TLS of its own authority, and a token that it accepts.
struct Stage {
    place: Place,
    serving: Running,
    port: u16,
    token: String,
}

impl Stage {
    fn set() -> Self {
        let place = Place::with_keys();
        let port = reserved_port();
        let settings = "upstream.api_root = 'http://127.0.0.1:1'\n[tls]\ndev = true\n[keys]\nfolder = 'keys'\n";
        let elsewhere = format!("[[listeners]]\nlisten = '127.0.0.2:{port}'\n");
        place.write("magicproxy.toml", &format!("{settings}{elsewhere}"));
        let token = crate::mint(&place, &["GET /user"]);
        let serving = place.program(&["serve", "--listen", &format!("127.0.0.1:{port}")]).spawn();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Self { place, serving, port, token }
    }

    /// Every command that asks the proxy at this URL.
    fn ask(&self, url: &str, more: &[&str], variables: &[(&str, &str)]) -> Vec<(String, Output)> {
        let rule = ["--credential-env", "SECRET", "--allow", "GET /user"];
        let commands = [
            [&["mint", "--proxy", url], &rule[..]].concat(),
            [&["mint", "--to", url, "--aud", "127.0.0.1:1", "--refresh"], &rule[..]].concat(),
            vec!["narrow", &self.token, "--expires-in", "1m", "--proxy", url],
            vec!["reseal", &self.token, "--proxy", url],
            vec!["explain", &self.token, "GET", "/user", "--proxy", url],
        ];
        let run = |command: &Vec<&str>| {
            let program = self.place.program(&[command, more].concat()).env("SECRET", SECRET);
            let program =
                variables.iter().fold(program, |program, (name, value)| program.env(name, value));
            (command[..3].join(" "), program.output())
        };
        commands.iter().map(run).collect()
    }

    /// None of them succeeds, and each says this in one line.
    #[track_caller]
    fn check(&self, url: &str, more: &[&str], expected: &[&str]) {
        for (command, output) in self.ask(url, more, &[]) {
            assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{command}: {output:?}");
            let line =
                output.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
            for part in expected {
                assert!(line.contains(part), "{command}: {part:?} in {output:?}");
            }
            assert!(
                !line.contains("expected UTF-8 text") && !line.contains("os error"),
                "{command}: {line}"
            );
        }
    }
}

/// Answers every connection with these bytes, whatever it is asked.
fn server(response: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(response);
        }
    });
    address.to_string()
}

#[test]
fn certificates_are_trusted_where_their_authority_is_named_and_refused_with_the_reason() {
    let stage = Stage::set();
    let url = format!("https://localhost:{}", stage.port);
    stage.check(
        &url,
        &[],
        &[
            "certificate of `localhost` is not trusted: its issuer is unknown",
            "--ca-file FILE",
            "$SSL_CERT_FILE",
        ],
    );
    let authority = stage.place.path("keys/dev-ca.pem").display().to_string();
    let (flag, variable) =
        (["--ca-file", authority.as_str()], [("SSL_CERT_FILE", authority.as_str())]);
    for (command, output) in
        stage.ask(&url, &flag, &[]).into_iter().chain(stage.ask(&url, &[], &variable))
    {
        assert_eq!(output.code, 0, "{command}: {output:?}");
    }
    // A pin is for when nobody answers, not for when somebody else does.
    let pinned = [
        "mint",
        "--to",
        &url,
        "--aud",
        "127.0.0.1:1",
        "--allow",
        "GET /user",
        "--credential-env",
        "SECRET",
    ];
    let refused = stage.place.program(&pinned).env("SECRET", SECRET).output();
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    // Files that name no authority.
    stage.place.write("nothing.pem", "no certificate");
    stage.check(
        &url,
        &["--ca-file", "nothing.pem"],
        &["--ca-file `nothing.pem`: expected certificates in PEM"],
    );
    stage.check(&url, &["--ca-file", "absent.pem"], &["--ca-file `absent.pem`", "no such file"]);
    // The right authority, and another name than the certificate's.
    let elsewhere = format!("https://127.0.0.2:{}", stage.port);
    stage.check(&elsewhere, &flag, &["the certificate is not for `127.0.0.2`"]);
    assert_eq!(stage.serving.terminate().code, 0);
}

#[test]
fn whatever_is_there_instead_of_the_proxy_is_named() {
    let stage = Stage::set();
    stage.check(
        &format!("http://127.0.0.1:{}", reserved_port()),
        &[],
        &["nobody listens at 127.0.0.1", "connection was refused"],
    );
    stage.check(
        &format!("http://127.0.0.1:{}", stage.port),
        &[],
        &["answered 400: magicproxy: this port speaks TLS"],
    );
    stage.check(
        &format!("https://{}", server(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        &[],
        &["no TLS is spoken there: is it `http://`?"],
    );
    for (response, expected) in [
        (&b"SSH-2.0-OpenSSH_9.7\r\n"[..], &["no HTTP is spoken there"][..]),
        (b"", &["closed without a response", "`https://`"]),
        (b"\x15\x03\x01\x00\x02\x02\x46", &["no HTTP is spoken there: is it `https://`?"]),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 6\r\n\r\n<html>",
            &["200 with a web page", "is this the URL of a magicproxy"],
        ),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", &["answered 404 with something without a media type"]),
        (
            b"HTTP/1.1 301 Moved\r\nLocation: https://p.example/\r\nContent-Length: 0\r\n\r\n",
            &["301, a redirect to `https://p.example/`", "not followed"],
        ),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", &["302, a redirect, which is not followed"]),
        (
            b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 23\r\n\r\n{\"message\":\"Not Found\"}",
            &["answered 404: Not Found"],
        ),
    ] {
        stage.check(&format!("http://{}", server(response)), &[], expected);
    }
    assert_eq!(stage.serving.terminate().code, 0);
}

#[test]
fn flags_for_asking_want_somebody_to_ask() {
    let place = Place::with_keys();
    for command in [
        &["mint", "--allow", "GET /user", "--credential-env", "S", "--ca-file", "x"][..],
        &["narrow", "t", "--expires-in", "1m", "--ca-file", "x"],
        &["reseal", "t", "--ca-file", "x"],
        &["explain", "t", "GET", "/", "--ca-file", "x"],
        &["explain", "t", "GET", "/", "--danger-plain-http"],
    ] {
        assert_eq!(place.program(command).output().code, 2, "{command:?}");
    }
}

/// What stands before the host of a URL may be a password.
#[test]
fn a_refused_url_is_shown_without_what_stands_before_its_host() {
    let place = Place::with_keys();
    for flag in ["--proxy", "--to"] {
        let args = [
            "mint",
            flag,
            "http://user:hunter2@192.0.2.1:1/",
            "--aud",
            "a",
            "--allow",
            "GET /user",
            "--credential-env",
            "S",
        ];
        let refused = place.program(&args).env("S", "a-credential").output();
        assert!(refused.code == 2 && refused.stderr.contains("`http://192.0.2.1:1"), "{refused:?}");
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    }
}

/// Somebody else answers with what was sent, as test servers do: nobody's terminal and no log of a job shows it.
#[test]
fn a_secret_that_comes_back_is_not_quoted() {
    let place = Place::with_keys();
    let token = crate::mint(&place, &["GET /user"]);
    let secret = "a-\"quoted\"-credential";
    for form in ["text/plain\r\n\r\n{}", "application/json\r\n\r\n{\"message\": \"you said {}\"}"] {
        let ask = |args: &[&str], said: &str| {
            let (kind, body) = form
                .replacen("{}", said, 1)
                .split_once("\r\n\r\n")
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .unwrap();
            let response = format!(
                "HTTP/1.1 400 No\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let url = format!("http://{}", server(response.into_bytes().leak()));
            let output =
                place.program(&[args, &["--proxy", &url]].concat()).env("S", secret).output();
            assert!(
                output.code == 1
                    && output.stderr.contains("answered 400")
                    && output.stderr.contains('…'),
                "{output:?}"
            );
            output.stderr
        };
        let arguments = ["mint", "--allow", "GET /user", "--credential-env", "S"];
        assert!(!ask(&arguments, &secret.replace('"', "\\\"")).contains("quoted"));
        for args in [
            &["narrow", &token, "--expires-in", "1m"][..],
            &["explain", &token, "GET", "/"],
            &["reseal", &token],
        ] {
            assert!(!ask(args, &format!("Bearer {token}")).contains("eyJ"));
        }
    }
}
