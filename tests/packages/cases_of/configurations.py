"""The configurations of `deploy/`: the program takes each, without a warning, with the files that it names."""

import pathlib
import re

from harness.cases import Cases, equal
from harness.process import environment
from house import ROOT, run

CASES = Cases()
FILES = ["deploy/config.toml", "deploy/image.toml", "deploy/compose/config.toml", "deploy/kubernetes/config.toml"]


@CASES.case("every configuration is listed here")
def listed(house):
    found = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "deploy").rglob("*.toml"))
    equal(found, sorted(FILES), "configurations of `deploy/`")


@CASES.case("the program takes it", over=FILES)
def taken(house, file):
    folder = house.empty("configuration")
    path = relocated(house, ROOT / file, folder)
    said = run([house.binary, "config", "check", "--config", path], env=environment(folder), cwd=folder)
    # That others are told of health alone is what the examples want.
    warnings = [line for line in said.lower().splitlines() if "warning" in line and "and nothing else" not in line]
    equal(warnings, [], "warnings")


def relocated(house, file, folder, **changed):
    """A copy of a configuration whose absolute paths lie below a folder, with keys, certificate and the URL of a store there."""
    text = re.sub(r'= "/(?:etc|var/lib)/magicproxy/', f'= "{folder}/', file.read_text())
    for old, new in changed.items():
        text = text.replace(old, new)
    path = folder / "config.toml"
    path.write_text(text)
    run([house.binary, "keys", "generate", "--keys", folder / "keys"], env=environment(folder), cwd=folder)
    certificate(folder / "tls")
    (folder / "state").mkdir(exist_ok=True)
    (folder / "state/url").write_text("redis://magicproxy:secret@127.0.0.1:6379/0\n")
    (folder / "state/url").chmod(0o600)
    return path


def certificate(folder):
    """A certificate for `localhost`, as an operator's mounts have it."""
    folder.mkdir(exist_ok=True)
    run([
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "60", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost,DNS:proxy.example.com", "-addext", "basicConstraints=critical,CA:FALSE",
        "-keyout", folder / "tls.key", "-out", folder / "tls.crt",
    ])
    pathlib.Path(folder / "tls.key").chmod(0o600)
