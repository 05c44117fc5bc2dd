//! A plugin for ACME challenges on DigitalOcean: a token may create `_acme-challenge` TXT records,
//! and delete the records that the token created.
//!
//! Does the same as `do_lets_encrypt.py` of the Python program, without two faults: created records
//! are remembered for each token separately, and only if DigitalOcean confirms the creation.
//!
//! `config`, if set, is a list of the allowed domains, with spaces between.

use serde::Deserialize;

wit_bindgen::generate!({ path: "../../../crates/magicproxy-plugin/wit/since_v1", world: "plugin" });

use magicproxy::plugin::{config, log, state};

struct DoLetsEncrypt;
export!(DoLetsEncrypt);

impl Guest for DoLetsEncrypt {
    fn interests() -> Interests {
        Interests {
            request_headers: Vec::new(),
            request_body: true,
            responses: true,
            response_headers: Vec::new(),
            response_body: true,
        }
    }

    fn is_request_allowed(request: Request) -> Verdict {
        match Action::of(&request) {
            Some(Action::Create { .. }) => Verdict::Allow,
            Some(Action::Delete { name }) => match state::get(&name) {
                Ok(Some(_)) => Verdict::Allow,
                Ok(None) => Verdict::Abstain,
                Err(error) => Verdict::Deny(format!("cannot tell whose record it is: {error:?}")),
            },
            None => Verdict::Abstain,
        }
    }

    fn on_response(request: Request, response: Response) -> Result<(), String> {
        // The action is determined again, because another rule may have allowed a request that does
        // not concern the plugin.
        match (Action::of(&request), response.status) {
            (Some(Action::Create { domain }), 201) => {
                let id = id_of(&response).ok_or("the answer has no domain_record.id")?;
                log::write(log::Level::Info, &format!("record {id} of {domain} was created"));
                state::set(&name_of(domain, id), b"created", None).map_err(|error| format!("record {id} of {domain}: {error:?}"))
            }
            // Another client may have deleted the record already; 404 has the same effect.
            (Some(Action::Delete { name }), 204 | 404) => state::remove(&name).map_err(|error| format!("{name}: {error:?}")),
            _ => Ok(()),
        }
    }
}

/// An action that the plugin decides on.
enum Action<'r> {
    Create { domain: &'r str },
    Delete { name: String },
}

impl<'r> Action<'r> {
    fn of(request: &'r Request) -> Option<Self> {
        if request.query.is_some() {
            return None;
        }
        let (domain, rest) = request.path.strip_prefix("/v2/domains/")?.split_once('/')?;
        if domain.is_empty() || !is_ours(domain) {
            return None;
        }
        match (request.method.as_str(), rest.strip_prefix("records")?) {
            ("POST", "") => is_challenge(request.body.as_deref()?).then_some(Self::Create { domain }),
            ("DELETE", rest) => Some(Self::Delete { name: name_of(domain, rest.strip_prefix('/')?.parse().ok()?) }),
            _ => None,
        }
    }
}

fn is_ours(domain: &str) -> bool {
    config::get().is_none_or(|domains| domains.split_ascii_whitespace().any(|ours| ours == domain))
}

/// Returns the name under which a record is remembered. The number has one spelling in the name,
/// whatever the spelling in the path was.
fn name_of(domain: &str, id: u64) -> String {
    format!("{domain}/{id}")
}

/// All members of a record that DigitalOcean knows. An unknown or repeated member is refused,
/// because DigitalOcean might read the member in another way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct NewRecord<'b> {
    #[serde(rename = "type")]
    kind: &'b str,
    name: &'b str,
    data: String,
    #[serde(default)]
    ttl: Option<u32>,
    #[serde(default)]
    priority: Option<u32>,
    #[serde(default)]
    port: Option<u32>,
    #[serde(default)]
    weight: Option<u32>,
    #[serde(default)]
    flags: Option<u32>,
    #[serde(default)]
    tag: Option<&'b str>,
}

fn is_challenge(body: &[u8]) -> bool {
    let Ok(record) = serde_json::from_slice::<NewRecord>(body) else { return false };
    let label = record.name.split('.').next();
    record.kind == "TXT" && label == Some("_acme-challenge")
}

#[derive(Deserialize)]
struct Created {
    domain_record: Record,
}

#[derive(Deserialize)]
struct Record {
    id: u64,
}

fn id_of(response: &Response) -> Option<u64> {
    serde_json::from_slice::<Created>(response.body.as_deref()?).ok().map(|created| created.domain_record.id)
}
