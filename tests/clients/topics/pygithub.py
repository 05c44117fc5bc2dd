"""PyGithub, against GitHub as it was recorded and against ours, with its own retries and checks as they are.

PyGithub asserts that each URL that it follows has the host, port and path prefix of `base_url`. Recordings and our GitHub
name their own, so it is the proxy that makes that true.
"""

import contextlib
import json
import logging

from github import Auth, BadCredentialsException, Github, GithubException
from github.Issue import Issue
from github.PullRequest import PullRequest

from harness.cases import Cases, equal, holds
from harness.exchange import mint
from matrix import Row, pip
from stage import CREDENTIAL

ROWS = [
    Row("PyGithub", pip("PyGithub"), "GitHub, as recorded", "pages, writes, errors, refusals"),
    Row("PyGithub", pip("PyGithub"), "own GitHub", "`url` members, a redirect, upload, refusal"),
    Row("PyGithub, one base", pip("PyGithub"), "own GitHub", "pull requests against one base branch; refused on ten neighbours"),
]
CASES = Cases(ROWS[0])

# It logs every refusal, and refusals are what is wanted here.
logging.getLogger("github").setLevel(logging.CRITICAL)

OWNER = "octokit-fixture-org"

_FALSE = (403, "magicproxy: the token does not allow this request")
_TWIN = (400, "some readers take a member of the body for another one")

PULLS = "/repos/acme/tool/pulls"
#: Pull requests against `main` from branches below `agent/`.
PULL_RULE = {
    "method": "POST", "route": PULLS, "json": {"base": "main", "head": {"glob": "agent/*"}, "title": {}, "body?": {}, "draft?": {}},
}
PULL = {"base": "main", "head": "agent/fix", "title": "Fix"}


@CASES.case("PyGithub lists 13 issues on 5 pages")
def paginates(stage):
    scenario = stage.scenario("paginate-issues")
    token = stage.scenario_token(scenario, f"GET {{api}}/repos/{OWNER}/paginate-issues/issues", "GET {api}/repositories/\\d+/issues")
    with opened(scenario.url, token, per_page=3) as client:
        issues = client.get_repo(f"{OWNER}/paginate-issues", lazy=True).get_issues()
        equal([issue.number for issue in issues], list(range(13, 0, -1)), "the issues")


@CASES.case("PyGithub reads, makes, changes and deletes a label")
def labels(stage):
    scenario = stage.scenario("labels")
    of = f"{{api}}/repos/{OWNER}/labels/labels"
    token = stage.scenario_token(scenario, f"GET {of}", f"POST {of}", *(f"{method} {of}/test-label(-updated)?" for method in ("GET", "PATCH", "DELETE")))
    with opened(scenario.url, token) as client:
        repository = client.get_repo(f"{OWNER}/labels", lazy=True)
        equal(len(list(repository.get_labels())), 9, "the labels before")
        repository.create_label("test-label", "663399")
        label = repository.get_label("test-label")
        equal((label.name, label.color), ("test-label", "663399"), "the new label")
        label.edit("test-label-updated", "BADA55")
        label.delete()


@CASES.case("PyGithub's exception says that the proxy refused the second page, and why")
def second_page(stage):
    scenario = stage.scenario("paginate-issues")
    token = stage.scenario_token(scenario, f"GET {{api}}/repos/{OWNER}/paginate-issues/issues")
    with opened(scenario.url, token, per_page=3) as client:
        issues = client.get_repo(f"{OWNER}/paginate-issues", lazy=True).get_issues()
        told(lambda: list(issues), GithubException, 403, "magicproxy: the token does not allow this request")


@CASES.case("PyGithub's exception says that the proxy refused a request, and why")
def refusal(stage):
    with opened(stage.proxy, stage.token("GET /user")) as client:
        repository = client.get_repo("acme/tool", lazy=True)
        told(lambda: repository.create_issue("no"), GithubException, 403, "magicproxy: the token does not allow this request")
    equal(stage.upstream.take(), [], "what reached the API")


@CASES.case("PyGithub's exception says that the proxy did not take its token")
def missing_token(stage):
    with opened(stage.proxy, CREDENTIAL) as client:
        told(lambda: client.get_user().login, GithubException, 401, "magicproxy: this is not a magic token")
    equal(stage.upstream.take(), [], "what reached the API")


@CASES.case("PyGithub's exception shows GitHub's own refusal of a wrong credential")
def wrong_credential(stage):
    token = mint(stage.proxy, token="ghp_wrong", allowed=["GET /user"])
    with opened(stage.proxy, token) as client:
        told(lambda: client.get_user().login, BadCredentialsException, 401, "Bad credentials")
    equal([arrived.values("Authorization") for arrived in stage.upstream.take()], [["Bearer ghp_wrong"]], "Authorization at the API")


@CASES.case("PyGithub follows the `url` members of bodies", row=ROWS[1])
def bodies(stage):
    with ours(stage, "GET /user", "GET /repos/acme/tool(/issues(/\\d+)?)?", "GET /repositories/1/issues") as (client, arrived):
        issue = client.get_repo("acme/tool").get_issues()[0]
        equal((issue.repository.full_name, issue.update()), ("acme/tool", True), "the issue's repository, and the issue read again")
        equal(client.get_user().login, "octocat", "the user")
    holds("/repos/acme/tool/issues/11" in [request.target for request in arrived], f"what arrived: {arrived}")


@CASES.case("PyGithub follows the redirect of a renamed repository", row=ROWS[1])
def renamed(stage):
    with ours(stage, "GET /repos/acme/old", "GET /repositories/1") as (client, arrived):
        equal(client.get_repo("acme/old").full_name, "acme/tool", "the repository")
    equal([request.target for request in arrived], ["/repos/acme/old", "/repositories/1"], "what arrived")


@CASES.case("PyGithub uploads an asset to the URL that the release names", row=ROWS[1])
def upload(stage):
    notes = stage.new_folder("notes") / "notes.txt"
    notes.write_text("what is new\n")
    with ours(stage, "GET /repos/acme/tool/releases/tags/v1", "POST /repos/acme/tool/releases/1/assets") as (client, arrived):
        asset = client.get_repo("acme/tool", lazy=True).get_release("v1").upload_asset(str(notes))
        equal((asset.name, asset.size), ("notes.txt", 12), "the asset")
    equal(arrived[-1].body, b"what is new\n", "what was uploaded")


@CASES.case("PyGithub uploads an asset where its base URL is that of GitHub Enterprise Server", row=ROWS[1])
def upload_below_v3(stage):
    notes = stage.new_folder("notes") / "notes.txt"
    notes.write_text("what is new\n")
    rules = ("GET /repos/acme/tool/releases/tags/v1", "POST /repos/acme/tool/releases/1/assets")
    with ours(stage, *rules, below="/api/v3") as (client, arrived):
        asset = client.get_repo("acme/tool", lazy=True).get_release("v1").upload_asset(str(notes))
        equal((asset.name, asset.size), ("notes.txt", 12), "the asset")
    equal(arrived[-1].body, b"what is new\n", "what was uploaded")


@CASES.case("PyGithub's exception says that the proxy refused an upload, and why", row=ROWS[1])
def no_upload(stage):
    notes = stage.new_folder("notes") / "notes.txt"
    notes.write_text("what is new\n")
    with ours(stage, "GET /repos/acme/tool/releases/tags/v1") as (client, arrived):
        release = client.get_repo("acme/tool", lazy=True).get_release("v1")
        told(lambda: release.upload_asset(str(notes)), GithubException, 403, "magicproxy: the token does not allow this request")
    equal([request.method for request in arrived], ["GET"], "what arrived")


@CASES.case("the recipe for PyGithub does what it says", row=ROWS[1])
def recipe(stage):
    arrived = [(request.method, request.target.split("?")[0]) for request in stage.github.follow("pygithub")]
    further = [("GET", "/repositories/1/issues")] * 3
    equal(arrived, [("GET", "/repos/acme/tool/issues"), *further, ("POST", PULLS)], "what arrived")


@CASES.case("PyGithub opens a pull request with a token for one base branch", row=ROWS[2])
def pull_request(stage):
    calls = [PULL, PULL | {"body": "It fixes."}, PULL | {"draft": True}]
    with ours(stage, PULL_RULE) as (client, arrived):
        repository = client.get_repo("acme/tool", lazy=True)
        for call in calls:
            made = repository.create_pull(**call)
            equal((made.base.ref, made.head.ref, made.title), ("main", "agent/fix", "Fix"), "the pull request")
    equal([(request.target, json.loads(request.body)) for request in arrived], [(PULLS, call) for call in calls], "what arrived")


def _opens(**members):
    """Opens a pull request that differs so from the one that is allowed."""
    return lambda client, repository: repository.create_pull(**PULL | members)


def _existing(client, kind, number):
    """An object of PyGithub that was not asked for."""
    url = f"{client.requester.base_url}/repos/acme/tool/{'pulls' if kind is PullRequest else 'issues'}/{number}"
    return client.create_from_raw_data(kind, {"url": url, "number": number})


def _sends(body=None, method="POST", target=PULLS):
    """Sends a request as PyGithub sends its own."""
    return lambda client, repository: client.requester.requestJsonAndCheck(method, target, input=PULL if body is None else body)


#: Calls beside the one that is allowed, and what their exceptions show.
PULL_NEIGHBOURS = {
    "another base": (_opens(base="release"), _FALSE),
    "the base by its whole name": (_opens(base="refs/heads/main"), _FALSE),
    "the base in other letters": (_opens(base="Main"), _FALSE),
    "a head elsewhere": (_opens(head="fix"), _FALSE),
    "a head of a fork": (_opens(head="mallory:agent/fix"), _FALSE),
    "a head in another repository": (_opens(head_repo="mallory/tool"), _FALSE),
    "maintainers may change it": (_opens(maintainer_can_modify=True), _FALSE),
    "maintainers may not change it": (_opens(maintainer_can_modify=False), _FALSE),
    "of an issue": (lambda client, repository: repository.create_pull("main", "agent/fix", issue=_existing(client, Issue, 3)), _FALSE),
    "without a title": (lambda client, repository: repository.create_pull("main", "agent/fix"), _FALSE),
    "another repository": (lambda client, repository: client.get_repo("acme/other", lazy=True).create_pull(**PULL), _FALSE),
    "its base is changed": (lambda client, repository: _existing(client, PullRequest, 12).edit(base="release"), _FALSE),
    "it is merged": (lambda client, repository: _existing(client, PullRequest, 12).merge(), _FALSE),
    "a query": (_sends(target=f"{PULLS}?base=release"), _FALSE),
    "another method": (_sends(method="PUT"), _FALSE),
    "a member that PyGithub does not have": (_sends(PULL | {"x": 1}), _FALSE),
    "a twin of the base": (_sends(PULL | {"Base": "release"}), _TWIN),
    "a base in a list": (_sends(PULL | {"base": ["main"]}), (400, "a member of the body has a value that cannot be judged")),
}


@CASES.case("PyGithub with a token for one base branch is refused, and its exception says why:", over=PULL_NEIGHBOURS, row=ROWS[2])
def beside_pull_request(stage, name):
    call, refusal = PULL_NEIGHBOURS[name]
    with ours(stage, PULL_RULE) as (client, arrived):
        told(lambda: call(client, client.get_repo("acme/tool", lazy=True)), GithubException, *refusal)
    equal(arrived, [], "what arrived")


@contextlib.contextmanager
def ours(stage, *rules, below=""):
    """A client of our GitHub, whose base URL ends so, and what arrives there, all of it through the proxy."""
    token = stage.github.token(*rules)
    url = stage.github.url + below
    with stage.github.api.only_through_proxy(token) as arrived, opened(url, token) as client:
        yield client, arrived


@contextlib.contextmanager
def opened(url, token, **settings):
    with Github(base_url=url, auth=Auth.Token(token), **settings) as client:
        yield client


def told(call, kind, status, reason):
    """The call raises this exception, whose text holds the reason."""
    try:
        call()
    except kind as error:
        equal(error.status, status, "status")
        holds(reason in str(error), f"PyGithub's text is `{error}`")
        return
    raise AssertionError("the call was not refused")
