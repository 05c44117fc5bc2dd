//! The servers of a benchmark: the bare upstream, and before it nginx, haproxy, the proxy, and the proxy with its log.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, Result};
use serde_json::json;

use crate::log::Log;
use crate::workspace::{Workspace, which};
use crate::{http, process};

const CREDENTIAL: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
const RULE: &str = "GET /repos/[^/]+/[^/]+/issues";

/// Which cores a process may use. Load and upstream share one; the server under test has the other to itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Core {
    Load,
    Tested,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    child: Child,
}

#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) direct: Server,
    nginx: Server,
    haproxy: Server,
    magicproxy: Server,
    logging: Server,
    pub(crate) token: String,
}

impl Server {
    /// The process and those it started: nginx works in children.
    pub(crate) fn processes(&self) -> Vec<u32> {
        process::with_descendants(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is lost with a benchmark's servers, and an error on the way out helps nobody.
        process::stop(&mut self.child, std::time::Duration::from_secs(2)).ok();
    }
}

impl Servers {
    pub(crate) fn start(workspace: &Workspace, log: &mut Log) -> Result<Servers> {
        let folder = workspace.target.join("xtask/bench");
        std::fs::create_dir_all(&folder).context("cannot make a folder in target")?;
        let direct = start_upstream(workspace, log)?;
        let nginx = start_nginx(workspace, log, &folder, direct.port)?;
        let haproxy = start_haproxy(workspace, log, &folder, direct.port)?;
        // One after the other: the first makes the keys that the second shares.
        let magicproxy = start_magicproxy(workspace, log, &folder, direct.port, Logs::Errors)?;
        let logging = start_magicproxy(workspace, log, &folder, direct.port, Logs::Requests)?;
        let token = mint(&magicproxy)?;
        Ok(Servers { direct, nginx, haproxy, magicproxy, logging, token })
    }

    pub(crate) fn all(&self) -> [&Server; 5] {
        [&self.direct, &self.nginx, &self.haproxy, &self.magicproxy, &self.logging]
    }
}

/// A command bound to a core, where there is more than one.
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
    which("taskset").is_some() && std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1)
}

fn start_upstream(workspace: &Workspace, log: &mut Log) -> Result<Server> {
    let port = http::free_port()?;
    let mut command = pinned(workspace, Core::Load, &dist(workspace, "bench-upstream"));
    command.arg(format!("127.0.0.1:{port}"));
    start("direct", port, log, &mut command)
}

fn start_nginx(workspace: &Workspace, log: &mut Log, folder: &Path, upstream: u16) -> Result<Server> {
    let port = http::free_port()?;
    let text = include_str!("nginx.conf")
        .replace("FOLDER", &folder.display().to_string())
        .replace("UPSTREAM", &format!("127.0.0.1:{upstream}"))
        .replace("LISTEN", &format!("127.0.0.1:{port}"))
        .replace("CREDENTIAL", CREDENTIAL);
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text).context("cannot write nginx.conf")?;
    let program = which("nginx").unwrap_or_else(|| PathBuf::from("/usr/sbin/nginx"));
    let mut command = pinned(workspace, Core::Tested, &program);
    command.arg("-e").arg(folder.join("nginx-error.log")).arg("-c").arg(file);
    start("nginx", port, log, &mut command)
}

fn start_haproxy(workspace: &Workspace, log: &mut Log, folder: &Path, upstream: u16) -> Result<Server> {
    let port = http::free_port()?;
    let text = include_str!("haproxy.cfg")
        .replace("UPSTREAM", &format!("127.0.0.1:{upstream}"))
        .replace("LISTEN", &format!("127.0.0.1:{port}"))
        .replace("CREDENTIAL", CREDENTIAL);
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, text).context("cannot write haproxy.cfg")?;
    let program = which("haproxy").unwrap_or_else(|| PathBuf::from("/usr/sbin/haproxy"));
    let mut command = pinned(workspace, Core::Tested, &program);
    command.arg("-db").arg("-f").arg(file);
    start("haproxy", port, log, &mut command)
}

/// What the proxy writes.
#[derive(Debug, Clone, Copy)]
enum Logs {
    /// Like its peers with their access logs off.
    Errors,
    /// One line for each request, to a file: the default.
    Requests,
}

fn start_magicproxy(workspace: &Workspace, log: &mut Log, folder: &Path, upstream: u16, logs: Logs) -> Result<Server> {
    let port = http::free_port()?;
    let mut command = pinned(workspace, Core::Tested, &dist(workspace, "magicproxy"));
    command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
    command.args(["--api-root", &format!("http://127.0.0.1:{upstream}"), "--keys"]).arg(folder.join("keys"));
    command.current_dir(folder);
    match logs {
        Logs::Errors => start("magicproxy", port, log, command.env("MAGICPROXY_LOG", "error")),
        Logs::Requests => {
            let file = || std::fs::File::create(folder.join("requests.log")).context("cannot write a log");
            start_with("with a log", port, log, command.env("MAGICPROXY_LOG", "info").stdout(file()?).stderr(file()?))
        }
    }
}

fn start(name: &'static str, port: u16, log: &mut Log, command: &mut Command) -> Result<Server> {
    command.stdout(log.handle()?).stderr(log.handle()?);
    start_with(name, port, log, command)
}

fn start_with(name: &'static str, port: u16, log: &mut Log, command: &mut Command) -> Result<Server> {
    log.line(&format!("{name} on port {port}"))?;
    let child = command.stdin(std::process::Stdio::null()).spawn().with_context(|| format!("cannot start {name}"))?;
    let server = Server { name, port, child };
    http::wait_for(port).with_context(|| format!("{name} does not start: see {}", log.path().display()))?;
    Ok(server)
}

fn mint(proxy: &Server) -> Result<String> {
    let wish = json!({ "token": CREDENTIAL, "allowed": [RULE] }).to_string();
    let answer = http::post_json(proxy.port, "/__magictoken", &wish)?;
    anyhow::ensure!(answer.status == 200, "minting answered {}: {}", answer.status, answer.body);
    Ok(answer.body.trim().to_owned())
}

fn dist(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target.join("dist").join(name)
}
