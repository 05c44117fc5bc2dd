//! The stage with the first minute of a newcomer: `demo` shows one allowed and one refused request,
//! and `serve` in an empty folder makes keys and prints their folder.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::log::Log;
use crate::process::HUNG;
use crate::stage::Report;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{debian, http, process};

pub(super) fn run(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    anyhow::ensure!(
        workspace.binary().is_file(),
        "no release binary: run the stage `release` first"
    );
    debian::ensure(workspace, log, "curl", "curl")?;
    let mut report = Report::default();
    for (name, part) in [("demo", demo as Part), ("first serve", first_serve)] {
        let result = part(workspace, log);
        report.tally = report.tally.plus(Tally::one(result.is_ok()));
        if let Err(error) = result {
            report.notes.push(format!("{name}: {error:#}"));
        }
    }
    Ok(report)
}

type Part = fn(&Workspace, &mut Log) -> Result<()>;

fn demo(workspace: &Workspace, log: &mut Log) -> Result<()> {
    let home = empty_folder(workspace, "demo")?;
    let mut server = Server::start(workspace, &home, &["demo"])?;
    let result = repeat_the_curl_lines(workspace, log, &mut server);
    server.end(log)?;
    result
}

/// Runs the command lines printed by the demonstration, like a reader who copies the lines.
fn repeat_the_curl_lines(workspace: &Workspace, log: &mut Log, server: &mut Server) -> Result<()> {
    let said = server.wait_for(|text| curl_lines(text).len() >= 2)?;
    let token = said
        .lines()
        .find(|line| line.starts_with("MAGIC="))
        .context("it does not give the token as `MAGIC=…`")?;
    let mut statuses = Vec::new();
    for line in curl_lines(&said) {
        let quiet = format!(
            "{token}\n{line} --silent --output /dev/null --write-out '\\n%{{http_code}}\\n'"
        );
        let finished = log.run(workspace.command("sh").args(["-c", &quiet]))?;
        statuses.push(finished.text.trim().lines().last().unwrap_or_default().to_owned());
    }
    anyhow::ensure!(
        statuses == ["200", "403"],
        "its curl lines answered {statuses:?} instead of 200 and 403"
    );
    Ok(())
}

/// Returns the `curl` lines of the text, without a prompt.
fn curl_lines(text: &str) -> Vec<&str> {
    let commands = text.lines().map(|line| line.trim_start_matches([' ', '$', '\t']));
    commands.filter(|line| line.starts_with("curl ")).collect()
}

fn first_serve(workspace: &Workspace, log: &mut Log) -> Result<()> {
    let home = empty_folder(workspace, "serve")?;
    let port = http::free_port()?;
    let mut server =
        Server::start(workspace, &home, &["serve", "--listen", &format!("127.0.0.1:{port}")])?;
    let result = says_where_keys_lie(&mut server, &home, port);
    server.end(log)?;
    result
}

fn says_where_keys_lie(server: &mut Server, home: &Path, port: u16) -> Result<()> {
    server.wait_for(|_| http::is_open(port))?;
    let key = find(home, "private.pem")
        .context("`serve` made no private.pem below its home or working folder")?;
    let folder = key.parent().context("the key lies nowhere")?;
    let absolute = folder.display().to_string();
    let relative = folder.strip_prefix(home).unwrap_or(folder).display().to_string();
    server
        .wait_for(|text| text.contains(&absolute) || text.contains(&relative))
        .context("it does not say where the keys are")?;
    let status = http::get(port, "/__magictoken")?.status;
    anyhow::ensure!(status == 200, "`GET /__magictoken` answered {status}");
    Ok(())
}

/// A running binary with the output in a file, so that a test can read the output meanwhile.
struct Server {
    child: Child,
    output: PathBuf,
}

impl Server {
    fn start(workspace: &Workspace, home: &Path, arguments: &[&str]) -> Result<Server> {
        let output = home.with_extension("txt");
        let file = std::fs::File::create(&output).context("cannot write a file in target")?;
        let mut command: Command = workspace.command(workspace.binary());
        command
            .args(arguments)
            .current_dir(home)
            .env("HOME", home)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        for name in [
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "XDG_STATE_HOME",
            "MAGICPROXY_CONFIG",
            "CONFIG_FILE",
            "KEYS_LOCATION",
        ] {
            command.env_remove(name);
        }
        command.stdout(file.try_clone().context("cannot share a file")?).stderr(file);
        let child = command.spawn().context("cannot start the binary")?;
        Ok(Server { child, output })
    }

    fn said(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.output).context("cannot read its output")?)
            .into_owned())
    }

    fn wait_for(&mut self, enough: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = Instant::now() + HUNG;
        loop {
            let said = self.said()?;
            if enough(&said) {
                return Ok(said);
            }
            let ended = self.child.try_wait().context("cannot look at the binary")?;
            anyhow::ensure!(ended.is_none(), "it ended, and had said only:\n{said}");
            anyhow::ensure!(
                Instant::now() < deadline,
                "after {} s it had said only:\n{said}",
                HUNG.as_secs()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn end(&mut self, log: &mut Log) -> Result<()> {
        let by_itself = process::stop(&mut self.child)?;
        log.line(&self.said()?)?;
        anyhow::ensure!(by_itself, "it did not stop within {} s of SIGTERM", HUNG.as_secs());
        Ok(())
    }
}

fn empty_folder(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let folder = workspace.target.join("xtask").join(format!("home-{name}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("cannot empty a folder in target")?;
    }
    std::fs::create_dir_all(&folder).context("cannot make a folder in target")?;
    Ok(folder)
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    let here = entries.iter().find(|path| path.is_file() && path.ends_with(name)).cloned();
    here.or_else(|| entries.iter().filter(|path| path.is_dir()).find_map(|path| find(path, name)))
}
