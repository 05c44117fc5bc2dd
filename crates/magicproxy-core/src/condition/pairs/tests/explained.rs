//! The findings of a query and a form, in words.

use super::*;

#[track_caller]
fn check(written: Value, text: &str, expected: &[&str]) {
    let test = names(&written, Place::Form);
    let guarded = [GUARDED.to_owned()];
    let form = Form::read(text.as_bytes(), &guarded);
    let findings: Vec<String> = form.explain(&test).iter().map(ToString::to_string).collect();
    assert_eq!(findings, expected, "{written}: {text}");
    assert_eq!(
        findings.is_empty(),
        Judge::new(&test, &FORM).judge(form.0.as_deref()) == Outcome::True,
        "{written}: {text}"
    );
    if text.contains("_method") || text.contains(GUARDED) {
        return;
    }
    let findings = explain_query(&test, view(text, PlusReading::Blank));
    let of_query: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let expected: Vec<String> = expected
        .iter()
        .map(|line| {
            line.replace("form", "query").replace(
                "the query cannot be split into fields",
                "the query cannot be split into parameters",
            )
        })
        .collect();
    assert_eq!(of_query, expected, "{written}: {text}");
}

#[test]
fn each_pair_that_is_not_right_is_named() {
    let refund = json!({"intent": {"glob": "pi_*"}, "amount": {"min": 1, "max": 5000}, "tag?": {"each": ["a"], "count": {"max": 2}}, "m[*]": "x", "account": {"absent": true}});
    check(refund.clone(), "intent=pi_1&amount=5&tag=a&m[y]=x", &[]);
    check(
        refund.clone(),
        "",
        &[
            "form.amount is missing; must be an integer from 1 to 5000",
            "form.intent is missing; must match `pi_*`",
        ],
    );
    check(
        refund.clone(),
        "intent=x&amount=5001&charge=1&account=2",
        &[
            "form.intent is \"x\"; must match `pi_*`",
            "form.amount is \"5001\"; must be an integer from 1 to 5000",
            "form.charge is not named by the rule",
            "form.account must not be there",
        ],
    );
    check(
        refund.clone(),
        "intent=pi_1&amount=5&amount=6&Amount=7&tag=b&tag=a&tag=a",
        &[
            "form.Amount is taken for `amount` by some readers",
            "form.tag is \"b\"; must be \"a\"",
            "form.amount is there twice",
            "form.tag is a list of 3; must be a list of at most 2 elements",
        ],
    );
    check(
        refund,
        "intent=pi_1&amount=5&m[a]=x&m[a]=x&m[b]=y",
        &["form.m[b] is \"y\"; must be \"x\"", "form.m[a] is there twice"],
    );
    check(
        json!({"x": "1", "*": {}}),
        "x=1&_method=PUT&private_token=1",
        &[
            "form._method overrides the method or the credential for some readers",
            "form.private_token overrides the method or the credential for some readers",
        ],
    );
    check(
        json!({"a[b]?": {}, "a[b][c]?": {}}),
        "a[b]=1&a[b][c]=2",
        &["form has two names that some readers take for one place"],
    );
    check(
        json!({"x": "1"}),
        "x=1;y",
        &["form cannot be judged: the form cannot be split into fields in only one way"],
    );
    check(
        json!({"x": "1"}),
        "x",
        &["form cannot be judged: the form cannot be split into fields in only one way"],
    );
}

#[test]
fn a_plus_is_explained_in_the_reading_that_is_not_right() {
    let lines = |written: &Value, query: &str, plus| {
        let test = names(written, Place::Query);
        let findings = explain_query(&test, view(query, plus));
        findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (blank, plus) = (json!({"x": "a b"}), json!({"x": "a+b"}));
    let (is_blank, is_plus) =
        ("query.x is \"a b\"; must be \"a+b\"", "query.x is \"a+b\"; must be \"a b\"");
    assert_eq!(lines(&blank, "x=a+b", PlusReading::Both), [is_plus]);
    assert_eq!(lines(&plus, "x=a+b", PlusReading::Both), [is_blank]);
    assert!(lines(&blank, "x=a+b", PlusReading::Blank).is_empty());
    assert!(lines(&plus, "x=a+b", PlusReading::Plus).is_empty());
    assert!(lines(&blank, "x=a%20b", PlusReading::Both).is_empty());
}
