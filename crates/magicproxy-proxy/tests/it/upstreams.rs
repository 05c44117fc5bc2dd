//! Several upstreams behind one proxy: `docs/spec/upstreams.md` sections 2, 3 and 6.

use std::net::SocketAddr;
use std::sync::Arc;

use magicproxy_core::{UnnamedTokens, UpstreamName};
use magicproxy_proxy::settings::{
    Announcement, ApiRoot, HostName, MountPath, PathMapping, PathTarget, RouteSettings,
};

use crate::support::Setup;
use crate::support::{
    CREDENTIAL, Client, ClientResponse, OnlyUpstream as _, Proxy, Reply, Token, Upstream, guard,
    settings,
};

/// `one` at `/one`, with a second origin and a short way to a path, and `two` at `/two`, also by the name `two.test`.
struct Stage {
    one: Upstream,
    uploads: Upstream,
    two: Upstream,
    proxy: Proxy,
}

impl Stage {
    async fn set() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let (one, uploads, two) = (named("one").await, named("uploads").await, named("two").await);
        let path = |prefix: &str, to| PathMapping { prefix: MountPath::parse(prefix).unwrap(), to };
        let paths = vec![
            path("/api/v3", PathTarget::Path(MountPath::default())),
            path("/api/graphql", PathTarget::Path(MountPath::parse("/graphql").unwrap())),
            path("/api/uploads", PathTarget::Origin(root(uploads.address))),
        ];
        let mut both = upstream("one", one.address, &[], paths);
        both.upstreams
            .extend(upstream("two", two.address, &["two.test"], Vec::new()).settings.upstreams);
        change(&mut both);
        Self { proxy: Proxy::start(both).await, one, uploads, two }
    }

    async fn ask(&self, host: &str, line: &str, token: &str) -> ClientResponse {
        let head =
            format!("{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
        Client::ask(&self.proxy, head).await
    }
}

async fn named(name: &'static str) -> Upstream {
    Upstream::scripted(move |seen| Reply::ok(format!("{name} {}", seen.target))).await
}

fn root(address: SocketAddr) -> ApiRoot {
    ApiRoot::parse(&format!("http://{address}")).unwrap()
}

fn upstream(name: &str, address: SocketAddr, hosts: &[&str], paths: Vec<PathMapping>) -> Setup {
    let mut settings = settings(address, "");
    let upstream = settings.upstream_mut();
    upstream.name = UpstreamName::parse(name).unwrap();
    upstream.unnamed = UnnamedTokens::Refuse;
    upstream.routes = RouteSettings {
        mount: MountPath::parse(&format!("/{name}")).unwrap(),
        hosts: hosts.iter().map(|host| HostName::parse(host).unwrap()).collect(),
        paths,
    };
    settings
}

fn token(name: Option<&str>) -> String {
    Token::allowing(&["GET /user", "POST /graphql", "POST /repos/.*"])
        .for_upstream(name)
        .mint()
        .to_string()
}

#[tokio::test]
async fn a_request_reaches_the_upstream_of_its_place() {
    let stage = Stage::set().await;
    let (for_one, for_two) = (token(Some("one")), token(Some("two")));
    let cases = [
        ("p.test", "GET /one/user?x", &for_one, "one /user?x"),
        ("p.test", "GET /one/api/v3/user", &for_one, "one /user"),
        ("p.test", "POST /one/api/graphql", &for_one, "one /graphql"),
        ("p.test", "POST /one/api/uploads/repos/a?name=b", &for_one, "uploads /repos/a?name=b"),
        ("p.test", "GET /two/user", &for_two, "two /user"),
        ("two.test:5000", "GET /user", &for_two, "two /user"),
        (&stage.two.address.to_string(), "GET /user", &for_two, "two /user"),
        (&stage.uploads.address.to_string(), "POST /repos/a", &for_one, "uploads /repos/a"),
    ];
    for (host, line, token, expected) in cases {
        let response = stage.ask(host, line, token).await;
        assert_eq!((response.status, response.text().as_str()), (200, expected), "{host} {line}");
    }
    let seen = [&stage.one, &stage.uploads, &stage.two].map(Upstream::requests).concat();
    for request in seen {
        assert_eq!(request.all("authorization"), [format!("Bearer {CREDENTIAL}")]);
        assert!(
            !request.target.contains("one") && !request.target.contains("api"),
            "{}",
            request.target
        );
    }
}

#[tokio::test]
async fn a_token_works_on_its_upstream_only() {
    let stage = Stage::set().await;
    let (for_one, nobodys) = (token(Some("one")), token(None));
    stage.ask("p.test", "GET /two/user", &for_one).await.assert_rejected(401, "wrong_upstream");
    stage.ask("two.test", "GET /user", &for_one).await.assert_rejected(401, "wrong_upstream");
    stage
        .ask(&stage.two.address.to_string(), "GET /user", &for_one)
        .await
        .assert_rejected(401, "wrong_upstream");
    for line in ["GET /one/user", "GET /two/user"] {
        stage.ask("p.test", line, &nobodys).await.assert_rejected(401, "wrong_upstream");
    }
    assert!(stage.one.requests().is_empty() && stage.two.requests().is_empty());
    let stage =
        Stage::with(|settings| settings.upstreams_mut(1).unnamed = UnnamedTokens::Accept).await;
    stage.ask("p.test", "GET /one/user", &nobodys).await.assert_rejected(401, "wrong_upstream");
    assert_eq!(stage.ask("p.test", "GET /two/user", &nobodys).await.text(), "two /user");
}

#[tokio::test]
async fn what_leads_nowhere_is_refused_whatever_token_it_bears() {
    let stage = Stage::set().await;
    let token = token(Some("one"));
    for target in [
        "/",
        "/user",
        "/oneuser",
        "/%6fne/user",
        "//one/user",
        "/x/../one/user",
        "/ONE/user",
        "/__magictokens",
    ] {
        stage
            .ask("p.test", &format!("GET {target}"), &token)
            .await
            .assert_rejected(404, "no_upstream");
    }
    for (target, code) in
        [("/one/../two/user", "target_dot_segment"), ("/one//user", "target_empty_segment")]
    {
        stage.ask("p.test", &format!("GET {target}"), &token).await.assert_rejected(400, code);
    }
    stage.ask("p.test", "GET /one/api/graphql/x", &token).await.assert_rejected(403, "not_allowed");
    assert!(stage.one.requests().is_empty() && stage.two.requests().is_empty());
}

#[tokio::test]
async fn tokens_are_minted_where_they_work() {
    let stage = Stage::set().await;
    let mint = async |path: &str, rest: &str| {
        let mint_request = format!(r#"{{"token":"{CREDENTIAL}","allowed":["GET /user"]{rest}}}"#);
        let length = mint_request.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: p.test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{mint_request}"
        );
        Client::ask(&stage.proxy, head).await
    };
    for (path, rest, works) in [
        ("/one/__magictoken", "", "one"),
        ("/two/__magictoken", r#","aud":"two""#, "two"),
        ("/__magictoken", r#","aud":"two""#, "two"),
    ] {
        let minted = mint(path, rest).await;
        assert_eq!(minted.status, 200, "{}", minted.text());
        guard(&minted.text());
        assert_eq!(
            stage.ask("p.test", &format!("GET /{works}/user"), &minted.text()).await.status,
            200,
            "{path}"
        );
    }
    for (path, rest) in [
        ("/__magictoken", ""),
        ("/__magictoken", r#","aud":"x""#),
        ("/one/__magictoken", r#","aud":"two""#),
    ] {
        let refused = mint(path, rest).await;
        refused.assert_rejected(400, "invalid_mint_request");
        assert!(
            refused.text().contains("aud: expected the name of the upstream"),
            "{}",
            refused.text()
        );
    }
    stage.ask("p.test", "POST /__magictoken/explain", "").await.assert_rejected(404, "no_upstream");
}

/// Every question that a client can ask of the control plane: its line, and its content.
const QUESTIONS: [(&str, &str); 24] = [
    ("GET /__magictoken", ""),
    ("HEAD /__magictoken", ""),
    ("OPTIONS /__magictoken", ""),
    ("DELETE /__magictoken", ""),
    ("GET /one/__magictoken", ""),
    ("GET /two/__magictoken", ""),
    ("OPTIONS /one/__magictoken", ""),
    ("GET /nowhere/__magictoken", ""),
    ("GET /__magictoken/keys", ""),
    ("GET /one/__magictoken/keys", ""),
    ("GET /__magictoken/upstreams", ""),
    ("GET /one/__magictoken/upstreams", ""),
    ("GET /__magictoken/upstreams/other", ""),
    ("GET /__magictoken/upstreams/", ""),
    ("POST /__magictoken/upstreams", ""),
    ("GET /__magictoken/x", ""),
    ("POST /__magictoken/explain", "{}"),
    ("POST /one/__magictoken/explain", "{}"),
    ("POST /one/__magictoken/narrow", "{}"),
    ("POST /one/__magictoken/reseal", ""),
    ("POST /__magictoken", r#"{"token":"x-x-x","allowed":["GET /user"]}"#),
    ("POST /__magictoken", r#"{"token":"x-x-x","aud":"other","scope":"other"}"#),
    ("POST /one/__magictoken", r#"{"token":"x-x-x","aud":"other","scopes":["other","third"]}"#),
    ("POST /two/__magictoken", r#"{"token":"","scope":"other"}"#),
];

impl Stage {
    /// Everything that comes back, head and body.
    async fn told(&self, line: &str, token: &str, body: &str) -> String {
        let length = body.len();
        let bearer = if token.is_empty() {
            String::new()
        } else {
            format!("Authorization: Bearer {token}\r\n")
        };
        let head = format!(
            "{line} HTTP/1.1\r\nHost: p.test\r\nAccept: text/html\r\nContent-Type: application/json\r\nContent-Length: \
             {length}\r\n{bearer}\r\n{body}"
        );
        let response = Client::ask(&self.proxy, head).await;
        format!("{response:?}{}", response.text())
    }

    /// What no stranger may learn.
    fn names(&self) -> Vec<String> {
        let roots =
            [&self.one, &self.two, &self.uploads].map(|upstream| upstream.address.to_string());
        roots
            .into_iter()
            .chain(
                ["/one/", "/two/", "`one`", "`two`", "\"one\"", "\"two\"", "reading", "writing"]
                    .map(str::to_owned),
            )
            .collect()
    }
}

#[tokio::test]
async fn a_client_without_a_token_learns_no_name_from_the_control_plane() {
    let stage = Stage::set().await;
    let wrong = Token::allowing(&["GET /user"]).for_upstream(Some("elsewhere")).mint().to_string();
    // Who bears a token that was forged or has ended learns as little as who bears none.
    let genuine = token(Some("two"));
    let forged = format!("{}.{}", genuine.rsplit_once('.').unwrap().0, "A".repeat(342));
    let ended = Token::allowing(&["GET /user"])
        .for_upstream(Some("two"))
        .living(1_000_000_000, 1_000_000_600)
        .mint()
        .to_string();
    for (line, body) in QUESTIONS {
        for token in ["", "no.tok.en", wrong.as_str(), forged.as_str(), ended.as_str()] {
            let told = stage.told(line, token, body).await;
            for name in stage.names() {
                assert!(!told.contains(&name), "{line} {body} tells `{name}`: {told}");
            }
        }
    }
    assert!(
        stage
            .told("GET /__magictoken", "", "")
            .await
            .ends_with(&format!("magic API proxy version {}", magicproxy_proxy::VERSION))
    );
}

#[tokio::test]
async fn a_client_without_a_token_learns_of_the_api_at_the_root_only() {
    let stage =
        Stage::with(|settings| settings.upstreams_mut(0).routes.mount = MountPath::default()).await;
    let root = format!(
        "magic API proxy for http://{} version {}",
        stage.one.address,
        magicproxy_proxy::VERSION
    );
    assert_eq!(stage.ask("p.test", "GET /__magictoken", "").await.text(), root);
    let (names, two) = (stage.names(), stage.two.address.to_string());
    for (line, body) in QUESTIONS {
        let told = stage.told(line, "", body).await;
        let of_two = |name: &&String| **name == two || name.contains("two") || name.contains("ing");
        assert!(!names.iter().filter(of_two).any(|name| told.contains(name)), "{line}: {told}");
    }
    let both = stage.ask("p.test", "GET /__magictoken", &token(Some("two"))).await.text();
    assert_eq!(both, format!("{root}\ntwo at /two/ for http://{two}"));
}

#[tokio::test]
async fn a_bearer_learns_of_the_tokens_own_upstream_only() {
    let stage = Stage::set().await;
    let token = token(Some("two"));
    let own = format!("two at /two/ for http://{}", stage.two.address);
    assert!(stage.told("GET /__magictoken", &token, "").await.contains(&own));
    assert!(
        stage
            .told("GET /two/__magictoken", &token, "")
            .await
            .contains(&format!("for http://{}", stage.two.address))
    );
    assert!(
        stage
            .told("GET /__magictoken/upstreams", &token, "")
            .await
            .contains(r#""complete":false,"upstreams":["two"]"#)
    );
    let unknown =
        stage.told("POST /two/__magictoken", &token, r#"{"token":"x-x-x","scope":"other"}"#).await;
    assert!(unknown.contains("(it has: reading, writing)"), "{unknown}");
    for (line, body) in QUESTIONS.into_iter().filter(|(line, _)| !line.contains("/two/")) {
        let told = stage.told(line, &token, body).await;
        assert!(
            !told.contains("/one/") && !told.contains(&stage.one.address.to_string()),
            "{line}: {told}"
        );
    }
}

#[tokio::test]
async fn the_operator_may_have_everything_announced() {
    let stage = Stage::with(|settings| settings.minting.announce = Announcement::All).await;
    let about = stage.told("GET /__magictoken", "", "").await;
    assert!(
        about.contains("one at /one/ for http://") && about.contains("two at /two/"),
        "{about}"
    );
    assert!(
        stage
            .told("GET /__magictoken/upstreams", "", "")
            .await
            .contains(r#""complete":true,"upstreams":["one","two"]"#)
    );
    let unknown = stage.told("POST /__magictoken", "", r#"{"token":"x-x-x","aud":"other"}"#).await;
    assert!(unknown.contains("served here: `one`, `two`"), "{unknown}");
}

#[tokio::test]
async fn one_name_at_a_time_can_be_asked_for() {
    let stage =
        Stage::with(|settings| settings.upstreams_mut(1).alias = UpstreamName::parse("[::1]:8443"))
            .await;
    for (path, expected) in [
        ("/__magictoken/upstreams/one", Some("one")),
        ("/__magictoken/upstreams/two", Some("two")),
        // By its other name: the proxy says what it is called.
        ("/__magictoken/upstreams/%5B::1%5D%3A8443", Some("two")),
        ("/one/__magictoken/upstreams/one", Some("one")),
        ("/one/__magictoken/upstreams/two", None),
        ("/__magictoken/upstreams/three", None),
        ("/__magictoken/upstreams/ONE", None),
    ] {
        let response = stage.ask("p.test", &format!("GET {path}"), "").await;
        match expected {
            Some(name) => assert_eq!(response.json()["upstream"], name, "{path}"),
            None => response.assert_rejected(404, "unknown_upstream"),
        }
    }
    // One that there is nothing else beside has no name to hide.
    let alone = Stage::with(|settings| settings.upstreams.truncate(1)).await;
    let told = alone.ask("p.test", "GET /__magictoken/upstreams", "").await.json();
    assert_eq!((&told["upstreams"][0], &told["complete"]), (&"one".into(), &true.into()));
    let unknown = alone.ask("p.test", "GET /__magictoken/upstreams/three", "").await;
    assert!(unknown.text().contains("there is `one`"), "{}", unknown.text());
}

/// Both sides are named, and only to whoever bears a genuine token.
#[tokio::test]
async fn a_token_for_another_upstream_is_told_both_names() {
    let stage = Stage::set().await;
    let genuine = token(Some("elsewhere"));
    let refused = stage.ask("p.test", "GET /one/user", &genuine).await;
    refused.assert_rejected(401, "wrong_upstream");
    assert!(
        refused.text().contains("`elsewhere`") && refused.text().contains("`one`"),
        "{}",
        refused.text()
    );
    let (signed, _) = genuine.rsplit_once('.').unwrap();
    let forged =
        stage.ask("p.test", "GET /one/user", &format!("{signed}.{}", "A".repeat(342))).await;
    forged.assert_rejected(401, "invalid_token");
    assert!(!forged.text().contains("`one`"), "{}", forged.text());
}

/// As `/__magictoken` mints for the upstream that a mint request names, what a bearer asks about its token goes to the upstream that
/// the token names; and nothing else follows from that name.
#[tokio::test]
async fn what_a_bearer_asks_needs_no_mount() {
    let stage = Stage::set().await;
    let ask = async |path: &str, token: &str, body: &str| {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: p.test\r\nAuthorization: Bearer {token}\r\n");
        let length = body.len();
        Client::ask(
            &stage.proxy,
            format!(
                "{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
        )
        .await
    };
    let caveat = r#"{"caveat":{"allowed":"GET /user"}}"#;
    let for_two = token(Some("two"));
    for root in ["", "/two"] {
        let narrowed = ask(&format!("{root}/__magictoken/narrow"), &for_two, caveat).await;
        assert_eq!(narrowed.status, 200, "{}", narrowed.text());
        assert_eq!(stage.ask("p.test", "GET /two/user", &narrowed.text()).await.status, 200);
        stage
            .ask("p.test", "GET /one/user", &narrowed.text())
            .await
            .assert_rejected(401, "wrong_upstream");
        let resealed = ask(&format!("{root}/__magictoken/reseal"), &for_two, "").await;
        assert_eq!(resealed.status, 200, "{}", resealed.text());
    }
    for (target, decision) in [
        ("/user", "allowed"),
        ("/two/user", "allowed"),
        ("/one/user", "denied"),
        ("/twouser", "denied"),
    ] {
        let question = format!(r#"{{"method":"GET","target":"{target}"}}"#);
        let told = ask("/__magictoken/explain", &for_two, &question).await;
        assert_eq!(told.json()["decision"], decision, "{target}: {}", told.text());
    }
    // What is said is not believed, and what says nothing leads nowhere.
    let (signed, _) = for_two.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(342));
    ask("/__magictoken/narrow", &forged, caveat).await.assert_rejected(401, "invalid_token");
    for nothing in [token(Some("three")), token(None), "nonsense".to_owned(), "a.b.c".to_owned()] {
        for path in ["narrow", "reseal", "explain"] {
            let refused = ask(&format!("/__magictoken/{path}"), &nothing, caveat).await;
            refused.assert_rejected(404, "no_upstream");
        }
    }
    assert_eq!(
        ask("/__magictoken", &for_two, "{}").await.status,
        400,
        "a mint request names its upstream itself"
    );
}

/// Every combination of names, prefixes, spellings and tokens: what arrives has the credential of its own upstream, and is
/// what a token for it allows.
#[tokio::test]
async fn whatever_way_a_request_comes_a_credential_reaches_its_own_upstream_only() {
    const PREFIXES: [&str; 17] = [
        "",
        "/one",
        "/two",
        "/one/api/v3",
        "/one/api/uploads",
        "/one/api/graphql",
        "/two/api/v3",
        "/one/two",
        "/two/one",
        "//one",
        "/%6fne",
        "/one/..",
        "/one/../two",
        "/one?/two",
        "/one;/two",
        "/one%2F..%2Ftwo",
        "/one/api/v3/api/uploads",
    ];
    const RESTS: [&str; 9] = [
        "",
        "/user",
        "/user?x=/two/user",
        "/../user",
        "//user",
        "/%2e%2e/user",
        "/repos/a",
        "/graphql",
        "?y",
    ];
    let stage = Stage::set().await;
    let with = |name: Option<&str>, credential: &str| {
        let token =
            Token::allowing(&["GET /user", "POST /graphql", "POST /repos/.*"]).for_upstream(name);
        token.with(credential).mint().to_string()
    };
    let tokens = [
        with(Some("one"), "credential-of-one"),
        with(Some("two"), "credential-of-two"),
        with(None, "nobodys-credential"),
    ];
    let addresses =
        [&stage.one, &stage.two, &stage.uploads].map(|upstream| upstream.address.to_string());
    let names = [
        "p.test",
        "two.test",
        "TWO.test:80",
        "one",
        addresses[0].as_str(),
        &addresses[1],
        &addresses[2],
    ];
    for (name, prefix) in names.iter().flat_map(|name| PREFIXES.map(|prefix| (name, prefix))) {
        for (at, token) in tokens.iter().enumerate() {
            let asked = RESTS.map(|rest| {
                let method = if rest.contains("repos")
                    || rest.contains("graphql")
                    || prefix.contains("graphql")
                {
                    "POST"
                } else {
                    "GET"
                };
                let (stage, line) = (&stage, format!("{method} {prefix}{rest}"));
                async move { stage.ask(name, &line, token).await }
            });
            for response in crate::support::all(asked.into()).await {
                assert!(
                    response.status == 200 || response.status >= 400,
                    "{name} {prefix} {at}: {}",
                    response.status
                );
            }
        }
    }
    let arrived = [(&stage.one, "one"), (&stage.uploads, "one"), (&stage.two, "two")];
    for (upstream, name) in arrived {
        let seen = upstream.requests();
        assert!(seen.len() > 3, "{name}: {}", seen.len());
        for request in seen {
            assert_eq!(
                request.all("authorization"),
                [format!("Bearer credential-of-{name}")],
                "{}",
                request.target
            );
            let path = request.target.split('?').next().unwrap();
            assert!(["/user", "/graphql", "/repos/a"].contains(&path), "{name} {}", request.target);
        }
    }
}

trait EachUpstream {
    fn upstreams_mut(&mut self, at: usize) -> &mut magicproxy_proxy::settings::UpstreamSettings;
}

impl EachUpstream for Setup {
    fn upstreams_mut(&mut self, at: usize) -> &mut magicproxy_proxy::settings::UpstreamSettings {
        Arc::get_mut(&mut self.upstreams[at]).unwrap()
    }
}
