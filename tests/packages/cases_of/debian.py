"""The Debian package: installed into an empty Debian, run as the user that it made, changed, taken away."""

import gzip

from harness.cases import Cases, equal, holds
from house import as_root, in_root, run

CASES = Cases()
CONFIGURATION = "etc/magicproxy/config.toml"


def _installed(house, name):
    root = house.debian_root(name)
    _install(house, root)
    return root


def _install(house, root):
    package = house.package("*_amd64.deb")
    run(as_root("cp", package, root / "tmp"))
    run(in_root(root, "dpkg", "--install", f"/tmp/{package.name}"))


@CASES.case("lintian has nothing to say")
def lintian(house):
    as_said = run(["lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "none", house.package("*_amd64.deb")])
    equal([line for line in as_said.splitlines() if line[:2] in ("E:", "W:")], [], "tags")


@CASES.case("its program serves, as the user that the package made, with the configuration that it brought")
def serves(house):
    root = _installed(house, "debian")
    home = run(in_root(root, "stat", "--format=%U %a", "/var/lib/magicproxy")).strip()
    equal(home, "magicproxy 700", "owner and mode of the folder of the keys")
    command = in_root(root, "/usr/bin/magicproxy", "serve", "--config", f"/{CONFIGURATION}", user="magicproxy")
    with house.serves("debian", command):
        pass
    keys = run(in_root(root, "stat", "--format=%U %a", "/var/lib/magicproxy/keys/private.pem")).strip()
    equal(keys, "magicproxy 600", "owner and mode of the key")


@CASES.case("manual pages, completions and units lie where they are looked for")
def files(house):
    root = _installed(house, "files")
    for page in ("magicproxy.1.gz", "magicproxy-serve.1.gz"):
        text = gzip.decompress((root / "usr/share/man/man1" / page).read_bytes()).decode()
        holds(".SH NAME" in text, f"`{page}` is no manual page")
    for file in ("bash-completion/completions/magicproxy", "fish/vendor_completions.d/magicproxy.fish", "zsh/vendor-completions/_magicproxy"):
        holds("magicproxy" in (root / "usr/share" / file).read_text(), f"`{file}` completes nothing")
    for unit in ("magicproxy.service", "magicproxy.socket"):
        holds((root / "usr/lib/systemd/system" / unit).is_file(), f"there is no `{unit}`")


@CASES.case("an operator's configuration and keys outlive an upgrade, and keys the package itself")
def kept(house):
    root = _installed(house, "kept")
    run(in_root(root, "sh", "-c", f"echo '# ours' >> /{CONFIGURATION}"))
    run(in_root(root, "magicproxy", "keys", "generate", "--keys", "/var/lib/magicproxy/keys", user="magicproxy"))
    key = root / "var/lib/magicproxy/keys/private.pem"
    before = run(as_root("cat", key))
    _install(house, root)
    holds("# ours" in (root / CONFIGURATION).read_text(), "the upgrade took the configuration away")
    run(in_root(root, "dpkg", "--remove", "magicproxy"))
    holds(not (root / "usr/bin/magicproxy").exists(), "the program is still there")
    holds("# ours" in (root / CONFIGURATION).read_text(), "removing took the configuration away")
    said = run(in_root(root, "dpkg", "--purge", "magicproxy"))
    holds("keys and state stay" in said, f"nobody was told of the keys: {said}")
    holds(not (root / CONFIGURATION).exists(), "the configuration is still there")
    equal(run(as_root("cat", key)), before, "the key")
