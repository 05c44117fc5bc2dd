//! ACME challenges on DigitalOcean: a token may create `_acme-challenge` TXT records, and delete those that it created.
//!
//! The same job as `do_lets_encrypt.py` of the Python program, less two of its faults: what was created is remembered for
//! each token by itself, and only if DigitalOcean says that it was created.
//!
//! `config`, where given, is a list of the domains that it is for, with spaces between.

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
        // Asked again: another rule may have allowed a request that is none of this plugin's business.
        match (Action::of(&request), response.status) {
            (Some(Action::Create { domain }), 201) => {
                let id = id_of(&response).ok_or("the answer has no domain_record.id")?;
                log::write(log::Level::Info, &format!("record {id} of {domain} was created"));
                state::set(&name_of(domain, id), b"created", None).map_err(|error| format!("record {id} of {domain}: {error:?}"))
            }
            // Somebody else may have been faster: gone is gone.
            (Some(Action::Delete { name }), 204 | 404) => state::remove(&name).map_err(|error| format!("{name}: {error:?}")),
            _ => Ok(()),
        }
    }
}

/// What this plugin knows how to judge.
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

/// The name under which a record is remembered. A number has one spelling in it, whatever the path's was.
fn name_of(domain: &str, id: u64) -> String {
    format!("{domain}/{id}")
}

/// All members that DigitalOcean knows. One that is unknown, or there twice, might mean something else to it than to us.
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
