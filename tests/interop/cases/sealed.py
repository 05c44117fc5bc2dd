"""Sealed tokens in three languages that share no code: each takes what the others make, and the proxy takes all of it."""

import collections
import itertools
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

from harness.cases import Cases, equal, holds
from harness.exchange import ask
from harness.patience import HANGS
from house import CREDENTIAL

from .asked import allowed

CASES = Cases()

ROOT = pathlib.Path(__file__).resolve().parents[3]
CLIENTS = ROOT / "clients"
LANGUAGES = ("rust", "javascript", "python")
KEMS = ("x25519", "x-wing")
#: Who mints, who narrows, and with which KEM it is sealed.
HANDS = tuple(itertools.product(LANGUAGES, LANGUAGES, KEMS))
#: A Python whose `cryptography` has ML-KEM, which the one that the Python program wants has not.
NEW_PYTHON = pathlib.Path(os.environ.get("MAGICPROXY_PY_TOKEN") or ROOT / "target/py-token") / "bin/python"
#: Both libraries have X-Wing there, or their tests fail: none is left out.
REQUIRED = {"MAGICPROXY_X_WING": "required", "MAGICPROXY_NODE_TOKEN": os.environ.get("MAGICPROXY_NODE_TOKEN") or str(ROOT / "target/node-token")}
#: What answers on standard output to what stands on standard input, line by line.
PEERS = {"javascript": ["node", CLIENTS / "js/tools/peer.mjs"], "python": [NEW_PYTHON, CLIENTS / "python/tests/peer.py"]}


@CASES.case("the JavaScript implementation's own tests")
def javascript(house):
    passes(["node", "--test", CLIENTS / "js/test"], **REQUIRED)


@CASES.case("the Python implementation's own tests")
def python(house):
    passes([NEW_PYTHON, "-m", "unittest", "discover", CLIENTS / "python/tests"], **REQUIRED)


@CASES.case("the Python implementation's own tests, with the oldest `cryptography` that it takes")
def old_python(house):
    passes([sys.executable, "-m", "unittest", "discover", CLIENTS / "python/tests"])


def passes(command, **variables):
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANGS, env={**os.environ, **variables})
    holds(done.returncode == 0, f"{command[0]}: {(done.stdout + done.stderr)[-600:]}")


@CASES.case("minted, narrowed, opened", over=HANDS)
def minted_and_narrowed(house, hands):
    minter, narrower, kem = hands
    token = mint(house, minter, kem)
    base = house.proxy("ours")
    allowed(house, base, "GET /repos/acme/site", token)
    child = narrow(house, narrower, token)
    allowed(house, base, "GET /repos/acme/site", child)
    refused(house, base, "/repos/acme/other", child)
    told = [inspect(house, language, child) for language in LANGUAGES]
    equal(told, [told[0]] * len(LANGUAGES), "what each says about it")
    opened = [told_by(language, "open", {"token": child, "keys": private_keys(house)})["credential"] for language in PEERS]
    equal(opened, [{"secret": CREDENTIAL}] * len(PEERS), "what each opens")
    # A second caveat, by the same hand.
    grandchild = narrow(house, narrower, child, {"allowed": ["GET /repos/acme/other"]}, left=False)
    refused(house, base, "/repos/acme/site", grandchild)


X_WING_ALONE = """
[upstream]
api_root = "{}"

[tokens]
kems = ["x-wing"]
max_lifetime = "1h"
"""


@CASES.case("what a proxy says that it accepts is heeded", over=tuple(PEERS))
def heeded(house, language):
    config = house.file("x-wing-alone.toml", X_WING_ALONE.format(house.upstream.url))
    base = house.proxy_with("x-wing-alone", dict, ["--config", config], "ours")
    found = told_by(language, "verifyKeySet", {"document": ask(base, "GET", "/__magictoken/keys").text})
    equal((found["accepts"]["kems"], found["accepts"]["max_lifetime"]), (["x-wing"], 3600), "what the proxy accepts")
    lifetime = {"javascript": "expiresIn", "python": "expires_in"}[language]
    order = {"key": found, "aud": name(house), "allowed": ["GET /user"], "credential": {"secret": CREDENTIAL}, lifetime: 3600}
    token = told_by(language, "mint", order)["token"]
    equal(told_by(language, "inspect", {"token": token})["claims"]["kem"], "x-wing", "the KEM that is left")
    allowed(house, base, "GET /user", token)
    # Whoever has the other key is told, too.
    both = {"key": json.loads(keys(house)), "accepts": found["accepts"]}
    for change, kind in (({lifetime: 3601}, "lifetime"), ({"kem": "x25519"}, "unknown_key"), ({**both, "kem": "x25519"}, "kem")):
        done = json.loads(run_peer(language, json.dumps({"do": "mint", **order, **change})))
        equal(done.get("error"), kind, f"{kind}: what `mint` says")
    sealed = told_by(language, "mint", {**order, **both, "accepts": {**found["accepts"], "kems": ["x25519"]}})["token"]
    equal(ask(base, "GET", "/user", token=sealed).status, 401, "what such a proxy answers")


@CASES.case("version 1 minted in JavaScript with the private key")
def version_1(house):
    key = (house.our_keys / "private.pem").read_text("utf-8")
    order = {"privateKey": key, "credential": CREDENTIAL, "aud": name(house), "allowed": ["GET /user"]}
    token = told_by("javascript", "mintV1", order)["token"]
    allowed(house, house.proxy("ours"), "GET /user", token)


@CASES.case("a rotation under load: two replicas, no request fails")
def rotation(house):
    folder = house.folder / "keys-under-load"
    house.ok("keys", "generate", "--keys", folder)
    arguments = ["--api-root", house.upstream.url, "--keys", folder, "--log-level", "error"]
    replicas = [house.proxy_with(f"replica-{number}", dict, arguments) for number in range(2)]
    place = ["--api-root", house.upstream.url, "--keys", folder, "--allow", "GET /user", "--credential-file", "-"]
    tokens = [house.ok("mint", *place, stdin=CREDENTIAL), sealed_at(house, replicas[0])]
    with Load(replicas, tokens) as load:
        for _ in range(2):
            before = published(replicas[0])
            house.ok("keys", "rotate", "--retire-after", "1d", "--keys", folder)
            wait_for(lambda: all(published(replica) != before for replica in replicas), "both replicas notice")
            # What is minted with the new keys works at once, at both.
            load.tokens.extend([house.ok("mint", *place, stdin=CREDENTIAL), sealed_at(house, replicas[1])])
            done = len(load.statuses)
            wait_for(lambda: len(load.statuses) > done + 50, "the load goes on")
    holds(len(load.statuses) > 100, f"{len(load.statuses)} requests")
    equal(collections.Counter(load.statuses), {200: len(load.statuses)}, "statuses")
    house.upstream.take()


class Load:
    """Requests without a pause, with all tokens at all replicas, from three threads."""

    def __init__(self, replicas, tokens):
        self.replicas, self.tokens, self.statuses = replicas, tokens, []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(3)]

    def _run(self):
        while not self._stop.is_set():
            for base, token in itertools.product(self.replicas, list(self.tokens)):
                try:
                    self.statuses.append(ask(base, "GET", "/user", token=token).status)
                except OSError as error:
                    self.statuses.append(repr(error))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def published(base):
    return [key["kid"] for key in json.loads(ask(base, "GET", "/__magictoken/keys").text)["keys"]]


def sealed_at(house, base):
    order = ["--aud", name(house), "--allow", "GET /user", "--credential-file", "-", "--refresh"]
    return house.ok("mint", "--to", base, *order, stdin=CREDENTIAL)


def wait_for(condition, what):
    deadline = time.monotonic() + HANGS
    while not condition():
        holds(time.monotonic() < deadline, f"{what}, within {HANGS} s")
        time.sleep(0.02)


def refused(house, base, target, token):
    answer = ask(base, "GET", target, token=token)
    equal((answer.status, json.loads(answer.text)["code"]), (403, "beyond_caveat"), target)


def name(house):
    return house.upstream.url.removeprefix("http://")


def keys(house):
    return house.ok("keys", "export-public", "--jwks", "--keys", house.our_keys)


def private_keys(house):
    return [json.loads(file.read_text("utf-8")) for file in house.our_keys.glob("sealing-*.jwk")]


def mint(house, language, kem):
    if language == "rust":
        path = house.file("proxy.jwks", keys(house))
        order = ["--aud", name(house), "--kem", kem, "--allow", "GET /repos/.*", "--sub", "ci", "--credential-file", "-"]
        return house.ok("mint", "--to", path, *order, stdin=CREDENTIAL)
    order = {"key": json.loads(keys(house)), "kem": kem, "aud": name(house), "allowed": ["GET /repos/.*"], "sub": "ci"}
    order["credential"] = {"secret": CREDENTIAL}
    return told_by(language, "mint", order)["token"]


def narrow(house, language, token, caveat=None, *, left=True):
    caveat = caveat or {"allowed": ["GET /repos/acme/site"], "sub": "agent"}
    if language != "rust":
        return told_by(language, "narrow", {"token": token, "caveat": caveat})
    arguments = ["narrow", "-", "--allow", caveat["allowed"][0], *(["--sub", caveat["sub"]] if "sub" in caveat else [])]
    if left:
        return house.ok(*arguments, stdin=token)
    # Ours says that nothing would be left, where the others just do it.
    done = house.ours(*arguments, stdin=token)
    equal((done.returncode, "nothing would be left" in done.stderr), (2, True), "narrowing to nothing")
    return told_by("python", "narrow", {"token": token, "caveat": caveat})


def inspect(house, language, token):
    """Claims and caveats, in each language's own words."""
    if language == "rust":
        told = json.loads(house.ok("inspect", "--json", token, "--keys", house.our_keys, "--api-root", house.upstream.url))
        equal((told["version"], told["accepted"]), ("v2", True), "what ours says")
        return told["kid"], told["id"], told["sub"], told["expires_at"], told["allowed"], told["caveats"]
    told = told_by(language, "inspect", {"token": token})
    claims = told["claims"]
    return claims["kid"], claims["jti"], claims["sub"], claims["exp"], claims["allowed"], told["caveats"]


def told_by(language, doing, order):
    """One question to an implementation's test peer."""
    done = run_peer(language, json.dumps({"do": doing, **order}))
    answer = json.loads(done)
    holds("ok" in answer, f"{language} {doing}: {answer}")
    return answer["ok"]


def run_peer(language, line):
    command, variables = [str(part) for part in PEERS[language]], {**os.environ, **REQUIRED}
    return subprocess.run(command, input=line + "\n", capture_output=True, text=True, check=True, timeout=HANGS, env=variables).stdout
