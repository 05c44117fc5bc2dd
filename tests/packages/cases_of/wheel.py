"""The wheel: what PyPI would refuse, and the program as pip and uv install it."""

import os
import sys
import zipfile

from harness.cases import Cases, equal, holds
from harness.process import environment
from house import run, tool

CASES = Cases()
_PATTERN = "magicproxy-*_x86_64.whl"


@CASES.case("its metadata is complete")
def metadata(house):
    said = run([tool("twine"), "check", "--strict", house.package(_PATTERN)])
    holds("PASSED" in said, said)
    # W007: there is no library of Python's in it, and there should be none.
    run([tool("check-wheel-contents"), "--ignore", "W007", house.package(_PATTERN)])


@CASES.case("it runs where its name says")
def platform(house):
    wheel = house.package(_PATTERN)
    tag = wheel.name.removesuffix(".whl").split("-")[-1]
    holds(f'platform tag: "{tag}"' in run([tool("auditwheel"), "show", wheel]).replace("\n", " "), f"auditwheel names another platform than {tag}")


@CASES.case("pip installs it, and its program serves")
def pip(house):
    folder = house.empty("pip")
    run([sys.executable, "-m", "venv", folder / "venv"])
    run([folder / "venv/bin/pip", "install", "--quiet", "--no-index", house.package(_PATTERN)])
    program = folder / "venv/bin/magicproxy"
    equal(run([program, "--version"]).strip(), f"magicproxy {house.version}", "its version")
    with house.serves("pip", [program, "serve", "--keys", folder / "keys"]):
        pass
    run([folder / "venv/bin/pip", "uninstall", "--quiet", "--yes", "magicproxy"])
    holds(not program.exists(), "it is still there")


@CASES.case("pipx installs it, and takes it away")
def pipx(house):
    folder = house.empty("pipx")
    # The rest of the environment says where pipx finds a pip for the environments that it makes.
    variables = {**os.environ, "PIPX_HOME": f"{folder}/pipx", "PIPX_BIN_DIR": f"{folder}/bin", "PIPX_MAN_DIR": f"{folder}/man"}
    run([tool("pipx"), "install", "--backend", "pip", house.package(_PATTERN)], env=variables)
    program = folder / "bin/magicproxy"
    with house.serves("pipx", [program, "serve", "--keys", folder / "keys"]):
        pass
    run([tool("pipx"), "uninstall", "magicproxy"], env=variables)
    holds(not program.exists(), "it is still there")


@CASES.case("uv runs it without installing it")
def uv(house):
    folder = house.empty("uv")
    command = [tool("uv"), "tool", "run", "--offline", "--no-index", "--python", sys.executable, "--from", house.package(_PATTERN)]
    said = run([*command, "magicproxy", "--version"], env=environment(folder), cwd=folder)
    equal(said.splitlines()[-1], f"magicproxy {house.version}", "its version")


@CASES.case("everything in it has one time, and its program may be run")
def reproducible(house):
    with zipfile.ZipFile(house.package(_PATTERN)) as wheel:
        entries = wheel.infolist()
    equal(len({entry.date_time for entry in entries}), 1, "times")
    modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in entries}
    equal([mode for name, mode in modes.items() if "/scripts/" in name], [0o755], "the program's mode")
