//! URLs of the upstream that lead back to the proxy: `docs/spec/rewriting.md`, from end to end.

use std::io::Write as _;

use magicproxy_proxy::settings::{ApiRoot, Links, MountPath, PathMapping, PathTarget, Placing, Settings};

use crate::support::{Answer, Client, OnlyUpstream as _, Proxy, Reply, Token, Upstream, request, settings};

/// An upstream that speaks of itself as `ORIGIN`, mounted at `/gh`, with another origin at `/gh/api/uploads`.
async fn stage(lines: &'static [&'static str], body: &'static str, change: impl FnOnce(&mut Settings)) -> (Proxy, Upstream) {
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
    settings.upstream_mut().placing = Placing {
        mount: MountPath::parse("/gh").unwrap(),
        hosts: Vec::new(),
        paths: vec![
            PathMapping { prefix: MountPath::parse("/api/v3").unwrap(), to: PathTarget::Path(MountPath::default()) },
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

async fn ask(proxy: &Proxy, target: &str) -> Answer {
    let answer = Client::ask(proxy, request(&format!("GET {target}"), &Token::any(), &["Accept-Encoding: gzip"], "")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

const BODY: &str = r#"{"url":"ORIGIN/user{/x}","upload":"https://uploads.test/a{?name}","text":"see ORIGIN/user","ORIGIN/k":1}"#;
const JSON: &str = "Content-Type: application/json; charset=utf-8";

#[tokio::test]
async fn urls_lead_back_the_way_the_caller_came() {
    let (proxy, upstream) = stage(&[JSON, "Link: <ORIGIN/user?page=2>; rel=\"next\"", "ETag: \"a\""], BODY, |_| ()).await;
    for (target, home) in [("/gh/user", "/gh"), ("/gh/api/v3/user", "/gh/api/v3")] {
        let answer = ask(&proxy, target).await;
        let expected = format!(
            r#"{{"url":"http://proxy.test{home}/user{{/x}}","upload":"http://proxy.test/gh/api/uploads/a{{?name}}","text":"see http://{own}/user","http://{own}/k":1}}"#,
            own = upstream.address
        );
        assert_eq!(answer.text(), expected);
        assert_eq!(answer.one("link"), Some(format!("<http://proxy.test{home}/user?page=2>; rel=\"next\"").as_str()));
        assert_eq!((answer.one("etag"), answer.one("content-length")), (Some("\"a\""), None));
    }
}

#[tokio::test]
async fn the_operator_s_url_is_the_one_that_callers_are_told() {
    let public = |settings: &mut Settings| settings.public_access = Some(ApiRoot::parse("https://proxy.example/base").unwrap());
    let (proxy, _upstream) = stage(&[JSON], r#"["ORIGIN/user"]"#, public).await;
    assert_eq!(ask(&proxy, "/gh/user").await.text(), r#"["https://proxy.example/base/gh/user"]"#);
}

#[tokio::test]
async fn compressed_json_is_opened() {
    let (proxy, _upstream) = stage(&[JSON, "Content-Encoding: gzip"], r#"["ORIGIN/user"]"#, |_| ()).await;
    let answer = ask(&proxy, "/gh/user").await;
    assert_eq!((answer.text().as_str(), answer.one("content-encoding")), (r#"["http://proxy.test/gh/user"]"#, None));
    assert_eq!(answer.one("vary"), Some("Accept-Encoding"));
}

#[tokio::test]
async fn what_is_no_json_and_what_was_asked_for_by_the_api_s_own_name_stays() {
    let (proxy, upstream) = stage(&["Content-Type: text/plain"], "\"ORIGIN/user\"", |_| ()).await;
    assert_eq!(ask(&proxy, "/gh/user").await.text(), format!("\"http://{}/user\"", upstream.address));
    let (proxy, upstream) = stage(&[JSON, "Location: ORIGIN/x"], "\"ORIGIN/user\"", |_| ()).await;
    let head = format!("GET /user HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n", upstream.address, *Token::any());
    let answer = Client::ask(&proxy, head).await;
    assert_eq!(answer.text(), format!("\"http://{}/user\"", upstream.address));
    assert_eq!(answer.one("location"), Some(format!("http://{}/x", upstream.address).as_str()));
    let (proxy, upstream) = stage(&[JSON], "\"ORIGIN/user\"", |settings| settings.upstream_mut().links = Links::Keep).await;
    let answer = ask(&proxy, "/gh/user").await;
    assert_eq!(answer.text(), format!("\"http://{}/user\"", upstream.address));
    assert!(answer.one("content-length").is_some());
}
