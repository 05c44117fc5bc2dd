"""githubkit, whose models check every member of an answer, against our GitHub at a mount of the proxy; each call in both of its ways."""

import asyncio
import contextlib

from githubkit import GitHub
from githubkit.exception import RequestFailed

from harness.cases import Cases, equal, holds
from harness.exchange import mint
from matrix import Row, pip
from upstreams.github_data import ISSUES

_SCENARIOS = "pages, `url` members, a redirect, upload, GraphQL, refusals, recipe; sync and async"
ROWS = [Row("githubkit", pip("githubkit"), "own GitHub", _SCENARIOS)]
CASES = Cases(ROWS[0])

WAYS = ("sync", "async")

LIST = "GET /repos/acme/tool/issues"
READ = ["GET /user", "GET /repos/acme/[^/]+", "GET /repos/acme/tool/issues(/\\d+)?", "GET /repositories/1(/issues)?"]
RELEASES = ["GET /repos/acme/tool/releases/tags/v1", "POST /repos/acme/tool/releases/1/assets"]
REASON = "magicproxy: the token does not allow this request"


@CASES.case("githubkit reads four pages by the `next` in Link, and checks each issue", over=WAYS)
def pages(stage, way):
    with opened(stage, *READ) as (client, arrived):
        equal(numbers(way, client), list(range(ISSUES, 0, -1)), "the issues")
    # Only Link knows the number of the repository.
    following = [f"/repositories/1/issues?per_page=3&page={page}" for page in (2, 3, 4)]
    equal([request.target for request in arrived], ["/repos/acme/tool/issues?per_page=3", *following], "what arrived")


@CASES.case("githubkit's exception says that the proxy refused the second page, and why", over=WAYS)
def second_page(stage, way):
    with opened(stage, LIST) as (client, arrived):
        told(lambda: numbers(way, client), 403, REASON)
    equal([request.target for request in arrived], ["/repos/acme/tool/issues?per_page=3"], "what arrived")


@CASES.case("githubkit follows the `url` members of bodies", over=WAYS)
def bodies(stage, way):
    with opened(stage, *READ) as (client, arrived):
        issue = rest(way, client.rest.issues, "get", "acme", "tool", 3).parsed_data
        repository = request(way, client, "GET", issue.repository_url).json()
        equal(repository["full_name"], "acme/tool", "the repository")
        equal(request(way, client, "GET", issue.url).json()["number"], 3, "the issue again")
        equal(issue.body, f"{stage.github.api.url}/repos/acme/tool/issues/3 says it all", "text that mentions a URL, as it was written")
    equal(len(arrived), 3, "requests")


@CASES.case("githubkit follows the redirect of a renamed repository", over=WAYS)
def renamed(stage, way):
    with opened(stage, *READ) as (client, arrived):
        equal(rest(way, client.rest.repos, "get", "acme", "old").parsed_data.full_name, "acme/tool", "the repository")
    equal([request.target for request in arrived], ["/repos/acme/old", "/repositories/1"], "what arrived")


@CASES.case("githubkit uploads an asset to the URL that the release names", over=WAYS)
def upload(stage, way):
    with opened(stage, *READ, *RELEASES) as (client, arrived):
        release = rest(way, client.rest.repos, "get_release_by_tag", "acme", "tool", "v1").parsed_data
        url = release.upload_url.partition("{")[0]
        sent = {"params": {"name": "notes.txt"}, "content": b"what is new\n", "headers": {"Content-Type": "text/plain"}}
        made = request(way, client, "POST", url, **sent)
        equal((made.status_code, made.json()["size"]), (201, 12), "the asset")
    equal(arrived[-1].body, b"what is new\n", "what was uploaded")


@CASES.case("githubkit asks in GraphQL", over=WAYS)
def graphql(stage, way):
    with opened(stage, "POST /graphql") as (client, arrived):
        told = rest(way, client, "graphql", "query RepositoryInfo { repository(owner: \"acme\", name: \"tool\") { name } }")
        equal(told["repository"]["name"], "tool", "the repository")
    equal(len(arrived), 1, "requests")


@CASES.case("githubkit's exception says that the proxy refused a request, and why", over=WAYS)
def refused(stage, way):
    with opened(stage, *READ) as (client, arrived):
        told(lambda: rest(way, client.rest.issues, "create", "acme", "tool", title="no"), 403, REASON)
    equal(arrived, [], "what arrived")


@CASES.case("githubkit's exception says that the proxy did not take its token", over=WAYS)
def missing_token(stage, way):
    client = GitHub("ghp_not-a-magic-token", base_url=stage.github.url, http_cache=False)
    with stage.github.api.only_through_proxy("ghp_not-a-magic-token") as arrived:
        told(lambda: rest(way, client.rest.users, "get_authenticated"), 401, "magicproxy: this is not a magic token")
    equal(arrived, [], "what arrived")


@CASES.case("githubkit's exception shows GitHub's own refusal of a wrong credential", over=WAYS)
def wrong_credential(stage, way):
    stage.github.api.take()
    token = mint(stage.github.url, token="ghp_wrong", allowed=["GET /user"])
    client = GitHub(token, base_url=stage.github.url, http_cache=False)
    error = told(lambda: rest(way, client.rest.users, "get_authenticated"), 401, "")
    equal(error.response.json()["message"], "Bad credentials", "the message")
    (arrived,) = stage.github.api.take()
    equal(arrived.values("Authorization"), ["Bearer ghp_wrong"], "Authorization at GitHub")
    holds(token not in repr(arrived), "the magic token reached GitHub")


@CASES.case("the recipe for githubkit does what it says")
def recipe(stage):
    holds(stage.github.follow("githubkit"), "nothing arrived")


# --- the same call in two ways


def rest(way, api, name, *parameters, **more):
    if way == "sync":
        return getattr(api, name)(*parameters, **more)
    return asyncio.run(getattr(api, f"async_{name}")(*parameters, **more))


def request(way, client, *parameters, **more):
    return client.request(*parameters, **more) if way == "sync" else asyncio.run(client.arequest(*parameters, **more))


def numbers(way, client):
    """The numbers of all issues, three a page."""
    place = {"owner": "acme", "repo": "tool", "per_page": 3}
    if way == "sync":
        return [issue.number for issue in client.rest.paginate(client.rest.issues.list_for_repo, **place)]
    return asyncio.run(_numbers(client, place))


async def _numbers(client, place):
    return [issue.number async for issue in client.rest.paginate(client.rest.issues.async_list_for_repo, **place)]


@contextlib.contextmanager
def opened(stage, *rules):
    """A client with a token, and what arrives at GitHub, all of it through the proxy."""
    token = stage.github.token(*rules)
    with stage.github.api.only_through_proxy(token) as arrived:
        yield GitHub(token, base_url=stage.github.url, http_cache=False), arrived


def told(call, status, reason):
    """The call raises an exception whose text holds the reason; gives the exception."""
    try:
        call()
    except RequestFailed as error:
        equal(error.response.status_code, status, "status")
        holds(reason in str(error), f"githubkit's text is `{error}`")
        return error
    raise AssertionError("the call was not refused")
