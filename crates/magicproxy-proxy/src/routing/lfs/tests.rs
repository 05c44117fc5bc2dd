//! Runs `testdata/vectors/git-lfs.json`.

use std::sync::Arc;

use serde::Deserialize;

use super::*;
use crate::settings::{
    ApiRoot, CredentialCarrier, MountPath, PathMapping, PathTarget, RouteSettings, fixture,
};

#[derive(Deserialize)]
struct Vectors {
    origins: Vec<String>,
    links: Vec<(String, String)>,
    carriers: Vec<String>,
    credential: String,
    cases: Vec<Case>,
    texts: Vec<Text>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    leads: String,
    client: Option<String>,
    body: Value,
    becomes: Option<Value>,
}

#[derive(Deserialize)]
struct Text {
    name: String,
    text: String,
    becomes: Option<String>,
}

fn read() -> Vectors {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/vectors/git-lfs.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn upstream(vectors: &Vectors) -> Arc<UpstreamSettings> {
    let [root, further] = vectors.origins.as_slice() else { panic!() };
    let to = PathTarget::Origin(ApiRoot::parse(further).unwrap());
    let paths = vec![PathMapping { prefix: MountPath::parse("/up").unwrap(), to }];
    let mut upstream =
        fixture::upstream("git", root, RouteSettings { paths, ..RouteSettings::default() });
    let settings = Arc::get_mut(&mut upstream).unwrap();
    let carriers =
        vectors.carriers.iter().map(|name| TokenCarrier::parse(&format!("header:{name}")).unwrap());
    settings.token_carriers = carriers.collect();
    settings.credential = CredentialCarrier::parse(&vectors.credential).unwrap();
    upstream
}

/// What becomes of a document for a client that came so.
fn treated(vectors: &Vectors, leads: &str, client: Option<&str>, body: &[u8]) -> Option<Vec<u8>> {
    let leads = match leads {
        "links" => ObjectLinks::ByLinks(Arc::new(LinkMap::new(vectors.links.clone()))),
        "own" => ObjectLinks::AsTheyAre,
        "past" => ObjectLinks::Past,
        other => panic!("{other}"),
    };
    let client = client
        .map(|value| LfsClient { authorization: Some(HeaderValue::from_str(value).unwrap()) });
    ObjectActions { leads, upstream: upstream(vectors), client }.treated(body).ok()
}

#[test]
fn documents_become_what_the_vectors_say() {
    let vectors = read();
    for case in &vectors.cases {
        let body = serde_json::to_vec(&case.body).unwrap();
        let treated = treated(&vectors, &case.leads, case.client.as_deref(), &body);
        let treated: Option<Value> = treated.map(|bytes| serde_json::from_slice(&bytes).unwrap());
        assert_eq!(treated, case.becomes, "{}", case.name);
    }
}

#[test]
fn texts_become_what_the_vectors_say() {
    let vectors = read();
    for case in &vectors.texts {
        let treated = treated(&vectors, "links", Some("Bearer T"), case.text.as_bytes());
        let treated = treated.map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(treated, case.becomes, "{}", case.name);
    }
}

#[test]
fn requests_and_responses_are_told_by_their_media_types() {
    let request = |method: &str, accept: &str| {
        let request =
            http::Request::builder().method(method).header("accept", accept).body(()).unwrap();
        comes_from_client(&request.into_parts().0)
    };
    let accepts = [
        "application/vnd.git-lfs+json",
        "Application/Vnd.Git-LFS+json; charset=utf-8",
        "text/html, application/vnd.git-lfs+json",
    ];
    accepts.into_iter().for_each(|accept| assert!(request("POST", accept), "{accept}"));
    for (method, accept) in [
        ("POST", "application/json"),
        ("POST", "*/*"),
        ("POST", "application/vnd.git-lfs+jsonx"),
        ("GET", accepts[0]),
    ] {
        assert!(!request(method, accept), "{method} {accept}");
    }
    let client = LfsClient { authorization: None };
    for (status, media_type, for_all, for_clients) in [
        (200, "application/vnd.git-lfs+json", true, true),
        (201, "application/vnd.git-lfs+json;charset=utf-8", true, true),
        (200, "Application/JSON", false, true),
        (200, "text/html", false, false),
        (403, "application/vnd.git-lfs+json", false, false),
    ] {
        let response =
            Response::builder().status(status).header("content-type", media_type).body(()).unwrap();
        let told = |method: &Method, path: &str, client| {
            ObjectsRequest::by(method, path, client).may_get_them_by(&response)
        };
        let (post, batch) = (&Method::POST, "/a/b.git/info/lfs/objects/batch");
        assert_eq!(
            (told(post, "/x", None), told(post, "/x", Some(&client))),
            (for_all, for_clients),
            "{status} {media_type}"
        );
        assert_eq!(
            (told(post, batch, None), told(&Method::GET, batch, None)),
            (for_clients, for_all),
            "{status} {media_type}"
        );
    }
}

/// The token of its client in each of many actions makes a large response of a short one.
#[test]
fn what_is_added_to_a_response_is_bounded() {
    let vectors = read();
    let (origin, token) = (&vectors.origins[0], format!("Bearer {}", "t".repeat(16 * 1024)));
    let actions = |count: usize, header: &str| {
        let action = format!("{{\"href\":\"{origin}/x\"{header}}}");
        format!("[{}]", vec![action; count].join(",")).into_bytes()
    };
    for header in ["", ",\"header\":{}"] {
        assert!(
            treated(&vectors, "links", Some(&token), &actions(200, header)).is_some(),
            "what clients ask for at once"
        );
        assert!(treated(&vectors, "links", Some(&token), &actions(2_000, header)).is_none());
    }
    let mut nested = actions(1_000, "");
    for _ in 0..2 {
        nested = [b"{\"objects\":[{\"actions\":", &nested[..], b"}]}"].concat();
    }
    assert!(treated(&vectors, "own", Some(&token), &nested).is_none());
    assert!(treated(&vectors, "own", None, &nested).is_some());
}

#[test]
fn so_many_bytes_are_added_and_not_one_more() {
    let vectors = read();
    let url = format!("{}/x", vectors.origins[0]);
    // Each action gets its URL and the token: 8 KiB.
    let token = format!("Bearer {}", "t".repeat(8 * 1024 - "Bearer ".len() - url.len()));
    let actions = |last: &str| {
        let mut urls = vec![url.clone(); 511];
        urls.push(format!("{url}{last}"));
        serde_json::to_vec(
            &urls.iter().map(|url| serde_json::json!({ "href": url })).collect::<Vec<_>>(),
        )
        .unwrap()
    };
    assert!(treated(&vectors, "own", Some(&token), &actions("")).is_some());
    assert!(treated(&vectors, "own", Some(&token), &actions("y")).is_none());
}
