//! The image for containers: the program, the libraries that it loads, certificates of authorities,
//! and nothing else: no shell, no package manager. Written as an OCI layout without a daemon: three
//! documents and one layer, in an archive that `docker load` reads, too.
//!
//! Libraries and certificates come from Debian's packages, freshly fetched: those of the machine
//! that builds could hold an authority of its owner's.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::program::{self, Machine, Program};
use super::{Release, empty, install, make_folder, write as write_file};
use crate::log::Log;

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
/// Debian's packages: glibc, the unwinder that Rust's programs load, and Mozilla's authorities.
const PACKAGES: [&str; 3] = ["libc6", "libgcc-s1", "ca-certificates"];
/// The reference by which the image is found once it is loaded.
const NAME: &str = "magicproxy";

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
    let (root, system) = (folder.join("root"), fetch(release, log, folder, program.machine)?);
    install(&program.file, &root.join("usr/bin/magicproxy"), 0o755)?;
    lay_libraries(release, log, program, (&system, &root))?;
    let authorities = authorities(&system)?;
    write_file(&root.join("etc/ssl/certs/ca-certificates.crt"), &authorities, 0o644)?;
    write_file(&root.join("etc/passwd"), PASSWD, 0o644)?;
    write_file(&root.join("etc/group"), GROUP, 0o644)?;
    write_file(&root.join("etc/nsswitch.conf"), NSSWITCH, 0o644)?;
    let documents = root.join("usr/share/doc");
    for package in PACKAGES {
        let text = system.join("usr/share/doc").join(package).join("copyright");
        let text = std::fs::canonicalize(&text).unwrap_or(text);
        // libgcc-s1 shares the document of gcc-12-base.
        if text.is_file() {
            install(&text, &documents.join(package).join("copyright"), 0o644)?;
        }
    }
    install(&release.source("LICENSE"), &documents.join("magicproxy/LICENSE"), 0o644)?;
    install(licences, &documents.join("magicproxy/THIRD-PARTY-LICENCES"), 0o644)?;
    // Where keys and state are mounted: a new volume has owner and mode of this folder.
    make_folder(&root.join(HOME))?;
    let configuration = release.source("deploy/image.toml");
    install(&configuration, &root.join("etc/magicproxy/config.toml"), 0o644)?;
    Ok(root)
}

/// Fetches Debian's packages for the machine and unpacks them, and returns the folder.
fn fetch(release: &Release<'_>, log: &mut Log, folder: &Path, machine: Machine) -> Result<PathBuf> {
    let (fetched, system) = (folder.join("fetched"), folder.join("system"));
    empty(&fetched)?;
    make_folder(&system)?;
    let apt = folder.join("apt");
    make_folder(&apt.join("lists/partial"))?;
    make_folder(&apt.join("archives/partial"))?;
    let fails = "Debian's packages cannot be fetched";
    log.must(apt_get(release, &apt, machine).arg("update")).context(fails)?;
    let mut download = apt_get(release, &apt, machine);
    download.arg("download").args(PACKAGES).current_dir(&fetched);
    log.must(&mut download).context(fails)?;
    for package in std::fs::read_dir(&fetched).context("nothing was fetched")?.flatten() {
        let mut unpack = release.workspace.command("dpkg-deb");
        log.must(unpack.arg("--extract").arg(package.path()).arg(&system))?;
    }
    Ok(system)
}

/// Returns a command of apt-get for a machine, which may be another one, with lists of its own: what
/// is installed here plays no part, and nothing here is changed.
fn apt_get(release: &Release<'_>, folder: &Path, machine: Machine) -> std::process::Command {
    let mut command = release.workspace.command("apt-get");
    let set = [
        format!("APT::Architecture={}", machine.debian()),
        format!("APT::Architectures={}", machine.debian()),
        "APT::Sandbox::User=".to_owned(),
        format!("Dir::State={}", folder.display()),
        "Dir::State::status=/dev/null".to_owned(),
        format!("Dir::Cache={}", folder.display()),
    ];
    command.arg("--quiet=2").args(set.iter().flat_map(|option| ["-o", option]));
    command
}

/// Installs the loader, and whatever the program and its libraries name.
fn lay_libraries(
    release: &Release<'_>,
    log: &mut Log,
    program: &Program,
    (system, root): (&Path, &Path),
) -> Result<()> {
    let machine = program.machine;
    let folder = Path::new("lib").join(machine.library_folder());
    let loader = Path::new(machine.loader());
    let loader_name = loader.file_name().context("the loader has a name")?.to_string_lossy();
    install(&system.join(&folder).join(&*loader_name), &root.join(loader), 0o755)?;
    let mut wanted = program.libraries.clone();
    while let Some(name) = wanted.pop() {
        let there = root.join("usr").join(&folder).join(&name);
        if name == loader_name || there.exists() {
            continue;
        }
        let found = [system.join(&folder), system.join("usr").join(&folder)]
            .map(|folder| folder.join(&name))
            .into_iter()
            .find(|file| file.is_file())
            .with_context(|| format!("none of Debian's packages has `{name}`"))?;
        install(&found, &there, 0o644)?;
        wanted.extend(program::libraries(release.workspace, log, &found)?);
    }
    Ok(())
}

/// Returns the certificates of all authorities in the package, in the order of their names.
fn authorities(system: &Path) -> Result<String> {
    let folder = system.join("usr/share/ca-certificates/mozilla");
    let entries = std::fs::read_dir(folder).context("the package has no certificates")?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    anyhow::ensure!(files.len() > 50, "the package has only {} certificates", files.len());
    let texts: std::io::Result<Vec<String>> = files.iter().map(std::fs::read_to_string).collect();
    Ok(texts.context("cannot read a certificate")?.concat())
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
        "annotations": { "org.opencontainers.image.ref.name": release.version },
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
