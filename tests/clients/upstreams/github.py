"""A GitHub of two origins, the API and the uploads, and a storage that is foreign to both.

All its URLs, in `Link`, `Location` and bodies, are absolute and name its own origins, as GitHub's do. A client that follows one
without the proxy arrives here without the credential, and `only_through_proxy` tells.
"""

import base64
import contextlib
import json
import re
import urllib.parse

from harness.cases import equal, holds
from harness.upstream import Reply, Upstream
from upstreams import github_data as data

#: Scopes of a classic token: `gh` looks for them.
_SCOPES = {"X-OAuth-Scopes": "repo, read:org", "X-GitHub-Request-Id": "0000:1"}


class Storage(Upstream):
    """Where assets and archives lie: it wants no credential."""

    def reply(self, arrived):
        return Reply(200, b"from the storage\n", {"Content-Type": "application/octet-stream"})


class Uploads(Upstream):
    """`uploads.github.com`."""

    #: The origin of the API, which the answers name.
    api = ""

    def reply(self, arrived):
        url = urllib.parse.urlsplit(arrived.target)
        if arrived.values("Authorization") != [self.expected]:
            return Reply(401, {"message": "Bad credentials"})
        if (arrived.method, url.path) != ("POST", "/repos/acme/tool/releases/1/assets"):
            return Reply(404, {"message": "Not Found"})
        (name,) = urllib.parse.parse_qs(url.query)["name"]
        return Reply(201, data.asset(self.api, name, len(arrived.body)))


class GitHub(Upstream):
    """`api.github.com`, with the two others beside it."""

    def __init__(self, credential, graphql):
        super().__init__(credential)
        self.uploads = Uploads(credential)
        self.uploads.api = self.url
        self.storage = Storage(credential)
        #: Answers a GraphQL request, a JSON object, with another one.
        self.graphql = graphql

    def __exit__(self, *failure):
        for server in (self.uploads, self.storage):
            server.__exit__(*failure)
        super().__exit__(*failure)

    def reply(self, arrived):
        if arrived.values("Authorization") != [self.expected]:
            return Reply(401, {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"})
        url = urllib.parse.urlsplit(arrived.target)
        for method, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, url.path)
            if found and arrived.method in (method, "HEAD" if method == "GET" else method):
                return handler(self, arrived, url, **found.groupdict())
        return Reply(404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"})

    @contextlib.contextmanager
    def only_through_proxy(self, token):
        """Inside, whatever arrives bears the credential and no magic token, so the proxy sent it. Gives the list of what arrived, at the end.

        `token` may be a function that gives it then.
        """
        for server in (self, self.uploads, self.storage):
            server.take()
        everything = []
        yield everything
        token = token() if callable(token) else token
        api, uploads, storage = (server.take() for server in (self, self.uploads, self.storage))
        for request in (*api, *uploads):
            equal(request.values("Authorization"), [self.expected], f"Authorization at GitHub with {request.method} {request.target}")
        for request in storage:
            holds(self.expected not in repr(request), f"the credential went to the storage: {request}")
        for request in (*api, *uploads, *storage):
            holds(not bears(request, token), f"the magic token went to {request.method} {request.target}: {request.headers}")
        everything += [*api, *uploads, *storage]


def bears(request, token):
    """Is the token in the request, as it is or behind base64?"""
    for value in request.values("Authorization"):
        if value.startswith("Basic ") and token.encode() in base64.b64decode(value[6:]):
            return True
    return token in repr(request)


# --- what it answers


def _root(github, arrived, url):
    return Reply(200, {"current_user_url": f"{github.url}/user", "repository_url": f"{github.url}/repos/{{owner}}/{{repo}}"}, _SCOPES)


def _user(github, arrived, url):
    return Reply(200, data.myself(github.url), _SCOPES)


def _emails(github, arrived, url):
    return Reply(200, [{"email": "octocat@example.com", "primary": True, "verified": True, "visibility": "public"}])


def _repository(github, arrived, url, **_):
    return Reply(200, data.repository(github.url))


def _renamed(github, arrived, url):
    """GitHub's answer for the old name of a repository."""
    there = f"{github.url}/repositories/1"
    told = {"message": "Moved Permanently", "url": there, "documentation_url": "https://docs.github.com/rest"}
    return Reply(301, told, {"Location": there})


def _issues(github, arrived, url, **_):
    issues = [data.issue(github.url, number) for number in range(data.ISSUES, 0, -1)]
    return _page(github, url, "/repositories/1/issues", issues)


def _issue(github, arrived, url, number):
    return Reply(200, data.issue(github.url, int(number)))


def _new_issue(github, arrived, url, **_):
    return Reply(201, data.issue(github.url, data.ISSUES + 1) | {"title": json.loads(arrived.body)["title"]})


def _changed_issue(github, arrived, url, number):
    return Reply(200, data.issue(github.url, int(number)) | json.loads(arrived.body))


def _labels(github, arrived, url, **_):
    names = json.loads(arrived.body)["labels"] if arrived.method == "POST" else ["bug"]
    return Reply(200, [data.label(github.url, name) for name in names])


def _repositories(github, arrived, url):
    return _page(github, url, "/user/repos", [data.repository(github.url, number, f"tool-{number}") for number in range(1, 251)])


def _page(github, url, place, items):
    """One page, and in `Link` the way to the others. GitHub names a repository by its number there."""
    asked = dict(urllib.parse.parse_qsl(url.query))
    size, number = int(asked.get("per_page", 3)), int(asked.get("page", 1))
    last = -(-len(items) // size)
    places = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
    wanted = {name: page for name, page in places.items() if 1 <= page <= last and not (name in ("last", "first") and page == number)}
    links = [f'<{github.url}{place}?{urllib.parse.urlencode(asked | {"page": page})}>; rel="{name}"' for name, page in wanted.items()]
    return Reply(200, items[(number - 1) * size:number * size], {"Link": ", ".join(links)} if links else {})


def _release(github, arrived, url, **_):
    return Reply(201 if arrived.method == "POST" else 200, data.release(github.url, github.uploads.url))


def _new_pull(github, arrived, url):
    return Reply(201, data.pull(github.url, data.ISSUES + 1, json.loads(arrived.body)))


def _no_pulls(github, arrived, url):
    return Reply(200, [])


def _releases(github, arrived, url):
    return _page(github, url, "/repositories/1/releases", [data.release(github.url, github.uploads.url)])


def _asset(github, arrived, url):
    if "application/octet-stream" in arrived.values("Accept"):
        return Reply(302, None, {"Location": f"{github.storage.url}/signed/asset"})
    return Reply(200, data.asset(github.url, "tool.txt", 17))


def _archive(github, arrived, url):
    return Reply(302, None, {"Location": f"{github.storage.url}/signed/archive"})


def _graphql(github, arrived, url):
    return Reply(200, github.graphql(json.loads(arrived.body)), _SCOPES)


_REPOSITORY = r"/repos/acme/tool|/repositories/1"

_ROUTES = [
    ("GET", "/", _root),
    ("GET", "/user", _user),
    ("GET", "/user/emails", _emails),
    ("GET", "/user/repos", _repositories),
    ("GET", _REPOSITORY, _repository),
    ("GET", "/repos/acme/old", _renamed),
    ("GET", rf"(?:{_REPOSITORY})/issues", _issues),
    ("POST", rf"(?:{_REPOSITORY})/issues", _new_issue),
    ("GET", r"/repos/acme/tool/issues/(?P<number>\d+)", _issue),
    ("PATCH", r"/repos/acme/tool/issues/(?P<number>\d+)", _changed_issue),
    ("GET", r"/repos/acme/tool(?:/issues/\d+)?/labels", _labels),
    ("POST", r"/repos/acme/tool/issues/\d+/labels", _labels),
    ("GET", "/repos/acme/tool/pulls", _no_pulls),
    ("POST", "/repos/acme/tool/pulls", _new_pull),
    ("GET", "/repos/acme/tool/releases", _releases),
    ("POST", "/repos/acme/tool/releases", _release),
    ("GET", r"/repos/acme/tool/releases/(?:1|latest|tags/v1)", _release),
    ("GET", "/repos/acme/tool/releases/assets/7", _asset),
    ("GET", "/repos/acme/tool/tarball/v1", _archive),
    ("POST", "/graphql", _graphql),
]
