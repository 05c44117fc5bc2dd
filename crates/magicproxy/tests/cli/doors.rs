//! Every door to a branch, tried with tokens of the kits that `docs/guide/git.md` gives:
//! `testdata/vectors/doors.json`. What no kit allows reaches no upstream.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::Value;

use super::program::{Place, Running, SECRET};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "specification")]
    _specification: String,
    #[serde(rename = "note")]
    _note: String,
    kits: Vec<Kit>,
    requests: Vec<Request>,
}

/// A list of rules for one upstream.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kit {
    upstream: String,
    kit: String,
    #[serde(rename = "allows")]
    _allows: String,
    rules: Vec<Value>,
}

/// A request, and the kits that allow it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    upstream: String,
    door: String,
    method: String,
    target: String,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    json: Option<Value>,
    body: Option<String>,
    push: Option<Push>,
    allowed_by: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Push {
    /// Old id, new id and name of each reference.
    commands: Vec<(String, String, String)>,
    options: Option<Vec<String>>,
}

/// A token of one or more kits.
struct Holder {
    upstream: String,
    kits: BTreeSet<String>,
    token: String,
}

#[test]
fn no_door_is_left_open() {
    let vectors = vectors();
    let upstream = RecordingUpstream::start();
    let (_place, proxy, holders) = serve(&vectors, &upstream);
    let mut failures = Vec::new();
    let (mut allowed, mut refused) = (0, 0);
    for request in &vectors.requests {
        for holder in holders.iter().filter(|holder| holder.upstream == request.upstream) {
            let expected = holder.kits.iter().any(|kit| request.allowed_by.contains(kit));
            *(if expected { &mut allowed } else { &mut refused }) += 1;
            let response = proxy.ask(&request.bytes(&holder.token));
            let arrived = upstream.take();
            if let Err(failure) = judge(expected, &arrived, &response) {
                let Request { upstream, door, method, target, .. } = request;
                let kits = &holder.kits;
                failures
                    .push(format!("{upstream}, {door}: {method} {target}, {kits:?}: {failure}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(allowed > 40 && refused > 1_000, "{allowed} allowed, {refused} refused");
    assert_eq!(proxy.running.terminate().code, 0);
}

/// Every kit of the guide is one of the vectors, to the letter, and every one of the vectors is there.
#[test]
fn the_guide_gives_the_kits_that_were_tried() {
    let guide = std::fs::read_to_string(root().join("docs/guide/git.md")).unwrap();
    let blocks = guide.split("```json\n").skip(1).filter_map(|block| block.split("```").next());
    let given: Vec<Value> = blocks
        .map(|block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}")))
        .filter(Value::is_array)
        .collect();
    let kits: Vec<Value> = vectors().kits.into_iter().map(|kit| Value::Array(kit.rules)).collect();
    for block in &given {
        assert!(kits.contains(block), "no kit: {block}");
    }
    for kit in &kits {
        assert!(given.contains(kit), "not in the guide: {}", Value::Array(vec![kit.clone()]));
    }
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn vectors() -> Vectors {
    let text = std::fs::read_to_string(root().join("testdata/vectors/doors.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Says what is wrong with what became of a request.
fn judge(expected: bool, arrived: &[String], response: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(response);
    // The reason phrase of a refusal, or git's report, says who refused.
    let is_refusal = text.contains("magicproxy: ");
    match (expected, arrived.len(), is_refusal) {
        (true, 1, false) | (false, 0, true) => Ok(()),
        _ => Err(format!("expected {expected}, arrived {arrived:?}, response {text}")),
    }
}

/// A proxy with every upstream of the vectors, and tokens of each kit and of all kits of an upstream.
fn serve(vectors: &Vectors, upstream: &RecordingUpstream) -> (Place, Proxy, Vec<Holder>) {
    let place = Place::with_keys();
    let root = &upstream.url;
    place.write(
        "magicproxy.toml",
        &format!(
            "listen = '127.0.0.1:0'\n[upstreams.github]\napi_root = '{root}'\npaths = {{ '/api/uploads' = '{root}' }}\n\
             [upstreams.github-git]\napi_root = '{root}'\n[upstreams.gitlab]\napi_root = '{root}'\n\
             [upstreams.gitlab-git]\napi_root = '{root}'\npreset = 'none'\ncredential = 'basic:oauth2'\n"
        ),
    );
    let mut running = place.program(&["serve", "--keys", "keys", "--log-format", "pretty"]).spawn();
    let line = running.line(" listens on ");
    let address = line.split_once("http://").unwrap().1;
    let address = address.split([' ', '/', ',']).next().unwrap().to_owned();
    let mut holders = Vec::new();
    let upstreams: BTreeSet<&str> = vectors.kits.iter().map(|kit| kit.upstream.as_str()).collect();
    for upstream in upstreams {
        let kits: Vec<&Kit> = vectors.kits.iter().filter(|kit| kit.upstream == upstream).collect();
        for kit in &kits {
            holders.push(Holder::of(&place, &[kit]));
        }
        if kits.len() > 1 {
            holders.push(Holder::of(&place, &kits));
        }
    }
    (place, Proxy { running, address }, holders)
}

impl Holder {
    fn of(place: &Place, kits: &[&Kit]) -> Self {
        let upstream = kits[0].upstream.clone();
        let rules: Vec<String> =
            kits.iter().flat_map(|kit| &kit.rules).map(Value::to_string).collect();
        let mut command = vec!["mint", "--credential-env", "SECRET", "--aud", &upstream];
        rules.iter().for_each(|rule| command.extend(["--allow", rule]));
        let minted = place.program(&command).env("SECRET", SECRET).output();
        assert_eq!(minted.code, 0, "{minted:?}");
        let kits = kits.iter().map(|kit| kit.kit.clone()).collect();
        Self { token: minted.stdout.trim().to_owned(), kits, upstream }
    }
}

impl Request {
    fn bytes(&self, token: &str) -> Vec<u8> {
        let (content, media_type) = self.content();
        let mut head = format!(
            "{} /{}{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n",
            self.method, self.upstream, self.target
        );
        for (name, value) in &self.headers {
            head += &format!("{name}: {}\r\n", value.as_str().unwrap());
        }
        if let Some(media_type) = media_type.filter(|_| !self.headers.contains_key("Content-Type"))
        {
            head += &format!("Content-Type: {media_type}\r\n");
        }
        if let Some(content) = &content {
            head += &format!("Content-Length: {}\r\n", content.len());
        }
        [head.as_bytes(), b"\r\n", &content.unwrap_or_default()].concat()
    }

    fn content(&self) -> (Option<Vec<u8>>, Option<&'static str>) {
        match (&self.json, &self.body, &self.push) {
            (Some(json), None, None) => (Some(json.to_string().into()), Some("application/json")),
            (None, Some(body), None) => (Some(body.clone().into()), None),
            (None, None, Some(push)) => {
                (Some(push.bytes()), Some("application/x-git-receive-pack-request"))
            }
            (None, None, None) => (None, None),
            _ => panic!("{}: more than one content", self.door),
        }
    }
}

impl Push {
    /// The list of commands in pkt-lines, and an empty pack unless all commands delete.
    fn bytes(&self) -> Vec<u8> {
        const EMPTY_PACK: &[u8] = b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e";
        let line = |text: String| format!("{:04x}{text}", text.len() + 4);
        let asked = if self.options.is_some() { " push-options" } else { "" };
        let mut list = String::new();
        for (index, (old, new, name)) in self.commands.iter().enumerate() {
            let capabilities = match index {
                0 => format!("\0 report-status side-band-64k{asked} object-format=sha1"),
                _ => String::new(),
            };
            list += &line(format!("{old} {new} {name}{capabilities}"));
        }
        list += "0000";
        if let Some(options) = &self.options {
            options.iter().for_each(|option| list += &line(option.clone()));
            list += "0000";
        }
        let deletes = self.commands.iter().all(|(_, new, _)| new.bytes().all(|byte| byte == b'0'));
        [list.as_bytes(), if deletes { b"" } else { EMPTY_PACK }].concat()
    }
}

/// A proxy that serves at an address.
struct Proxy {
    running: Running,
    address: String,
}

impl Proxy {
    fn ask(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        // The proxy may refuse before it has read everything.
        let _ = stream.write_all(request);
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response);
        response
    }
}

/// An API that notes the first line of each request, and gives every one the same response.
struct RecordingUpstream {
    url: String,
    arrived: Arc<Mutex<Vec<String>>>,
}

impl RecordingUpstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&arrived);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let noted = Arc::clone(&noted);
                std::thread::spawn(move || respond(stream.unwrap(), &noted));
            }
        });
        Self { url, arrived }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.arrived.lock().unwrap())
    }
}

/// Reads a request to its end, notes it, and responds.
fn respond(mut stream: TcpStream, noted: &Mutex<Vec<String>>) {
    let (mut read, mut buffer) = (Vec::new(), [0; 8192]);
    while !is_whole(&read) {
        match stream.read(&mut buffer) {
            Ok(length @ 1..) => read.extend(&buffer[..length]),
            _ => return,
        }
    }
    let line = String::from_utf8_lossy(&read).lines().next().unwrap_or_default().to_owned();
    noted.lock().unwrap().push(line);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let content = &request[end + 4..];
    match head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()) {
        Some(length) => content.len() >= length.trim().parse().unwrap(),
        None if head.contains("transfer-encoding: chunked") => content.ends_with(b"0\r\n\r\n"),
        None => true,
    }
}
