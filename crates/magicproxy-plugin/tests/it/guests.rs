//! Plugins written as text, made components here, and a host for them in a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use magicproxy_core::UnixTime;
use magicproxy_core::plugin::{PluginName, PluginRequest, PluginResponse, PluginScope};
use magicproxy_core::state::{Partition, RowLimits};
use magicproxy_plugin::{Host, HostSettings, LoadError, PluginSettings};
use tempfile::TempDir;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::store::Memory;

/// What a guest does, where it is not what every other one does: text in WebAssembly's text format.
pub(crate) struct Parts<'p> {
    /// Imports, types, globals, tables, data.
    pub(crate) module: &'p str,
    /// The minimum of its memory, in pages.
    pub(crate) pages: u32,
    /// The body of `interests`, before it returns.
    pub(crate) interests: &'p str,
    /// The body of `is-request-allowed`: it leaves the address of a verdict.
    pub(crate) decide: &'p str,
    /// The body of `on-response`: it leaves the address of a result.
    pub(crate) observe: &'p str,
}

/// Addresses of what a guest can answer.
pub(crate) const ALLOW: &str = "(i32.const 64)";
pub(crate) const ABSTAIN: &str = "(i32.const 96)";
pub(crate) const DONE: &str = "(i32.const 64)";

impl Default for Parts<'_> {
    fn default() -> Self {
        Self { module: "", pages: 4, interests: "", decide: ABSTAIN, observe: DONE }
    }
}

/// The component. Its interests stand at 128: none, but it is told of responses.
pub(crate) fn component(parts: &Parts) -> Vec<u8> {
    let Parts { module, pages, interests, decide, observe } = parts;
    let text = format!(
        r#"(module {module}
            (memory (export "memory") {pages})
            (global $heap (mut i32) (i32.const 8192))
            (data (i32.const 64) "\00") (data (i32.const 96) "\02") (data (i32.const 137) "\01")
            (func $realloc (export "cabi_realloc") (param $old i32) (param i32) (param i32) (param $size i32) (result i32)
                (local $at i32)
                (local.set $at (global.get $heap))
                (global.set $heap
                    (i32.and (i32.add (i32.add (global.get $heap) (local.get $size)) (i32.const 7)) (i32.const -8)))
                (block $fits
                    (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
                    (br_if $fits (i32.ne (i32.const -1)
                        (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $size) (i32.const 65536))))))
                    (unreachable))
                (local.get $at))
            (func (export "interests") (result i32) {interests} (i32.const 128))
            (func (export "is-request-allowed") (param $request i32) (result i32) {decide})
            (func (export "on-response") (param $exchange i32) (result i32) {observe}))"#
    );
    component_of(&wat::parse_str(text).unwrap())
}

/// Makes a component of a core module.
pub(crate) fn component_of(module: &[u8]) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit()).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    let mut module = module.to_vec();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

pub(crate) fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("wit/since_v1")
}

pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/plugins")
}

/// A host with one plugin, called `guest`, and its store.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) host: Arc<Host>,
    pub(crate) store: Arc<Memory>,
    pub(crate) name: PluginName,
}

impl Fixture {
    pub(crate) fn of(parts: &Parts) -> Self {
        Self::with(&component(parts), |_| {})
    }

    pub(crate) fn with(component: &[u8], change: impl FnOnce(&mut PluginSettings)) -> Self {
        Self::try_with(component, change).unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    pub(crate) fn try_with(
        component: &[u8],
        change: impl FnOnce(&mut PluginSettings),
    ) -> Result<Self, Vec<LoadError>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("guest.wasm");
        std::fs::write(&file, component).unwrap();
        let name = PluginName::parse("guest").unwrap();
        let mut plugin = PluginSettings::new(name.clone(), file);
        change(&mut plugin);
        let store = Arc::new(Memory::default());
        let settings =
            HostSettings { plugins: vec![plugin], cache: None, state: Some(store.clone()) };
        Ok(Self { host: Arc::new(Host::new(settings)?), folder, store, name })
    }
}

pub(crate) fn request(method: &str, path: &str) -> PluginRequest {
    PluginRequest {
        upstream: "digitalocean".to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        query: None,
        headers: vec![
            ("accept".to_owned(), b"*/*".to_vec()),
            ("authorization".to_owned(), b"Bearer secret".to_vec()),
        ],
        body: None,
        sender: Some([127, 0, 0, 1].into()),
        token_id: "7f3a".to_owned(),
        labels: vec!["ci".to_owned()],
    }
}

pub(crate) fn response(status: u16, body: &str) -> PluginResponse {
    PluginResponse { status, headers: Vec::new(), body: Some(body.as_bytes().into()) }
}

pub(crate) const NOW: UnixTime = UnixTime(1_795_000_000);

pub(crate) fn scope(owner: &str) -> PluginScope {
    PluginScope {
        owner: Partition::of(&[owner.as_bytes()]),
        ends_at: UnixTime(NOW.0 + 3600),
        now: NOW,
        rows: RowLimits::UNBOUNDED,
    }
}

/// A runtime as each of the proxy's workers has one.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
