use super::*;

#[test]
fn takes_away_fields_that_change_for_whom_the_credential_acts() {
    for name in
        ["sudo", "impersonate-user", "impersonate-extra-scopes", "x-gerrit-runas", "es-security-runas-user", "x-vault-token"]
    {
        assert!(request::steers(&HeaderName::from_static(name)), "{name}");
    }
    // What proxies that log people in tell the application behind them.
    for name in
        ["x-authenticated-userid", "x-consumer-username", "x-ms-client-principal", "tailscale-user-login", "x-scope-orgid"]
    {
        assert!(request::steers(&HeaderName::from_static(name)), "{name}");
    }
    for name in ["accept", "x-github-api-version", "if-match", "x-request-id", "x-goog-user-project", "x-amzn-trace-id"] {
        assert!(!request::steers(&HeaderName::from_static(name)), "{name}");
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
fn an_answer_is_searchable_or_refused() {
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
        assert!(!coded(404, &[coding(other)]) && !coded(200, &[coding("identity"), coding(other)]), "{other}");
    }
    assert!(!coded(200, &[coding("gzip"), coding("gzip")]));
    // A part of what is compressed.
    for (range, expected) in
        [("bytes 0-4/9", true), ("bytes 0-4/*", true), ("bytes 1-4/9", false), ("items 0-4/9", false), ("bytes 00-4/9", false)]
    {
        assert_eq!(coded(206, &[coding("gzip"), ("content-range", range)]), expected, "{range}");
    }
    assert!(!coded(206, &[coding("gzip")]));
    assert!(!coded(206, &[coding("gzip"), ("content-range", "bytes 0-4/9"), ("content-range", "bytes 5-8/9")]));
    assert!(coded(206, &[("content-range", "bytes 5-8/9")]) && coded(206, &[]));
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

#[test]
fn reads_every_name_that_connection_nominates() {
    let named = nominated(&headers(&[("connection", "close, X-A ,,x b, x-C"), ("connection", "X-D")]));
    assert_eq!(named, ["close", "x-a", "x-c", "x-d"]);
    assert!(nominated(&headers(&[("x-connection", "x-a")])).is_empty());
}

#[test]
fn announces_only_trailers_that_pass() {
    let announced = |value| announced_trailers(&headers(&[("trailer", value)]), &[]);
    assert_eq!(announced("X-Sum, Content-Length,host ,Authorization, X_A, x-B").unwrap(), "x-sum, x-b");
    assert_eq!(announced("Transfer-Encoding, Cookie"), None);
    assert_eq!(announced_trailers(&HeaderMap::new(), &[]), None);
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
    filter_request_trailers(&mut trailers, &[]);
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
        "_method",
    ] {
        assert!(refuse_overrides(&headers(&[(name, "x")])).is_err(), "{name}");
    }
    assert!(refuse_overrides(&headers(&[("x-method", "x"), ("x-url", "x"), ("method", "x")])).is_ok());
}

#[test]
fn a_configured_carrier_is_no_trailer() {
    let stripped = [HeaderName::from_static("dd-api-key")];
    // HTTP/2 has trailers that nobody announced.
    let mut trailers = headers(&[("dd-api-key", "x"), ("authorization", "x"), ("x-sum", "1")]);
    filter_request_trailers(&mut trailers, &stripped);
    assert_eq!(trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-sum"]);
    let announced = announced_trailers(&headers(&[("trailer", "DD-API-KEY, X-Sum")]), &stripped);
    assert_eq!(announced.unwrap(), "x-sum");
}
