use super::*;

fn object(json: &str) -> ListItemsObject {
    serde_json::from_str(json).unwrap()
}

fn powerdns() -> ListItems {
    let rule = r#"{"list":"rrsets","key":["name","type"],"creates":{"changetype":"REPLACE"},"deletes":{"changetype":"DELETE"},
        "deletes_if_empty":"records","only":{"type":["TXT","CNAME"],"name":"_acme-challenge.*"},"lookup":"?rrset_name={name}&rrset_type={type}"}"#;
    ListItems::parse(&object(rule)).unwrap()
}

const TXT: &str = r#""name":"_acme-challenge.example.com.","type":"TXT""#;

#[track_caller]
fn check(body: &str, expected: Result<&[(ItemAction, &str)], ListItemsDenial>) {
    let read = powerdns().read(body.as_bytes());
    let shown = read.map(|list_items| {
        let name = |item: &ListItem| String::from_utf8(item.name()).unwrap().replace('\0', " ");
        list_items.iter().map(|item| (item.action, name(item))).collect::<Vec<_>>()
    });
    let expected = expected
        .map(|list| list.iter().map(|(action, name)| (*action, (*name).to_owned())).collect());
    assert_eq!(shown, expected, "{body}");
}

#[test]
fn items_are_read() {
    let name = "_acme-challenge.example.com txt";
    check(
        &format!(
            r#"{{"rrsets":[{{{TXT},"changetype":"REPLACE","records":[{{"content":"x"}}]}}]}}"#
        ),
        Ok(&[(ItemAction::Create, name)]),
    );
    check(
        &format!(r#"{{"rrsets":[{{{TXT},"changetype":"REPLACE"}}]}}"#),
        Ok(&[(ItemAction::Create, name)]),
    );
    check(
        &format!(r#"{{"rrsets":[{{{TXT},"changetype":"REPLACE","records":[]}}]}}"#),
        Ok(&[(ItemAction::Delete, name)]),
    );
    check(
        &format!(r#"{{"rrsets":[{{{TXT},"changetype":"DELETE"}}]}}"#),
        Ok(&[(ItemAction::Delete, name)]),
    );
    let other = r#"{"name":"_ACME-challenge.WWW.example.com","type":"txt","changetype":"DELETE"}"#;
    check(
        &format!(r#"{{"rrsets":[{{{TXT},"changetype":"DELETE"}},{other}]}}"#),
        Ok(&[
            (ItemAction::Delete, name),
            (ItemAction::Delete, "_acme-challenge.www.example.com txt"),
        ]),
    );
}

#[test]
fn what_is_not_wanted_is_denied() {
    for unreadable in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"rrsets":[]}"#,
        r#"{"rrsets":{}}"#,
        r#"{"RRSETS":[{}]}"#,
        r#"{"rrsets":[{}],"kind":"Native"}"#,
        r#"{"rrsets":[{"a":1}],"rrsets":[]}"#,
        r#"{"rrsets":[{"name":"a","name":"b"}]}"#,
        "{\"rrsets\":[{\"name\":\"\u{feff}\"}]}x",
    ] {
        check(unreadable, Err(ListItemsDenial::Unreadable));
    }
    check(&format!(r#"{{"rrsets":[{}1]}}"#, "1,".repeat(100)), Err(ListItemsDenial::Unreadable));
    for item in [
        "1",
        "[]",
        "{}",
        r#"{"name":"_acme-challenge.example.com.","type":"TXT"}"#,
        r#"{"name":"_acme-challenge.example.com.","type":"TXT","changetype":"EXTEND"}"#,
        r#"{"name":"_acme-challenge.example.com.","type":"TXT","changetype":"replace"}"#,
        r#"{"name":"_acme-challenge.example.com.","type":"TXT","Changetype":"REPLACE"}"#,
        r#"{"name":"_acme-challenge.example.com.","type":"MX","changetype":"REPLACE"}"#,
        r#"{"name":"_acme-challenge.example.com.","changetype":"REPLACE"}"#,
        r#"{"name":"example.com.","type":"TXT","changetype":"REPLACE"}"#,
        r#"{"name":"x_acme-challenge.example.com.","type":"TXT","changetype":"REPLACE"}"#,
        r#"{"name":["_acme-challenge.example.com."],"type":"TXT","changetype":"REPLACE"}"#,
        // What PowerDNS takes for another spelling of a name.
        r#"{"name":"_acme-challenge.ww\\119.example.com.","type":"TXT","changetype":"REPLACE"}"#,
        r#"{"name":"_acme-challenge.example.com. ","type":"TXT","changetype":"REPLACE"}"#,
        r#"{"name":"_acme-challenge.ex\u00e4mple.com.","type":"TXT","changetype":"REPLACE"}"#,
        r#"{"name":"_acme-challenge.\u0000","type":"TXT","changetype":"REPLACE"}"#,
    ] {
        check(
            &format!(r#"{{"rrsets":[{{{TXT},"changetype":"DELETE"}},{item}]}}"#),
            Err(ListItemsDenial::NotAllowed),
        );
    }
    let again = r#"{"name":"_ACME-CHALLENGE.example.com","type":"txt","changetype":"REPLACE"}"#;
    check(
        &format!(r#"{{"rrsets":[{{{TXT},"changetype":"DELETE"}},{again}]}}"#),
        Err(ListItemsDenial::NotAllowed),
    );
}

/// A server that reads names without regard to case must not see another list item than the rule does.
#[test]
fn members_that_some_server_takes_for_one_are_refused() {
    let of = |item: &str| format!(r#"{{"rrsets":[{{{TXT},"changetype":"REPLACE",{item}}}]}}"#);
    for twins in [
        r#""TYPE":"A""#,
        r#""Type":"TXT""#,
        r#""\u0054ype":"A""#,
        r#""Name":"www.example.com.""#,
        r#""changeType":"DELETE""#,
        r#""change_type":"DELETE""#,
        r#""name\u0000":"www.example.com.""#,
        r#""records":[],"Records":[1]"#,
        // Neither is looked for by the rule; the object is.
        r#""ttl":1,"TTL":2"#,
        "\"key\":1,\"\u{212a}ey\":2",
        "\"disabled\":1,\"di\u{17f}abled\":2",
    ] {
        check(&of(twins), Err(ListItemsDenial::Unreadable));
    }
    // A strict server sees a creation here, a lenient one a deletion.
    check(&of(r#""RECORDS":[]"#), Err(ListItemsDenial::NotAllowed));
    check(&of("\"record\u{17f}\":[]"), Err(ListItemsDenial::NotAllowed));
    // Into these objects no rule looks: only what is there twice to the letter has two readings.
    check(
        &of(r#""comments":[{"account":"a","Account":"b"}]"#),
        Ok(&[(ItemAction::Create, "_acme-challenge.example.com txt")]),
    );
    check(&of(r#""comments":[{"account":"a","account":"b"}]"#), Err(ListItemsDenial::Unreadable));
}

#[test]
fn the_upstream_is_asked_and_understood() {
    let list_items = powerdns();
    let body = format!(r#"{{"rrsets":[{{{TXT},"changetype":"REPLACE"}}]}}"#);
    let item = &list_items.read(body.as_bytes()).unwrap()[0];
    assert_eq!(
        list_items.lookup(item).as_deref(),
        Some("?rrset_name=_acme-challenge.example.com&rrset_type=txt")
    );
    for (response, expected) in [
        (r#"{"rrsets":[]}"#, Some(false)),
        (r#"{"rrsets":[{"name":"example.com.","type":"TXT"}]}"#, Some(false)),
        (
            r#"{"rrsets":[{"name":"a.","type":"A"},{"name":"_Acme-Challenge.Example.com.","type":"TXT","records":[]}]}"#,
            Some(true),
        ),
        (r#"{"rrsets":[{"name":"a."}]}"#, None),
        (r#"{"rrsets":[1]}"#, None),
        (r#"{"rrsets":null}"#, None),
        ("{}", None),
        ("[]", None),
        ("", None),
        (r#"{"rrsets":[]} x"#, None),
        (r#"{"rrsets":[],"rrsets":[]}"#, None),
        (r#"{"rrsets":[{"name":"a.","type":"A","name":"b."}]}"#, None),
        (r#"{"rrsets":[{"name":1,"type":"A"}]}"#, None),
        (r#"{"rrsets":[{"name":"a.","type":"A","x":[{"y":1,"y":1}]}]}"#, None),
        (r#"{"x":{"y":[{"z":1,"z":1}]},"rrsets":[]}"#, None),
        (r#"{"rrsets":[],"RRsets":[]}"#, None),
        (r#"{"rrsets":[{"name":"a.","type":"A","NAME":"b."}]}"#, None),
        (r#"{"rrsets":[{"name":"a.","type":"A","ttl":1,"TTL":2}]}"#, None),
        (r#"{"rrsets":[{"name":"a.","type":"A","x":[{"y":1,"Y":1}]}]}"#, Some(false)),
        (r#"{"x":{"y":[{"z":1},{"z":1}],"n":[null,true,-1,1.5,"s"]},"rrsets":[]}"#, Some(false)),
        (
            r#"{"rrsets":[{"n\u0061me":"_acme-challenge.example.com","\u0074ype":"T\u0058T"}]}"#,
            Some(true),
        ),
    ] {
        assert_eq!(
            list_items.hold_any(response.as_bytes(), std::slice::from_ref(item)),
            expected,
            "{response}"
        );
    }
}

#[test]
fn rules_that_could_be_misread_are_refused() {
    for (json, expected) in [
        (r#"{"list":"l","key":["a"],"creates":{"c":"1"}}"#, Ok(())),
        (r#"{"list":"l","key":["a"],"creates":{"c":"1"},"deletes":{"c":"2"}}"#, Ok(())),
        (
            r#"{"list":"l","key":["a"],"creates":{"c":"1"},"deletes":{"d":"2"}}"#,
            Err(ListItemsFault::Alike),
        ),
        (
            r#"{"list":"l","key":["a"],"creates":{"c":"1"},"deletes":{"c":"1","d":"2"}}"#,
            Err(ListItemsFault::Alike),
        ),
        (r#"{"list":"l","key":[],"creates":{}}"#, Err(ListItemsFault::Key)),
        (r#"{"list":"l","key":["a","a"],"creates":{}}"#, Err(ListItemsFault::Key)),
        (r#"{"list":"l","key":["a","b","c","d","e"],"creates":{}}"#, Err(ListItemsFault::Key)),
        (r#"{"list":"","key":["a"],"creates":{}}"#, Err(ListItemsFault::Name)),
        (r#"{"list":"A","key":["a"],"creates":{"a":"1"}}"#, Ok(())),
        (r#"{"list":"l","key":["a","A"],"creates":{}}"#, Err(ListItemsFault::Spellings)),
        (r#"{"list":"l","key":["a"],"creates":{"a_":"1"}}"#, Err(ListItemsFault::Spellings)),
        (
            r#"{"list":"l","key":["a"],"creates":{"b":"1"},"deletes":{"b":"2","B":"2"}}"#,
            Err(ListItemsFault::Spellings),
        ),
        (
            r#"{"list":"l","key":["a"],"creates":{},"deletes_if_empty":"A"}"#,
            Err(ListItemsFault::Spellings),
        ),
        (
            r#"{"list":"l","key":["a"],"creates":{},"only":{"A":"x"}}"#,
            Err(ListItemsFault::Spellings),
        ),
        (r#"{"list":"l","key":["a"],"creates":{},"lookup":"a={a}"}"#, Err(ListItemsFault::Lookup)),
        (r#"{"list":"l","key":["a"],"creates":{},"lookup":"?a={b}"}"#, Err(ListItemsFault::Lookup)),
        (r#"{"list":"l","key":["a"],"creates":{},"lookup":"?a=ä"}"#, Err(ListItemsFault::Lookup)),
    ] {
        assert_eq!(ListItems::parse(&object(json)).map(drop), expected, "{json}");
    }
}

/// Another reader of the same rule would see the other value.
#[test]
fn a_rule_says_nothing_twice() {
    for json in [
        r#"{"list":"l","list":"l","key":["a"],"creates":{}}"#,
        r#"{"list":"l","key":["a"],"creates":{},"creates":{"c":"1"}}"#,
        r#"{"list":"l","key":["a"],"creates":{"c":"1","c":"2"}}"#,
        r#"{"list":"l","key":["a"],"creates":{"c":"1","\u0063":"2"}}"#,
        r#"{"list":"l","key":["a"],"creates":{"c":"1"},"deletes":{"c":"2","c":"3"}}"#,
        r#"{"list":"l","key":["a"],"creates":{},"only":{"a":"x","a":"y"}}"#,
        r#"{"list":"l","key":["a"],"creates":{},"only":{"a":["x"],"a":["x"]}}"#,
        r#"{"list":"l","key":["a"],"creates":{},"deletes":null}"#,
        r#"{"list":"l","key":["a"],"creates":{},"only":null}"#,
    ] {
        assert!(serde_json::from_str::<ListItemsObject>(json).is_err(), "{json}");
    }
}

#[test]
fn stars_stand_for_anything() {
    for (pattern, value, expected) in [
        ("*", "", true),
        ("*", "anything", true),
        ("a*", "A", true),
        ("a*", "ba", false),
        ("*.com", "x.COM", true),
        ("*.com", "com", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("a*a", "a", false),
        ("ab*ba", "aba", false),
        ("abc", "abc", true),
        ("abc", "abcd", false),
        ("", "", true),
        ("", "a", false),
        ("**", "a", true),
        ("*.example.com.", "a.Example.com", true),
        ("*.example.com", "a.example.com.", true),
        ("*.example.com.", "a.example.com..", false),
    ] {
        assert_eq!(fits(pattern, value), expected, "{pattern} {value}");
    }
}

/// What is read without being kept has bounds of its own.
#[test]
fn a_listing_of_many_names_or_great_depth_is_not_understood() {
    let list_items = powerdns();
    let object = |members: usize| {
        let members: Vec<String> = (0..members).map(|number| format!(r#""{number}":0"#)).collect();
        format!(r#"{{"rrsets":[],"x":{{{}}}}}"#, members.join(","))
    };
    assert_eq!(list_items.hold_any(object(1_024).as_bytes(), &[]), Some(false));
    assert_eq!(list_items.hold_any(object(1_025).as_bytes(), &[]), None);
    let deep = |depth: usize| {
        format!(r#"{{"rrsets":[],"x":{}0{}}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    assert_eq!(list_items.hold_any(deep(100).as_bytes(), &[]), Some(false));
    assert_eq!(list_items.hold_any(deep(1_000_000).as_bytes(), &[]), None);
}
