//! The peers of the proxy in the benchmark: nginx and haproxy, which check nothing; envoy, which
//! verifies signatures; and the Python program.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::servers::{CREDENTIAL, Core, Server, Upstreams, pinned, start};
use crate::log::Log;
use crate::workspace::{Workspace, which};
use crate::{http, python};

/// Starts an upstream over TLS with a response of 1,024 bytes of JSON, on the core of the load.
pub(super) fn secure_upstream(
    workspace: &Workspace,
    log: &mut Log,
    folder: &Path,
) -> Result<Server> {
    let port = http::free_port()?;
    let padding = "x".repeat(1024 - r#"{"padding":""}"#.len());
    let text = include_str!("nginx-upstream.conf").replace("PADDING", &padding);
    let file = filled(folder, "nginx-upstream.conf", &text, port, &[("LISTEN", port)])?;
    nginx_with(workspace, log, "secure", port, Core::Load, &file)
}

pub(super) fn nginx(
    workspace: &Workspace,
    log: &mut Log,
    folder: &Path,
    to: Upstreams,
) -> Result<Server> {
    let (port, tls_port, onward_port) =
        (http::free_port()?, http::free_port()?, http::free_port()?);
    let ports =
        [("LISTEN", port), ("ENCRYPTED", tls_port), ("ONWARD", onward_port), ("SECURE", to.secure)];
    let file = filled(folder, "nginx.conf", include_str!("nginx.conf"), to.plain, &ports)?;
    let server = nginx_with(workspace, log, "nginx", port, Core::Tested, &file)?;
    Ok(server.with_ports(tls_port, onward_port))
}

fn nginx_with(
    workspace: &Workspace,
    log: &mut Log,
    name: &'static str,
    port: u16,
    core: Core,
    file: &Path,
) -> Result<Server> {
    let program = which("nginx").unwrap_or_else(|| PathBuf::from("/usr/sbin/nginx"));
    let mut command = pinned(workspace, core, &program);
    command.arg("-e").arg(file.with_extension("error.log")).arg("-c").arg(file);
    start(name, port, log, &mut command)
}

pub(super) fn haproxy(
    workspace: &Workspace,
    log: &mut Log,
    folder: &Path,
    to: Upstreams,
) -> Result<Server> {
    let (port, tls_port, onward_port) =
        (http::free_port()?, http::free_port()?, http::free_port()?);
    let ports =
        [("LISTEN", port), ("ENCRYPTED", tls_port), ("ONWARD", onward_port), ("SECURE", to.secure)];
    let file = filled(folder, "haproxy.cfg", include_str!("haproxy.cfg"), to.plain, &ports)?;
    let program = which("haproxy").unwrap_or_else(|| PathBuf::from("/usr/sbin/haproxy"));
    let mut command = pinned(workspace, Core::Tested, &program);
    command.arg("-db").arg("-f").arg(file);
    let server = start("haproxy", port, log, &mut command)?;
    Ok(server.with_ports(tls_port, onward_port))
}

/// Starts envoy, which verifies the token's signature with our public key, and cannot open the
/// credential in the token.
pub(super) fn envoy(
    workspace: &Workspace,
    log: &mut Log,
    folder: &Path,
    upstream: u16,
) -> Result<Server> {
    let port = http::free_port()?;
    let mut jwks = python::script(workspace, log, &workspace.root.join("bench/jwks.py"))?;
    let said = log.must(jwks.arg(folder.join("keys/public.pem")))?;
    let text = include_str!("envoy.yaml").replace("JWKS", said.trim());
    let file = filled(folder, "envoy.yaml", &text, upstream, &[("LISTEN", port)])?;
    let home = python::ensure(workspace, log, python::BENCH)?;
    let program = find(&home, "envoy/_bin/envoy").context("the package brought no envoy")?;
    make_executable(&program)?;
    let mut command = pinned(workspace, Core::Tested, &program);
    command
        .args([
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "--log-level",
            "error",
            "--config-path",
        ])
        .arg(file);
    start("envoy", port, log, &mut command)
}

/// Starts the Python program, which defined our token format, with our keys. The program's other
/// form, `--async`, breaks each connection off after a response, because today's aiohttp refuses
/// the value that the program returns.
pub(super) fn python(
    workspace: &Workspace,
    log: &mut Log,
    folder: &Path,
    upstream: u16,
) -> Result<Server> {
    let port = http::free_port()?;
    let program = python::program(workspace, log)?;
    let mut command = pinned(workspace, Core::Tested, &program);
    command.args(["-m", "magicproxy", "--port", &port.to_string()]).current_dir(folder);
    command
        .env("API_ROOT", format!("http://127.0.0.1:{upstream}"))
        .env("KEYS_LOCATION", folder.join("keys"));
    command.env("PUBLIC_ACCESS", format!("http://127.0.0.1:{port}"));
    start("python", port, log, &mut command)
}

/// Writes a configuration with the words in capitals replaced. nginx and haproxy want addresses,
/// envoy ports.
fn filled(
    folder: &Path,
    name: &str,
    text: &str,
    upstream: u16,
    ports: &[(&str, u16)],
) -> Result<PathBuf> {
    let host = if name.starts_with("envoy") { "" } else { "127.0.0.1:" };
    let text =
        text.replace("FOLDER", &folder.display().to_string()).replace("CREDENTIAL", CREDENTIAL);
    let text = text.replace("UPSTREAM", &format!("{host}{upstream}"));
    let text =
        ports.iter().fold(text, |text, (word, port)| text.replace(word, &format!("{host}{port}")));
    let file = folder.join(name);
    std::fs::write(&file, text).with_context(|| format!("cannot write {name}"))?;
    Ok(file)
}

/// Finds a file whose path ends in `end`.
fn find(folder: &Path, end: &str) -> Option<PathBuf> {
    let entries: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    let here = entries.iter().find(|path| path.is_file() && path.ends_with(end)).cloned();
    here.or_else(|| {
        entries
            .iter()
            .filter(|path| path.is_dir() && !path.is_symlink())
            .find_map(|path| find(path, end))
    })
}

/// Makes envoy's file executable; the package leaves that step to a launcher.
fn make_executable(program: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755))
        .context("cannot make envoy executable")
}
