"""githubkit, whose models check every member of an answer, against our GitHub at a mount of the proxy."""

import contextlib

from githubkit import GitHub, Response
from githubkit.exception import RequestFailed

from harness.cases import Cases, equal, holds
from matrix import Row, pip
from upstreams.github_data import ISSUES

ROWS = [Row("githubkit", pip("githubkit"), "own GitHub", "pages, `url` members, a redirect, upload, GraphQL, refusals")]
CASES = Cases(ROWS[0])

READ = ["GET /user", "GET /repos/acme/[^/]+", "GET /repos/acme/tool/issues(/\\d+)?", "GET /repositories/1(/issues)?"]
RELEASES = ["GET /repos/acme/tool/releases/tags/v1", "POST /repos/acme/tool/releases/1/assets"]
REASON = "magicproxy: the token does not allow this request"


@CASES.case("githubkit reads four pages by the `next` in Link, and checks each issue")
def pages(stage):
    with opened(stage, *READ) as (client, arrived):
        issues = list(client.rest.paginate(client.rest.issues.list_for_repo, owner="acme", repo="tool", per_page=3))
        equal([issue.number for issue in issues], list(range(ISSUES, 0, -1)), "the issues")
    equal(len(arrived), 4, f"requests: {[request.target for request in arrived]}")


@CASES.case("githubkit follows the `url` members of bodies")
def bodies(stage):
    with opened(stage, *READ) as (client, arrived):
        issue = client.rest.issues.get("acme", "tool", 3).parsed_data
        repository = client.request("GET", issue.repository_url).json()
        equal(repository["full_name"], "acme/tool", "the repository")
        equal(client.request("GET", issue.url).json()["number"], 3, "the issue again")
        equal(issue.body, f"{stage.github.api.url}/repos/acme/tool/issues/3 says it all", "text that mentions a URL, as it was written")
    equal(len(arrived), 3, "requests")


@CASES.case("githubkit follows the redirect of a renamed repository")
def renamed(stage):
    with opened(stage, *READ) as (client, arrived):
        equal(client.rest.repos.get("acme", "old").parsed_data.full_name, "acme/tool", "the repository")
    equal([request.target for request in arrived], ["/repos/acme/old", "/repositories/1"], "what arrived")


@CASES.case("githubkit uploads an asset to the URL that the release names")
def upload(stage):
    with opened(stage, *READ, *RELEASES) as (client, arrived):
        release = client.rest.repos.get_release_by_tag("acme", "tool", "v1").parsed_data
        url = release.upload_url.partition("{")[0]
        made: Response = client.request("POST", url, params={"name": "notes.txt"}, content=b"what is new\n", headers={"Content-Type": "text/plain"})
        equal((made.status_code, made.json()["size"]), (201, 12), "the asset")
    equal(arrived[-1].body, b"what is new\n", "what was uploaded")


@CASES.case("githubkit asks in GraphQL")
def graphql(stage):
    with opened(stage, "POST /graphql") as (client, _):
        told = client.graphql("query RepositoryInfo { repository(owner: \"acme\", name: \"tool\") { name } }")
        equal(told["repository"]["name"], "tool", "the repository")


@CASES.case("githubkit's exception says that the proxy refused a request, and why")
def refused(stage):
    with opened(stage, *READ) as (client, arrived):
        try:
            client.rest.issues.create("acme", "tool", title="no")
        except RequestFailed as error:
            equal(error.response.status_code, 403, "status")
            holds(REASON in str(error), f"githubkit's text is `{error}`")
        else:
            raise AssertionError("the call was not refused")
    equal(arrived, [], "what arrived")


@CASES.case("the recipe for githubkit does what it says")
def recipe(stage):
    holds(stage.github.follow("githubkit"), "nothing arrived")


@contextlib.contextmanager
def opened(stage, *rules):
    """A client with a token, and what arrives at GitHub, all of it through the proxy."""
    token = stage.github.token(*rules)
    url = stage.github.url
    with stage.github.api.only_through_proxy(token) as arrived:
        yield GitHub(token, base_url=url, http_cache=False), arrived
