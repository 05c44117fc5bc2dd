"""GitHub's command line `gh`, over the proxy's Unix socket, where it believes that it speaks to api.github.com, and over TLS.

`gh` takes no port with a host's name, except in `GH_HOST` for `gh api` and `-R`: so TLS has to be at port 443, or those two must do.
"""

import json
import re

from harness.cases import Cases, equal, holds
from matrix import Row, says
from upstreams.github_data import ISSUES

ROWS = [
    Row("gh", says("gh", "--version", word=2), "own GitHub", "user, pages, GraphQL, redirect, upload, refusals; over a Unix socket and TLS; downloads over TLS"),
    Row("gh, downloads over a Unix socket", says("gh", "--version", word=2), "own GitHub", "an asset that GitHub redirects to its storage",
        reason="gh sends the request for the storage to the socket as well, where it is for no upstream"),
]
CASES = Cases(ROWS[0])

REASON = "magicproxy: the token does not allow this request"

READ = ["GET /user", "GET /repos/acme/[^/]+", "GET /repos/acme/tool/issues", "GET /repositories/1(/issues)?", "POST /graphql"]
RELEASES = ["GET /repos/acme/tool/releases/.*", "POST /repos/acme/tool/releases/1/assets"]

#: The ways to the proxy, and how `gh` is told.
WAYS = ("a Unix socket", "TLS")


@CASES.case("gh asks who it is, over", over=WAYS)
def user(stage, way):
    with Gh(stage, way, *READ) as gh:
        equal(gh.must("api", "user", "--jq", ".login"), "octocat\n", "who gh is")


@CASES.case("gh api --paginate reads four pages, over", over=WAYS)
def pages(stage, way):
    with Gh(stage, way, *READ) as gh:
        listed = gh.must("api", "--paginate", "repos/acme/tool/issues?per_page=3", "--jq", ".[].number")
    equal([int(number) for number in listed.split()], list(range(ISSUES, 0, -1)), "the issues")
    equal(len(gh.arrived), 4, f"requests: {[request.target for request in gh.arrived]}")


@CASES.case("gh issue list asks in GraphQL, over", over=WAYS)
def issues(stage, way):
    with Gh(stage, way, *READ) as gh:
        listed = gh.must("issue", "list", "-R", gh.repository, "--json", "number")
    equal([issue["number"] for issue in json.loads(listed)], list(range(ISSUES, 0, -1)), "the issues")
    equal({(request.method, request.target) for request in gh.arrived}, {("POST", "/graphql")}, "what arrived")


@CASES.case("gh follows the redirect of a renamed repository, over", over=WAYS)
def renamed(stage, way):
    with Gh(stage, way, *READ) as gh:
        equal(gh.must("api", "repos/acme/old", "--jq", ".full_name"), "acme/tool\n", "the repository")
    equal([request.target for request in gh.arrived], ["/repos/acme/old", "/repositories/1"], "what arrived")


@CASES.case("gh uploads an asset to the URL that the release names, over", over=WAYS)
def upload(stage, way):
    notes = stage.folder / "notes.txt"
    notes.write_text("what is new\n")
    with Gh(stage, way, *READ, *RELEASES) as gh:
        gh.must("release", "upload", "v1", notes, "-R", gh.repository)
    (posted,) = (request for request in gh.arrived if request.method == "POST" and request.target != "/graphql")
    equal((posted.target, posted.body), ("/repos/acme/tool/releases/1/assets?label=&name=notes.txt", b"what is new\n"), "what was uploaded")


@CASES.case("gh over TLS downloads an asset, for which GitHub redirects to a storage")
def download(stage):
    with Gh(stage, "TLS", *READ, *RELEASES) as gh:
        equal(gh.must("release", "download", "v1", "-R", gh.repository, "-O", "-"), "from the storage\n", "the asset")
    equal(gh.arrived[-1].target, "/signed/asset", "the last request, at the storage")


@CASES.case("gh over a Unix socket asks the proxy for the storage too, which refuses it, and gh says so")
def no_download(stage):
    with Gh(stage, "a Unix socket", *READ, *RELEASES) as gh:
        done = gh.run("release", "download", "v1", "-R", gh.repository, "-O", "-")
        holds(done.returncode == 1 and "HTTP 401: magicproxy: " in done.stderr, f"gh says: {done.stderr}")


@CASES.case("gh shows why the proxy refused a request, over", over=WAYS)
def refused(stage, way):
    with Gh(stage, way, *READ) as gh:
        for arguments in (["api", "user/keys"], ["api", "-X", "DELETE", "repos/acme/tool"]):
            done = gh.run(*arguments)
            equal(done.returncode, 1, f"exit status of gh {arguments}")
            holds(REASON in done.stderr and "HTTP 403" in done.stderr, f"gh says: {done.stderr}")
    equal(gh.arrived, [], "what arrived")


@CASES.case("gh shows why the proxy refused a question in GraphQL, over", over=WAYS)
def refused_graphql(stage, way):
    with Gh(stage, way, "GET /user") as gh:
        done = gh.run("issue", "list", "-R", gh.repository, "--json", "number")
        equal(done.returncode, 1, "exit status")
        holds(REASON in done.stderr, f"gh says: {done.stderr}")
    equal(gh.arrived, [], "what arrived")


@CASES.case("gh auth status shows the prefix of a token and nothing else, of either version, over", over=WAYS)
def status(stage, way):
    file = stage.new_folder("gh-status") / "token"
    file.touch(0o600)
    for token in (stage.github.token("GET /", *READ), sealed(stage, "GET /", *READ)):
        file.write_text(token + "\n")
        with Gh(stage, way, *READ) as gh:
            given = gh.run_by_us("auth", "status", token_file=file)
        equal(given.returncode, 0, f"how gh auth status ended: {given.stdout} {given.stderr}")
        (shown,) = re.findall(r"Token: (\S+)", given.stdout + given.stderr)
        # As old versions of gh do it, up to the last `_`; newer ones show nothing of what does not begin as GitHub's tokens do.
        holds(re.fullmatch(r"(mt[12]_)?\*+", shown), f"what gh shows of a token of {len(token)} characters: {shown}")
        holds(len(shown) >= len(token), "as many stars as characters")
        pieces = {token[at : at + 8] for at in range(len(token) - 7)}
        holds(not any(piece in given.stdout + given.stderr for piece in pieces), "gh shows a part of the token")


def sealed(stage, *rules):
    """A sealed token for GitHub, minted with the proxy's public key."""
    allowed = [word for rule in rules for word in ("--allow", rule)]
    order = [stage.binary, "mint", "--to", stage.github.proxy, "--aud", "github", "--credential-env", "GITHUB", *allowed]
    minted = stage.run(order, GITHUB=stage.github.credential)
    equal(minted.returncode, 0, f"how mint ended: {minted.stderr}")
    return minted.stdout.strip()


@CASES.case("the recipe for gh does what it says")
def recipe(stage):
    holds(stage.github.follow("gh"), "nothing arrived")


class Gh:
    """`gh` with a new folder of settings and a token, and what arrived at GitHub meanwhile, all of it through the proxy."""

    def __init__(self, stage, way, *rules):
        self.stage = stage
        self.token = stage.github.token(*rules)
        self.settings = stage.new_folder("gh")
        self.repository = "acme/tool"
        self.variables = {"GH_CONFIG_DIR": self.settings, "GH_PROMPT_DISABLED": 1, "GH_NO_UPDATE_NOTIFIER": 1}
        if way == "TLS":
            host, authority = stage.github.tls
            self.variables |= {"GH_HOST": host, "GH_ENTERPRISE_TOKEN": self.token, "SSL_CERT_FILE": authority}
        else:
            self.variables |= {"GH_TOKEN": self.token}
            self.must("config", "set", "http_unix_socket", stage.github.socket)
        self._guard = stage.github.api.only_through_proxy(self.token)

    def __enter__(self):
        self.arrived = self._guard.__enter__()
        return self

    def __exit__(self, *failure):
        return self._guard.__exit__(*failure)

    def run(self, *arguments):
        return self.stage.run(["gh", *arguments], **self.variables)

    def run_by_us(self, *arguments, token_file):
        """By `magicproxy run`, in whose hands the spelling of the token is."""
        proxy = ["--proxy", f"{self.stage.github.proxy}/github", "--upstream", "github", "--socket", self.stage.github.socket]
        if "GH_HOST" in self.variables:
            host, authority = self.stage.github.tls
            proxy = ["--proxy", f"https://{host}", "--upstream", "github", "--ca-file", authority]
        ours = [self.stage.binary, "run", *proxy, "--token-file", token_file, "--", "gh"]
        settings = {name: value for name, value in self.variables.items() if name != "GH_CONFIG_DIR" or "GH_HOST" in self.variables}
        return self.stage.run([*ours, *arguments], **settings)

    def must(self, *arguments):
        done = self.run(*arguments)
        equal((done.returncode, done.stderr), (0, ""), f"how gh {arguments[0]} ended")
        return done.stdout
