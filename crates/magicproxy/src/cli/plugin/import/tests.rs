use super::*;

/// The shape of the Python program's own example, in our words.
const CHALLENGES: &str = r#"
import json
import re
from redis import Redis

db = Redis()

def is_request_allowed(method, path):
    if method == "POST" and re.match(r"/v2/domains/example\.org/records", path):
        return True
    return method == "DELETE" and path.split("/")[-1].encode() in db.lrange("ids", 0, -1)

def response_callback(
    method, path, content, code, headers
):
    if method == "POST":  # _acme-challenge
        db.lpush("ids", json.loads(content)["domain_record"]["id"])

other = 1
"#;

fn advice_on(text: &str) -> String {
    advice("do_lets_encrypt", &Hooks::find(text))
}

#[test]
fn a_known_pattern_becomes_a_rule() {
    let advice = advice_on(CHALLENGES);
    assert!(advice.contains(
        "do_lets_encrypt = [\n    { method = \"POST\", route = \"/v2/domains/example.org/records\", grants = [\"DELETE \
         /v2/domains/example.org/records/{response.domain_record.id}\"] },"
    ));
    assert!(advice.contains("[plugins.do_lets_encrypt]"), "{advice}");
    assert!(advice.contains("import redis: the interface `state`"), "{advice}");
    assert!(
        advice.contains("response_callback(method, path, content, code, headers): `grants`"),
        "{advice}"
    );
}

#[test]
fn hooks_are_found_whole() {
    let hooks = Hooks::find(CHALLENGES);
    let callback = hooks.response_callback.unwrap().text;
    assert!(
        callback.starts_with("def response_callback(\n") && callback.ends_with("[\"id\"])"),
        "{callback}"
    );
    assert!(hooks.is_request_allowed.unwrap().text.ends_with("lrange(\"ids\", 0, -1)"));
    assert!(
        Hooks::find("def is_request_allowed_not(method, path):\n    pass\n")
            .is_request_allowed
            .is_none()
    );
    assert!(
        Hooks::find("    def is_request_allowed(method, path):\n        pass\n")
            .is_request_allowed
            .is_none()
    );
}

#[test]
fn a_decision_without_state_becomes_rules() {
    let advice = advice_on(
        "def is_request_allowed(method, path):\n    return method == 'GET' and re.match(r'^/user$', path)\n",
    );
    assert!(advice.contains("'GET /user',"), "{advice}");
}

#[test]
fn anything_else_becomes_a_plugin() {
    let advice = advice_on(
        "def response_callback(method, path, content, code, headers):\n    print(code)\n",
    );
    assert!(advice.contains("--out DIR"), "{advice}");
    assert!(advice.contains("[plugins.my_plugin]"), "{advice}");
}

#[test]
fn the_skeleton_has_the_python_text_beside_the_hooks() {
    let source = with_python(&Hooks::find(CHALLENGES));
    let at = |text: &str| source.find(text).unwrap_or_else(|| panic!("{text}: {source}"));
    assert!(at("    // def is_request_allowed(method, path):") < at("    fn is_request_allowed"));
    assert!(at("    //         db.lpush(") < at("    fn on_response"));
}

/// The plugins of the Python program's own repository: `examples/do_lets_encrypt.py` in our words, and those of its tests.
#[test]
fn the_python_programs_own_plugins_get_no_more_than_they_had() {
    let environment = r#"
DOMAIN = os.environ["DOMAIN"]
records = f"/v2/domains/{DOMAIN}/records"

def is_request_allowed(method, path):
    if method == "POST" and path == records:
        return True
    if method == "GET" and path == "/v2/account":
        return True
    return f"{method} {path}".encode() in client.lrange("allowed", 0, -1)

def response_callback(content, code, headers):
    client.lpush("allowed", f"DELETE {records}/{json.loads(content)['domain_record']['id']}")
"#;
    let advice = advice_on(environment);
    assert!(
        advice.contains(
            "grants = [\"DELETE /v2/domains/example.com/records/{response.domain_record.id}\"]"
        ),
        "{advice}"
    );
    assert!(!advice.contains("GET") && !advice.contains("PUT"), "{advice}");
    assert!(advice.contains("does not name its domain"), "{advice}");

    let allow_all = advice_on("def is_request_allowed(method, path):\n    return True\n");
    assert!(allow_all.contains("    '* /.*',"), "{allow_all}");
    let allow_none = advice_on("def is_request_allowed(path, method):\n    return False\n");
    assert!(
        allow_none.contains("it allows nothing") && !allow_none.contains("[scopes]"),
        "{allow_none}"
    );
    let denies = advice_on(
        "def is_request_allowed(method, path):\n    return method == 'GET' and path != '/admin'\n",
    );
    assert!(denies.contains("--out DIR") && !denies.contains("/admin"), "{denies}");
    let things = "def is_request_allowed(method, path):\n    return method == 'POST' or (method == 'DELETE' and path in seen())\n\n\
                  def response_callback(content, code, headers):\n    remember(json.loads(content)['id'])\n";
    assert!(
        advice_on(things).contains("grants = [\"DELETE /things/{response.id}\"]"),
        "{}",
        advice_on(things)
    );
}
