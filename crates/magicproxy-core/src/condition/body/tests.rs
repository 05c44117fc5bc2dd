//! Bounds on the rules and steps of one body, over JSON and forms together.

use serde_json::json;

use crate::condition::ConditionMembers;
use crate::condition::rule::RuleFrame;
use crate::condition::view::FieldValue;
use crate::pattern::Budget;
use crate::rule::MAX_LIST_STEPS;

use super::*;

const STEPS: Outcome = Outcome::Unknown(Reason::BodySteps);

/// Header fields with one content type.
#[derive(Debug)]
struct Type(&'static str);

impl HeaderView for Type {
    fn field(&self, name: &str) -> FieldValue<'_> {
        if name == "content-type" { FieldValue::One(self.0.as_bytes()) } else { FieldValue::Absent }
    }
}

fn rule(members: ConditionMembers) -> Arc<Conditions> {
    let frame =
        RuleFrame { has_content: true, is_whole: true, has_route: false, capture: &|_| None };
    let rule = Conditions::parse(&members, &frame, &mut Budget::new(MAX_LIST_STEPS));
    Arc::new(rule.unwrap().unwrap())
}

fn of_form() -> Arc<Conditions> {
    rule(ConditionMembers { form: Some(json!({"x": "1"})), ..Default::default() })
}

/// Judges a body by these rules in small slices.
fn judge(rules: &[Arc<Conditions>], essence: &'static str, body: &str) -> Vec<Outcome> {
    let mut tests = BodyTests::default();
    rules.iter().for_each(|rule| tests.add(rule));
    let mut judge = tests.judge(body.as_bytes(), &Type(essence), &[]);
    while !judge.advance(100) {}
    let judged = judge.finish();
    rules.iter().map(|rule| judged.outcome_of(rule)).collect()
}

#[test]
fn too_many_rules_judge_no_form() {
    let rules: Vec<_> = (0..65).map(|_| of_form()).collect();
    assert_eq!(judge(&rules[..64], FORM, "x=1"), [Outcome::True; 64]);
    assert_eq!(judge(&rules, FORM, "x=1"), [STEPS; 65]);
    // Rules that do not read the body do not count.
    assert_eq!(judge(&rules, "text/plain", "x=1"), [Outcome::Unknown(Reason::BodyType); 65]);
}

/// Rules that read one body as JSON, and others that read it as a form, share the bounds.
#[test]
fn rules_for_json_and_forms_count_together() {
    let own = Some(json!("a/b"));
    let of_json = |names: &serde_json::Value| {
        let (json, content_type) = (Some(names.clone()), own.clone());
        rule(ConditionMembers { json, content_type, ..Default::default() })
    };
    let of_form = |names: &serde_json::Value| {
        let (form, content_type) = (Some(names.clone()), own.clone());
        rule(ConditionMembers { form, content_type, ..Default::default() })
    };
    let rules = |json: usize, form: usize, names: &serde_json::Value| -> Vec<_> {
        (0..json).map(|_| of_json(names)).chain((0..form).map(|_| of_form(names))).collect()
    };
    let any = json!({"*": {}});
    let outcomes = judge(&rules(32, 32, &any), "a/b", "{}");
    assert_eq!(outcomes, [Outcome::True; 64]);
    assert_eq!(judge(&rules(33, 32, &any), "a/b", "{}"), [STEPS; 65]);
    assert_eq!(judge(&rules(32, 33, &any), "a/b", "{}"), [STEPS; 65]);
}

/// As JSON the body takes most steps, and leaves too few for the forms.
#[test]
fn rules_for_json_and_forms_share_the_steps() {
    let names = || Some(json!({"*": {"glob": "*", "pattern": ".*"}}));
    let content_type = || Some(json!("a/b"));
    let rules = |json: usize, form: usize| -> Vec<_> {
        let of_json =
            ConditionMembers { json: names(), content_type: content_type(), ..Default::default() };
        let of_form =
            ConditionMembers { form: names(), content_type: content_type(), ..Default::default() };
        let all = (0..json).map(|_| of_json.clone()).chain((0..form).map(|_| of_form.clone()));
        all.map(rule).collect()
    };
    let text = "a".repeat(1_000);
    let members: Vec<_> = (0..20).map(|at| format!("\"f{at}\":\"x={text}&\"")).collect();
    let body = format!("{{{}}}", members.join(","));
    assert!(!judge(&rules(20, 0), "a/b", &body).contains(&STEPS));
    assert!(!judge(&rules(0, 10), "a/b", &body).contains(&STEPS));
    let both = judge(&rules(20, 10), "a/b", &body);
    assert!(!both[..20].contains(&STEPS), "{both:?}");
    assert_eq!(both[20..], [STEPS; 10]);
}

#[test]
fn a_form_beyond_its_steps_is_unknown() {
    let names = json!({"*": {"glob": "a*", "pattern": "a*"}});
    let with = |count: usize| -> Vec<_> {
        let form = || Some(names.clone());
        (0..count).map(|_| rule(ConditionMembers { form: form(), ..Default::default() })).collect()
    };
    let body: String = (0..20).map(|number| format!("&f{number}={}", "a".repeat(1_000))).collect();
    assert_eq!(judge(&with(20), FORM, &body), [Outcome::True; 20]);
    assert_eq!(judge(&with(32), FORM, &body), [STEPS; 32]);
}
