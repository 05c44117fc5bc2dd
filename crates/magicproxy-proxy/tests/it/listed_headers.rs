//! The list of request headers: what is not on it does not reach the upstream, and somebody is told.

use http::HeaderName;
use magicproxy_core::UpstreamName;
use magicproxy_proxy::settings::{MountPath, TokenCarrier};

use crate::support::{
    CREDENTIAL, Client, OnlyUpstream as _, Proxy, Token, Upstream, events_named, listed, request,
    settings,
};

/// Headers by which somebody's API is told for whom, in which account, or on what a request acts, or by which it is given
/// another key; and others that nobody has ever heard of.
const UNLISTED: [&str; 96] = [
    "Stripe-Account",
    "Stripe-Context",
    "OpenAI-Organization",
    "OpenAI-Project",
    "Anthropic-Workspace-Id",
    "Anthropic-Organization-Id",
    "Anthropic-User-Profile-Id",
    "ChatGPT-Account-Id",
    "Dropbox-API-Select-User",
    "Dropbox-API-Select-Admin",
    "Dropbox-API-Path-Root",
    "As-User",
    "X-Vault-Namespace",
    "X-Vault-Token",
    "X-On-Behalf-Of",
    "X-Hasura-Role",
    "X-Hasura-User-Id",
    "X-Hasura-Admin-Secret",
    "X-Impersonate-User",
    "X-Http-Host",
    "X-Redmine-API-Key",
    "X-JFrog-Art-Api",
    "X-Authorization",
    "X-GitHub-OTP",
    "X-Gitlab-Static-Object-Token",
    "Gitlab-Workhorse-Api-Request",
    "Runner-Token",
    "X-Sudo",
    "X-Act-As",
    "X-Run-As",
    "X-User",
    "X-User-Id",
    "X-User-Email",
    "X-Username",
    "X-Account-Id",
    "X-Tenant",
    "X-Tenant-Id",
    "X-Org-Id",
    "X-Grafana-Org-Id",
    "X-Organization",
    "X-Organization-Id",
    "X-Project-Id",
    "X-Workspace-Id",
    "X-Namespace",
    "X-Role",
    "X-Roles",
    "X-Groups",
    "X-Scope",
    "X-Permissions",
    "X-Database",
    "X-Schema",
    "Accept-Profile",
    "Content-Profile",
    "X-Amz-Target",
    "X-Amz-Security-Token",
    "X-Amz-Copy-Source",
    "X-Amz-Acl",
    "X-Ms-Copy-Source",
    "X-Goog-User-Project",
    "X-Goog-Request-Params",
    "X-Copy-From",
    "SOAPAction",
    "Login-Customer-Id",
    "X-Shopify-Access-Token",
    "X-Twilio-Account",
    "PayPal-Auth-Assertion",
    "Xero-Tenant-Id",
    "Intuit-Realm-Id",
    "Square-Account",
    "X-HubSpot-Account",
    "Cf-R2-Jurisdiction",
    "CF-Access-Client-Secret",
    "Ocp-Apim-Subscription-Key",
    "DPoP",
    "Signature",
    "Content-Location",
    "Destination",
    "Depth",
    "Overwrite",
    "If",
    "Lock-Token",
    "Translate",
    "Upload-Concat",
    "X-Api-Version-Override",
    "X-Feature",
    "X-Debug",
    "X-Backend",
    "X-Backend-Host",
    "X-Upstream",
    "X-Target",
    "X-Target-Host",
    "X-Server-Name",
    "X-Replaced-Path",
    "X-Original-Forwarded-For",
    "Alt-Used",
    "X-Never-Heard-Of",
];

#[tokio::test]
async fn what_is_not_on_the_list_does_not_reach_the_upstream() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    // One by one, and all together: a head has room for a hundred fields.
    for name in UNLISTED {
        Client::ask(&proxy, request("GET /user", &token, &[&format!("{name}: steer")], "")).await;
    }
    let lines: Vec<String> = UNLISTED.iter().map(|name| format!("{name}: steer")).collect();
    let lines: Vec<&str> = lines.iter().take(90).map(String::as_str).collect();
    assert_eq!(Client::ask(&proxy, request("GET /user", &token, &lines, "")).await.status, 200);
    let seen = upstream.requests();
    assert_eq!(seen.len(), UNLISTED.len() + 1);
    for (seen, name) in seen.iter().zip(UNLISTED.iter().chain(["all of them"].iter())) {
        assert_eq!(seen.names(), ["accept-encoding", "authorization", "host"], "{name}");
        assert_eq!(seen.all("authorization"), [format!("Bearer {CREDENTIAL}")], "{name}");
    }
}

#[tokio::test]
async fn an_operator_adds_to_the_list_of_one_upstream() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().pass_request_headers = listed(&["Stripe-Account", "X-Both"]);
        settings.upstream_mut().drop_request_headers = vec![HeaderName::from_static("x-both")];
    })
    .await;
    let lines =
        ["stripe-account: acct_1", "Stripe-Account: acct_2", "Stripe-Context: c", "X-Both: 1"];
    assert_eq!(
        Client::ask(&proxy, request("GET /user", &Token::any(), &lines, "")).await.status,
        200
    );
    let seen = upstream.only_request();
    assert_eq!(
        seen.names(),
        ["accept-encoding", "authorization", "host", "stripe-account", "stripe-account"]
    );
    assert_eq!(seen.all("stripe-account"), ["acct_1", "acct_2"]);
}

#[tokio::test]
async fn somebody_is_told_of_what_was_dropped_and_never_of_its_value() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().name = magicproxy_core::UpstreamName::parse("told.test").unwrap();
        settings.upstream_mut().drop_request_headers = vec![HeaderName::from_static("x-unwanted")];
    })
    .await;
    let token = Token::allowing(&["GET /user"]).for_upstream(Some("told.test")).mint();
    let long = "x".repeat(65);
    let long = format!("{long}: hidden-value");
    let lines = [
        "X-Tell-Me: hidden-value",
        "X_Tell: hidden-value",
        "X-Unwanted: hidden-value",
        "Accept: */*",
        &long,
    ];
    for _ in 0..3 {
        assert_eq!(Client::ask(&proxy, request("GET /user", &token, &lines, "")).await.status, 200);
    }
    let named = |words: &[&str]| events_named(&[&["told.test"], words].concat());
    let (unlisted, never) =
        (named(&["clients send", "\"x-tell-me\""]), named(&["clients send", "\"x_tell\""]));
    assert_eq!((unlisted.len(), never.len()), (1, 1), "{unlisted:?} {never:?}");
    assert!(unlisted[0].contains("pass_request_headers"), "{unlisted:?}");
    assert!(never[0].contains("there is a `_` in its name"), "{never:?}");
    assert!(named(&["clients send", "x-unwanted"]).is_empty());
    let each =
        named(&["dropped request headers", "x-tell-me", "x_tell", "x-unwanted", "<65 bytes>"]);
    assert_eq!(each.len(), 3, "{each:?}");
    assert!(events_named(&["hidden-value"]).is_empty());
    for matter_of_course in ["host", "authorization", "connection", "content-length"] {
        assert!(
            named(&["dropped request headers", matter_of_course]).is_empty(),
            "{matter_of_course}"
        );
    }
}

/// A field in which tokens of some upstream stand is as much a matter of course as `Authorization`: no line tells of it.
#[tokio::test]
async fn nobody_is_told_of_a_field_in_which_tokens_stand() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |own| {
        own.upstream_mut().name = UpstreamName::parse("carried.test").unwrap();
        let mut other = settings(upstream.address, "");
        let further = other.upstream_mut();
        further.name = UpstreamName::parse("other").unwrap();
        further.routes.mount = MountPath::parse("/other").unwrap();
        further.token_carriers = vec![TokenCarrier::parse("header:X-Team-Pass").unwrap()];
        own.upstreams.append(&mut other.upstreams);
    })
    .await;
    let token = Token::allowing(&["GET /user"]).for_upstream(Some("carried.test")).mint();
    let lines = ["X-Team-Pass: hidden-pass", "X-Of-No-Upstream: 1"];
    assert_eq!(Client::ask(&proxy, request("GET /user", &token, &lines, "")).await.status, 200);
    assert_eq!(upstream.only_request().names(), ["accept-encoding", "authorization", "host"]);
    let named = |words: &[&str]| events_named(&[&["carried.test"], words].concat()).len();
    assert_eq!(named(&["dropped request headers", "x-of-no-upstream"]), 1);
    assert_eq!((named(&["x-team-pass"]), events_named(&["hidden-pass"]).len()), (0, 0));
}

/// Names come from clients: the log says no more than a screenful of them, once.
#[tokio::test]
async fn no_client_fills_the_log_with_names() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().name = magicproxy_core::UpstreamName::parse("many.test").unwrap();
    })
    .await;
    let token = Token::allowing(&["GET /user"]).for_upstream(Some("many.test")).mint();
    // What is on the list takes no place among the names, even where `Connection` takes it away.
    let nominated = [
        "Connection: accept, accept-language, user-agent",
        "Accept: 1",
        "Accept-Language: 1",
        "User-Agent: 1",
    ];
    assert_eq!(Client::ask(&proxy, request("GET /user", &token, &nominated, "")).await.status, 200);
    for turn in 0..3 {
        let lines: Vec<String> =
            (0..80).map(|number| format!("X-Many-{}: 1", turn * 10 + number)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(Client::ask(&proxy, request("GET /user", &token, &lines, "")).await.status, 200);
    }
    assert_eq!(events_named(&["many.test", "clients send a header"]).len(), 64);
    assert_eq!(events_named(&["many.test", "clients send more than 64 headers"]).len(), 1);
    assert!(
        upstream
            .requests()
            .iter()
            .all(|seen| seen.names() == ["accept-encoding", "authorization", "host"])
    );
}

/// `Connection` keeps a field from the upstream in either section, whatever else stands in it.
#[tokio::test]
async fn what_connection_names_does_not_pass_behind_the_content_either() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().pass_request_headers = listed(&["X-Sum"])
    })
    .await;
    for connection in ["x-sum", "close, X-Sum", "\u{e9}, x-sum"] {
        let connection = format!("Connection: {connection}");
        let lines = [
            connection.as_str(),
            "Transfer-Encoding: chunked",
            "Trailer: X-Sum, Content-Digest",
            "X-Sum: 1",
        ];
        let body = "5\r\nhello\r\n0\r\nX-Sum: 7\r\nContent-Digest: d\r\n\r\n";
        assert_eq!(
            Client::ask(&proxy, request("POST /a", &Token::any(), &lines, body)).await.status,
            200
        );
        let seen = upstream.only_request();
        assert_eq!(
            (seen.all("x-sum"), seen.all("trailer")),
            (vec![], vec!["content-digest"]),
            "{connection}"
        );
        assert_eq!(seen.trailers, [("content-digest".to_owned(), "d".to_owned())], "{connection}");
        upstream.take_requests();
    }
}
