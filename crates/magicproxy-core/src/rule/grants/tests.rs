use super::*;

fn document(json: &str) -> Option<Document> {
    Document::parse(json.as_bytes())
}

#[track_caller]
fn check(grant: &str, facts: (&str, &str, &str, Option<&str>), expected: Result<&str, &str>) {
    let (path, request, response, location) = facts;
    let (request, response) = (document(request), document(response));
    let facts = Facts { path, request: request.as_ref(), response: response.as_ref(), location };
    let template = GrantTemplate::parse(grant, Some("/zones/{zone}/{rest*}/end/{last}")).unwrap();
    let filled = template.fill(&facts).map(|new| format!("{} {}", new.methods(), new.path()));
    assert_eq!(
        filled.as_deref().map_err(ToString::to_string),
        expected.map_err(str::to_owned),
        "{grant}"
    );
}

const PATH: &str = "/zones/example.com/a/b/c/end/last-one";

#[test]
fn values_are_found_and_written() {
    let nested = r#"{"domain_record":{"id":42,"tags":["x","y"]},"name":"a.b~c"}"#;
    check(
        "GET|DELETE /r/{response.domain_record.id}",
        (PATH, "", nested, None),
        Ok("GET|DELETE /r/42"),
    );
    check("GET /r/{response.domain_record.tags.1}/z", (PATH, "", nested, None), Ok("GET /r/y/z"));
    check(
        "GET /r/x-{response.name}.{request.n}",
        (PATH, r#"{"n":"v"}"#, nested, None),
        Ok("GET /r/x-a.b~c.v"),
    );
    check(
        "GET /z/{path.zone}/{path.last}",
        (PATH, "", "", None),
        Ok("GET /z/example.com/last-one"),
    );
    for location in ["https://api.example/v1/things/7?x=/8#/9", "/v1/things/7", "things/7"] {
        check("GET /things/{location}", (PATH, "", "", Some(location)), Ok("GET /things/7"));
    }
    check(
        "GET /n/{response.n}",
        (PATH, "", r#"{"n":18446744073709551615}"#, None),
        Ok("GET /n/18446744073709551615"),
    );
}

#[test]
fn what_does_not_fit_gives_nothing() {
    let missing = Err("there is no value at `response.id`");
    for response in [
        "",
        "[1]",
        "{}",
        r#"{"id":null}"#,
        r#"{"id":true}"#,
        r#"{"id":1.5}"#,
        r#"{"id":-1}"#,
        r#"{"id":{}}"#,
        r#"{"id":["1"]}"#,
    ] {
        check("GET /r/{response.id}", (PATH, "", response, None), missing);
    }
    // Twice the same member, at whatever depth: another reader might see the other one.
    check("GET /r/{response.id}", (PATH, "", r#"{"id":1,"id":2}"#, None), missing);
    check(
        "GET /r/{response.id}",
        (PATH, "", r#"{"id":1,"x":[{"a":1,"\u0061":2}]}"#, None),
        missing,
    );
    let unfit = Err("the value at `response.id` does not fit into a path");
    for id in
        ["", "a/b", "a%2Fb", "a?b", "a b", "ä", "a;b", "a\\\\b", "*", ":id", "a\\nb", "a\\u0000b"]
    {
        check("GET /r/{response.id}", (PATH, "", &format!(r#"{{"id":"{id}"}}"#), None), unfit);
    }
    check(
        "GET /r/{response.id}",
        (PATH, "", &format!(r#"{{"id":"{}"}}"#, "a".repeat(257)), None),
        unfit,
    );
    let no_path = Err("the values make no path");
    for id in [".", ".."] {
        check("GET /r/{response.id}/x", (PATH, "", &format!(r#"{{"id":"{id}"}}"#), None), no_path);
    }
    check("GET /r/{response.a}{response.b}", (PATH, "", r#"{"a":".","b":"."}"#, None), no_path);
    for location in ["https://api.example", "https://api.example/things/", ""] {
        assert!(last_segment(location).is_none_or(|segment| segment.is_empty()), "{location}");
    }
    check(
        "GET /r/{path.zone}",
        ("/zones/a%20b/x/end/y", "", "", None),
        Err("the value at `path` does not fit into a path"),
    );
}

/// The upstream may read names without regard to case, and another value than the grant would hold.
#[test]
fn values_on_whose_way_names_are_alike_give_nothing() {
    for json in [
        r#"{"id":"1","ID":"2"}"#,
        r#"{"Id":"1"}"#,
        r#"{"id":"1","x":{},"X":{}}"#,
        "{\"id\":\"1\",\"key\":1,\"\u{212a}ey\":2}",
    ] {
        let alike = |place: &str| {
            format!("on the way to `{place}`, the names of members differ only in case or in `_`")
        };
        check("GET /r/{response.id}", (PATH, "", json, None), Err(&alike("response.id")));
        check("GET /r/{request.id}", (PATH, json, "", None), Err(&alike("request.id")));
        let nested = format!(r#"{{"a":[0,{json}]}}"#);
        check("GET /r/{request.a.1.id}", (PATH, &nested, "", None), Err(&alike("request.a.1.id")));
        // Not on the way.
        check(
            "GET /r/{request.b}",
            (PATH, &format!(r#"{{"a":{json},"b":"1"}}"#), "", None),
            Ok("GET /r/1"),
        );
    }
    check(
        "GET /r/{request.a.01}",
        (PATH, r#"{"a":[0,1]}"#, "", None),
        Err("there is no value at `request.a.01`"),
    );
    check(
        "GET /r/{request.a.2}",
        (PATH, r#"{"a":[0,1]}"#, "", None),
        Err("there is no value at `request.a.2`"),
    );
}

#[test]
fn grants_that_mean_nothing_are_refused() {
    for refused in [
        "",
        "GET",
        "GET/x/{response.id}",
        "GET /x",
        "GET  /x/{response.id}",
        "* /x/{response.id}",
        "GET| /x/{response.id}",
        "get /x/{response.id}",
        "TRACE /x/{response.id}",
        "GET x/{response.id}",
        "GET /x/{id}",
        "GET /x/{response}",
        "GET /x/{response.}",
        "GET /x/{response.a..b}",
        "GET /x/{response.a/b}",
        "GET /x/{response.a.b.c.d.e.f.g.h.i}",
        "GET /x/{header.id}",
        "GET /x/{path.nothing}",
        "GET /x/{path.rest}",
        "GET /x/{location",
        "GET /x/{response.{id}}",
        "GET /x/../{response.id}",
        "GET /x//{response.id}",
        "GET /x/%2e/{response.id}",
        "GET /x/%7E/{response.id}",
        "GET /x/{response.id}?a=b",
        "GET /x y/{response.id}",
        "GET /{response.a}{response.a}{response.a}{response.a}{response.a}{response.a}{response.a}{response.a}{response.a}",
    ] {
        assert!(GrantTemplate::parse(refused, Some("/zones/{zone}/{rest*}")).is_err(), "{refused}");
    }
    // Its place would depend on the path.
    assert!(GrantTemplate::parse("GET /x/{path.b}", Some("/{a*}/{b}/{c*}")).is_err());
    assert!(GrantTemplate::parse("GET /x/{path.b}", None).is_err());
}

#[test]
fn what_is_held_allows_its_path_and_no_other() {
    let owner = Partition::of(&[b"x"]);
    let held = HeldGrant::from_store(owner, "/r/1", b"DELETE|GET").unwrap();
    for (method, path, allowed) in [
        ("GET", "/r/1", true),
        ("HEAD", "/r/1", true),
        ("DELETE", "/r/1", true),
        ("PUT", "/r/1", false),
        ("get", "/r/1", false),
        ("GET", "/r/1/", false),
        ("GET", "/r/10", false),
        ("GET", "/R/1", false),
    ] {
        assert_eq!(held.allows(method, path), allowed, "{method} {path}");
    }
    for value in ["", "*", "GET|", "get", "CONNECT", "GET PUT"] {
        assert!(HeldGrant::from_store(owner, "/r/1", value.as_bytes()).is_none(), "{value}");
    }
}
