//! List items whose rule says by conditions what they may be.

use serde_json::json;

use super::list_items::{challenges, patch, powerdns, rrset};
use super::*;
use crate::support::Token;

const ZONE_PATCH: &str = "PATCH /api/v1/servers/localhost/zones/example.com.";

/// The rules of [`challenges`], with conditions for `only`, and behind them `further` rules.
fn conditioned(further: &[Value]) -> Value {
    let mut rules = challenges(false);
    let rule = &mut rules[1];
    rule["list_items"].as_object_mut().unwrap().remove("only").unwrap();
    let item = json!({ "type": "TXT", "name": { "glob": "*.example.com." }, "*": {} });
    rule["json"] = json!({ "rrsets": { "each": { "object": item } } });
    rules.as_array_mut().unwrap().extend_from_slice(further);
    rules
}

#[tokio::test]
async fn conditions_say_what_the_items_may_be() {
    let upstream = powerdns(&["www.example.com."]).await;
    let proxy = stateful(&upstream).await;
    let token = Token::ruled(&conditioned(&[])).mint();
    let good = rrset("a.example.com.", "REPLACE");
    for (bad, code) in [
        (rrset("b.example.org.", "REPLACE"), "not_allowed"),
        (json!({ "name": "b.example.com.", "type": "MX", "changetype": "REPLACE" }), "not_allowed"),
        // What conditions say nothing of is the list items' affair.
        (rrset("www.example.com.", "REPLACE"), "not_owned"),
        (rrset("b.example.com.", "EXTEND"), "not_allowed"),
        (rrset("ww\\119.example.com.", "REPLACE"), "not_allowed"),
    ] {
        patch(&proxy, &token, &[good.clone(), bad]).await.assert_rejected(403, code);
    }
    for (item, code) in [
        (r#"{"name":1,"type":"TXT","changetype":"REPLACE"}"#, "json_value"),
        (
            r#"{"name":"a.example.com.","type":"TXT","TYPE":"A","changetype":"REPLACE"}"#,
            "json_twin",
        ),
        (
            r#"{"name":"a.example.com.","type":"TXT","type":"A","changetype":"REPLACE"}"#,
            "json_twice",
        ),
        (
            r#"{"name":"a.example.com.","type":"TXT","ttl":1,"TTL":2,"changetype":"REPLACE"}"#,
            "body_unreadable",
        ),
    ] {
        let body = format!(r#"{{"rrsets":[{item}]}}"#);
        post(&proxy, ZONE_PATCH, &token, &body).await.assert_rejected(400, code);
    }
    assert!(upstream.take_requests().iter().all(|seen| seen.method == "GET"));
    assert_eq!(patch(&proxy, &token, &[good]).await.status, 204);
}

/// A condition that is false gives way to the next rule, and one that is unknown does not.
#[tokio::test]
async fn a_later_rule_is_asked_where_a_condition_is_false() {
    let upstream = powerdns(&[]).await;
    let proxy = stateful(&upstream).await;
    let later = json!({ "method": "PATCH", "route": "/api/v1/servers/localhost/zones/{zone}",
        "json": { "rrsets": { "each": { "object": { "type": "CNAME", "*": {} } } } } });
    let token = Token::ruled(&conditioned(&[later])).mint();
    let alias = json!({ "name": "b.example.com.", "type": "CNAME", "changetype": "REPLACE" });
    assert_eq!(patch(&proxy, &token, std::slice::from_ref(&alias)).await.status, 204);
    let mixed = [alias, rrset("a.example.com.", "REPLACE")];
    patch(&proxy, &token, &mixed).await.assert_rejected(403, "not_allowed");
    let doubt = r#"{"rrsets":[{"name":1,"type":"TXT","changetype":"REPLACE"}]}"#;
    post(&proxy, ZONE_PATCH, &token, doubt).await.assert_rejected(400, "json_value");
}
