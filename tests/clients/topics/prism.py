"""Prism between the proxy and GitHub: it holds what the proxy forwards against GitHub's own OpenAPI description.

With `--errors` it answers what does not fit itself, with 422 or 500 and what is wrong; so a request that GitHub would not take, or
an answer of ours that is not as GitHub's, fails the case.
"""

import contextlib

from githubkit import GitHub as Client

from harness.cases import Cases, equal, holds
from harness.exchange import ask, mint
from matrix import Row, npm
from stage import CREDENTIAL
from upstreams.github_data import ISSUES

ROWS = [Row("prism", npm("@stoplight/prism-cli"), "own GitHub", "what arrives, held against GitHub's OpenAPI: reads, pages, a write; refusal")]
CASES = Cases(ROWS[0])

READ = ["GET /user", "GET /user/repos", "GET /repos/acme/tool", "GET /repos/acme/tool/issues(/\\d+)?", "GET /repos/acme/tool/releases/tags/v1"]
WRITE = ["POST /repos/acme/tool/issues"]


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


@CASES.case("prism tells of a request that does not fit, so the case above can fail")
def invalid(stage):
    _, url = stage.github.behind_prism
    with opened(stage, *READ, *WRITE) as (client, arrived):
        token = client.auth.token
        wrong = ask(url, "GET", "/github/repos/acme/tool/issues?state=unheard-of", token=token)
        equal(wrong.status, 422, f"status of a query that GitHub does not describe ({wrong.text[:200]})")
    equal(arrived, [], "what arrived behind prism")


@CASES.case("what the proxy refuses does not get to prism")
def refused(stage):
    _, url = stage.github.behind_prism
    with opened(stage, *READ) as (client, arrived):
        answer = ask(url, "POST", "/github/repos/acme/tool/issues", token=client.auth.token, headers={"Content-Type": "application/json"}, body="{}")
        equal((answer.status, answer.json()["message"]), (403, "magicproxy: the token does not allow this request"), "the refusal")
    equal(arrived, [], "what arrived behind prism")


@contextlib.contextmanager
def opened(stage, *rules):
    """A client with a token, and what arrives at GitHub, all of it through the proxy."""
    api, url = stage.github.behind_prism
    token = mint(url, token=CREDENTIAL, allowed=list(rules))
    with api.only_through_proxy(token) as arrived:
        yield Client(token, base_url=url, http_cache=False), arrived
