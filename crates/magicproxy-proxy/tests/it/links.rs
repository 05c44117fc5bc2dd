//! URLs of the upstream that lead back to the proxy: `docs/spec/rewriting.md`, from end to end.

use std::io::Write as _;
use std::sync::Arc;

use magicproxy_proxy::rewrite::Members;
use magicproxy_proxy::settings::{
    ApiRoot, Links, MountPath, PathMapping, PathTarget, RouteSettings,
};

use crate::support::Setup;
use crate::support::{
    Client, ClientResponse, OnlyUpstream as _, Proxy, Reply, Token, Upstream, request, settings,
};

/// An upstream that speaks of itself as `ORIGIN`, mounted at `/gh`, with another origin at `/gh/api/uploads`.
async fn stage(
    lines: &'static [&'static str],
    body: &'static str,
    change: impl FnOnce(&mut Setup),
) -> (Proxy, Upstream) {
    let upstream = Upstream::scripted(move |seen| {
        let own = |text: &str| text.replace("ORIGIN", &format!("http://{}", seen.all("host")[0]));
        let lines: Vec<String> = lines.iter().map(|line| own(line)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let body = own(body).into_bytes();
        let zipped = lines.iter().any(|line| line.starts_with("Content-Encoding: gzip"));
        Reply::with("200 OK", &lines, if zipped { gzip(&body) } else { body })
    })
    .await;
    let mut settings = settings(upstream.address, "");
    settings.upstream_mut().routes = RouteSettings {
        mount: MountPath::parse("/gh").unwrap(),
        hosts: Vec::new(),
        paths: vec![
            PathMapping {
                prefix: MountPath::parse("/api/v3").unwrap(),
                to: PathTarget::Path(MountPath::default()),
            },
            PathMapping {
                prefix: MountPath::parse("/api/uploads").unwrap(),
                to: PathTarget::Origin(ApiRoot::parse("https://uploads.test").unwrap()),
            },
        ],
    };
    change(&mut settings);
    (Proxy::start(settings).await, upstream)
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

async fn ask(proxy: &Proxy, target: &str) -> ClientResponse {
    let response = Client::ask(
        proxy,
        request(&format!("GET {target}"), &Token::any(), &["Accept-Encoding: gzip"], ""),
    )
    .await;
    assert_eq!(response.status, 200, "{}", response.text());
    response
}

const BODY: &str = r#"{"url":"ORIGIN/user{/x}","upload":"https://uploads.test/a{?name}","text":"see ORIGIN/user","ORIGIN/k":1}"#;
const JSON: &str = "Content-Type: application/json; charset=utf-8";

#[tokio::test]
async fn urls_lead_back_the_way_the_client_came() {
    let (proxy, upstream) =
        stage(&[JSON, "Link: <ORIGIN/user?page=2>; rel=\"next\"", "ETag: \"a\""], BODY, |_| ())
            .await;
    for (target, home) in [("/gh/user", "/gh"), ("/gh/api/v3/user", "/gh/api/v3")] {
        let response = ask(&proxy, target).await;
        let expected = format!(
            r#"{{"url":"http://proxy.test{home}/user{{/x}}","upload":"http://proxy.test{home}/api/uploads/a{{?name}}","text":"see http://{own}/user","http://{own}/k":1}}"#,
            own = upstream.address
        );
        assert_eq!(response.text(), expected);
        assert_eq!(
            response.one("link"),
            Some(format!("<http://proxy.test{home}/user?page=2>; rel=\"next\"").as_str())
        );
        assert_eq!((response.one("etag"), response.one("content-length")), (Some("\"a\""), None));
    }
}

#[tokio::test]
async fn the_operator_s_url_is_the_one_that_clients_are_told() {
    let public = |settings: &mut Setup| {
        settings.public_access = Some(ApiRoot::parse("https://proxy.example/base").unwrap())
    };
    let (proxy, _upstream) = stage(&[JSON], r#"["ORIGIN/user"]"#, public).await;
    assert_eq!(ask(&proxy, "/gh/user").await.text(), r#"["https://proxy.example/base/gh/user"]"#);
}

#[tokio::test]
async fn compressed_json_is_opened() {
    let (proxy, _upstream) =
        stage(&[JSON, "Content-Encoding: gzip"], r#"["ORIGIN/user"]"#, |_| ()).await;
    let response = ask(&proxy, "/gh/user").await;
    assert_eq!(
        (response.text().as_str(), response.one("content-encoding")),
        (r#"["http://proxy.test/gh/user"]"#, None)
    );
    assert_eq!(response.one("vary"), Some("Accept-Encoding"));
}

#[tokio::test]
async fn what_is_no_json_and_what_was_asked_for_by_the_api_s_own_name_stays() {
    let (proxy, upstream) = stage(&["Content-Type: text/plain"], "\"ORIGIN/user\"", |_| ()).await;
    assert_eq!(
        ask(&proxy, "/gh/user").await.text(),
        format!("\"http://{}/user\"", upstream.address)
    );
    let (proxy, upstream) = stage(&[JSON, "Location: ORIGIN/x"], "\"ORIGIN/user\"", |_| ()).await;
    let head = format!(
        "GET /user HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
        upstream.address,
        *Token::any()
    );
    let response = Client::ask(&proxy, head).await;
    assert_eq!(response.text(), format!("\"http://{}/user\"", upstream.address));
    assert_eq!(response.one("location"), Some(format!("http://{}/x", upstream.address).as_str()));
    let (proxy, upstream) =
        stage(&[JSON], "\"ORIGIN/user\"", |settings| settings.upstream_mut().links = Links::Keep)
            .await;
    let response = ask(&proxy, "/gh/user").await;
    assert_eq!(response.text(), format!("\"http://{}/user\"", upstream.address));
    assert!(response.one("content-length").is_some());
}

fn following(members: &[&str]) -> Links {
    Links::Rewrite(Arc::new(Members::parse(members.iter().copied()).unwrap()))
}

const WRITTEN: &str = r#"{"next":"ORIGIN/user?page=2","web_url":"ORIGIN/a","config":{"url":"ORIGIN/hook","next":"ORIGIN/user?page=2"},"text":"ORIGIN/user"}"#;

#[tokio::test]
async fn only_members_that_clients_follow_lead_back() {
    let (proxy, upstream) =
        stage(&[JSON], WRITTEN, |settings| settings.upstream_mut().links = following(&["next"]))
            .await;
    let own = WRITTEN.replace("ORIGIN", &format!("http://{}", upstream.address));
    let response = ask(&proxy, "/gh/user").await;
    assert_eq!(
        response.text(),
        own.replacen(&format!("http://{}", upstream.address), "http://proxy.test/gh", 1)
    );
    // Where there is none, the body passes as it came, with its length and its coding.
    for lines in [&[JSON][..], &[JSON, "Content-Encoding: gzip"]] {
        let (proxy, upstream) =
            stage(lines, WRITTEN, |settings| settings.upstream_mut().links = following(&[])).await;
        let response = ask(&proxy, "/gh/user").await;
        let own = WRITTEN.replace("ORIGIN", &format!("http://{}", upstream.address));
        let body = if lines.len() == 1 { own.into_bytes() } else { gzip(own.as_bytes()) };
        assert_eq!(
            (&response.body, response.one("content-length")),
            (&body, Some(body.len().to_string().as_str()))
        );
    }
}

#[tokio::test]
async fn pages_of_what_was_asked_for_are_followed_and_other_documents_stay() {
    let pages = |settings: &mut Setup| settings.upstream_mut().links = following(&["**.next ?"]);
    let (proxy, upstream) = stage(&[JSON], WRITTEN, pages).await;
    let own = format!("http://{}", upstream.address);
    let page =
        WRITTEN.replace("ORIGIN/user?", "http://proxy.test/gh/user?").replace("ORIGIN", &own);
    assert_eq!(ask(&proxy, "/gh/user?page=1").await.text(), page);
    assert_eq!(ask(&proxy, "/gh/api/v3/user").await.text(), page.replace("/gh/", "/gh/api/v3/"));
    assert_eq!(ask(&proxy, "/gh/docs/1").await.text(), WRITTEN.replace("ORIGIN", &own));
}

#[tokio::test]
async fn a_url_in_a_field_does_not_lead_past_the_proxy_however_it_is_written() {
    for (written, expected) in [
        ("ORIGIN/Bücher?q=ü", "http://proxy.test/gh/B%C3%BCcher?q=%C3%BC"),
        ("/Bücher", "/gh/B%C3%BCcher"),
        ("//AUTHORITY/Bücher", "http://proxy.test/gh/B%C3%BCcher"),
        ("http:\\\\AUTHORITY\\x", "http://proxy.test/gh/x"),
        ("HTTP://user:secret@AUTHORITY/x", "http://proxy.test/gh/x"),
        ("http:/AUTHORITY/x", "http://proxy.test/gh/x"),
        ("ht\ttp://AUTHORITY/x", "http://proxy.test/gh/x"),
        ("Bücher", "Bücher"),
        ("https://storage.test/Bücher", "https://storage.test/Bücher"),
    ] {
        let upstream = Upstream::scripted(move |seen| {
            let authority = seen.all("host")[0].to_owned();
            let written = written
                .replace("ORIGIN", &format!("http://{authority}"))
                .replace("AUTHORITY", &authority);
            Reply::with(
                "302 Found",
                &[&format!("Location: {written}"), &format!("Link: <{written}>; title=\"Bücher\"")],
                "",
            )
        })
        .await;
        let mut settings = settings(upstream.address, "");
        settings.upstream_mut().routes.mount = MountPath::parse("/gh").unwrap();
        let proxy = Proxy::start(settings).await;
        let response = Client::ask(&proxy, request("GET /gh/x", &Token::any(), &[], "")).await;
        // As the support reads fields.
        let latin_1 = |text: &str| text.bytes().map(char::from).collect::<String>();
        assert_eq!(response.one("location"), Some(latin_1(expected).as_str()), "{written}");
        assert_eq!(
            response.one("link"),
            Some(latin_1(&format!("<{expected}>; title=\"Bücher\"")).as_str()),
            "{written}"
        );
    }
}
