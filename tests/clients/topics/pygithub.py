"""PyGithub, against GitHub as it was recorded, with its own retries and checks as they are.

PyGithub asserts that each URL that it follows has the host, port and path prefix of `base_url`. The recordings name the
proxy's (see `stage.fixtures`), so pagination works before the proxy rewrites links.
"""

import contextlib
import logging

from github import Auth, BadCredentialsException, Github, GithubException

from harness.cases import Cases, equal, holds
from harness.exchange import mint
from matrix import Row, pip
from stage import CREDENTIAL

ROWS = [Row("PyGithub", pip("PyGithub"), "GitHub, as recorded", "pages, writes, errors, refusals")]
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
def no_token(stage):
    with opened(stage.proxy, CREDENTIAL) as client:
        told(lambda: client.get_user().login, GithubException, 401, "magicproxy: this is not a magic token")
    equal(stage.upstream.take(), [], "what reached the API")


@CASES.case("PyGithub's exception shows GitHub's own refusal of a wrong credential")
def wrong_credential(stage):
    token = mint(stage.proxy, token="ghp_wrong", allowed=["GET /user"])
    with opened(stage.proxy, token) as client:
        told(lambda: client.get_user().login, BadCredentialsException, 401, "Bad credentials")
    equal([arrived.values("Authorization") for arrived in stage.upstream.take()], [["Bearer ghp_wrong"]], "Authorization at the API")


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
