"""Renovate, in the newest version for Node 20; it finds out who it is and lists the repositories that it would work on.

Renovate leaves a `next` link of another origin unfollowed, with one warning, and works on the first page only: so all its
repositories are found only where the proxy rewrites `Link`.
"""

import json

from harness.cases import Cases, equal, holds
from matrix import Row, npm
from topics.git import guarded

ROWS = [Row("renovate", npm("renovate"), "own GitHub", "start on the platform, 250 repositories on three pages, clone, refusal")]
CASES = Cases(ROWS[0])

START = ["GET /", "GET /user", "GET /user/emails"]


@CASES.case("Renovate starts, and discovers 250 repositories on three pages")
def discovers(stage):
    done, found, arrived = renovate(stage, [*START, "GET /user/repos"])
    equal(done.returncode, 0, f"exit status ({done.stdout[-400:]})")
    equal(found, [f"acme/tool-{number}" for number in range(1, 251)], "the repositories")
    pages = sorted(request.target for request in arrived if request.target.startswith("/user/repos"))
    equal(pages, ["/user/repos?per_page=100", "/user/repos?per_page=100&page=2", "/user/repos?per_page=100&page=3"], "the pages")


@CASES.case("Renovate's log says why the proxy refused it the list of repositories")
def refused(stage):
    done, found, arrived = renovate(stage, START)
    equal((done.returncode == 0, found), (False, None), "did it go on?")
    holds("magicproxy: the token does not allow this request" in done.stdout, f"Renovate says: {done.stdout[-400:]}")
    holds(not any(request.target.startswith("/user/repos") for request in arrived), "the list was asked for")


WORK = ["POST /graphql", "GET /repos/acme/tool/pulls"]


@CASES.case("Renovate clones a repository at the root of the proxy, whatever path its endpoint has, so with git's `insteadOf` only")
def clones(stage):
    github = stage.github
    github.new_repository("tool")
    git_token = github.git_token("GET /acme/tool[.]git/info/refs", "POST /acme/tool[.]git/git-upload-pack")
    done, _, _ = renovate(stage, [*START, *WORK], "acme/tool")
    holds(f"{github.proxy}/acme/tool.git/' not found".partition("://")[2] in done.stdout, f"without the setting: {done.stdout[-400:]}")

    def setting(home, token):
        there, here = (url.replace("://", f"://{user}@") for url, user in ((github.git_url, git_token), (github.proxy, token)))
        (home / ".gitconfig").write_text(f'[url "{there}/"]\n\tinsteadOf = {here}/\n')

    with guarded(stage, git_token) as requests:
        done, _, arrived = renovate(stage, [*START, *WORK], "acme/tool", prepare=setting)
    holds('"msg":"git clone completed"' in done.stdout, f"with the setting: {done.stdout[-400:]}")
    holds(any("git-upload-pack" in str(request) for request in requests), f"what reached git's server: {requests}")
    holds("/repos/acme/tool/pulls" in [request.target.partition("?")[0] for request in arrived], "it goes on to the pull requests")
    holds(git_token not in done.stdout + done.stderr, "Renovate's log shows git's token")


@CASES.case("the recipe for Renovate does what it says")
def recipe(stage):
    holds(stage.github.follow("renovate", RENOVATE=stage.node_folder / "node_modules/renovate"), "nothing arrived")


def renovate(stage, rules, *repositories, prepare=lambda home, token: None):
    """How Renovate ended, the repositories that it found, and what arrived at GitHub, all of it through the proxy."""
    token = stage.github.token(*rules)
    endpoint = f"{stage.github.url}/"
    work = stage.new_folder("renovate")
    found = work / "repositories.json"
    command = ["node", stage.node_folder / "node_modules/renovate/dist/renovate.js", "--platform=github", f"--endpoint={endpoint}"]
    what = repositories or ["--autodiscover=true", f"--write-discovered-repos={found}"]
    asked = ["--dry-run=full", "--onboarding=false", "--require-config=optional", *what]
    prepare(work, token)
    with stage.github.api.only_through_proxy(token) as arrived:
        settings = {"HOME": work, "GIT_CONFIG_NOSYSTEM": 1, "LOG_LEVEL": "debug", "LOG_FORMAT": "json"}
        done = stage.run([*command, *asked], cwd=work, RENOVATE_TOKEN=token, RENOVATE_BASE_DIR=work, **settings)
    holds(token not in done.stdout + done.stderr, "Renovate's log shows the token")
    return done, json.loads(found.read_text()) if found.exists() else None, arrived
