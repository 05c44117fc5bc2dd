"""octokit for JavaScript (`@octokit/rest`), against GitHub as it was recorded by octokit's own people."""

import json

from harness.cases import Cases, equal, holds
from matrix import Row, npm
from stage import CREDENTIAL

ROWS = [Row("octokit", npm("@octokit/rest"), "GitHub, as recorded", "pages, writes, a redirect, errors, refusals")]
CASES = Cases(ROWS[0])

OWNER = "octokit-fixture-org"
ISSUES = ("GET {api}/repos/octokit-fixture-org/paginate-issues/issues", "GET {api}/repositories/\\d+/issues")
LIST = {"method": "issues.listForRepo", "parameters": {"owner": OWNER, "repo": "paginate-issues", "per_page": 3}}


@CASES.case("octokit lists 13 issues on 5 pages")
def paginates(stage):
    scenario = stage.scenario("paginate-issues")
    (listed,) = octokit(stage, scenario, stage.scenario_token(scenario, *ISSUES), LIST | {"paginate": True})
    equal([issue["number"] for issue in listed.get("data", listed)], list(range(13, 0, -1)), "the issues")


@CASES.case("octokit is told why the second page is refused")
def second_page(stage):
    scenario = stage.scenario("paginate-issues")
    first, rest = octokit(stage, scenario, stage.scenario_token(scenario, ISSUES[0]), LIST, {
        "method": "issues.listForRepo", "parameters": {"owner": OWNER, "repo": "another"}, "paginate": True,
    })
    equal(len(first["data"]), 3, "the issues on the first page")
    told(rest, 403, "the token does not allow this request")


@CASES.case("octokit opens an issue and labels it")
def labels(stage):
    scenario = stage.scenario("add-labels-to-issue")
    issues = f"POST {{api}}/repos/{OWNER}/add-labels-to-issue/issues"
    token = stage.scenario_token(scenario, issues, f"{issues}/\\d+/labels")
    place = {"owner": OWNER, "repo": "add-labels-to-issue"}
    opened, labelled = octokit(stage, scenario, token,
        {"method": "issues.create", "parameters": place | {"title": "Issue without a label"}},
        {"method": "issues.addLabels", "parameters": place | {"issue_number": 1, "labels": ["Foo", "bAr", "baZ"]}},
    )
    equal((opened.get("status"), labelled.get("status")), (201, 200), f"statuses ({labelled.get('error')})")


@CASES.case("octokit follows the redirect of a renamed repository through the proxy")
def renamed(stage):
    scenario = stage.scenario("rename-repository")
    repository = f"/repos/{OWNER}/rename-repository"
    token = stage.scenario_token(scenario, "PATCH {api}" + repository, "GET {api}" + repository, "GET {api}/repositories/\\d+")
    place = {"owner": OWNER, "repo": "rename-repository"}
    rename, read = octokit(stage, scenario, token,
        {"method": "repos.update", "parameters": place | {"name": "rename-repository-newname"}},
        {"method": "repos.get", "parameters": place},
    )
    equal((rename.get("status"), read.get("status")), (200, 200), f"statuses ({read.get('error')})")
    equal(read["url"], f"{scenario.url}/repositories/1000", "where the redirect led")


@CASES.case("octokit shows GitHub's own validation error")
def validation(stage):
    scenario = stage.scenario("errors")
    token = stage.scenario_token(scenario, f"POST {{api}}/repos/{OWNER}/errors/labels")
    (refused,) = octokit(stage, scenario, token,
        {"method": "issues.createLabel", "parameters": {"owner": OWNER, "repo": "errors", "name": "foo", "color": "invalid"}})
    equal(refused["error"]["status"], 422, "status")
    holds(refused["error"]["message"].startswith("Validation Failed"), f"the message is GitHub's: {refused['error']['message']}")


@CASES.case("octokit's error says that the proxy refused a request, and why")
def refusal(stage):
    (outcome,) = octokit_at(stage, stage.proxy, stage.token("GET /user"), {"method": "issues.get", "parameters": {"owner": "a", "repo": "b", "issue_number": 1}})
    told(outcome, 403, "the token does not allow this request")
    equal(stage.upstream.take(), [], "what reached the API")


@CASES.case("octokit's error says that the proxy did not take its token")
def no_token(stage):
    (outcome,) = octokit_at(stage, stage.proxy, CREDENTIAL, {"method": "users.getAuthenticated", "parameters": {}})
    told(outcome, 401, "this is not a magic token")
    equal(stage.upstream.take(), [], "what reached the API")


@CASES.case("octokit may read one user, with the credential and not with its token")
def allowed(stage):
    token = stage.token("GET /user")
    stage.upstream.take()
    (outcome,) = octokit_at(stage, stage.proxy, token, {"method": "users.getAuthenticated", "parameters": {}})
    equal(outcome.get("status"), 200, f"status: {outcome}")
    (arrived,) = stage.upstream.take()
    equal(arrived.values("Authorization"), [f"Bearer {CREDENTIAL}"], "Authorization at the API")
    holds(token not in repr(arrived), "the magic token reached the API")


def told(outcome, status, reason):
    """The call failed, and what octokit throws says that it was the proxy, and why."""
    error = outcome.get("error") or {}
    equal(error.get("status"), status, f"status: {outcome}")
    holds("magicproxy: " + reason in error["message"], f"octokit's message is `{error['message']}`")


def octokit(stage, scenario, token, *calls):
    return octokit_at(stage, scenario.url, token, *calls)


def octokit_at(stage, url, token, *calls):
    job = json.dumps({"baseUrl": url, "token": token, "calls": calls})
    done = stage.run(["node", stage.node_folder / "octokit.mjs"], stdin=job)
    if done.returncode != 0:
        raise AssertionError(f"octokit did not run: {done.stderr[-400:]}")
    return json.loads(done.stdout)
