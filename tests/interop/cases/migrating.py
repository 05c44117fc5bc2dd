"""`docs/guide/migrating.md`: its commands run, and what it says of either program is so."""

import json
import os
import pathlib
import sys
import time

from harness.cases import Cases, equal, holds
from harness.exchange import ask, mint, order
from harness.patience import HANGS
from harness.process import environment
from harness.upstream import Reply, Upstream
from house import CREDENTIAL, KINDS, SCOPES

from .asked import PEER_REFUSAL, allowed, refused

ROOT = pathlib.Path(__file__).resolve().parents[3]
# The runner of the recipes for clients. Appended: what lies in this suite comes first.
sys.path.append(str(ROOT / "tests/clients"))

import recipes  # noqa: E402

CASES = Cases()

#: Rules that the Python program takes and this one does not, and what the refusal must name.
FOREIGN = {
    "GET /repos/(?!secret)[^/]+": "list what is allowed instead",
    "GET /(?=user).*": "as a part of the pattern",
    "GET /(user|repos)/\\1": "write out what it repeats",
    "GET /user\\Z": "spans the whole path",
}


class Site(Upstream):
    """Also has a page that has moved, one that links to itself, and fields that come twice."""

    def reply(self, arrived):
        known = super().reply(arrived)
        if known.status == 200 and arrived.target == "/moved":
            return Reply(302, {"message": "Found"}, {"Location": f"{self.url}/user"})
        if known.status == 200 and arrived.target == "/linked":
            return Reply(200, {"url": f"{self.url}/user"}, {})
        return known


@CASES.case("migrating.md: its commands run, and print what it says")
def page(house):
    bin_folder = house.folder / "migrating-bin"
    bin_folder.mkdir()
    (bin_folder / "magicproxy").symlink_to(house.binary)
    work, home = house.folder / "migrating", house.folder / "migrating-home"
    work.mkdir()
    home.mkdir()
    known = {
        "THERE": house.peer("sync", "ours"),
        "HERE": house.proxy("ours"),
        "API_TOKEN": CREDENTIAL,
        "API_ROOT": house.upstream.url,
        "KEYS_LOCATION": str(house.our_keys),
        "CONFIG_FILE": str(house.scopes_file),
    }
    env = environment(home, PATH=os.pathsep.join([str(bin_folder), os.environ["PATH"]]), **known)
    results = recipes.run_page(ROOT / "docs/guide/migrating.md", env=env, folder=work)
    holds(len(results) >= 3, f"{len(results)} blocks were run")
    holds("accepted   yes" in results[-1].output, f"inspect says: {results[-1].output}")
    house.upstream.take()


@CASES.case("a token alone in Authorization is taken by both, and by ours `token` and `Basic` too", over=KINDS)
def without_scheme(house, kind):
    there, here = house.peer(kind, "ours"), house.proxy("ours")
    token = mint(there, token=CREDENTIAL, allowed=["GET /user"])
    for base in (there, here):
        house.upstream.take()
        answer = ask(base, "GET", "/user", headers={"Authorization": token})
        arrived = house.upstream.take()
        equal((answer.status, len(arrived)), (200, 1), f"{base}: status, and what reached the API")
        equal(arrived[0].values("Authorization"), [f"Bearer {CREDENTIAL}"], "Authorization at the API")
    for other in ("Bearer", CREDENTIAL, f"{token},{token}", f"Digest {token}", "Basic", token.replace(".", ":", 1)):
        answer = ask(here, "GET", "/user", headers={"Authorization": other})
        equal((answer.status, house.upstream.take()), (401, []), f"`{other[:30]}…`: status, and what reached the API")


@CASES.case("a rule of Python's `re` alone is refused with the form to use: configuration, mint, old tokens", over=FOREIGN)
def foreign_rules(house, rule):
    instead = FOREIGN[rule]
    there, here = house.peer("sync", "ours"), house.proxy("ours")
    ordered = order(here, token=CREDENTIAL, allowed=[rule])
    equal(ordered.status, 400, "status of the order")
    holds(instead in ordered.json()["detail"], f"the order's refusal names the form to use: {ordered.text}")
    old = refused(house, here, "GET /user", mint(there, token=CREDENTIAL, allowed=[rule]), 401)
    holds(instead in old.json()["detail"], f"the token's refusal names the form to use: {old.text}")
    file = house.file("foreign.json", json.dumps({"api_root": house.upstream.url, "scopes": SCOPES | {"old": [rule]}}))
    done = house.ours("config", "check", CONFIG_FILE=file)
    equal(done.returncode, 78, "exit status of `config check`")
    holds(instead in done.stdout + done.stderr and "old" in done.stdout + done.stderr, f"the fault: {done.stderr}")


@CASES.case("public_access of the example leads no link to localhost", over=("file", "variable"))
def links(house, way):
    with Site(CREDENTIAL) as site:
        public = {"public_access": "http://localhost:5000"}
        file = house.file(f"public-{way}.json", json.dumps({"api_root": site.url} | (public if way == "file" else {})))
        variables = {"CONFIG_FILE": file} | ({} if way == "file" else {"PUBLIC_ACCESS": public["public_access"]})
        here = house.proxy_with(f"public-{way}", lambda: variables, maker="ours")
        token = mint(here, token=CREDENTIAL, allowed=["GET /moved"])
        equal(ask(here, "GET", "/moved", token=token).headers["Location"], f"{here}/user", "where the link leads")


@CASES.case("redirects are followed there and handed on here; URLs stay there", over=KINDS)
def redirects(house, kind):
    with Site(CREDENTIAL) as site:
        variables = {"API_ROOT": site.url, "KEYS_LOCATION": house.our_keys}
        there, here = house.peer_with(f"site-{kind}", kind, lambda: variables), house.proxy_with(f"site-{kind}-here", lambda: variables)
        token = mint(there, token=CREDENTIAL, allowed=["GET /moved", "GET /linked"])
        # It follows, with the credential, to a page that no rule allows.
        equal(ask(there, "GET", "/moved", token=token).status, 200, "status there")
        equal([each.target for each in site.take()], ["/moved", "/user"], "what reached the API from there")
        moved = ask(here, "GET", "/moved", token=token)
        equal((moved.status, moved.headers["Location"]), (302, f"{here}/user"), "status and Location here")
        equal([each.target for each in site.take()], ["/moved"], "what reached the API from here")
        equal(ask(there, "GET", "/linked", token=token).json(), {"url": f"{site.url}/user"}, "a link there")


@CASES.case("a query goes up to the byte here; there a parameter that comes twice loses its second value")
def queries(house):
    token = mint(house.peer("sync", "ours"), token=CREDENTIAL, allowed=["GET /user"])
    for base, target in ((house.peer("sync", "ours"), "/user?a=1"), (house.proxy("ours"), "/user?a=1&a=2")):
        house.upstream.take()
        ask(base, "GET", "/user?a=1&a=2", token=token)
        equal([each.target for each in house.upstream.take()], [target], "what reached the API")


@CASES.case("a form arrives here; there its body is lost, and the API waits for it in vain")
def forms(house):
    token = mint(house.peer("sync", "ours"), token=CREDENTIAL, allowed=["POST /user"])
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    house.upstream.take()
    equal(ask(house.proxy("ours"), "POST", "/user", token=token, headers=headers, body="a=1").status, 200, "status here")
    equal([each.body for each in house.upstream.take()], [b"a=1"], "what reached the API")


@CASES.case("override fields and ambiguous paths go up there and are refused here")
def strictness(house):
    there, here = house.peer("sync", "ours"), house.proxy("ours")
    token = mint(there, token=CREDENTIAL, allowed=["GET /.*"])
    for target, headers in (("/user", {"X-HTTP-Method-Override": "DELETE"}), ("/a;b", {}), ("/a%5Cb", {}), ("/a%2Fb", {})):
        house.upstream.take()
        equal((ask(there, "GET", target, token=token, headers=headers).status, len(house.upstream.take())), (200, 1), f"{target} there")
        equal((ask(here, "GET", target, token=token, headers=headers).status, house.upstream.take()), (400, []), f"{target} here")


@CASES.case("a token whose scope is gone is 500 there and 401 here", over=KINDS)
def lost_scope(house, kind):
    token = mint(house.peer(kind, "ours"), token=CREDENTIAL, scopes=["reader"])
    settings = {"API_ROOT": house.upstream.url, "KEYS_LOCATION": house.our_keys}
    there = house.peer_with(f"bare-{kind}", kind, lambda: settings)
    here = house.proxy_with("bare", lambda: settings)
    refused(house, there, "GET /user", token, 500)
    refused(house, here, "GET /user", token, 401)


@CASES.case("plain tokens go back, and a revoked one works there, as the page warns", over=KINDS)
def back_out(house, kind):
    here, there = house.proxy("ours"), house.peer(kind, "ours")
    token = mint(here, token=CREDENTIAL, allowed=["GET /user"], expires_in=60)
    allowed(house, there, "GET /user", token)
    house.ok("revoke", "--keys", house.our_keys, "--token", "-", stdin=token)
    deadline = time.monotonic() + HANGS
    while ask(here, "GET", "/user", token=token).status != 401:
        holds(time.monotonic() < deadline, f"the revocation is heard of within {HANGS} s")
        time.sleep(0.02)
    allowed(house, there, "GET /user", token)
    # A rule is the beginning of a path there, in a token of ours too.
    allowed(house, there, "GET /user/keys", token)
    refused(house, there, "GET /user/keys", mint(here, token=CREDENTIAL, allowed=["GET /user$"]), PEER_REFUSAL[kind])


@CASES.case("the Python program's own plugins get no more rights than they had")
def plugins(house):
    for name, text, proposed, never in (
        ("allow_all", "def is_request_allowed(method, path):\n    return True\n", "'* /.*'", "grants"),
        ("allow_none", "def is_request_allowed(method, path):\n    return False\n", "it allows nothing", "[scopes]"),
        ("not_admin", "def is_request_allowed(method, path):\n    return method == 'GET' and path != '/admin'\n", "--out DIR", "/admin'"),
    ):
        file = house.file(f"{name}.py", text)
        said = house.ok("plugin", "import", file)
        holds(proposed in said and never not in said, f"{name}: {said}")


