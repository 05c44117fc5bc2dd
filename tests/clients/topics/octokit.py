"""octokit for JavaScript (`@octokit/rest`), against GitHub as it was recorded by octokit's own people, and against ours."""

import json

from harness.cases import Cases, equal, holds
from matrix import Row, npm
from stage import CREDENTIAL

ROWS = [
    Row("octokit", npm("@octokit/rest"), "GitHub, as recorded", "pages, writes, a redirect, upload, errors, refusals"),
    Row("octokit", npm("@octokit/rest"), "own GitHub", "pages, `url` members, a redirect, upload, GraphQL, refusal"),
]
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
def missing_token(stage):
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


@CASES.case("octokit uploads an asset to the URL that the release names, reads, changes and deletes it")
def assets(stage):
    scenario = stage.scenario("release-assets")
    of = f"/repos/{OWNER}/release-assets/releases"
    # The recordings have the uploads beside the API, at a path of their own.
    uploads = scenario.path.replace("/api.", "/uploads.")
    rules = [f"GET {{api}}{of}(/.*)?", f"PATCH {{api}}{of}/assets/1000", f"DELETE {{api}}{of}/assets/1000", f"POST {uploads}{of}/1000/assets"]
    place = {"owner": OWNER, "repo": "release-assets"}
    outcomes = octokit(stage, scenario, stage.scenario_token(scenario, *rules),
        {"method": "repos.getReleaseByTag", "parameters": place | {"tag": "v1.0.0"}, "keep": "release"},
        {"method": "repos.uploadReleaseAsset", "parameters": place | {
            "release_id": 1000, "name": "test-upload.txt", "label": "test", "data": "Hello, world!\n", "headers": {"content-type": "text/plain"},
        }, "at": "release.upload_url"},
        {"method": "repos.listReleaseAssets", "parameters": place | {"release_id": 1000}},
        {"method": "repos.getReleaseAsset", "parameters": place | {"asset_id": 1000}},
        {"method": "repos.updateReleaseAsset", "parameters": place | {"asset_id": 1000, "name": "new-filename.txt", "label": "new label"}},
        {"method": "repos.deleteReleaseAsset", "parameters": place | {"asset_id": 1000}},
    )
    equal([outcome.get("status") for outcome in outcomes], [200, 201, 200, 200, 200, 204], f"statuses ({outcomes[1]})")


OURS = {"owner": "acme", "repo": "tool"}
READ = ["GET /repos/acme/[^/]+", "GET /repos/acme/tool/issues(/\\d+)?", "GET /repositories/1(/issues)?"]


@CASES.case("octokit reads four pages, the `url` members of bodies, and a renamed repository", row=ROWS[1])
def reads_ours(stage):
    outcomes, arrived = octokit_at_ours(stage, READ,
        {"method": "issues.listForRepo", "parameters": OURS | {"per_page": 3}, "paginate": True},
        {"method": "issues.get", "parameters": OURS | {"issue_number": 3}, "keep": "issue"},
        {"request": "GET", "at": "issue.repository_url"},
        {"request": "GET", "at": "issue.url"},
        {"method": "repos.get", "parameters": {"owner": "acme", "repo": "old"}},
    )
    listed, issue, repository, again, renamed = outcomes
    equal([item["number"] for item in listed["data"]], list(range(11, 0, -1)), "the issues")
    equal((repository["data"]["full_name"], again["data"]["number"], renamed["data"]["full_name"]), ("acme/tool", 3, "acme/tool"), "what URLs led to")
    equal(issue["data"]["body"], f"{stage.github.api.url}/repos/acme/tool/issues/3 says it all", "text that mentions a URL, as it was written")
    equal(len(arrived), 9, f"requests: {[request.target for request in arrived]}")


@CASES.case("octokit uploads an asset to the URL that our release names, and is refused one that it may not", row=ROWS[1])
def uploads_ours(stage):
    read, write = "GET /repos/acme/tool/releases/tags/v1", "POST /repos/acme/tool/releases/1/assets"
    calls = [
        {"method": "repos.getReleaseByTag", "parameters": OURS | {"tag": "v1"}, "keep": "release"},
        {"method": "repos.uploadReleaseAsset", "parameters": OURS | {"release_id": 1, "name": "n.txt", "data": "new"}, "at": "release.upload_url"},
    ]
    (_, made), arrived = octokit_at_ours(stage, [read, write], *calls)
    equal((made.get("status"), arrived[-1].body), (201, b"new"), f"the upload: {made}")
    (_, refused), arrived = octokit_at_ours(stage, [read], *calls)
    told(refused, 403, "the token does not allow this request")
    equal(len(arrived), 1, "what arrived")


@CASES.case("octokit asks in GraphQL", row=ROWS[1])
def graphql_ours(stage):
    query = "query RepositoryInfo { repository(owner: \"acme\", name: \"tool\") { name } }"
    (outcome,), _ = octokit_at_ours(stage, ["POST /graphql"], {"graphql": query})
    equal(outcome["data"]["repository"]["name"], "tool", "the repository")


@CASES.case("the recipe for octokit does what it says", row=ROWS[1])
def recipe(stage):
    holds(stage.github.follow("octokit"), "nothing arrived")


def octokit_at_ours(stage, rules, *calls):
    """What octokit says, and what arrived at our GitHub, all of it through the proxy."""
    token = stage.github.token(*rules)
    url = stage.github.url
    with stage.github.api.only_through_proxy(token) as arrived:
        outcomes = octokit_at(stage, url, token, *calls)
    return outcomes, arrived


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
