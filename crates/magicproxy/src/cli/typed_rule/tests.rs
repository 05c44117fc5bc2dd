use super::*;

#[track_caller]
fn check(text: &str, expected: Value) {
    assert_eq!(to_object(text), Ok(Some(expected)), "{text}");
}

#[track_caller]
fn refused(text: &str, part: &str) {
    let fault = to_object(text).unwrap_err();
    assert!(fault.contains(part), "{text}: {fault}");
    assert!(!fault.contains('\n'), "{text}: {fault}");
}

#[test]
fn words_stand_for_an_object() {
    check(
        "POST /repos/acme/site/pulls json.base=main json.head~agent/* json.title json.body?",
        json!({
            "method": "POST", "path": "/repos/acme/site/pulls",
            "json": {"base": "main", "head": {"glob": "agent/*"}, "title": {}, "body?": {}},
        }),
    );
    check(
        "PUT|PATCH route:/a/{id} form.payment_intent form.amount=1..500 form.metadata[*] form.n=5",
        json!({
            "method": ["PUT", "PATCH"], "route": "/a/{id}",
            "form": {"payment_intent": {}, "amount": {"min": 1, "max": 500}, "metadata[*]": {}, "n": "5"},
        }),
    );
    for (word, expected) in [
        ("json.base=main,next", json!({"json": {"base": ["main", "next"]}})),
        ("json.n=1..", json!({"json": {"n": {"min": 1}}})),
        ("json.n=..9", json!({"json": {"n": {"max": 9}}})),
        ("json.n=-5..-1", json!({"json": {"n": {"min": -5, "max": -1}}})),
        ("json.n=5,true,null,x", json!({"json": {"n": [5, true, null, "x"]}})),
        ("json.n=\"5\"", json!({"json": {"n": "5"}})),
        ("json.n=\"a b,c\",d", json!({"json": {"n": ["a b,c", "d"]}})),
        ("json.n=\"a\\\"b\"", json!({"json": {"n": "a\"b"}})),
        ("json.n=\"*\"", json!({"json": {"n": "*"}})),
        ("json.n=\"\"", json!({"json": {"n": ""}})),
        ("json.v=1.2.3", json!({"json": {"v": "1.2.3"}})),
        ("json.v=a..b", json!({"json": {"v": "a..b"}})),
        ("json.v=a=b", json!({"json": {"v": "a=b"}})),
        ("json.v=a~b", json!({"json": {"v": "a~b"}})),
        ("json.v=inf", json!({"json": {"v": "inf"}})),
        ("json.head~a/*,b/*", json!({"json": {"head": {"glob": ["a/*", "b/*"]}}})),
        ("json.head~\"a b*\"", json!({"json": {"head": {"glob": "a b*"}}})),
        ("json.labels[]=bug,triage", json!({"json": {"labels": {"each": ["bug", "triage"]}}})),
        ("json.labels[]?", json!({"json": {"labels?": {"each": {}}}})),
        ("json.*", json!({"json": {"*": {}}})),
        ("json.a.b.c=x", json!({"json": {"a": {"object": {"b": {"object": {"c": "x"}}}}}})),
        ("json.a.b=x json.a.c", json!({"json": {"a": {"object": {"b": "x", "c": {}}}}})),
        ("json.a.b=x json.a.*", json!({"json": {"a": {"object": {"b": "x", "*": {}}}}})),
        (
            "json.r[].name=x json.r[].type=TXT",
            json!({"json": {"r": {"each": {"object": {"name": "x", "type": "TXT"}}}}}),
        ),
        ("json_each=bug", json!({"json_each": "bug"})),
        ("json_each.a=x json_each.b", json!({"json_each": {"object": {"a": "x", "b": {}}}})),
        ("query=any body=none", json!({"query": "any", "body": "none"})),
        ("query.page?=1..9", json!({"query": {"page?": {"min": 1, "max": 9}}})),
        ("form.a[b]=true", json!({"form": {"a[b]": "true"}})),
        ("form.tag[]=x", json!({"form": {"tag": {"each": "x"}}})),
        ("headers.x-a=1 captures.id=2", json!({"headers": {"x-a": "1"}, "captures": {"id": "2"}})),
        (
            "body=any content_type=multipart/form-data",
            json!({"body": "any", "content_type": "multipart/form-data"}),
        ),
        ("content_type=a/b,c/d", json!({"content_type": ["a/b", "c/d"]})),
    ] {
        let mut rule = json!({"method": "POST", "path": "/a"});
        rule.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
        check(&format!("POST /a {word}"), rule.clone());
        check(&format!("POST  /a  {word} "), rule);
    }
}

#[test]
fn other_rules_stay_as_they_are() {
    for text in [
        "GET /a",
        "GET /a ",
        "GET",
        "",
        "GET | POST /user",
        "GET route:/a",
        "GET  /a",
        r#"{"method": "POST", "path": "/a json.b=1"}"#,
    ] {
        assert_eq!(to_object(text), Ok(None), "{text}");
    }
}

#[test]
fn faults_say_what_to_write() {
    for (words, part) in [
        ("base=main", "expected `MEMBER.NAME`"),
        ("b", "expected `MEMBER.NAME`"),
        ("JSON.a=1", "expected `MEMBER.NAME`"),
        ("json", "behind the member"),
        ("json=x", "behind the member"),
        ("json.", "object form"),
        ("json.a..b", "object form"),
        ("json.a=", "the empty text is `\"\"`"),
        ("json.a=x,", "the empty text is `\"\"`"),
        ("json.a~", "the empty text is `\"\"`"),
        ("json.a=agent/*", "write `~agent/*`"),
        ("form.a=*", "write `~*`"),
        ("json.a==b", "one `=` is enough"),
        ("json.a!=b", "`!=` is no test"),
        ("json.a>=1", "`>=` is no test"),
        ("json.a<=1", "`<=` is no test"),
        ("json.a:=1", "`:=` is no test"),
        ("json.a=1.0", "in quotes"),
        ("json.a=01", "in quotes"),
        ("json.a=-0", "in quotes"),
        ("json.a=1e3", "in quotes"),
        ("json.a=99999999999999999999", "in quotes"),
        ("json.a=\"x", "has no end"),
        ("json.a=\"x\"y", "as JSON has it"),
        ("json.a[", "not balanced"),
        ("json.a]b", "not balanced"),
        ("form.a[b]]", "not balanced"),
        ("form.a[[b]]", "not balanced"),
        ("json.a=1 json.a=2", "`a` is there twice"),
        ("json.a=1 json.a?=2", "`a` is there twice"),
        ("json.a=1 json.a.b=2", "`a` is there twice"),
        ("json.a.b=1 json.a=2", "`a` is there twice"),
        ("json.a[].b=1 json.a.b=2", "`a` is there twice"),
        ("json_each=a json_each=b", "`json_each` is there twice"),
        ("json_each=a json_each.b=c", "`json_each` is there twice"),
        ("query=any query=any", "`query` is there twice"),
        ("query=any query.a=1", "`query` is there twice"),
        ("body=none body=any", "`body` is there twice"),
        ("form.a.b=1", "no names in names"),
        ("headers.a.b=1", "no names in names"),
        ("body", "`body=none` or `body=any`"),
        ("body.a=1", "`body=none` or `body=any`"),
        ("content_type", "media type"),
        ("query=none", "behind the member"),
        ("json.a(b)=1", "object form"),
        ("json.a'=1", "object form"),
    ] {
        refused(&format!("POST /a {words}"), part);
    }
    refused("POST /a json.a=1 b", "`b`: ");
}

/// What words stand for is read like an object that somebody wrote.
#[test]
fn words_make_a_rule() {
    assert!(matches!(read("POST /a json.base=main"), Ok(RawRule::Object(_))));
    assert!(matches!(read("POST /a"), Ok(RawRule::Text(_))));
    assert!(read("POST /a b=c").unwrap_err().starts_with("--allow `POST /a b=c`: `b=c`: "));
}
