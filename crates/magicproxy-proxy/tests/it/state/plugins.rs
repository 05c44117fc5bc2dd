//! Plugins at the gate. Their host is another crate; here a script stands for it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;

use magicproxy_core::plugin::{
    Interests, PluginFuture, PluginHost, PluginName, PluginRequest, PluginResponse, PluginScope,
    Verdict,
};
use magicproxy_core::{Scope, ScopeName};

use super::*;
use crate::support::{
    CREDENTIAL, OnlyUpstream as _, Token, events_come, listed, parse, rules, soon,
};

type Decide = Box<dyn Fn(&PluginRequest) -> Verdict + Send + Sync>;

pub(super) struct Scripted {
    interests: Interests,
    decide: Decide,
    recorded: bool,
    asked: Mutex<Vec<PluginRequest>>,
    pub(super) told: Mutex<Vec<PluginResponse>>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Scripted")
    }
}

impl Scripted {
    pub(super) fn new(
        interests: Interests,
        decide: impl Fn(&PluginRequest) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Self {
            interests,
            decide: Box::new(decide),
            recorded: true,
            asked: Mutex::default(),
            told: Mutex::default(),
        }
    }
}

impl PluginHost for Scripted {
    fn interests(&self, plugin: &PluginName) -> Option<Arc<Interests>> {
        (plugin.as_str() == "script").then(|| Arc::new(self.interests.clone()))
    }

    fn longest_body(&self, _: &PluginName) -> usize {
        262_144
    }

    fn decide<'p>(
        &'p self,
        _: &'p PluginName,
        request: &'p PluginRequest,
        _: PluginScope,
    ) -> PluginFuture<'p, Verdict> {
        self.asked.lock().unwrap().push(request.clone());
        Box::pin(async { (self.decide)(request) })
    }

    fn observe<'p>(
        &'p self,
        _: &'p PluginName,
        _: &'p PluginRequest,
        response: &'p PluginResponse,
        _: PluginScope,
    ) -> PluginFuture<'p, bool> {
        self.told.lock().unwrap().push(response.clone());
        Box::pin(async { self.recorded })
    }
}

pub(super) async fn guarded(
    upstream: &Upstream,
    host: &Arc<Scripted>,
    allowed: &[&str],
    ceiling: Option<&[&str]>,
) -> Proxy {
    let plugin = |name| PluginName::parse(name).unwrap();
    Proxy::with(upstream, |settings| {
        settings.services.plugins = Some(Arc::clone(host) as Arc<dyn PluginHost>);
        let upstream = settings.upstream_mut();
        upstream.ceiling = ceiling.map(rules);
        upstream.pass_request_headers = listed(&["X-Job", "X-Other"]);
        let rules = if allowed.is_empty() { Vec::new() } else { parse(allowed) };
        let scopes = Arc::make_mut(&mut upstream.scopes);
        scopes.insert(
            ScopeName::parse("asks").unwrap(),
            Scope::new(&rules, vec![plugin("script")]).unwrap(),
        );
        scopes.insert(
            ScopeName::parse("gone").unwrap(),
            Scope::new(&parse(&["GET /.*"]), vec![plugin("gone")]).unwrap(),
        );
    })
    .await
}

#[tokio::test]
async fn a_plugin_may_allow_and_deny_and_leave_it_to_the_rules() {
    let upstream = Upstream::hello().await;
    let host =
        Arc::new(Scripted::new(Interests::default(), |request| match request.path.as_str() {
            "/allowed" | "/ruled/allowed" | "/beyond" => Verdict::Allow,
            "/denied" | "/ruled/denied" => Verdict::Deny("not today".to_owned()),
            _ => Verdict::Abstain,
        }));
    let proxy = guarded(
        &upstream,
        &host,
        &["GET /ruled/.*"],
        Some(&["GET /.*[^d]", "POST /allowed", "GET /.*ed"]),
    )
    .await;
    let token = Token::scoped(&["asks"]).mint();
    for (line, status) in [
        ("GET /allowed", 200),
        ("POST /allowed", 200),
        ("GET /ruled/allowed", 200),
        ("GET /ruled/other", 200),
    ] {
        assert_eq!(ask(&proxy, line, &token).await.status, status, "{line}");
    }
    upstream.take_requests();
    for (line, code) in [
        ("GET /denied", "denied_by_plugin"),
        ("GET /ruled/denied", "denied_by_plugin"),
        ("GET /other", "not_allowed"),
        ("POST /beyond", "beyond_ceiling"),
        ("DELETE /allowed", "beyond_ceiling"),
    ] {
        ask(&proxy, line, &token).await.assert_rejected(403, code);
    }
    let silent = ask(&proxy, "GET /denied", &token).await;
    assert!(!silent.text().contains("not today"), "no oracle");
    let told = ask(&proxy, "GET /denied", &Token::scoped(&["asks"]).explaining().mint()).await;
    assert!(told.text().contains("not today"));
    // Nobody asks a plugin about a token that is not good, and one that is gone might have denied.
    host.asked.lock().unwrap().clear();
    ask(&proxy, "GET /allowed", &Token::scoped(&["asks"]).living(1, 2).mint())
        .await
        .assert_rejected(401, "expired_token");
    ask(&proxy, "GET /x", &Token::scoped(&["gone"]).mint())
        .await
        .assert_rejected(403, "denied_by_plugin");
    assert!(host.asked.lock().unwrap().is_empty());
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn it_sees_what_it_asked_for_and_never_a_secret() {
    let upstream = Upstream::scripted(|seen| {
        let echo =
            seen.all("authorization").first().map(|value| (*value).to_owned()).unwrap_or_default();
        Reply::with(
            "200 OK",
            &["Content-Type: text/plain", &format!("X-Echo: {echo}"), "Set-Cookie: a=b"],
            format!("you sent {echo}"),
        )
    })
    .await;
    let names =
        ["x-job", "authorization", "cookie", "x-api-key", "private-token", "x-forwarded-for"]
            .map(str::to_owned)
            .to_vec();
    let interests = Interests {
        request_headers: names,
        request_body: true,
        responses: true,
        response_headers: ["x-echo", "set-cookie", "content-type"].map(str::to_owned).to_vec(),
        response_body: true,
    };
    let host = Arc::new(Scripted::new(interests, |_| Verdict::Allow));
    let proxy = guarded(&upstream, &host, &[], None).await;
    let token = Token::scoped(&["asks"]).mint();
    let lines = [
        "X-Job: 7",
        "X-Api-Key: k",
        "Cookie: c=d",
        "Private-Token: t",
        "X-Forwarded-For: 1.2.3.4",
        "Content-Length: 4",
    ];
    let response = Client::ask(&proxy, request("POST /a%2Db?c=d", &token, &lines, "body")).await;
    assert_eq!(response.status, 200);
    assert_eq!(upstream.only_request().body, b"body");
    let asked = host.asked.lock().unwrap().remove(0);
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str(), asked.query.as_deref()),
        ("POST", "/a-b", Some("c=d"))
    );
    assert_eq!(asked.headers, [("x-job".to_owned(), b"7".to_vec())]);
    assert_eq!(asked.body.as_deref(), Some(&b"body"[..]));
    assert_eq!(asked.sender, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let told = host.told.lock().unwrap().remove(0);
    let shown = format!("{told:?}{}", String::from_utf8_lossy(told.body.as_deref().unwrap()));
    assert!(!shown.contains(CREDENTIAL) && shown.contains("you sent Bearer "), "{shown}");
    assert_eq!(
        told.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["content-type", "x-echo"]
    );
    // `plugin.md`: a body has 256 KiB at most.
    let longest = "x".repeat(262_144);
    assert_eq!(post(&proxy, "POST /longest", &token, &longest).await.status, 200);
    assert_eq!(host.asked.lock().unwrap().remove(0).body.map(|body| body.len()), Some(262_144));
    let long = format!("{longest}x");
    let response = post(&proxy, "POST /long", &token, &long).await;
    response.assert_rejected(413, "body_too_large");
}

/// A plugin that leaves a request to the rules is told of its response as one that allowed it, and the response's content is read before
/// it is passed down only for one that wants to see it.
#[tokio::test]
async fn one_that_abstains_is_told_of_the_response() {
    for (response_body, coding, body) in
        [(false, "gzip", None), (true, "identity", Some(&b"hello"[..]))]
    {
        let upstream =
            Upstream::scripted(|_| Reply::with("200 OK", &["Content-Type: text/plain"], "hello"))
                .await;
        let interests = Interests { responses: true, response_body, ..Interests::default() };
        let host = Arc::new(Scripted::new(interests, |_| Verdict::Abstain));
        let proxy = guarded(&upstream, &host, &["GET /ruled"], None).await;
        let token = Token::scoped(&["asks"]).mint();
        let response =
            Client::ask(&proxy, request("GET /ruled", &token, &["Accept-Encoding: gzip"], ""))
                .await;
        assert_eq!((response.status, response.text().as_str()), (200, "hello"));
        assert_eq!(upstream.only_request().all("accept-encoding"), [coding]);
        let told = std::mem::take(&mut *host.told.lock().unwrap());
        let told: Vec<_> = told.iter().map(|told| (told.status, told.body.as_deref())).collect();
        assert_eq!(told, [(200, body)]);
    }
}

/// What the upstream does is told, though its client has gone: also where a rule allowed the request.
#[tokio::test]
async fn one_that_abstains_is_told_though_the_client_has_gone() {
    let mut upstream = Upstream::held().await;
    let host =
        Arc::new(Scripted::new(Interests { responses: true, ..Interests::default() }, |_| {
            Verdict::Abstain
        }));
    let proxy = guarded(&upstream, &host, &["POST /ruled-and-left"], None).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("POST /ruled-and-left", &Token::scoped(&["asks"]).mint(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    drop(client);
    events_come(1, &["/ruled-and-left", "decision="]).await;
    connection.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
    soon(async {
        while host.told.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(host.told.lock().unwrap()[0].status, 201);
}

#[tokio::test]
async fn what_a_plugin_could_not_record_is_not_passed_on() {
    let upstream = Upstream::hello().await;
    let mut host =
        Scripted::new(Interests { responses: true, ..Interests::default() }, |_| Verdict::Allow);
    host.recorded = false;
    let proxy = guarded(&upstream, &Arc::new(host), &[], None).await;
    ask(&proxy, "POST /x", &Token::scoped(&["asks"]).mint())
        .await
        .assert_rejected(502, "done_not_recorded");
    assert_eq!(upstream.requests().len(), 1);
}

/// A field that is not on the list, or that `Connection` names, goes no further, so no plugin may rely on it.
#[tokio::test]
async fn it_is_shown_no_field_that_is_not_sent() {
    let upstream = Upstream::hello().await;
    let interests = Interests {
        request_headers: ["x-job", "x-other", "x-unlisted"].map(str::to_owned).to_vec(),
        ..Interests::default()
    };
    let host = Arc::new(Scripted::new(interests, |_| Verdict::Allow));
    let proxy = guarded(&upstream, &host, &[], None).await;
    let lines = ["X-Job: 7", "X-Other: 8", "X-Unlisted: 9", "Connection: x-job"];
    let response =
        Client::ask(&proxy, request("GET /a", &Token::scoped(&["asks"]).mint(), &lines, "")).await;
    assert_eq!(response.status, 200);
    assert!(upstream.only_request().all("x-job").is_empty());
    assert_eq!(
        host.asked.lock().unwrap().remove(0).headers,
        [("x-other".to_owned(), b"8".to_vec())]
    );
}
