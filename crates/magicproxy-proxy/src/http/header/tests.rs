use std::sync::Arc;

use http::{Method, Response};

use super::*;
use crate::credential::carriers::Carriers;
use crate::field_names::table::check_reasons;
use crate::field_names::*;
use crate::response::header::{Coding, ResponseFilter, is_searchable};
use crate::settings::{ParsePassedHeaderError, PassedHeader, RouteSettings, TokenCarrier, fixture};

/// The list of an upstream with these additions of its preset and its operator, and these fields dropped.
fn fields(
    preset: &[&str],
    operator: &[&str],
    dropped: &[&'static str],
    carriers: &[&'static str],
) -> RequestFields {
    let mut upstream = fixture::upstream("api", "https://api.example", RouteSettings::default());
    let settings = Arc::get_mut(&mut upstream).unwrap();
    settings.preset_request_headers =
        preset.iter().map(|text| PassedHeader::parse_preset(text).unwrap()).collect();
    settings.pass_request_headers =
        operator.iter().map(|text| PassedHeader::parse(text).unwrap()).collect();
    settings.drop_request_headers =
        dropped.iter().map(|name| HeaderName::from_static(name)).collect();
    let carriers: Vec<HeaderName> =
        carriers.iter().map(|name| HeaderName::from_static(name)).collect();
    RequestFields::new(&upstream, Carriers::stripping(carriers).stripped())
}

/// Nothing is on the list that a table forbids: the list alone decides on requests.
#[test]
fn the_standard_list_names_no_field_that_steers() {
    let list = fields(&[], &[], &[], &[]);
    let names = list.names();
    assert!(names.len() > 50, "{names:?}");
    for name in &names {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        assert_eq!(FieldMeaning::of(&name), None, "{name}");
        assert_eq!(
            list.treatment(&name),
            FieldTreatment::Passes(ListingSource::Standard),
            "{name}"
        );
        assert!(list.passes(&name), "{name}");
    }
}

#[test]
fn a_field_passes_by_who_listed_it_and_dropping_wins() {
    let list = fields(
        &["x-stainless-*", "OpenAI-Beta", "X-Dropped", "dd-api-client"],
        &["Stripe-Account", "X-Both"],
        &["x-dropped", "x-both", "accept", "x-stainless-os"],
        &["x-key", "x-stainless-key"],
    );
    for (name, expected) in [
        ("openai-beta", FieldTreatment::Passes(ListingSource::Preset)),
        ("x-stainless-lang", FieldTreatment::Passes(ListingSource::Preset)),
        ("stripe-account", FieldTreatment::Passes(ListingSource::Operator)),
        ("user-agent", FieldTreatment::Passes(ListingSource::Standard)),
        ("x-dropped", FieldTreatment::Dropped),
        ("x-both", FieldTreatment::Dropped),
        ("accept", FieldTreatment::Dropped),
        ("x-stainless-os", FieldTreatment::Dropped),
        ("x-key", FieldTreatment::Never(FieldMeaning::Carrier)),
        ("x-stainless-key", FieldTreatment::Never(FieldMeaning::Carrier)),
        // A prefix lets nothing pass that nothing lets pass.
        ("x-stainless-os_name", FieldTreatment::Never(FieldMeaning::Underscore)),
        ("x-stainless-api-key", FieldTreatment::Never(FieldMeaning::Carrier)),
        ("x-stainless-authorization", FieldTreatment::Never(FieldMeaning::Carrier)),
        ("x-stainless-client-secret", FieldTreatment::Never(FieldMeaning::Carrier)),
        ("x-stainless", FieldTreatment::Unlisted),
        ("x-stainlesslang", FieldTreatment::Unlisted),
        ("openai-organization", FieldTreatment::Unlisted),
        ("connection", FieldTreatment::Never(FieldMeaning::Connection)),
        ("host", FieldTreatment::Never(FieldMeaning::Message)),
        ("x-rewrite-path", FieldTreatment::Never(FieldMeaning::Override)),
        ("x-forwarded-for", FieldTreatment::Never(FieldMeaning::Claim)),
        ("cookie", FieldTreatment::Never(FieldMeaning::Carrier)),
    ] {
        let name = HeaderName::from_static(name);
        assert_eq!(list.treatment(&name), expected, "{name}");
        assert_eq!(list.passes(&name), matches!(expected, FieldTreatment::Passes(_)), "{name}");
    }
}

/// What no operator and no preset can list, kind by kind.
#[test]
fn fields_that_steer_in_every_api_cannot_be_listed() {
    for (names, meaning) in [
        (
            &[
                "Connection",
                "Keep-Alive",
                "Proxy-Connection",
                "Proxy-Authorization",
                "TE",
                "Trailer",
                "Transfer-Encoding",
                "Upgrade",
                "HTTP2-Settings",
                "Proxy-Anything",
            ][..],
            FieldMeaning::Connection,
        ),
        (&["Host", "Content-Length", "Expect", "Max-Forwards"], FieldMeaning::Message),
        (
            &[
                "X-HTTP-Method-Override",
                "X-HTTP-Path-Override",
                "X-Rewrite-Path",
                "X-Rewrite-URL",
                "X-Original-URL",
                "X_Rewrite_Path",
                "X-RestLi-Method",
                "_method",
            ],
            FieldMeaning::Override,
        ),
        (
            &[
                "Forwarded",
                "X-Forwarded-Host",
                "X-Http-Host",
                "X-Real-IP",
                "Sudo",
                "Impersonate-User",
                "X-Impersonate-User",
                "X-On-Behalf-Of",
                "Remote-User",
                "Destination",
                "Gitlab-Workhorse-Api-Request",
            ],
            FieldMeaning::Claim,
        ),
        (
            &[
                "Authorization",
                "Cookie",
                "X-API-Key",
                "Private-Token",
                "X-Authorization",
                "X-Redmine-API-Key",
                "X-JFrog-Art-Api",
                "X-Hasura-Admin-Secret",
                "X-Somebodys-ApiKey",
                "X-New-Access-Token",
                "Some-Password",
            ],
            FieldMeaning::Carrier,
        ),
        (&["X_Other", "Content_Type"], FieldMeaning::Underscore),
    ] {
        for name in names {
            let expected = Err(ParsePassedHeaderError::Forbidden(meaning));
            assert_eq!(PassedHeader::parse(name), expected, "{name}");
            assert_eq!(PassedHeader::parse_preset(name), expected, "{name}");
        }
    }
    for name in ["X-*", "*", "x-stainless-*"] {
        assert_eq!(PassedHeader::parse(name), Err(ParsePassedHeaderError::Pattern), "{name}");
    }
    for name in ["", "a b", "X-A:", "\u{e4}"] {
        assert_eq!(PassedHeader::parse(name), Err(ParsePassedHeaderError::Name), "{name}");
    }
}

/// A field stands in a table for a reason.
#[test]
fn every_name_has_its_reason() {
    [crate::field_names::REASONS, standard::REASONS, protocols::REASONS]
        .into_iter()
        .for_each(check_reasons);
}

/// `docs/spec/upstreams.md` section 10: whatever it says cannot be on the list has a meaning, and the one that it says.
#[test]
fn what_the_specification_keeps_from_the_list_has_its_meaning() {
    const SPECIFICATION: &str = include_str!("../../../../../docs/spec/upstreams.md");
    let section = SPECIFICATION
        .split_once("**What cannot be on it.**")
        .unwrap()
        .1
        .split_once("**Trailers.**")
        .unwrap()
        .0;
    let points: Vec<&str> = section.split("\n- ").skip(1).collect();
    let kinds = [
        &[FieldMeaning::Connection, FieldMeaning::Message][..],
        &[FieldMeaning::Override],
        &[FieldMeaning::Claim],
        &[FieldMeaning::Carrier],
    ];
    let mut seen = 0;
    // An override has no example there, and the last point names characters.
    for (point, kinds) in points.iter().zip(kinds) {
        let (names, parts) = point.split_once("or whose name has").unwrap_or((point, ""));
        let names = names
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| name.len() > 1 && !name.contains('_'))
            .map(|name| name.replace('*', "anything"));
        let parts = parts.split('`').skip(1).step_by(2).map(|part| format!("x-{part}-y"));
        for name in names.chain(parts) {
            let meaning = FieldMeaning::of(&name.parse().unwrap());
            assert!(meaning.is_some_and(|meaning| kinds.contains(&meaning)), "{name}: {meaning:?}");
            seen += 1;
        }
    }
    assert!(points.len() == 5 && seen > 40, "{} points, {seen} names", points.len());
}

/// Requests with these are refused; what else is not listed is dropped.
#[test]
fn every_override_begins_as_the_quick_look_expects() {
    for name in crate::field_names::OVERRIDES {
        assert!(refuse_overrides(&headers(&[(name, "x")])).is_err(), "{name}");
    }
}

#[test]
fn subprotocols_carry_no_keys() {
    let [own, other] = ["subprotocol:own-key.", "subprotocol:other-key_"].map(|carrier| {
        let mut upstream =
            fixture::upstream("api", "https://api.example", RouteSettings::default());
        Arc::get_mut(&mut upstream).unwrap().token_carriers =
            vec![TokenCarrier::parse(carrier).unwrap()];
        upstream
    });
    let fields = RequestFields::of(&own.clone(), &[own, other]);
    let offered = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("sec-websocket-protocol", value.parse().unwrap());
        request::limit_protocols(&mut headers, &fields);
        headers.remove("sec-websocket-protocol").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(
        offered("realtime, openai-insecure-api-key.sk-x, OpenAI-Organization.o,openai-project.p")
            .unwrap(),
        "realtime"
    );
    assert_eq!(
        offered("v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.abc").unwrap(),
        "v5.channel.k8s.io"
    );
    assert_eq!(offered("graphql-transport-ws").unwrap(), "graphql-transport-ws");
    assert_eq!(offered("openai-insecure-api-key.sk-x"), None);
    // In this upstream's own words, and in another's; or in nobody's, but the form of a token.
    for key in [
        "own-key.x",
        "OWN-KEY.",
        "other-key_x",
        "mt2.eyJraWQi.x.y",
        "eyJhbGci.eyJ.x",
        "token.mt2.eyJraWQi.x.y",
        "t.eyJhbGci",
        "mt2_eyJraWQi.x.y",
        "mt1_eyJhbGci.eyJ.x",
        "token.mt2_eyJraWQi.x.y",
        "token-mt2_eyJraWQi.x.y",
        "token_mt1_eyJhbGci.x.y",
    ] {
        assert_eq!(offered(&format!("realtime, {key}, chat")).unwrap(), "realtime, chat", "{key}");
        assert_eq!(offered(key), None, "{key}");
    }
    assert_eq!(
        offered("own-key, other-key, mt2, mt2_, keyeyJ").unwrap(),
        "own-key, other-key, mt2, mt2_, keyeyJ"
    );
}

#[test]
fn a_subprotocol_is_one_that_was_offered_or_none() {
    let chosen = |offered: &str, chosen: &[&'static str]| {
        let offered = (!offered.is_empty()).then(|| HeaderValue::from_str(offered).unwrap());
        let pairs: Vec<_> = chosen.iter().map(|value| ("sec-websocket-protocol", *value)).collect();
        is_offered(offered.as_ref(), &headers(&pairs))
    };
    for (offered, response) in [
        ("realtime", &["realtime"][..]),
        ("a, b", &["b"]),
        ("a,b", &[" b "]),
        ("a", &[]),
        ("", &[]),
    ] {
        assert!(chosen(offered, response), "{offered}: {response:?}");
    }
    for (offered, response) in [
        ("", &["realtime"][..]),
        ("a", &["b"]),
        ("a", &["A"]),
        ("a, b", &["a, b"]),
        ("a", &["a", "a"]),
        ("a", &[""]),
    ] {
        assert!(!chosen(offered, response), "{offered}: {response:?}");
    }
}

#[test]
fn takes_away_fields_that_change_for_whom_the_credential_acts() {
    for name in [
        "sudo",
        "impersonate-user",
        "impersonate-extra-scopes",
        "x-gerrit-runas",
        "es-security-runas-user",
        "x-vault-token",
    ] {
        assert!(steers(&HeaderName::from_static(name)), "{name}");
    }
    // What proxies that log people in tell the application behind them.
    for name in [
        "x-authenticated-userid",
        "x-consumer-username",
        "x-ms-client-principal",
        "tailscale-user-login",
        "x-scope-orgid",
    ] {
        assert!(steers(&HeaderName::from_static(name)), "{name}");
    }
    for name in [
        "accept",
        "x-github-api-version",
        "if-match",
        "x-request-id",
        "x-goog-user-project",
        "x-amzn-trace-id",
    ] {
        assert!(!steers(&HeaderName::from_static(name)), "{name}");
    }
}

fn coded(status: u16, lines: &[(&'static str, &'static str)]) -> bool {
    let mut head = http::Response::builder().status(status).body(()).unwrap().into_parts().0;
    for (name, value) in lines {
        head.headers.append(*name, HeaderValue::from_static(value));
    }
    let coding = Coding::of(&head.headers);
    is_searchable(&head, coding)
}

#[test]
fn a_response_is_searchable_or_refused() {
    let coding = |value| ("content-encoding", value);
    for searchable in [
        &[][..],
        &[coding("")],
        &[coding("identity")],
        &[coding("gzip")],
        &[coding("GZip")],
        &[coding(" x-gzip ,")],
        &[coding("identity"), coding("gzip")],
        &[coding("identity, identity")],
    ] {
        assert!(coded(200, searchable), "{searchable:?}");
    }
    for other in [
        "br",
        "BR",
        "deflate",
        "zstd",
        "compress",
        "x-compress",
        "dcb",
        "aws-chunked",
        "utf-8",
        "none",
        "gzip, gzip",
        "gzip, br",
        "br, gzip",
        "gzip;q=1",
        "gzipped",
        "\"gzip\"",
    ] {
        assert!(!coded(200, &[coding(other)]), "{other}");
        assert!(!coded(206, &[coding(other), ("content-range", "bytes 0-1/9")]), "{other}");
        assert!(
            !coded(404, &[coding(other)]) && !coded(200, &[coding("identity"), coding(other)]),
            "{other}"
        );
    }
    assert!(!coded(200, &[coding("gzip"), coding("gzip")]));
    // A part of what is compressed.
    for (range, expected) in [
        ("bytes 0-4/9", true),
        ("bytes 0-4/*", true),
        ("bytes 1-4/9", false),
        ("items 0-4/9", false),
        ("bytes 00-4/9", false),
    ] {
        assert_eq!(coded(206, &[coding("gzip"), ("content-range", range)]), expected, "{range}");
    }
    assert!(!coded(206, &[coding("gzip")]));
    assert!(!coded(
        206,
        &[coding("gzip"), ("content-range", "bytes 0-4/9"), ("content-range", "bytes 5-8/9")]
    ));
    assert!(coded(206, &[("content-range", "bytes 5-8/9")]) && coded(206, &[]));
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

#[test]
fn reads_every_name_that_connection_nominates() {
    let named =
        nominated(&headers(&[("connection", "close, X-A ,,x b, x-C"), ("connection", "X-D")]));
    assert_eq!(named, ["close", "x-a", "x-c", "x-d"]);
    assert!(nominated(&headers(&[("x-connection", "x-a")])).is_empty());
    let mut odd = HeaderMap::new();
    odd.insert(header::CONNECTION, HeaderValue::from_bytes(b"\x80, X-A,\tX-B\xff, x-c").unwrap());
    assert_eq!(nominated(&odd), ["x-a", "x-c"]);
}

#[test]
fn announces_only_trailers_that_pass() {
    let passes = |name: &HeaderName| !is_forbidden_trailer(name);
    let announced = |value| announced_trailers(&headers(&[("trailer", value)]), passes);
    assert_eq!(
        announced("X-Sum, Content-Length,host ,Authorization, X_A, x-B").unwrap(),
        "x-sum, x-b"
    );
    assert_eq!(announced("Transfer-Encoding, Cookie"), None);
    assert_eq!(announced_trailers(&HeaderMap::new(), passes), None);
}

#[test]
fn a_trailer_cannot_change_its_message() {
    let mut trailers = headers(&[
        ("x-sum", "1"),
        ("transfer-encoding", "chunked"),
        ("content-length", "1"),
        ("content-type", "text/html"),
        ("set-cookie", "a=b"),
        ("authorization", "x"),
        ("x-http-method-override", "DELETE"),
        ("x-forwarded-for", "1.1.1.1"),
        ("x_sum", "1"),
    ]);
    let mut answered = trailers.clone();
    ResponseFilter::default().trailers(&mut answered);
    let list = Arc::new(fields(&[], &["X-Sum"], &[], &[]));
    filter_request_trailers(&mut trailers, Some(&TrailerFields::new(&list, Vec::new())));
    assert_eq!([&trailers, &answered], [&headers(&[("x-sum", "1")]); 2]);
}

#[test]
fn refuses_overrides_in_any_spelling() {
    for name in [
        "x-http-method-override",
        "x_http_method_override",
        "x-http_method-override",
        "x-original-url",
        "x_rewrite_url",
        "x-http-path-override",
        "x_rewrite-path",
        "_method",
    ] {
        assert!(refuse_overrides(&headers(&[(name, "x")])).is_err(), "{name}");
    }
    assert!(
        refuse_overrides(&headers(&[("x-method", "x"), ("x-url", "x"), ("method", "x")])).is_ok()
    );
}

/// The trailer section has the list of the head, without what decides how a request is carried out.
#[test]
fn trailers_of_a_request_are_on_the_list() {
    let list = Arc::new(fields(&[], &["X-Sum", "DD-Key"], &["content-digest"], &["dd-key"]));
    // HTTP/2 has trailers that nobody announced.
    let sent = [
        ("dd-key", "x"),
        ("authorization", "x"),
        ("x-sum", "1"),
        ("repr-digest", "x"),
        ("content-digest", "x"),
        ("x-other", "1"),
        ("if-match", "x"),
        ("content-type", "x"),
        ("idempotency-key", "x"),
    ];
    let mut trailers = headers(&sent);
    filter_request_trailers(&mut trailers, Some(&TrailerFields::new(&list, Vec::new())));
    assert_eq!(trailers, headers(&[("x-sum", "1"), ("repr-digest", "x")]));
    let mut trailers = headers(&sent);
    let head = headers(&[("connection", "close, X-Sum")]);
    filter_request_trailers(&mut trailers, Some(&TrailerFields::new(&list, nominated(&head))));
    assert_eq!(trailers, headers(&[("repr-digest", "x")]));
    let mut trailers = headers(&sent);
    filter_request_trailers(&mut trailers, None);
    assert!(trailers.is_empty());
    let announced = headers(&[("trailer", "DD-Key, X-Sum, X-Other, If-Match")]);
    assert_eq!(
        announced_trailers(&announced, |name| list.passes_as_trailer(name)).unwrap(),
        "x-sum"
    );
}

/// How long content is that comes says the HTTP library alone, and who the proxy is the proxy; the length of content that does not come
/// passes as a number.
#[test]
fn a_length_passes_where_no_content_comes() {
    for (method, status, length, passes) in [
        (Method::GET, 200, "5", None),
        (Method::GET, 204, "5", None),
        (Method::POST, 201, "0", None),
        (Method::HEAD, 200, "5", Some("5")),
        (Method::GET, 304, "5", Some("5")),
        (Method::HEAD, 200, "five", None),
    ] {
        let response = Response::builder().status(status).header("content-length", length);
        let response =
            response.header("keep-alive", "timeout=5").header("x-magic-api-proxy", "theirs");
        let (mut head, ()) = response.body(()).unwrap().into_parts();
        ResponseFilter::new(None, Arc::default()).head(&mut head, &method);
        let told = |name: &str| {
            head.headers
                .get_all(name)
                .iter()
                .map(|value| value.to_str().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(told("content-length"), Vec::from_iter(passes), "{method} {status} {length}");
        assert_eq!(
            (told("keep-alive"), told("x-magic-api-proxy")),
            (vec![], vec![crate::VERSION]),
            "{method} {status}"
        );
    }
}
