"""PyGithub, against GitHub as it was recorded and against ours, with its own retries and checks as they are.

PyGithub asserts that each URL that it follows has the host, port and path prefix of `base_url`. Recordings and our GitHub
name their own, so it is the proxy that makes that true.
"""

import contextlib
import logging

from github import Auth, BadCredentialsException, Github, GithubException

from harness.cases import Cases, equal, holds
from harness.exchange import mint
from matrix import Row, pip
from stage import CREDENTIAL

ROWS = [
    Row("PyGithub", pip("PyGithub"), "GitHub, as recorded", "pages, writes, errors, refusals"),
    Row("PyGithub", pip("PyGithub"), "own GitHub", "`url` members, a redirect, upload, refusal"),
]
CASES = Cases(ROWS[0])

# It logs every refusal, and refusals are what is wanted here.
logging.getLogger("github").setLevel(logging.CRITICAL)

OWNER = "octokit-fixture-org"


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
    holds(stage.github.follow("pygithub"), "nothing arrived")


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
