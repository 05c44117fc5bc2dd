"""The packages of the client libraries: what is in them, and what a program that installs one from its file can do."""

import json
import sys
import tarfile
import zipfile

from harness.cases import Cases, equal, holds
from harness.exchange import ask
from harness.process import run as to_its_end
from harness.process import environment
from house import CREDENTIAL, run, tool

CASES = Cases()
_WHEEL = "magicproxy_token-*.whl"
_TARBALL = "magicproxy-token-*.tgz"
#: The weaker token of every case allows what the stronger one does, from somebody else.
_CAVEAT = {"allowed": ["GET /repos/acme/.*"]}

_IN_PYTHON = """
import json, sys
import magicproxy_token
order = json.load(sys.stdin)
key = magicproxy_token.verify_key_set(order["keys"])
minted = magicproxy_token.mint(key=key, credential={"secret": order["credential"]}, aud=order["aud"], allowed=["GET /.*"])
print(magicproxy_token.__file__)
print(minted.token)
print(magicproxy_token.narrow(minted.token, order["caveat"]))
"""

_IN_JAVASCRIPT = """
import { readFileSync } from "node:fs";
import { fetchKeys, mint, narrow } from "magicproxy-token";
const order = JSON.parse(readFileSync(0, "utf8"));
const key = await fetchKeys(order.proxy);
const { token } = await mint({ key, credential: { secret: order.credential }, aud: order.aud, allowed: ["GET /.*"] });
console.log(import.meta.resolve("magicproxy-token"));
console.log(token);
console.log(await narrow(token, order.caveat));
"""


@CASES.case("the wheel's metadata is complete, and it has the library alone")
def wheel_contents(house):
    wheel = house.package(_WHEEL)
    holds("PASSED" in run([tool("twine"), "check", "--strict", wheel]), "twine refuses it")
    run([tool("check-wheel-contents"), wheel])
    with zipfile.ZipFile(wheel) as opened:
        entries = opened.infolist()
    equal({entry.filename.split("/")[0].split("-")[0] for entry in entries}, {"magicproxy_token"}, "folders")
    holds(any(entry.filename.endswith("/licenses/LICENSE") for entry in entries), "the licence is missing")
    equal(len({entry.date_time for entry in entries}), 1, "times")


@CASES.case("the tarball has the library alone, with its licence")
def tarball_contents(house):
    with tarfile.open(house.package(_TARBALL)) as opened:
        names = {name.removeprefix("package/") for name in opened.getnames()}
        manifest = json.load(opened.extractfile("package/package.json"))
    equal({name.split("/")[0] for name in names}, {"LICENSE", "README.md", "package.json", "src"}, "files")
    entry = manifest["exports"]
    equal([named for named in (*entry.values(), manifest["types"]) if named.removeprefix("./") not in names], [], "entries that lead nowhere")
    equal(manifest.get("dependencies", {}), {}, "what it needs besides")


@CASES.case("pip installs the wheel, and its program narrows with nothing else")
def narrowed_by_pip(house):
    folder = house.empty("library")
    run([sys.executable, "-m", "venv", folder / "venv"])
    run([folder / "venv/bin/pip", "install", "--quiet", "--no-index", house.package(_WHEEL)])
    program = folder / "venv/bin/magicproxy-token"
    with house.serves("narrowed-by-pip", _proxy(house)) as proxy:
        minted = _minted(house, proxy, folder)
        done = to_its_end([program, "narrow", json.dumps(_CAVEAT)], env=environment(folder), cwd=folder, stdin=minted)
        equal(done.returncode, 0, done.stderr)
        _is_weaker(proxy, minted, done.stdout.strip())


@CASES.case("pip installs the wheel with `[mint]`, which mints for the proxy")
def minted_by_pip(house):
    folder = house.empty("library")
    run([sys.executable, "-m", "venv", folder / "venv"])
    run([folder / "venv/bin/pip", "install", "--quiet", f"{house.package(_WHEEL)}[mint]"])
    _mints(house, "minted-by-pip", [folder / "venv/bin/python", "-c", _IN_PYTHON], folder)


@CASES.case("npm installs the tarball, which mints for the proxy")
def minted_by_npm(house):
    folder = house.empty("library")
    (folder / "package.json").write_text('{ "private": true, "type": "module" }')
    run(["npm", "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", house.package(_TARBALL)], cwd=folder)
    (folder / "mint.mjs").write_text(_IN_JAVASCRIPT)
    _mints(house, "minted-by-npm", ["node", "mint.mjs"], folder)


def _mints(house, name, command, folder):
    """Has a program that uses an installed library mint and narrow for a proxy, which takes both tokens."""
    with house.serves(name, _proxy(house)) as proxy:
        order = {"proxy": proxy, "keys": ask(proxy, "GET", "/__magictoken/keys").text, "caveat": _CAVEAT, **_for_upstream(house)}
        done = to_its_end(command, env=environment(folder), cwd=folder, stdin=json.dumps(order))
        equal(done.returncode, 0, done.stderr)
        place, minted, narrowed = done.stdout.splitlines()
        holds(str(folder) in place, f"the library is that of `{place}`")
        _is_weaker(proxy, minted, narrowed)


def _is_weaker(proxy, minted, narrowed):
    statuses = [ask(proxy, "GET", target, token=token).status for token in (minted, narrowed) for target in ("/user", "/repos/acme/site")]
    equal(statuses, [200, 200, 403, 200], "what each token allows")


def _minted(house, proxy, folder):
    order = ["--aud", _for_upstream(house)["aud"], "--allow", "GET /.*", "--credential-file", "-"]
    done = to_its_end([house.binary, "mint", "--to", proxy, *order], env=environment(folder), cwd=folder, stdin=CREDENTIAL)
    equal(done.returncode, 0, done.stderr)
    return done.stdout.strip()


def _proxy(house):
    return [house.binary, "serve", "--keys", house.empty("keys") / "keys"]


def _for_upstream(house):
    return {"aud": house.upstream.url.removeprefix("http://"), "credential": CREDENTIAL}
