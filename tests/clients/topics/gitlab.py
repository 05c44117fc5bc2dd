"""python-gitlab and gitbeaker, with each kind of token, against a small GitLab of ours.

GitLab names itself in `Link`, `Location` and `_links`. The proxy turns that into URLs of its own, so a client that follows them stays with it.
"""

import contextlib
import warnings

import gitlab

from harness.cases import Cases, equal, holds
from llm_stage import CREDENTIAL, REASON, carried
from matrix import Row, npm, pip
from upstreams.gitlab import FORMER, ISSUES, PROJECT

_SCENARIOS = "PRIVATE-TOKEN, JOB-TOKEN, Bearer; pages by Link, `_links`, a moved project, refusals, recipe"

PYTHON = Row("python-gitlab", pip("python-gitlab"), "a small GitLab", _SCENARIOS)
GITBEAKER = Row("gitbeaker", npm("@gitbeaker/rest"), "a small GitLab", _SCENARIOS)

ROWS = [PYTHON, GITBEAKER]
CASES = Cases()

#: What the names of the kinds of token are, in python-gitlab and in gitbeaker.
KINDS = {"PRIVATE-TOKEN": ("private_token", "token"), "JOB-TOKEN": ("job_token", "jobToken"), "Bearer": ("oauth_token", "oauthToken")}

READ = (f"GET {PROJECT}", "GET /api/v4/projects/7")
LIST = f"GET {PROJECT}/issues"

#: Where what users write has a URL in it: the path, and the member.
WRITTEN = {"hooks": (f"{PROJECT}/hooks", ["url"]), "badges": (f"{PROJECT}/badges", ["link_url", "image_url"])}

# --- python-gitlab


@CASES.case("python-gitlab reads a project by its path, with", over=KINDS, row=PYTHON)
def python_project(stage, kind):
    with opened(stage, *READ, kind=kind) as client:
        equal(client.projects.get("acme/tool").id, 7, "the project")
    arrived_at(stage, client, PROJECT)


@CASES.case("python-gitlab lists seven issues on four pages, and sees no other origin, with", over=KINDS, row=PYTHON)
def python_pages(stage, kind):
    with opened(stage, LIST, kind=kind) as client, warnings.catch_warnings():
        # It warns of links to elsewhere, and follows them with its token.
        warnings.simplefilter("error")
        project = client.projects.get("acme/tool", lazy=True)
        equal([issue.iid for issue in project.issues.list(iterator=True, per_page=2)], ISSUES, "the issues")
    arrived_at(stage, client, *[f"{PROJECT}/issues"] * 4)


@CASES.case("python-gitlab follows `_links` to the proxy", row=PYTHON)
def python_links(stage):
    with opened(stage, *READ) as client:
        project = client.projects.get("acme/tool")
        equal(project._links["self"], f"{stage.llm.proxy}/gitlab/api/v4/projects/7", "the link")
        equal(client.http_get(project._links["self"])["path_with_namespace"], "acme/tool", "where it leads")
        equal(project.web_url, f"{stage.llm.gitlab.url}/acme/tool", "a page, which people open")
    arrived_at(stage, client, PROJECT, "/api/v4/projects/7")


@CASES.case("python-gitlab gets back what it wrote, and writes it again as it was", over=WRITTEN, row=PYTHON)
def python_written(stage, what):
    path, names = WRITTEN[what]
    written = dict.fromkeys(names, f"{stage.llm.gitlab.url}/api/v4/projects/7/trigger?ref=main")
    with opened(stage, f"POST {path}", f"GET {path}/1", f"PUT {path}/1") as client:
        manager = getattr(client.projects.get("acme/tool", lazy=True), what)
        made = manager.create(written)
        equal({name: getattr(made, name) for name in names}, written, "what comes back at once")
        read = manager.get(1)
        manager.update(1, {name: getattr(read, name) for name in names})
    equal(stage.llm.gitlab.written[path], {"id": 1} | written, "what GitLab has")
    arrived_at(stage, client, path, f"{path}/1", f"{path}/1")


@CASES.case("python-gitlab follows the redirect of a moved project to the proxy", row=PYTHON)
def python_moved(stage):
    with opened(stage, f"GET {FORMER}", *READ) as client:
        equal(client.projects.get("acme/former").path_with_namespace, "acme/tool", "the project")
    arrived_at(stage, client, FORMER, "/api/v4/projects/7")


@CASES.case("python-gitlab opens an issue", row=PYTHON)
def python_creates(stage):
    with opened(stage, f"POST {PROJECT}/issues") as client:
        issue = client.projects.get("acme/tool", lazy=True).issues.create({"title": "new"})
        equal((issue.iid, issue.title), (8, "new"), "the issue")
    arrived_at(stage, client, f"{PROJECT}/issues")


@CASES.case("python-gitlab is refused once, and its exception says why, with", over=KINDS, row=PYTHON)
def python_refused(stage, kind):
    before = len(stage.llm.attempts(PROJECT))
    with opened(stage, LIST, kind=kind, retry_transient_errors=True) as client:
        python_told(lambda: client.projects.delete("acme/tool"), gitlab.GitlabDeleteError, 403, REASON)
    arrived_at(stage, client)
    equal(stage.llm.attempts(PROJECT)[before:], ["not_allowed"], "what the proxy was asked")


@CASES.case("python-gitlab does not act as somebody else", row=PYTHON)
def python_sudo(stage):
    with opened(stage, *READ) as client, contextlib.suppress(gitlab.GitlabError):
        client.projects.get("acme/tool", sudo="root")
    targets = [request.target for request in stage.llm.gitlab.take()]
    holds(not any("sudo" in target for target in targets), f"what reached GitLab: {targets}")


@CASES.case("a magic token in a parameter that GitLab takes for a token does not reach it", over=("private_token", "job_token", "access_token"), row=PYTHON)
def token_in_query(stage, name):
    with opened(stage, *READ) as client, contextlib.suppress(gitlab.GitlabError):
        client.http_get("/projects/7", query_data={name: client.magic_token})
    holds(client.magic_token not in repr(stage.llm.gitlab.take()), "the magic token reached GitLab")


@CASES.case("python-gitlab's exception says that the proxy did not take its token", row=PYTHON)
def python_no_token(stage):
    with opened(stage) as client:
        client.private_token = "glpat-not-a-magic-token"
        client._set_auth_info()
        python_told(lambda: client.projects.get("acme/tool"), gitlab.GitlabAuthenticationError, 401, "magicproxy: where a magic token belongs")
    arrived_at(stage, client)


@CASES.case("python-gitlab: the recipe", row=PYTHON)
def python_recipe(stage):
    follow(stage, "python-gitlab")


def python_told(call, kind, status, reason):
    """The call raises this exception, whose text holds the reason."""
    try:
        call()
    except kind as error:
        equal(error.response_code, status, "status")
        holds(reason in str(error), f"python-gitlab's text is `{error}`")
        return
    raise AssertionError("the call was not refused")


@contextlib.contextmanager
def opened(stage, *rules, kind="PRIVATE-TOKEN", **settings):
    """A client with a token for these rules. Nothing has arrived yet."""
    token = fresh(stage, *rules)
    with gitlab.Gitlab(f"{stage.llm.proxy}/gitlab", **{KINDS[kind][0]: token}, **settings) as client:
        client.magic_token = token
        yield client


# --- gitbeaker


@CASES.case("gitbeaker reads a project by its path, with", over=KINDS, row=GITBEAKER)
def gitbeaker_project(stage, kind):
    asked = Asked(stage, "show", *READ, kind=kind)
    equal(asked.value["id"], 7, "the project")
    arrived_at(stage, asked, PROJECT)


@CASES.case("gitbeaker lists seven issues on four pages, with", over=KINDS, row=GITBEAKER)
def gitbeaker_pages(stage, kind):
    asked = Asked(stage, "issues", LIST, kind=kind)
    equal(asked.value, ISSUES, "the issues")
    arrived_at(stage, asked, *[f"{PROJECT}/issues"] * 4)


@CASES.case("gitbeaker follows `_links` to the proxy", row=GITBEAKER)
def gitbeaker_links(stage):
    asked = Asked(stage, "follow", *READ)
    equal(asked.value["path_with_namespace"], "acme/tool", "where the link leads")
    arrived_at(stage, asked, PROJECT, "/api/v4/projects/7")


@CASES.case("gitbeaker follows the redirect of a moved project to the proxy", row=GITBEAKER)
def gitbeaker_moved(stage):
    asked = Asked(stage, "show", f"GET {FORMER}", *READ, id="acme/former")
    equal(asked.value["path_with_namespace"], "acme/tool", "the project")
    arrived_at(stage, asked, FORMER, "/api/v4/projects/7")


@CASES.case("gitbeaker opens an issue", row=GITBEAKER)
def gitbeaker_creates(stage):
    asked = Asked(stage, "create", f"POST {PROJECT}/issues")
    equal((asked.value["iid"], asked.value["title"]), (8, "new"), "the issue")
    arrived_at(stage, asked, f"{PROJECT}/issues")


@CASES.case("gitbeaker is refused once, and its error says why, with", over=KINDS, row=GITBEAKER)
def gitbeaker_refused(stage, kind):
    before = len(stage.llm.attempts(PROJECT))
    asked = Asked(stage, "remove", LIST, kind=kind)
    equal((asked.error["kind"], asked.error["status"]), ("GitbeakerRequestError", 403), "the error")
    holds(REASON in asked.error["message"], f"gitbeaker's message is `{asked.error['message']}`")
    arrived_at(stage, asked)
    equal(stage.llm.attempts(PROJECT)[before:], ["not_allowed"], "what the proxy was asked")


@CASES.case("gitbeaker: the recipe", row=GITBEAKER)
def gitbeaker_recipe(stage):
    follow(stage, "gitbeaker")


class Asked:
    """What came of a call of gitbeaker."""

    def __init__(self, stage, act, *rules, kind="PRIVATE-TOKEN", **job):
        self.magic_token = fresh(stage, *rules)
        tokens = {KINDS[kind][1]: self.magic_token}
        self.outcome = stage.llm.gitbeaker.ask({"act": act, "host": f"{stage.llm.proxy}/gitlab", "tokens": tokens} | job)

    @property
    def value(self):
        holds("value" in self.outcome, f"gitbeaker failed: {self.outcome}")
        return self.outcome["value"]

    @property
    def error(self):
        holds("error" in self.outcome, f"gitbeaker did not fail: {self.outcome}")
        return self.outcome["error"]


# --- both


def fresh(stage, *rules):
    stage.llm.gitlab.take()
    return stage.llm.token("gitlab", *(rules or READ))


def arrived_at(stage, client, *paths):
    """These are the paths, as they were sent, that reached GitLab, and no others."""
    arrived = stage.llm.gitlab.take()
    equal([request.target.partition("?")[0] for request in arrived], list(paths), "what reached GitLab")
    carried(arrived, "gitlab", client.magic_token)


def follow(stage, page):
    stage.llm.gitlab.take()
    token = stage.llm.follow(page, "gitlab", GITLAB_TOKEN=CREDENTIAL)
    arrived = stage.llm.gitlab.take()
    holds(len(arrived) >= 4, "it read all pages")
    carried(arrived, "gitlab", token)
