//! What names members, and which documents' members those are.

use super::*;

/// Which of these members are rewritten, in a document where each of them has a URL of the upstream?
#[track_caller]
fn check(texts: &[&str], document: &str, expected: &str) {
    let links = LinkMap::new([(FROM, TO)]).with_origin(FROM).following(members(texts));
    let document = document.replace('@', "\"https://api.github.com/x\"");
    let out = rewritten(&Arc::new(links), [document.as_bytes()]);
    let expected =
        expected.replace('@', "\"https://api.github.com/x\"").replace('!', &format!("\"{TO}/x\""));
    assert_eq!(String::from_utf8(out).unwrap(), expected, "{texts:?}");
}

#[test]
fn names_are_told_from_the_top_of_the_document() {
    let document = r#"{"url":@,"a":{"url":@},"b":[{"url":@,"x_url":@},@],"c":[[@]],"body":@}"#;
    check(
        &["url"],
        document,
        r#"{"url":!,"a":{"url":@},"b":[{"url":@,"x_url":@},@],"c":[[@]],"body":@}"#,
    );
    check(
        &["a.url"],
        document,
        r#"{"url":@,"a":{"url":!},"b":[{"url":@,"x_url":@},@],"c":[[@]],"body":@}"#,
    );
    check(
        &["*.url"],
        document,
        r#"{"url":@,"a":{"url":!},"b":[{"url":!,"x_url":@},@],"c":[[@]],"body":@}"#,
    );
    check(
        &["**.url"],
        document,
        r#"{"url":!,"a":{"url":!},"b":[{"url":!,"x_url":@},@],"c":[[@]],"body":@}"#,
    );
    check(
        &["b.*url"],
        document,
        r#"{"url":@,"a":{"url":@},"b":[{"url":!,"x_url":!},@],"c":[[@]],"body":@}"#,
    );
    check(
        &["b", "c"],
        document,
        r#"{"url":@,"a":{"url":@},"b":[{"url":@,"x_url":@},!],"c":[[!]],"body":@}"#,
    );
    check(
        &["**", "!body", "!b.**"],
        document,
        r#"{"url":!,"a":{"url":!},"b":[{"url":@,"x_url":@},@],"c":[[!]],"body":@}"#,
    );
    check(&["!url"], document, document);
    check(&[], document, document);
}

#[test]
fn lists_at_the_top_and_texts_behind_each_other_are_documents_too() {
    check(
        &["next"],
        r#"[{"next":@},{"a":{"next":@},"next":@}]"#,
        r#"[{"next":!},{"a":{"next":@},"next":!}]"#,
    );
    check(&["next"], "{\"next\":@}\n{\"next\":@}\n", "{\"next\":!}\n{\"next\":!}\n");
    check(
        &["next"],
        "\u{1e}{\"next\":@}\n\u{1e}[{\"next\":@}]",
        "\u{1e}{\"next\":!}\n\u{1e}[{\"next\":!}]",
    );
    check(&["next"], "@", "@");
    check(&["**"], "@", "!");
}

#[test]
fn what_looks_like_a_name_in_a_text_is_none() {
    let document =
        r#"{"body":"{\"next\":@","text":"\"next\":","next":@,"\"next":@,"x":"next","y":@}"#;
    check(&["next"], document, &document.replace(r#""next":@,"\"next"#, r#""next":!,"\"next"#));
    check(
        &["next"],
        r#"{"a":[1,"next",@],"b":"}","next":@}"#,
        r#"{"a":[1,"next",@],"b":"}","next":!}"#,
    );
    check(&["next"], r#"["next",@]"#, r#"["next",@]"#);
    // A name with an escape is nobody's, but for stars.
    check(&["next"], r#"{"n\u0065xt":@}"#, r#"{"n\u0065xt":@}"#);
    check(&["*"], r#"{"n\u0065xt":@}"#, r#"{"n\u0065xt":!}"#);
}

#[test]
fn names_with_dots_stars_and_blanks_are_written_with_backslashes() {
    check(&[r"odata\.nextLink"], r#"{"odata.nextLink":@}"#, r#"{"odata.nextLink":!}"#);
    check(&[r"a\ b.\*"], r#"{"a b":{"*":@,"c":@}}"#, r#"{"a b":{"*":!,"c":@}}"#);
    assert!(!Members::parse([r"\!a"]).unwrap().is_empty());
    check(&["\u{e4}*"], "{\"\u{e4}x\":@}", "{\"\u{e4}x\":!}");
}

#[test]
fn names_and_levels_without_end_are_nobody_s() {
    let long = "a".repeat(65);
    check(&["a*"], &format!("{{\"{long}\":@}}"), &format!("{{\"{long}\":@}}"));
    check(&["a*"], &format!("{{\"{}\":@}}", &long[1..]), &format!("{{\"{}\":!}}", &long[1..]));
    for (levels, at) in [(64, '!'), (65, '@')] {
        let deep = |at: char| format!("{}{at}{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        check(&["**"], &deep('@'), &deep(at));
    }
}

#[test]
fn a_url_may_have_to_lead_somewhere() {
    let follow = |texts: &[&str], asked: &str, url: &str| {
        let links = LinkMap::new([(FROM, "http://p/behind/gh")])
            .behind("http://p/behind")
            .following(members(texts));
        let mut rewriter = JsonRewriter::new(Arc::new(links)).asked(asked.parse().ok());
        let document = format!("{{\"next\":\"{url}\"}}");
        let out = [rewriter.push(Bytes::from(document.clone())), rewriter.finish()].concat();
        String::from_utf8(out).unwrap() != document
    };
    let api = |rest: &str| format!("{FROM}{rest}");
    assert!(
        follow(&["next /api/"], "/", &api("/api/v4/x"))
            && follow(&["next /api/"], "/", &api("\\/api\\/v4"))
    );
    for elsewhere in ["", "/", "/api", "/apis/x", "/x/api/", "?/api/", "/acme/tool"] {
        assert!(!follow(&["next /api/"], "/gh/api/v4", &api(elsewhere)), "{elsewhere}");
    }
    assert!(
        follow(&["next ?"], "/gh/items?page=1", &api("/items?page=2"))
            && follow(&["next ?"], "/gh/items", &api("\\/items?page=2"))
    );
    assert!(
        follow(&["next ?"], "/gh", &api("?page=2")) && follow(&["next ?"], "/gh/", &api("?page=2"))
    );
    // An upstream is sent the canonical path, and writes that or a spelling of its own.
    for (asked, url) in [
        ("/gh/caf%c3%a9", "/caf%C3%A9?page=2"),
        ("/gh/caf%C3%A9", "/café?page=2"),
        ("/gh/%7eme", "/~me?page=2"),
        ("/gh/app/[id]", "/app/%5Bid%5D?page=2"),
        ("/gh/app/%5bid%5D", "/app/[id]?page=2"),
        ("/gh/u/a@b.c", "\\/u\\/a%40b.c?page=2"),
        ("/gh/u/a%40b.c", "/u/a@b.c?page=2"),
        ("/gh/@acme%2ftool", "/@acme%2Ftool?page=2"),
        ("/gh/@acme%2ftool", "/@acme/tool?page=2"),
        ("/gh/50%25", "/50%25?page=2"),
    ] {
        assert!(follow(&["next ?"], asked, &api(url)), "{asked} {url}");
    }
    for (asked, url) in [
        ("/gh/caf%C3%A9", "/caf%C3%A8?page=2"),
        ("/gh/a%2541", "/a%41?page=2"),
        ("/gh/a%3Fb", "/a?b"),
        ("/gh/a", "/a%2F?page=2"),
        ("/gh/a%4", "/a%40?page=2"),
        ("/gh/a", "/a%?page=2"),
        ("/gh/items", "/items"),
        ("/gh/items", "/item?page=2"),
        ("/gh/items", "/items/2?page=2"),
        ("/items", "/items?x"),
        ("/gh/items", "/items#?x"),
    ] {
        assert!(!follow(&["next ?"], asked, &api(url)), "{asked} {url}");
    }
    assert!(
        follow(&["next ?", "next"], "/gh/items", &api("/any"))
            && follow(&["next /a", "next /b"], "/", &api("/b"))
    );
    assert!(!follow(&["next ?", "!next"], "/gh/items", &api("/items?page=2")));
}

#[test]
fn what_names_no_member() {
    let error = |text: &str| Members::parse([text]).unwrap_err();
    for text in ["", ".", "a.", ".a", "a..b", "!", "! /a"] {
        assert!(matches!(error(text), MemberError::NoName), "{text}");
    }
    for text in ["\\", "a\\b", "\\\\\\n"] {
        assert_eq!(error(text), MemberError::Escape, "{text}");
    }
    for text in ["a ", "a  /x", "a b", "a /x y", "a ?x", "a /x?", "a https://h/"] {
        assert_eq!(error(text), MemberError::Condition, "{text}");
    }
    assert_eq!(error("!a /x"), MemberError::KeptIf);
    for text in ["**.**.**".to_owned(), ["a"; 17].join(".")] {
        assert_eq!(error(&text), MemberError::TooLong, "{text}");
    }
    assert!(Members::parse(["!a", "!b.c"]).unwrap().is_empty());
}
