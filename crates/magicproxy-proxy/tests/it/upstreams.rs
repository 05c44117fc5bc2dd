//! Several upstreams behind one proxy: `docs/spec/upstreams.md` sections 2, 3 and 6.

use std::net::SocketAddr;
use std::sync::Arc;

use magicproxy_core::{UnnamedTokens, UpstreamName};
use magicproxy_proxy::settings::{ApiRoot, HostName, MountPath, PathMapping, PathTarget, Placing, Settings};

use crate::support::{Answer, CREDENTIAL, Client, OnlyUpstream as _, Proxy, Reply, Token, Upstream, guard, settings};

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

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let (one, uploads, two) = (named("one").await, named("uploads").await, named("two").await);
        let path = |prefix: &str, to| PathMapping { prefix: MountPath::parse(prefix).unwrap(), to };
        let paths = vec![
            path("/api/v3", PathTarget::Path(MountPath::default())),
            path("/api/graphql", PathTarget::Path(MountPath::parse("/graphql").unwrap())),
            path("/api/uploads", PathTarget::Origin(root(uploads.address))),
        ];
        let mut both = upstream("one", one.address, &[], paths);
        both.upstreams.extend(upstream("two", two.address, &["two.test"], Vec::new()).upstreams);
        change(&mut both);
        Self { proxy: Proxy::start(both).await, one, uploads, two }
    }

    async fn ask(&self, host: &str, line: &str, token: &str) -> Answer {
        let head = format!("{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
        Client::ask(&self.proxy, head).await
    }
}

async fn named(name: &'static str) -> Upstream {
    Upstream::scripted(move |seen| Reply::ok(format!("{name} {}", seen.target))).await
}

fn root(address: SocketAddr) -> ApiRoot {
    ApiRoot::parse(&format!("http://{address}")).unwrap()
}

fn upstream(name: &str, address: SocketAddr, hosts: &[&str], paths: Vec<PathMapping>) -> Settings {
    let mut settings = settings(address, "");
    let upstream = settings.upstream_mut();
    upstream.name = UpstreamName::parse(name).unwrap();
    upstream.unnamed = UnnamedTokens::Refuse;
    upstream.placing = Placing {
        mount: MountPath::parse(&format!("/{name}")).unwrap(),
        hosts: hosts.iter().map(|host| HostName::parse(host).unwrap()).collect(),
        paths,
    };
    settings
}

fn token(name: Option<&str>) -> String {
    Token::allowing(&["GET /user", "POST /graphql", "POST /repos/.*"]).for_upstream(name).mint().to_string()
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
        let answer = stage.ask(host, line, token).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, expected), "{host} {line}");
    }
    let seen = [&stage.one, &stage.uploads, &stage.two].map(Upstream::requests).concat();
    for request in seen {
        assert_eq!(request.all("authorization"), [format!("Bearer {CREDENTIAL}")]);
        assert!(!request.target.contains("one") && !request.target.contains("api"), "{}", request.target);
    }
}

#[tokio::test]
async fn a_token_works_on_its_upstream_only() {
    let stage = Stage::set().await;
    let (for_one, nobodys) = (token(Some("one")), token(None));
    stage.ask("p.test", "GET /two/user", &for_one).await.assert_rejected(401, "wrong_upstream");
    stage.ask("two.test", "GET /user", &for_one).await.assert_rejected(401, "wrong_upstream");
    stage.ask(&stage.two.address.to_string(), "GET /user", &for_one).await.assert_rejected(401, "wrong_upstream");
    for line in ["GET /one/user", "GET /two/user"] {
        stage.ask("p.test", line, &nobodys).await.assert_rejected(401, "wrong_upstream");
    }
    assert!(stage.one.requests().is_empty() && stage.two.requests().is_empty());
    let stage = Stage::with(|settings| settings.upstreams_mut(1).unnamed = UnnamedTokens::Accept).await;
    stage.ask("p.test", "GET /one/user", &nobodys).await.assert_rejected(401, "wrong_upstream");
    assert_eq!(stage.ask("p.test", "GET /two/user", &nobodys).await.text(), "two /user");
}

#[tokio::test]
async fn what_leads_nowhere_is_refused_whatever_token_it_bears() {
    let stage = Stage::set().await;
    let token = token(Some("one"));
    for target in ["/", "/user", "/oneuser", "/%6fne/user", "//one/user", "/x/../one/user", "/ONE/user", "/__magictokens"] {
        stage.ask("p.test", &format!("GET {target}"), &token).await.assert_rejected(404, "no_upstream");
    }
    for (target, code) in [("/one/../two/user", "target_dot_segment"), ("/one//user", "target_empty_segment")] {
        stage.ask("p.test", &format!("GET {target}"), &token).await.assert_rejected(400, code);
    }
    stage.ask("p.test", "GET /one/api/graphql/x", &token).await.assert_rejected(403, "not_allowed");
    assert!(stage.one.requests().is_empty() && stage.two.requests().is_empty());
}

#[tokio::test]
async fn tokens_are_minted_where_they_work() {
    let stage = Stage::set().await;
    let mint = async |path: &str, rest: &str| {
        let order = format!(r#"{{"token":"{CREDENTIAL}","allowed":["GET /user"]{rest}}}"#);
        let length = order.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: p.test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{order}"
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
        assert_eq!(stage.ask("p.test", &format!("GET /{works}/user"), &minted.text()).await.status, 200, "{path}");
    }
    for (path, rest) in [("/__magictoken", ""), ("/__magictoken", r#","aud":"x""#), ("/one/__magictoken", r#","aud":"two""#)] {
        let refused = mint(path, rest).await;
        refused.assert_rejected(400, "invalid_order");
        assert!(refused.text().contains("`one`"), "{}", refused.text());
    }
    let about = stage.ask("p.test", "GET /__magictoken", "").await.text();
    assert!(about.contains("one at /one/ for http://") && about.contains("two at /two/"), "{about}");
    stage.ask("p.test", "POST /__magictoken/explain", "").await.assert_rejected(404, "no_upstream");
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
    const RESTS: [&str; 9] =
        ["", "/user", "/user?x=/two/user", "/../user", "//user", "/%2e%2e/user", "/repos/a", "/graphql", "?y"];
    let stage = Stage::set().await;
    let with = |name: Option<&str>, credential: &str| {
        let token = Token::allowing(&["GET /user", "POST /graphql", "POST /repos/.*"]).for_upstream(name);
        token.with(credential).mint().to_string()
    };
    let tokens =
        [with(Some("one"), "credential-of-one"), with(Some("two"), "credential-of-two"), with(None, "nobodys-credential")];
    let addresses = [&stage.one, &stage.two, &stage.uploads].map(|upstream| upstream.address.to_string());
    let names = ["p.test", "two.test", "TWO.test:80", "one", addresses[0].as_str(), &addresses[1], &addresses[2]];
    for (name, prefix) in names.iter().flat_map(|name| PREFIXES.map(|prefix| (name, prefix))) {
        for (at, token) in tokens.iter().enumerate() {
            let asked = RESTS.map(|rest| {
                let method =
                    if rest.contains("repos") || rest.contains("graphql") || prefix.contains("graphql") { "POST" } else { "GET" };
                let (stage, line) = (&stage, format!("{method} {prefix}{rest}"));
                async move { stage.ask(name, &line, token).await }
            });
            for answer in crate::support::all(asked.into()).await {
                assert!(answer.status == 200 || answer.status >= 400, "{name} {prefix} {at}: {}", answer.status);
            }
        }
    }
    let arrived = [(&stage.one, "one"), (&stage.uploads, "one"), (&stage.two, "two")];
    for (upstream, name) in arrived {
        let seen = upstream.requests();
        assert!(seen.len() > 3, "{name}: {}", seen.len());
        for request in seen {
            assert_eq!(request.all("authorization"), [format!("Bearer credential-of-{name}")], "{}", request.target);
            let path = request.target.split('?').next().unwrap();
            assert!(["/user", "/graphql", "/repos/a"].contains(&path), "{name} {}", request.target);
        }
    }
}

trait EachUpstream {
    fn upstreams_mut(&mut self, at: usize) -> &mut magicproxy_proxy::settings::UpstreamSettings;
}

impl EachUpstream for Settings {
    fn upstreams_mut(&mut self, at: usize) -> &mut magicproxy_proxy::settings::UpstreamSettings {
        Arc::get_mut(&mut self.upstreams[at]).unwrap()
    }
}
