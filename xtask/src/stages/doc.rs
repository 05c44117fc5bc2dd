//! The documentation of every crate, made from what the tests were built with: `cargo doc` would compile every third-party crate
//! once more, by a profile of its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::compile;
use crate::log::Log;
use crate::run::Report;
use crate::tally::Tally;
use crate::workspace::Workspace;

pub(super) fn run(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let built = Built::read(&messages(workspace, log)?)?;
    let packages = Packages::read(workspace, log)?;
    let documented: Vec<&Target> = built.targets.iter().filter(|target| packages.has(target)).collect();
    anyhow::ensure!(!documented.is_empty(), "cargo named no crate of ours");
    let mut report = Report::default();
    for target in documented {
        let ok = log.build(&mut rustdoc(workspace, &built, &packages, target)?)?.ok;
        report.tally = report.tally.plus(Tally::one(ok));
    }
    Ok(report)
}

/// What cargo says of each artifact, in JSON; nothing is compiled that was not.
fn messages(workspace: &Workspace, log: &mut Log) -> Result<String> {
    log.must_build(compile::everything(workspace)?.arg("--message-format=json-render-diagnostics"))
}

fn rustdoc(workspace: &Workspace, built: &Built, packages: &Packages, target: &Target) -> Result<Command> {
    let package = packages.0.get(&target.package).context("cargo does not know a package that it built")?;
    let mut command = workspace.command("rustdoc");
    command.arg(&target.source).args(["--crate-name", &target.name, "--crate-type", target.kind()]);
    command.args(["--edition", &target.edition, "--document-private-items", "-D", "warnings", "--cap-lints", "deny"]);
    command.arg("--out-dir").arg(workspace.target.join("doc"));
    command.arg("-L").arg(format!("dependency={}", workspace.target.join("debug/deps").display()));
    for feature in &target.features {
        command.arg("--cfg").arg(format!("feature=\"{feature}\""));
    }
    for (name, id) in &package.dependencies {
        if let Some(file) = built.libraries.get(id) {
            command.arg("--extern").arg(format!("{name}={}", file.display()));
        }
    }
    // A program sees the library beside it.
    if let (false, Some(library)) = (target.is_library, built.libraries.get(&target.package)) {
        command.arg("--extern").arg(format!("{}={}", package.name.replace('-', "_"), library.display()));
    }
    command.current_dir(&package.folder).env("CARGO_MANIFEST_DIR", &package.folder);
    command.env("CARGO_PKG_NAME", &package.name).env("CARGO_PKG_VERSION", &package.version);
    Ok(command)
}

/// What cargo built for the tests.
#[derive(Debug, Default)]
struct Built {
    /// The file of each package's library, by the package's id.
    libraries: HashMap<String, PathBuf>,
    /// Libraries and programs, as they are without tests.
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    package: String,
    name: String,
    source: PathBuf,
    edition: String,
    features: Vec<String>,
    is_library: bool,
}

impl Target {
    fn kind(&self) -> &'static str {
        if self.is_library { "lib" } else { "bin" }
    }
}

impl Built {
    fn read(messages: &str) -> Result<Built> {
        let mut built = Built::default();
        for line in messages.lines().filter(|line| line.starts_with('{')) {
            let message: Value = serde_json::from_str(line).context("cargo wrote something that is not JSON")?;
            let is_test = message.pointer("/profile/test") == Some(&Value::Bool(true));
            if text(&message, "/reason").is_ok_and(|reason| reason == "compiler-artifact") && !is_test {
                built.add(&message)?;
            }
        }
        Ok(built)
    }

    fn add(&mut self, artifact: &Value) -> Result<()> {
        let package = text(artifact, "/package_id")?;
        let kinds = texts(artifact, "/target/kind");
        let is_library = kinds.iter().any(|kind| kind.ends_with("lib") || kind == "proc-macro");
        if is_library {
            // Where rustc can read more than types from, and the library of a macro.
            let files = texts(artifact, "/filenames").into_iter().map(PathBuf::from);
            let best = files.max_by_key(|file| file.extension().is_some_and(|extension| extension != "rmeta"));
            self.libraries.insert(package.clone(), best.context("cargo names no file of a library")?);
        }
        if is_library || kinds.iter().any(|kind| kind == "bin") {
            let (name, source) = (text(artifact, "/target/name")?, text(artifact, "/target/src_path")?.into());
            let (edition, features) = (text(artifact, "/target/edition")?, texts(artifact, "/features"));
            self.targets.push(Target { package, name: name.replace('-', "_"), source, edition, features, is_library });
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Package {
    name: String,
    version: String,
    folder: PathBuf,
    /// By the name that its sources use.
    dependencies: Vec<(String, String)>,
}

/// Our packages, by id.
#[derive(Debug)]
struct Packages(HashMap<String, Package>);

impl Packages {
    fn read(workspace: &Workspace, log: &mut Log) -> Result<Packages> {
        let said = log.must(workspace.cargo().args(["metadata", "--format-version", "1", "--all-features"]))?;
        let line = said.lines().find(|line| line.starts_with('{')).context("cargo said nothing of its packages")?;
        let metadata: Value = serde_json::from_str(line).context("cargo wrote something that is not JSON")?;
        let ours = texts(&metadata, "/workspace_members");
        let mut packages = HashMap::new();
        for package in list(&metadata, "/packages") {
            let id = text(package, "/id")?;
            if ours.contains(&id) {
                let manifest = text(package, "/manifest_path")?;
                let folder = Path::new(&manifest).parent().context("a manifest lies nowhere")?.to_path_buf();
                let (name, version) = (text(package, "/name")?, text(package, "/version")?);
                packages.insert(id, Package { name, version, folder, dependencies: Vec::new() });
            }
        }
        for node in list(&metadata, "/resolve/nodes") {
            if let Some(package) = packages.get_mut(&text(node, "/id")?) {
                let edges = list(node, "/deps").iter().map(|edge| Ok((text(edge, "/name")?, text(edge, "/pkg")?)));
                package.dependencies = edges.collect::<Result<_>>()?;
            }
        }
        Ok(Packages(packages))
    }

    /// Is it ours, and not a program that only calls the library of the same name?
    fn has(&self, target: &Target) -> bool {
        let package = self.0.get(&target.package);
        package.is_some_and(|package| {
            target.is_library || target.name != package.name || !package.folder.join("src/lib.rs").is_file()
        })
    }
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn texts(value: &Value, pointer: &str) -> Vec<String> {
    list(value, pointer).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned).with_context(|| format!("cargo gives no `{pointer}`"))
}
