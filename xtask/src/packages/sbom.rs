//! The bill of materials: every crate that is compiled into the program, as CycloneDX 1.6. Read
//! from cargo, which knows the features of the release; a reader of the lock file alone would also
//! list what only tests use.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::Release;

/// Writes `magicproxy-VERSION.cdx.json`.
pub(super) fn write(release: &Release<'_>) -> Result<()> {
    let metadata = metadata(release)?;
    let graph = Graph::of(&metadata)?;
    let linked = graph.linked();
    let mut components: BTreeMap<&str, Value> =
        linked.iter().filter_map(|id| Some((*id, component(graph.packages.get(id)?)))).collect();
    let program = components.remove(graph.root).context("the program is not in its own graph")?;
    let dependencies: Vec<Value> = linked
        .iter()
        .map(|id| json!({ "ref": reference(&graph, id), "dependsOn": depends_on(&graph, id) }))
        .collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "timestamp": release.timestamp, "component": as_program(program) },
        "components": components.values().collect::<Vec<_>>(),
        "dependencies": dependencies,
    });
    let text = serde_json::to_string_pretty(&document).context("cannot write a document")?;
    let file = release.finished.join(format!("magicproxy-{}.cdx.json", release.version));
    super::write(&file, &format!("{text}\n"), 0o644)
}

/// Returns what cargo says of each package from a registry that is compiled into the program.
pub(super) fn linked_packages(release: &Release<'_>) -> Result<Vec<Value>> {
    let metadata = metadata(release)?;
    let graph = Graph::of(&metadata)?;
    let packages = graph.linked().into_iter().filter_map(|id| graph.packages.get(id));
    Ok(packages
        .filter(|package| !at(package, "/source").is_null())
        .map(|&package| package.clone())
        .collect())
}

/// The packages of a build, and which of them each one links.
struct Graph<'m> {
    root: &'m str,
    packages: BTreeMap<&'m str, &'m Value>,
    links: BTreeMap<&'m str, Vec<&'m str>>,
}

impl<'m> Graph<'m> {
    fn of(metadata: &'m Value) -> Result<Graph<'m>> {
        let list = |value: &'m Value| value.as_array().context("cargo's metadata has another form");
        let id = |value: &'m Value| value.as_str().context("a package has no id");
        let mut packages = BTreeMap::new();
        for package in list(at(metadata, "/packages"))? {
            packages.insert(id(at(package, "/id"))?, package);
        }
        let mut links = BTreeMap::new();
        for node in list(at(metadata, "/resolve/nodes"))? {
            let linked = list(at(node, "/deps"))?.iter().filter(|dependency| is_linked(dependency));
            let linked =
                linked.map(|dependency| id(at(dependency, "/pkg"))).collect::<Result<_>>()?;
            links.insert(id(at(node, "/id"))?, linked);
        }
        Ok(Graph { root: id(at(metadata, "/resolve/root"))?, packages, links })
    }

    /// Returns the ids of the program and of everything that it links, at however many removes.
    fn linked(&self) -> BTreeSet<&'m str> {
        let (mut found, mut next) = (BTreeSet::from([self.root]), vec![self.root]);
        while let Some(id) = next.pop() {
            let linked = self.links.get(id).into_iter().flatten().copied();
            next.extend(linked.filter(|id| found.insert(id)));
        }
        found
    }
}

/// True for what is linked: neither a build script's dependency nor a test's.
fn is_linked(dependency: &Value) -> bool {
    let kinds = at(dependency, "/dep_kinds").as_array();
    kinds.is_some_and(|kinds| kinds.iter().any(|kind| at(kind, "/kind").is_null()))
}

fn component(package: &Value) -> Value {
    let (name, version) = (text(package, "/name"), text(package, "/version"));
    let purl = format!("pkg:cargo/{name}@{version}");
    let mut members = Map::from_iter([
        ("type".to_owned(), json!("library")),
        ("bom-ref".to_owned(), json!(purl)),
        ("name".to_owned(), json!(name)),
        ("version".to_owned(), json!(version)),
        ("purl".to_owned(), json!(purl)),
    ]);
    if let Some(licence) = at(package, "/license").as_str() {
        // Before SPDX, crates wrote a slash.
        let expression = licence.replace('/', " OR ");
        members.insert("licenses".to_owned(), json!([{ "expression": expression }]));
    }
    if let Some(description) = at(package, "/description").as_str() {
        members.insert("description".to_owned(), json!(description.trim()));
    }
    Value::Object(members)
}

fn as_program(component: Value) -> Value {
    let Value::Object(mut members) = component else { return component };
    members.insert("type".to_owned(), json!("application"));
    Value::Object(members)
}

fn reference(graph: &Graph<'_>, id: &str) -> Value {
    graph
        .packages
        .get(id)
        .map_or(Value::Null, |package| at(&component(package), "/bom-ref").clone())
}

fn depends_on(graph: &Graph<'_>, id: &str) -> BTreeSet<String> {
    let linked = graph.links.get(id).into_iter().flatten();
    linked.filter_map(|id| reference(graph, id).as_str().map(str::to_owned)).collect()
}

/// Returns what cargo knows of the program as it is released for x86-64. The log has none of it: it
/// is more than all the rest.
fn metadata(release: &Release<'_>) -> Result<Value> {
    let mut command = release.workspace.cargo();
    command.args(["metadata", "--format-version=1", "--locked", "--features=magicproxy/plugins"]);
    command.args(["--filter-platform=x86_64-unknown-linux-gnu", "--manifest-path"]);
    command.arg(release.source("crates/magicproxy/Cargo.toml"));
    let said = command.output().context("cannot run cargo")?;
    anyhow::ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr).trim());
    serde_json::from_slice(&said.stdout).context("cargo's metadata is no JSON")
}

/// Returns what a pointer (RFC 6901) leads to, or null.
fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    at(value, pointer).as_str().unwrap_or_default()
}
