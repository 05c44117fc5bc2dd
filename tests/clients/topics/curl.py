"""curl: mint and use in five lines, and the spellings of `Authorization` that GitHub's clients have."""

import json
import re

from harness.cases import Cases, equal, holds
from matrix import Row, says
from stage import CREDENTIAL

ROWS = [
    Row("curl", says("curl", "--version"), "a recording stub", "minting, four spellings of Authorization, refusals"),
    Row("curl", says("curl", "--version"), "own GitHub", "pages and redirects with -L, home and to a foreign host; upload; Unix socket, TLS"),
]
CASES = Cases(ROWS[0])

#: What someone types: mint a token that may read issues, read them, try to delete them.
FIVE_LINES = """
MAGIC=$(curl -sS --fail "$PROXY/__magictoken" -H 'Content-Type: application/json' \
  -d '{"token": "'"$GITHUB_TOKEN"'", "allowed": ["GET /repos/acme/[^/]+/issues"]}')
curl -sS -w '\\n%{http_code}\\n' -H "Authorization: Bearer $MAGIC" "$PROXY/repos/acme/tool/issues?state=open"
curl -sS -w '\\n%{http_code}\\n' -H "Authorization: Bearer $MAGIC" "$PROXY/repos/acme/tool/issues" -X DELETE
"""

#: curl's arguments for a token, as clients of GitHub send it.
SPELLINGS = {
    "Bearer": lambda token: ["-H", f"Authorization: Bearer {token}"],
    "bearer, as octokit has it for a JWT": lambda token: ["-H", f"Authorization: bearer {token}"],
    "token, as gh and PyGithub have it": lambda token: ["-H", f"Authorization: token {token}"],
    "Basic, as git has it": lambda token: ["--user", f"x-access-token:{token}"],
}


@CASES.case("curl mints and uses a token in five lines, and is refused the rest")
def five_lines(stage):
    stage.upstream.take()
    done = stage.run(["bash", "-euc", FIVE_LINES], PROXY=stage.proxy, GITHUB_TOKEN=CREDENTIAL)
    equal((done.returncode, done.stderr), (0, ""), "how it ended")
    allowed, status, refused, refused_status = done.stdout.splitlines()
    equal((status, refused_status), ("200", "403"), "the statuses")
    equal(json.loads(allowed)["target"], "/repos/acme/tool/issues?state=open", "the API's answer")
    equal(json.loads(refused)["message"], "magicproxy: the token does not allow this request", "the refusal")
    (arrived,) = stage.upstream.take()
    equal(arrived.values("Authorization"), [f"Bearer {CREDENTIAL}"], "Authorization at the API")


@CASES.case("a token is taken in the spelling", over=SPELLINGS)
def spelling(stage, name):
    token = stage.token("GET /user")
    stage.upstream.take()
    for target, expected in (("/user", "200"), ("/user/keys", "403")):
        done = stage.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *SPELLINGS[name](token), stage.proxy + target])
        equal(done.stdout, expected, f"status of {target} ({done.stderr})")
    (arrived,) = stage.upstream.take()
    equal(arrived.values("Authorization"), [f"Bearer {CREDENTIAL}"], "Authorization at the API")
    holds(token not in repr(arrived), "the magic token reached the API")


@CASES.case("an order that is wrong in three ways is told all three")
def every_fault(stage):
    order = json.dumps({"token": CREDENTIAL, "allowed": ["GTE /user", "GET user", "GET /(" ]})
    done = stage.run(["curl", "-sS", "-H", "Content-Type: application/json", "-d", "@-", f"{stage.proxy}/__magictoken"], stdin=order)
    told = json.loads(done.stdout)
    equal((told["status"], len(told["errors"])), (400, 3), f"status and number of faults: {told}")
    for rule in ("GTE /user", "GET user", "GET /("):
        holds(any(rule in fault for fault in told["errors"]), f"`{rule}` is named: {told['errors']}")


@CASES.case("curl -L follows a redirect home through the proxy, with its token", row=ROWS[1])
def renamed(stage):
    told, arrived = ours(stage, ["GET /repos/acme/old", "GET /repositories/1"], "/repos/acme/old")
    equal(json.loads(told)["full_name"], "acme/tool", "the repository")
    equal([request.target for request in arrived], ["/repos/acme/old", "/repositories/1"], "what arrived")


@CASES.case("curl -L follows a redirect to a foreign host without any credential", row=ROWS[1])
def storage(stage):
    told, arrived = ours(stage, ["GET /repos/acme/tool/tarball/v1"], "/repos/acme/tool/tarball/v1")
    equal(told, "from the storage\n", "the archive")
    equal((arrived[-1].target, arrived[-1].values("Authorization")), ("/signed/archive", []), "what arrived at the storage")


@CASES.case("curl follows `next` in Link, and uploads to the URL that a release names", row=ROWS[1])
def links(stage):
    rules = ["GET /repos/acme/tool/issues", "GET /repositories/1/issues", "GET /repos/acme/tool/releases/1", "POST /repos/acme/tool/releases/1/assets"]
    head, _ = ours(stage, rules, "/repos/acme/tool/issues?per_page=5", "-o", "/dev/null", "-D", "-")
    following = re.search(r'<([^>]*)>; rel="next"', head).group(1)
    holds(following.startswith(stage.github.url + "/"), f"`next` leads through the proxy: {following}")
    told, _ = ours(stage, rules, following)
    equal([issue["number"] for issue in json.loads(told)], [6, 5, 4, 3, 2], "the second page")
    told, _ = ours(stage, rules, "/repos/acme/tool/releases/1")
    url = json.loads(told)["upload_url"].replace("{?name,label}", "?name=notes.txt")
    told, arrived = ours(stage, rules, url, "--data-binary", "what is new")
    equal((json.loads(told)["size"], arrived[0].target), (11, "/repos/acme/tool/releases/1/assets?name=notes.txt"), "the asset")


@CASES.case("curl over a Unix socket and over TLS", row=ROWS[1])
def ways(stage):
    rules = ["GET /user"]
    host, authority = stage.github.tls
    for url, way in (("http://api.github.com/user", ["--unix-socket", stage.github.socket]), (f"https://{host}/user", ["--cacert", authority])):
        told, _ = ours(stage, rules, url, *way)
        equal(json.loads(told)["login"], "octocat", f"who it is, at {url}")
        told, arrived = ours(stage, rules, f"{url}/keys", *way)
        equal((json.loads(told)["message"], arrived), ("magicproxy: the token does not allow this request", []), "the refusal")


@CASES.case("the recipe for curl does what it says", row=ROWS[1])
def recipe(stage):
    holds(stage.github.follow("curl"), "nothing arrived")


def ours(stage, rules, target, *arguments):
    """What curl prints that follows redirects from a path of our GitHub, or a URL, and what arrived there, all of it through the proxy."""
    token = stage.github.token(*rules)
    url = stage.github.url + target if target.startswith("/") else target
    with stage.github.api.only_through_proxy(token) as arrived:
        done = stage.run(["curl", "-sS", "-L", "-H", f"Authorization: Bearer {token}", *arguments, url])
    equal((done.returncode, done.stderr), (0, ""), "how curl ended")
    return done.stdout, arrived
