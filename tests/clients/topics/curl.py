"""curl: mint and use in five lines, and the spellings of `Authorization` that GitHub's clients have."""

import json

from harness.cases import Cases, equal, holds
from matrix import Row, says
from stage import CREDENTIAL

ROWS = [Row("curl", says("curl", "--version"), "a recording stub", "minting, four spellings of Authorization, refusals")]
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
