//! The servers of a benchmark: the bare upstream, the peers in front of the upstream, and the proxy
//! in several variants.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::idle::Idle;
use super::peers;
use crate::conditioned;
use crate::log::Log;
use crate::workspace::{Workspace, which};
use crate::{http, process};

/// The server name of the second build of the proxy.
pub(super) const BESIDE: &str = "beside";
pub(super) const CREDENTIAL: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
const RULES: [&str; 4] = ["GET /repos/[^/]+/[^/]+/issues", "GET /big", "GET /huge", "POST /upload"];
const MANY: usize = 1000;
/// A scope with the greatest allowed number of rules; the last rule allows the benchmark's request.
const SCOPE: &str = "many";
/// The number of scopes in the variant with several; the other scopes come first, and allow other
/// requests.
const SCOPES: usize = 10;
/// The number of sealed tokens. Minting each takes a start of the program.
const MANY_SEALED: usize = 200;
/// The size of a small token cache: room for a dozen or two verified tokens, so that one of many
/// tokens in turn is gone from the cache at the next use.
const FORGETFUL_BYTES: usize = 128 * 1024;

/// The core that a process may use. Load and upstream share a core; the server under test has a
/// core alone.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Core {
    Load,
    Tested,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    /// The port for TLS, if the server speaks TLS.
    pub(crate) tls_port: Option<u16>,
    /// The port in front of the upstream with TLS, if the server has such a port.
    pub(crate) onward_port: Option<u16>,
    child: Child,
}

#[derive(Debug)]
pub(crate) struct Servers {
    all: Vec<Server>,
    pub(crate) tokens: Tokens,
    pub(crate) folder: PathBuf,
}

/// The times from the start of a proxy, with keys already made, to the first response.
#[derive(Debug)]
pub(crate) struct Starts {
    pub(crate) full_ms: f64,
    /// The time of a start with nothing but the defaults.
    pub(crate) bare_ms: f64,
}

/// The tokens that the load generator sends.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) one: String,
    /// A token with the name of a scope of 1,000 rules.
    pub(crate) of_scope: String,
    /// A token with the names of ten scopes of 1,000 rules.
    pub(crate) of_scopes: String,
    /// A token with conditions on a query.
    pub(crate) of_query: String,
    /// A token with conditions on a body of JSON.
    pub(crate) of_json: String,
    pub(crate) many: Vec<String>,
    /// Tokens of version 2.
    pub(crate) sealed: Vec<String>,
    /// A token for the upstream that speaks TLS.
    pub(crate) onward: String,
}

impl Tokens {
    /// Mints with a proxy, with the proxy of many scopes, and with the program for sealed tokens,
    /// which no proxy mints.
    fn mint(
        workspace: &Workspace,
        log: &mut Log,
        folder: &Path,
        (proxy, many): (&Server, &Server),
        program: &Path,
    ) -> Result<Tokens> {
        let scopes: Vec<String> =
            (1..SCOPES).map(further_scope).chain([SCOPE.to_owned()]).collect();
        Ok(Tokens {
            one: mint(proxy.port, &json!({ "token": CREDENTIAL, "allowed": RULES }))?,
            of_scope: mint(proxy.port, &json!({ "token": CREDENTIAL, "scopes": [SCOPE] }))?,
            of_scopes: mint(many.port, &json!({ "token": CREDENTIAL, "scopes": scopes }))?,
            of_query: mint(proxy.port, &conditioned_by(conditioned::query_rule()))?,
            of_json: mint(proxy.port, &conditioned_by(conditioned::json_rule()))?,
            many: many_tokens(proxy)?,
            sealed: sealed_tokens(workspace, log, folder, proxy, program)?,
            onward: mint(
                proxy.onward_port.context("no such port")?,
                &json!({ "token": CREDENTIAL, "allowed": RULES }),
            )?,
        })
    }
}

impl Server {
    pub(super) fn with_ports(mut self, tls: u16, onward: u16) -> Self {
        (self.tls_port, self.onward_port) = (Some(tls), Some(onward));
        self
    }

    /// Returns the ids of the process and of all descendants: nginx works in children.
    pub(crate) fn processes(&self) -> Vec<u32> {
        process::with_descendants(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A benchmark's server has nothing to lose, and an error while stopping has no remedy here.
        process::stop_within(&mut self.child, Duration::from_secs(2)).ok();
    }
}

impl Servers {
    /// Starts the peers, the proxy, and the second build of the proxy if there is one.
    pub(crate) fn start(
        workspace: &Workspace,
        log: &mut Log,
        program: &Path,
        beside: Option<&Path>,
    ) -> Result<Servers> {
        let mut servers = Self::start_alone(workspace, log, program)?;
        let (folder, upstreams) = (servers.folder.clone(), servers.upstreams()?);
        // The peers read the present key, so they start after the proxy.
        let peers = [
            peers::nginx(workspace, log, &folder, upstreams)?,
            peers::haproxy(workspace, log, &folder, upstreams)?,
            peers::envoy(workspace, log, &folder, upstreams.plain)?,
            peers::python(workspace, log, &folder, upstreams.plain)?,
        ];
        // The peers stand behind the two upstreams, in the order of the tables.
        servers.all.splice(2..2, peers);
        if let Some(program) = beside {
            servers.all.push(start_program(
                workspace,
                log,
                &folder,
                upstreams,
                Variant::Beside,
                program,
            )?);
        }
        Ok(servers)
    }

    /// Starts one build of the proxy in all variants, and the upstreams.
    pub(crate) fn start_alone(
        workspace: &Workspace,
        log: &mut Log,
        program: &Path,
    ) -> Result<Servers> {
        let folder = workspace.target.join("xtask/bench");
        std::fs::create_dir_all(&folder).context("cannot make a folder in target")?;
        certificate(workspace, log, &folder)?;
        let (direct, secure) =
            (start_upstream(workspace, log)?, peers::secure_upstream(workspace, log, &folder)?);
        let upstreams = Upstreams { plain: direct.port, secure: secure.port };
        // One after the other: the first proxy makes the keys that the others share.
        let started = |log: &mut Log, variant| {
            start_program(workspace, log, &folder, upstreams, variant, program)
        };
        let magicproxy = started(log, Variant::Plain)?;
        let (kept, logging) = (started(log, Variant::LinksKept)?, started(log, Variant::Logging)?);
        let (forgetful, many) =
            (started(log, Variant::Forgetful)?, started(log, Variant::ManyScopes)?);
        let tokens = Tokens::mint(workspace, log, &folder, (&magicproxy, &many), program)?;
        Ok(Servers {
            all: vec![direct, secure, magicproxy, kept, logging, forgetful, many],
            tokens,
            folder,
        })
    }

    /// Measures the start times of a proxy.
    pub(crate) fn starts(
        &self,
        workspace: &Workspace,
        log: &mut Log,
        program: &Path,
    ) -> Result<Starts> {
        let upstreams = self.upstreams()?;
        let full = median_ms(|| {
            start_program(workspace, log, &self.folder, upstreams, Variant::Plain, program)
        })?;
        let bare = median_ms(|| start_bare(workspace, log, &self.folder, program))?;
        Ok(Starts { full_ms: full, bare_ms: bare })
    }

    fn upstreams(&self) -> Result<Upstreams> {
        Ok(Upstreams { plain: self.named("direct")?.port, secure: self.named("secure")?.port })
    }

    pub(crate) fn named(&self, name: &str) -> Result<&Server> {
        self.all
            .iter()
            .find(|server| server.name == name)
            .with_context(|| format!("no server `{name}`"))
    }

    /// Mints tokens that the proxy has not yet verified.
    pub(crate) fn new_tokens(&self) -> Result<Vec<String>> {
        many_tokens(self.named("magicproxy")?)
    }

    /// Measures the memory of a newly started proxy.
    pub(crate) fn idle(
        &self,
        workspace: &Workspace,
        log: &mut Log,
        program: &Path,
    ) -> Result<Idle> {
        let fresh = start_program(
            workspace,
            log,
            &self.folder,
            self.upstreams()?,
            Variant::Plain,
            program,
        )?;
        Idle::measure(&fresh, &self.tokens.one)
    }

    pub(crate) fn all(&self) -> &[Server] {
        &self.all
    }
}

/// Returns the median of nine start times in milliseconds, until a request is answered: an open
/// port is not enough.
fn median_ms(mut start: impl FnMut() -> Result<Server>) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..9 {
        let began = Instant::now();
        let server = start()?;
        anyhow::ensure!(
            http::get(server.port, "/__magictoken")?.status == 200,
            "no response after the start"
        );
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().context("nothing was started")
}

/// A self-signed certificate that is no certificate authority's, so that a strict client accepts
/// the certificate as a server's.
const CERTIFICATE: &str = "[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = extensions\n\
                           [name]\nCN = localhost\n\
                           [extensions]\nbasicConstraints = critical, CA:FALSE\n\
                           subjectAltName = DNS:localhost, IP:127.0.0.1\n";

/// Makes one certificate for all three servers, on a curve that is fast in all of them.
fn certificate(workspace: &Workspace, log: &mut Log, folder: &Path) -> Result<()> {
    let request = folder.join("certificate.cnf");
    std::fs::write(&request, CERTIFICATE).context("cannot write what openssl is asked for")?;
    let mut command = workspace.command("openssl");
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]);
    command.arg("-config").arg(request);
    command.arg("-keyout").arg(folder.join("key.pem")).arg("-out").arg(folder.join("chain.pem"));
    log.must(&mut command)?;
    let read =
        |name| std::fs::read_to_string(folder.join(name)).context("openssl made no certificate");
    // haproxy wants the certificate and the key in one file.
    std::fs::write(folder.join("both.pem"), read("chain.pem")? + &read("key.pem")?)
        .context("cannot write a certificate")
}

/// Returns a command bound to a core, if the machine has several cores.
pub(crate) fn pinned(workspace: &Workspace, core: Core, program: &Path) -> Command {
    if !can_pin() {
        return workspace.command(program);
    }
    let number = match core {
        Core::Load => "0",
        Core::Tested => "1",
    };
    let mut command = workspace.command("taskset");
    command.args(["--cpu-list", number]).arg(program);
    command
}

pub(crate) fn can_pin() -> bool {
    which("taskset").is_some()
        && std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1)
}

fn start_upstream(workspace: &Workspace, log: &mut Log) -> Result<Server> {
    let port = http::free_port()?;
    let mut command = pinned(workspace, Core::Load, &dist(workspace, "bench-upstream"));
    command.arg(format!("127.0.0.1:{port}"));
    start("direct", port, log, &mut command)
}

/// The ports of the plain upstream and of the upstream with TLS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Upstreams {
    pub(super) plain: u16,
    pub(super) secure: u16,
}

/// A variant of the proxy: plain, or with one difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// Without a log of requests, like the peers.
    Plain,
    /// `rewrite_links = false`: bodies pass unchanged, as in the peers.
    LinksKept,
    /// One line for each request, to a file: the default.
    Logging,
    /// A cache of verified tokens with next to no room: each token is new to the proxy.
    Forgetful,
    /// Ten scopes of 1,000 rules instead of one scope.
    ManyScopes,
    /// The plain variant of another build.
    Beside,
}

impl Variant {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "magicproxy",
            Self::LinksKept => "links kept",
            Self::Logging => "with a log",
            Self::Forgetful => "forgetful",
            Self::ManyScopes => "many scopes",
            Self::Beside => BESIDE,
        }
    }

    fn level(self) -> &'static str {
        if self == Self::Logging { "info" } else { "error" }
    }
}

fn start_program(
    workspace: &Workspace,
    log: &mut Log,
    folder: &Path,
    to: Upstreams,
    variant: Variant,
    program: &Path,
) -> Result<Server> {
    let (port, tls_port, onward_port) =
        (http::free_port()?, http::free_port()?, http::free_port()?);
    let Upstreams { plain, secure } = to;
    let links = variant != Variant::LinksKept;
    let cache = if variant == Variant::Forgetful { FORGETFUL_BYTES } else { 64 * 1024 * 1024 };
    let text = format!(
        "[[listeners]]\nlisten = \"127.0.0.1:{port}\"\ntls = false\nupstream = \"bench\"\n\
         [[listeners]]\nlisten = \"127.0.0.1:{tls_port}\"\nupstream = \"bench\"\n\
         [[listeners]]\nlisten = \"127.0.0.1:{onward_port}\"\ntls = false\nupstream = \"secure\"\n\
         [tls]\ncertificate = \"chain.pem\"\nprivate_key = \"key.pem\"\n\
         [keys]\nfolder = \"keys\"\n\
         [upstreams.bench]\napi_root = \"http://127.0.0.1:{plain}\"\nrewrite_links = {links}\n\
         [upstreams.secure]\napi_root = \"https://localhost:{secure}\"\nextra_ca_file = \"chain.pem\"\nrewrite_links = {links}\n\
         [limits]\ntoken_cache_bytes = {cache}\n\
         [log]\nlevel = \"{}\"\n\
         [scopes]\n{}",
        variant.level(),
        scopes(if variant == Variant::ManyScopes { SCOPES } else { 1 })
    );
    let file = folder.join(format!("{}.toml", variant.name()));
    std::fs::write(&file, text).context("cannot write a configuration")?;
    let mut command = pinned(workspace, Core::Tested, program);
    command.args(["serve", "--config"]).arg(file).current_dir(folder);
    let server = if variant == Variant::Logging {
        let file =
            || std::fs::File::create(folder.join("requests.log")).context("cannot write a log");
        start_with(variant.name(), port, log, command.stdout(file()?).stderr(file()?))?
    } else {
        start(variant.name(), port, log, &mut command)?
    };
    Ok(server.with_ports(tls_port, onward_port))
}

/// Writes scopes in TOML; only the first allows the benchmark's request.
fn scopes(count: usize) -> String {
    let rules = |number: usize| {
        (1..MANY)
            .map(move |at| format!("\"GET /orgs/acme{number}/part{at}/[^/]+\""))
            .collect::<Vec<_>>()
    };
    let first = format!(
        "{SCOPE} = [{}, \"{}\"]\n",
        rules(0).join(", "),
        RULES.first().copied().unwrap_or_default()
    );
    let further = (1..count)
        .map(|number| format!("{} = [{}]\n", further_scope(number), rules(number).join(", ")));
    std::iter::once(first).chain(further).collect()
}

fn further_scope(number: usize) -> String {
    format!("many{number}")
}

/// Returns a folder in which the program finds no configuration.
fn bare(folder: &Path) -> Result<PathBuf> {
    let bare = folder.join("bare");
    std::fs::create_dir_all(&bare).context("cannot make a folder in target")?;
    Ok(bare)
}

/// Starts the proxy with the existing keys, and the defaults otherwise.
fn start_bare(
    workspace: &Workspace,
    log: &mut Log,
    folder: &Path,
    program: &Path,
) -> Result<Server> {
    let port = http::free_port()?;
    let mut command = pinned(workspace, Core::Tested, program);
    command
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--keys"])
        .arg(folder.join("keys"));
    command.current_dir(bare(folder)?);
    start("magicproxy", port, log, &mut command)
}

pub(super) fn start(
    name: &'static str,
    port: u16,
    log: &mut Log,
    command: &mut Command,
) -> Result<Server> {
    command.stdout(log.handle()?).stderr(log.handle()?);
    start_with(name, port, log, command)
}

fn start_with(
    name: &'static str,
    port: u16,
    log: &mut Log,
    command: &mut Command,
) -> Result<Server> {
    log.line(&format!("{name} on port {port}"))?;
    let child = command
        .stdin(std::process::Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let mut server = Server { name, port, tls_port: None, onward_port: None, child };
    http::wait_for(port, &mut server.child)
        .with_context(|| format!("{name} does not start: see {}", log.path().display()))?;
    Ok(server)
}

/// Returns the body of a mint request with one rule.
fn conditioned_by(rule: Value) -> Value {
    json!({ "token": CREDENTIAL, "allowed": [rule] })
}

fn many_tokens(proxy: &Server) -> Result<Vec<String>> {
    (0..MANY).map(|_| mint(proxy.port, &json!({ "token": CREDENTIAL, "allowed": RULES }))).collect()
}

/// Mints tokens sealed to the proxy's key, which the first run of `mint` fetches.
fn sealed_tokens(
    workspace: &Workspace,
    log: &mut Log,
    folder: &Path,
    proxy: &Server,
    program: &Path,
) -> Result<Vec<String>> {
    let home = bare(folder)?;
    let mint = |_| {
        let mut command = workspace.command(program);
        command.args([
            "mint",
            "--to",
            &format!("http://127.0.0.1:{}", proxy.port),
            "--aud",
            "bench",
        ]);
        command
            .args(["--credential-env", "CREDENTIAL"])
            .args(RULES.iter().flat_map(|rule| ["--allow", rule]));
        command
            .env("CREDENTIAL", CREDENTIAL)
            .env("HOME", &home)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME");
        command.current_dir(&home);
        let said = log.must(&mut command)?;
        // The output also describes the token for people, in other lines.
        said.lines()
            .find(|line| !line.contains(' ') && line.len() > 100)
            .map(str::to_owned)
            .context("nothing was minted")
    };
    (0..MANY_SEALED).map(mint).collect()
}

fn mint(port: u16, request: &Value) -> Result<String> {
    let response = http::post_json(port, "/__magictoken", &request.to_string())?;
    anyhow::ensure!(
        response.status == 200,
        "minting answered {}: {}",
        response.status,
        response.body
    );
    Ok(response.body.trim().to_owned())
}

/// Returns the path of a program built by the profile `dist`.
pub(super) fn dist(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target.join("dist").join(name)
}
