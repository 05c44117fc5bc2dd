//! Questions about a request, as the control plane gets them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use magicproxy_core::Push;
use magicproxy_core::json::form::{Form, Kind, Member, Presence};
use serde::Deserialize;

use crate::rejection::{QuestionFault, Rejection};

/// A question about a request, sent to `/__magictoken/explain` as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainedRequest {
    method: String,
    target: String,
    /// Names of the header fields of the request.
    #[serde(default)]
    headers: Vec<String>,
    /// Header fields with their values, for rules with conditions on them.
    #[serde(default)]
    fields: Vec<ExplainedField>,
    /// The body, if it is a text.
    body: Option<String>,
    /// The body in base64 (RFC 4648 section 4).
    body_base64: Option<String>,
    /// A push in words: references, and what happens to them.
    push: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainedField {
    name: String,
    value: String,
}

/// The parts of a described request beside method and target.
#[derive(Debug)]
pub(super) struct DescribedParts {
    /// The header fields; a field of which only the name is known has no value.
    pub(super) headers: HeaderMap,
    /// The body. `None` where the question says nothing of it.
    pub(super) body: Option<Vec<u8>>,
    /// The push, where its commands are described instead of its body.
    pub(super) push: Option<Push>,
}

/// The most header fields named in a question.
const MAX_ASKED_HEADERS: usize = 64;
/// The longest name of a header field in a question, in bytes.
const MAX_ASKED_NAME_BYTES: usize = 128;

/// The form of a question, with the texts of its faults.
static QUESTION: Form = Form {
    expected: "a JSON object such as {\"method\": \"GET\", \"target\": \"/path\"}",
    kind: Kind::Object(&[
        Member::new("method", &METHOD, Presence::Needed),
        Member::new("target", &TARGET, Presence::Needed),
        Member::new("headers", &HEADERS, Presence::Optional),
        Member::new("fields", &FIELDS, Presence::Optional),
        Member::new("body", &BODY, Presence::Nullable),
        Member::new("body_base64", &BODY_BASE64, Presence::Nullable),
        Member::new("push", &PUSH, Presence::Nullable),
    ]),
};
static METHOD: Form = Form { expected: "a method such as `GET`, as a text", kind: Kind::Text };
static TARGET: Form =
    Form { expected: "a path such as `/repos/acme?page=2`, as a text", kind: Kind::Text };
static HEADERS: Form = Form { expected: "a list of names of headers", kind: Kind::List(&HEADER) };
static FIELDS: Form =
    Form { expected: "a list of headers with their values", kind: Kind::List(&FIELD) };
static FIELD: Form = Form {
    expected: "a header such as {\"name\": \"accept\", \"value\": \"*/*\"}",
    kind: Kind::Object(&[
        Member::new("name", &HEADER, Presence::Needed),
        Member::new("value", &VALUE, Presence::Needed),
    ]),
};
static VALUE: Form = Form { expected: "the value of a header, as a text", kind: Kind::Text };
static BODY: Form = Form { expected: "the body of the request, as a text", kind: Kind::Text };
static BODY_BASE64: Form =
    Form { expected: "the body of the request, in base64", kind: Kind::Text };
static PUSH: Form = Form { expected: "a list of references", kind: Kind::List(&REFERENCE) };
static REFERENCE: Form =
    Form { expected: "a reference such as `refs/heads/main`, as a text", kind: Kind::Text };
static HEADER: Form = Form { expected: "the name of a header, as a text", kind: Kind::Text };

impl ExplainedRequest {
    /// Reads the content of a question.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, Rejection> {
        QUESTION.read(json).map_err(|faults| Rejection::Question(QuestionFault::Form(faults)))
    }

    pub(super) fn method(&self) -> &str {
        &self.method
    }

    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Returns the names of header fields whose fate is asked.
    pub(super) fn headers(&self) -> &[String] {
        &self.headers
    }

    /// Reads the header fields and the body.
    pub(super) fn described(&self) -> Result<DescribedParts, Rejection> {
        self.check_headers()?;
        let mut headers = HeaderMap::new();
        for ExplainedField { name, value } in &self.fields {
            let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>())
            else {
                return Err(fault("fields: expected names and values of headers"));
            };
            headers.append(name, value);
        }
        for name in self.headers.iter().filter_map(|name| name.parse::<HeaderName>().ok()) {
            headers.entry(name).or_insert(HeaderValue::from_static(""));
        }
        let (body, push) = (self.described_body()?, self.described_push()?);
        Ok(DescribedParts { headers, body, push })
    }

    fn described_body(&self) -> Result<Option<Vec<u8>>, Rejection> {
        match (&self.body, &self.body_base64) {
            (Some(_), Some(_)) => Err(fault("expected body or body_base64, and not both")),
            (Some(text), None) => Ok(Some(text.clone().into_bytes())),
            (None, Some(encoded)) => {
                let body = BASE64_STANDARD.decode(encoded);
                body.map(Some).map_err(|_| fault("body_base64: expected base64, padded with `=`"))
            }
            (None, None) => Ok(None),
        }
    }

    fn described_push(&self) -> Result<Option<Push>, Rejection> {
        let Some(words) = &self.push else { return Ok(None) };
        let push = Push::of_words(words.iter().map(String::as_str));
        push.map(Some).map_err(|_| {
            fault("push: expected references such as `refs/heads/main` or `create:refs/heads/main`, each once")
        })
    }

    /// Refuses names longer than any in use, and too many names.
    fn check_headers(&self) -> Result<(), Rejection> {
        let names = || self.headers.iter().chain(self.fields.iter().map(|field| &field.name));
        let sensible = names().all(|name| name.len() <= MAX_ASKED_NAME_BYTES);
        if !sensible || self.headers.len().max(self.fields.len()) > MAX_ASKED_HEADERS {
            let fault =
                QuestionFault::Headers { names: MAX_ASKED_HEADERS, bytes: MAX_ASKED_NAME_BYTES };
            return Err(Rejection::Question(fault));
        }
        Ok(())
    }

    /// Strips the mount from a question whose path is a path of the proxy.
    pub(crate) fn below(mut self, mount: &str) -> Self {
        let rest = self
            .target
            .strip_prefix(mount)
            .filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        if let Some(rest) = rest.filter(|_| !mount.is_empty()) {
            self.target = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        }
        self
    }
}

fn fault(expected: &'static str) -> Rejection {
    Rejection::Question(QuestionFault::Part(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> ExplainedRequest {
        let (method, target) = (String::new(), String::new());
        let (headers, fields) = (Vec::new(), Vec::new());
        ExplainedRequest {
            method,
            target,
            headers,
            fields,
            body: None,
            body_base64: None,
            push: None,
        }
    }

    fn described(members: &str) -> Result<DescribedParts, Rejection> {
        let json = format!("{{\"method\":\"POST\",\"target\":\"/\"{members}}}");
        ExplainedRequest::from_json(json.as_bytes())?.described()
    }

    #[test]
    fn fields_and_a_body_are_described() {
        let parts = described(
            r#","headers":["X-A","x-b","a b"],"fields":[{"name":"X-B","value":"1"},{"name":"x-b","value":"2"}],"body":"é""#,
        );
        let DescribedParts { headers, body, push: None } = parts.unwrap() else {
            panic!("no push")
        };
        let values = |name: &str| {
            headers.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>()
        };
        assert_eq!((values("x-a"), values("x-b")), (vec![&b""[..]], vec![&b"1"[..], b"2"]));
        assert_eq!((headers.len(), body), (3, Some("é".as_bytes().to_vec())));
        assert_eq!(described("").unwrap().body, None);
        assert_eq!(described(r#","body":"""#).unwrap().body, Some(Vec::new()));
        assert_eq!(described(r#","body_base64":"/w==""#).unwrap().body, Some(vec![0xff]));
    }

    #[test]
    fn what_no_request_has_is_refused() {
        for (members, part) in [
            (r#","body":"a","body_base64":"YQ==""#, "body or body_base64"),
            (r#","body_base64":"_w==""#, "body_base64: "),
            (r#","body_base64":"YQ""#, "body_base64: "),
            (r#","fields":[{"name":"a b","value":"1"}]"#, "fields: "),
            (r#","fields":[{"name":"a","value":"1\n2"}]"#, "fields: "),
            (r#","fields":[{"name":"a"}]"#, "value"),
            (r#","body":{"a":1}"#, "body"),
            (r#","push":["main"]"#, "push: "),
            (r#","push":["refs/a","create:refs/a"]"#, "push: "),
            (r#","push":"refs/a""#, "push"),
        ] {
            let told = described(members).unwrap_err().to_string();
            assert!(told.contains(part), "{members}: {told}");
            assert!(!told.contains("1\n"), "{told}");
        }
    }

    #[test]
    fn a_question_names_a_bounded_number_of_headers() {
        let asked = |headers: Vec<String>| {
            let method = "GET".to_owned();
            ExplainedRequest { method, target: "/".to_owned(), headers, ..nothing() }
                .check_headers()
                .is_ok()
        };
        let names = |count: usize, length: usize| vec!["a".repeat(length); count];
        for (headers, sensible) in [
            (names(64, 128), true),
            (names(65, 1), false),
            (names(1, 129), false),
            (names(0, 0), true),
            ([names(63, 1), names(1, 129)].concat(), false),
        ] {
            assert_eq!(
                asked(headers.clone()),
                sensible,
                "{} of {:?}",
                headers.len(),
                headers.last().map(String::len)
            );
        }
    }

    #[test]
    fn a_question_is_asked_below_its_mount() {
        let below = |target: &str, mount: &str| {
            ExplainedRequest { method: "GET".to_owned(), target: target.to_owned(), ..nothing() }
                .below(mount)
                .target
        };
        for (target, mount, at) in [
            ("/api/x", "/api", "/x"),
            ("/api", "/api", "/"),
            ("/api?a=b", "/api", "/?a=b"),
            ("/apis/x", "/api", "/apis/x"),
            ("/x", "/api", "/x"),
            ("/x", "", "/x"),
            ("x", "", "x"),
        ] {
            assert_eq!(below(target, mount), at, "{target} at {mount}");
        }
    }
}
