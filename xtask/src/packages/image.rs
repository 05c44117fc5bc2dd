//! The image for containers: the program, the libraries that it loads, certificates of authorities,
//! and nothing else: no shell, no package manager. Written as an OCI layout without a daemon: three
//! documents and one layer, in an archive that `docker load` reads, too.
//!
//! Libraries and certificates come from Debian's packages.

mod system;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::program::{self, Machine, Program};
use super::{Release, install, make_folder, write as write_file};
use crate::log::Log;
use system::System;

/// The user in the image: a number, so that Kubernetes can tell that it is not root.
const UID: u32 = 65532;
const ROOT: u32 = 0;
/// The folder of keys and state.
const HOME: &str = "var/lib/magicproxy";
const PASSWD: &str = "root:x:0:0:root:/root:/sbin/nologin\n\
                      magicproxy:x:65532:65532:magicproxy:/var/lib/magicproxy:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nmagicproxy:x:65532:\n";
/// A second, as Docker counts.
const SECOND: u64 = 1_000_000_000;
/// Names are looked up in files, then by DNS.
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";
/// The name by which the image is found once it is loaded.
const NAME: &str = "magicproxy";
/// What Docker puts before a name without a registry. Podman and containerd, which read the layout,
/// take the name from an annotation, and in full; else the image is named by its version alone.
const LIBRARY: &str = "docker.io/library";

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A file of the layout, named by its digest.
struct Blob {
    digest: String,
    size: u64,
}

/// Writes `magicproxy-VERSION-image-MACHINE.tar`.
pub(super) fn write(
    release: &Release<'_>,
    log: &mut Log,
    program: &Program,
    licences: &Path,
) -> Result<()> {
    let folder = release.parts.join(program.machine.name()).join("image");
    let root = lay_root(release, log, program, (&folder, licences))?;
    let layout = folder.join("layout");
    make_folder(&layout)?;
    let layer = folder.join("layer.tar");
    write_layer(release, log, &root, &layer)?;
    let unpacked = digest(release, log, &layer)?;
    release.gzip(log, &layer)?;
    let layer = store(release, log, &layout, &folder.join("layer.tar.gz"))?;
    lay_documents(release, log, (&folder, &layout), (program.machine, &unpacked, &layer))?;
    let name = format!("magicproxy-{}-image-{}.tar", release.version, program.machine.debian());
    let mut tar = release.tar("--create", ROOT);
    tar.arg("--file").arg(release.finished.join(name)).arg("--directory").arg(&layout);
    log.must(tar.args(["blobs", "index.json", "manifest.json", "oci-layout"])).map(drop)
}

/// Writes a root as a tar. Everything is root's but the folder of keys and state.
fn write_layer(release: &Release<'_>, log: &mut Log, root: &Path, layer: &Path) -> Result<()> {
    let mut tar = release.tar("--create", ROOT);
    tar.arg("--file").arg(layer).arg("--directory").arg(root);
    log.must(tar.args([&format!("--exclude=./{HOME}"), "."]))?;
    let mut append = release.tar("--append", UID);
    append
        .args(["--no-recursion", "--mode=0700", "--file"])
        .arg(layer)
        .arg("--directory")
        .arg(root);
    log.must(append.arg(format!("./{HOME}"))).map(drop)
}

/// Lays the root of the image, and returns its folder.
fn lay_root(
    release: &Release<'_>,
    log: &mut Log,
    program: &Program,
    (folder, licences): (&Path, &Path),
) -> Result<PathBuf> {
    let root = folder.join("root");
    let system = System::fetch(release, log, folder, program.machine)?;
    install(&program.file, &root.join("usr/bin/magicproxy"), 0o755)?;
    let mut packages = lay_libraries(release, log, program, (&system, &root))?;
    packages.insert(system::AUTHORITIES);
    system.lay_copyrights(&packages, &root)?;
    write_file(&root.join("etc/ssl/certs/ca-certificates.crt"), &system.authorities()?, 0o644)?;
    write_file(&root.join("etc/passwd"), PASSWD, 0o644)?;
    write_file(&root.join("etc/group"), GROUP, 0o644)?;
    write_file(&root.join("etc/nsswitch.conf"), NSSWITCH, 0o644)?;
    let documents = root.join("usr/share/doc/magicproxy");
    install(&release.source("LICENSE"), &documents.join("LICENSE"), 0o644)?;
    install(licences, &documents.join("THIRD-PARTY-LICENCES"), 0o644)?;
    // Where keys and state are mounted: a new volume has owner and mode of this folder.
    make_folder(&root.join(HOME))?;
    let configuration = release.source("deploy/image.toml");
    install(&configuration, &root.join("etc/magicproxy/config.toml"), 0o644)?;
    Ok(root)
}

/// Installs the loader, and whatever the program and its libraries name. Returns the packages that
/// all of them come from.
fn lay_libraries(
    release: &Release<'_>,
    log: &mut Log,
    program: &Program,
    (system, root): (&System, &Path),
) -> Result<BTreeSet<&'static str>> {
    let loader = Path::new(program.machine.loader());
    let loader_name = loader.file_name().context("the loader has a name")?.to_string_lossy();
    let found = system.library(&loader_name)?;
    install(&found.file, &root.join(loader), 0o755)?;
    let mut packages = BTreeSet::from([found.package]);
    let folder = root.join("usr/lib").join(program.machine.library_folder());
    let mut wanted = program.libraries.clone();
    while let Some(name) = wanted.pop() {
        let there = folder.join(&name);
        if name == loader_name || there.exists() {
            continue;
        }
        let found = system.library(&name)?;
        install(&found.file, &there, 0o644)?;
        packages.insert(found.package);
        wanted.extend(program::libraries(release.workspace, log, &found.file)?);
    }
    Ok(packages)
}

/// Writes the documents of the layout: configuration, manifest and index, and Docker's own list.
fn lay_documents(
    release: &Release<'_>,
    log: &mut Log,
    (folder, layout): (&Path, &Path),
    (machine, unpacked, layer): (Machine, &str, &Blob),
) -> Result<()> {
    let document = folder.join("document.json");
    let mut keep = |value: &Value| {
        write_file(&document, &value.to_string(), 0o644)?;
        store(release, log, layout, &document)
    };
    let config = keep(&configuration(release, machine, unpacked))?;
    let manifest = keep(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(CONFIG_TYPE, &config),
        "layers": [descriptor(LAYER_TYPE, layer)],
    }))?;
    let tag = format!("{NAME}:{}", release.version);
    let entry = json!({
        "mediaType": MANIFEST_TYPE,
        "digest": format!("sha256:{}", manifest.digest),
        "size": manifest.size,
        "platform": { "architecture": machine.debian(), "os": "linux" },
        "annotations": {
            "org.opencontainers.image.ref.name": release.version,
            "io.containerd.image.name": format!("{LIBRARY}/{tag}"),
        },
    });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry] });
    let path = |blob: &Blob| format!("blobs/sha256/{}", blob.digest);
    let for_docker =
        json!([{ "Config": path(&config), "RepoTags": [tag], "Layers": [path(layer)] }]);
    let version = json!({ "imageLayoutVersion": "1.0.0" });
    for (name, value) in
        [("index.json", index), ("manifest.json", for_docker), ("oci-layout", version)]
    {
        write_file(&layout.join(name), &value.to_string(), 0o644)?;
    }
    Ok(())
}

/// Returns the configuration of the image: how it is started, and as whom.
fn configuration(release: &Release<'_>, machine: Machine, unpacked: &str) -> Value {
    let created = &release.timestamp;
    json!({
        "architecture": machine.debian(),
        "os": "linux",
        "created": created,
        "config": {
            "User": format!("{UID}:{UID}"),
            "Entrypoint": ["/usr/bin/magicproxy"],
            "Cmd": ["serve"],
            "Env": [
                "PATH=/usr/bin",
                "HOME=/var/lib/magicproxy",
                "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
            ],
            "WorkingDir": "/",
            "ExposedPorts": { "5000/tcp": {} },
            "StopSignal": "SIGTERM",
            "Healthcheck": {
                "Test": ["CMD", "/usr/bin/magicproxy", "--quiet", "health"],
                "Interval": 30 * SECOND,
                "Timeout": 6 * SECOND,
                "Retries": 3,
            },
            "Labels": {
                "org.opencontainers.image.title": "Magic API Proxy",
                "org.opencontainers.image.description":
                    "One API credential in, any number of narrow magic tokens out",
                "org.opencontainers.image.version": release.version,
                "org.opencontainers.image.licenses": "Apache-2.0",
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{unpacked}")] },
        "history": [{ "created": created, "created_by": "cargo xtask dist" }],
    })
}

fn descriptor(kind: &str, blob: &Blob) -> Value {
    json!({ "mediaType": kind, "digest": format!("sha256:{}", blob.digest), "size": blob.size })
}

/// Moves a file to its digest in the layout.
fn store(release: &Release<'_>, log: &mut Log, layout: &Path, file: &Path) -> Result<Blob> {
    let digest = digest(release, log, file)?;
    let blobs = layout.join("blobs/sha256");
    make_folder(&blobs)?;
    let size = std::fs::metadata(file).context("a part of the image is missing")?.len();
    std::fs::rename(file, blobs.join(&digest)).context("cannot move a part of the image")?;
    Ok(Blob { digest, size })
}

fn digest(release: &Release<'_>, log: &mut Log, file: &Path) -> Result<String> {
    let said = log.must(release.workspace.command("sha256sum").arg(file))?;
    said.split_whitespace().next().map(str::to_owned).context("`sha256sum` gave no digest")
}
