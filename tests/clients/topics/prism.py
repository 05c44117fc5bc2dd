"""Prism between the proxy and GitHub: it holds what the proxy forwards against GitHub's own OpenAPI description.

With `--errors` it answers what does not fit itself, with 422 or 500 and what is wrong; so a request that GitHub would not take, or
an answer of ours that is not as GitHub's, fails the case.
"""

import contextlib
import json
import unittest.mock
import urllib.parse

from githubkit import GitHub as Client

from harness.cases import Cases, equal, holds
from harness.exchange import ask, mint
from matrix import Row, npm
from stage import CREDENTIAL
from topics.octokit import octokit_at
from upstreams import github_data
from upstreams.github_data import ISSUES

ROWS = [Row("prism", npm("@stoplight/prism-cli"), "own GitHub", "what arrives, held against GitHub's OpenAPI: reads, pages, writes, by two clients; refusal")]
CASES = Cases(ROWS[0])

_TOOL = "/repos/acme/tool"
READ = ["GET /user", "GET /user/repos", f"GET {_TOOL}", f"GET {_TOOL}/(labels|releases|releases/tags/v1)", f"GET {_TOOL}/issues(/\\d+(/labels)?)?"]
WRITE = [f"POST {_TOOL}/issues(/\\d+/labels)?", f"PATCH {_TOOL}/issues/\\d+"]

PLACE = {"owner": "acme", "repo": "tool"}

#: What octokit is asked to do, and the request that comes of it.
CALLS = [
    ("GET", "/user", "users.getAuthenticated", {}),
    ("GET", f"{_TOOL}/issues?state=open&labels=a,b&per_page=4&page=2", "issues.listForRepo",
     PLACE | {"state": "open", "labels": "a,b", "per_page": 4, "page": 2}),
    ("POST", f"{_TOOL}/issues", "issues.create", PLACE | {"title": "A title", "body": "and more", "labels": ["bug"], "assignees": ["octocat"]}),
    ("PATCH", f"{_TOOL}/issues/3", "issues.update", PLACE | {"issue_number": 3, "state": "closed", "state_reason": "completed"}),
    ("GET", f"{_TOOL}/issues/3/labels", "issues.listLabelsOnIssue", PLACE | {"issue_number": 3}),
    ("POST", f"{_TOOL}/issues/3/labels", "issues.addLabels", PLACE | {"issue_number": 3, "labels": ["bug", "a b"]}),
    ("GET", f"{_TOOL}/labels?per_page=100", "issues.listLabelsForRepo", PLACE | {"per_page": 100}),
    ("GET", f"{_TOOL}/releases?per_page=100", "repos.listReleases", PLACE | {"per_page": 100}),
]


@CASES.case("what the proxy forwards for githubkit fits GitHub's description, and so do the answers")
def valid(stage):
    with opened(stage, *READ, *WRITE) as (client, arrived):
        equal(client.rest.users.get_authenticated().parsed_data.login, "octocat", "the user")
        equal(client.rest.repos.get("acme", "tool").parsed_data.full_name, "acme/tool", "the repository")
        # By number: the paths in `Link`, /repositories/1/…, are none that GitHub describes.
        pages = [client.rest.issues.list_for_repo("acme", "tool", per_page=4, state="open", labels="a,b", page=page) for page in (1, 2, 3)]
        equal(sum(len(page.parsed_data) for page in pages), ISSUES, "the issues")
        equal(client.rest.issues.create("acme", "tool", title="A title").parsed_data.title, "A title", "the new issue")
        release = client.rest.repos.get_release_by_tag("acme", "tool", "v1").parsed_data
        holds(release.url.startswith(stage.github.behind_prism[1]), f"`url` leads through the proxy: {release.url}")
    equal(len(arrived), 7, f"requests: {[request.target for request in arrived]}")


@CASES.case("what the proxy forwards for octokit fits GitHub's description, and so do the answers")
def valid_octokit(stage):
    _, url = stage.github.behind_prism
    with opened(stage, *READ, *WRITE) as (client, arrived):
        jobs = [{"method": method, "parameters": parameters} for _, _, method, parameters in CALLS]
        outcomes = octokit_at(stage, url, client.auth.token, *jobs)
        for (_, target, _, _), outcome in zip(CALLS, outcomes, strict=True):
            holds(outcome.get("status") in (200, 201), f"{target}: {outcome}")
    wanted = [(method, unordered(target)) for method, target, _, _ in CALLS]
    equal([(request.method, unordered(request.target)) for request in arrived], wanted, "what arrived")


#: Requests that GitHub does not describe, each of them allowed by the rules: a query, and the body of each write.
WRONG = {
    "query": ("GET", f"{_TOOL}/issues?state=unheard-of", None),
    "new issue": ("POST", f"{_TOOL}/issues", {"body": "without a title"}),
    "changed issue": ("PATCH", f"{_TOOL}/issues/3", {"state": "half-open"}),
    "labels": ("POST", f"{_TOOL}/issues/3/labels", {"labels": []}),
}


@CASES.case("prism tells of a request that does not fit, so the cases above can fail:", over=WRONG)
def invalid(stage, name):
    _, url = stage.github.behind_prism
    method, target, body = WRONG[name]
    headers = {} if body is None else {"Content-Type": "application/json"}
    with opened(stage, *READ, *WRITE) as (client, arrived):
        answer = ask(url, method, f"/github{target}", token=client.auth.token, headers=headers, body=body and json.dumps(body))
        equal(answer.status, 422, f"status ({answer.text[:200]})")
        holds("prism/errors" in answer.json()["type"], f"it is prism that says so: {answer.text[:200]}")
    equal(arrived, [], "what arrived behind prism")


#: Answers that GitHub does not describe: what makes them, and how they are asked for.
WRONG_ANSWERS = {
    "user": ("myself", "/user"),
    "repository": ("repository", _TOOL),
    "issues": ("issue", f"{_TOOL}/issues"),
    "issue": ("issue", f"{_TOOL}/issues/3"),
    "labels": ("label", f"{_TOOL}/labels"),
    "labels of an issue": ("label", f"{_TOOL}/issues/3/labels"),
    "releases": ("release", f"{_TOOL}/releases"),
    "release": ("release", f"{_TOOL}/releases/tags/v1"),
}


@CASES.case("prism tells of an answer that does not fit, so the cases above can fail:", over=WRONG_ANSWERS)
def invalid_answer(stage, name):
    _, url = stage.github.behind_prism
    maker, path = WRONG_ANSWERS[name]
    made = getattr(github_data, maker)
    # Every one of them must have a number here.
    with (
        unittest.mock.patch.object(github_data, maker, lambda *given: made(*given) | {"id": "one"}),
        opened(stage, *READ) as (client, arrived),
    ):
        answer = ask(url, "GET", f"/github{path}", token=client.auth.token)
        equal(answer.status, 500, f"status ({answer.text[:200]})")
        holds("prism/errors#VIOLATIONS" in answer.json()["type"], f"it is prism that says so: {answer.text[:200]}")
    equal(len(arrived), 1, "what arrived behind prism")


@CASES.case("what the proxy refuses does not get to prism")
def refused(stage):
    _, url = stage.github.behind_prism
    with opened(stage, *READ) as (client, arrived):
        answer = ask(url, "POST", "/github/repos/acme/tool/issues", token=client.auth.token, headers={"Content-Type": "application/json"}, body="{}")
        equal((answer.status, answer.json()["message"]), (403, "magicproxy: the token does not allow this request"), "the refusal")
    equal(arrived, [], "what arrived behind prism")


def unordered(target):
    """A target, whose parameters may come in any order, and prism writes them anew."""
    url = urllib.parse.urlsplit(target)
    return url.path, sorted(urllib.parse.parse_qsl(url.query))


@contextlib.contextmanager
def opened(stage, *rules):
    """A client with a token, and what arrives at GitHub, all of it through the proxy."""
    api, url = stage.github.behind_prism
    token = mint(url, token=CREDENTIAL, allowed=list(rules))
    with api.only_through_proxy(token) as arrived:
        yield Client(token, base_url=url, http_cache=False), arrived
