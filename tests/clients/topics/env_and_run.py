"""`magicproxy env` and `magicproxy run` with git, curl and Python: what they are told is what they need."""

import json
import sys

from git_stage import READ, REFUSED, WRITE, commit, done, repository, served
from harness.cases import Cases, equal, holds
from harness.exchange import mint
from stage import CREDENTIAL

CASES = Cases()

#: Nothing of this machine's settings.
QUIETLY = {"GIT_CONFIG_NOSYSTEM": 1}

#: What a script gets from the user's own settings: a helper that answers for every host, and keeps what it is shown.
GREEDY_HELPER = """[credential]
    helper = "!f() { cat >>{log}; test $1 = get && printf 'username=me\\\\npassword=%s\\\\n' ghp_theRealCredential0123456789abcdef; }; f"
"""


@CASES.case("run: git clones and pushes by the name of github.com, and its other helpers see nothing")
def git_runs(stage):
    proxy, work = served(stage, "run")
    file = token_file(stage, work, mint(proxy, token=CREDENTIAL, allowed=[*READ, *WRITE]))
    log = work / "helper.log"
    (work / ".gitconfig").write_text(GREEDY_HELPER.replace("{log}", str(log)))
    ours = [stage.binary, "run", "--token-file", file, "--proxy", proxy, "--"]
    for remote in ("https://github.com/acme/tool.git", "git@github.com:acme/tool.git", "ssh://git@github.com/acme/tool.git"):
        folder = work / remote.replace("/", "_")
        done(stage.run([*ours, "git", "clone", remote, folder], cwd=work, **home(work)))
        equal((folder / "README").read_text(), "hello\n", "what was cloned")
        equal(stage.run(["git", "-C", folder, "remote", "get-url", "origin"], **QUIETLY).stdout.strip(), remote, "the remote")
    (folder / "more").write_text("more\n")
    commit(stage, folder, "more")
    done(stage.run([*ours, "git", "push", "origin", "HEAD:main"], cwd=folder, **home(work)))
    listed = stage.run(["git", "ls-tree", "--name-only", "main"], cwd=work / "served/acme/tool.git")
    equal(listed.stdout.split(), ["README", "more"], "what was pushed")
    holds(not log.exists(), "another helper was asked, or shown the token")
    stage.run(["git", "clone", f"{proxy}/acme/tool.git", "plain"], cwd=work, **home(work))
    holds(log.exists(), "the other helper works: without `run` it is asked")


@CASES.case("run: git clones by a mount, one upstream of several")
def git_by_mount(stage):
    work, server = repository(stage, "mount")
    config = work / "magicproxy.toml"
    config.write_text(f"""
        [upstreams.other]
        api_root = "{stage.upstream.url}"
        [upstreams.github-git]
        api_root = "{server.url}"
        credential = "bearer"
    """)
    proxy = stage.server("proxy-mount", [stage.binary, "serve", "--config", config, "--listen", "127.0.0.1:0", "--keys", stage.keys])
    file = token_file(stage, work, mint(proxy, token=CREDENTIAL, allowed=list(READ), aud="github-git"))
    ours = [stage.binary, "run", "--token-file", file, "--proxy", f"{proxy}/github-git", "--"]
    done(stage.run([*ours, "git", "clone", "https://github.com/acme/tool.git", "tool"], cwd=work, **home(work)))
    equal((work / "tool/README").read_text(), "hello\n", "what was cloned")
    elsewhere = [stage.binary, "run", "--token-file", file, "--proxy", f"{proxy}/other", "--"]
    refused = stage.run([*elsewhere, "git", "clone", "https://github.com/acme/tool.git", "none"], cwd=work, **home(work))
    holds(refused.returncode != 0, "the token is for one upstream")


@CASES.case("run: git clones and pushes a repository by the name that it had before it was renamed")
def git_follows_a_renaming(stage):
    if tuple(map(int, stage.run(["git", "--version"]).stdout.split()[2].split(".")[:2])) < (2, 46):
        return
    work, server = repository(stage, "renamed")
    server.renamed = {"/acme/old.git": "/acme/tool.git"}
    proxy = stage.proxy_for("git-renamed", server.url)
    rules = [rule.replace("tool", "(tool|old)") for rule in (*READ, *WRITE)]
    file = token_file(stage, work, mint(proxy, token=CREDENTIAL, allowed=rules))
    ours = [stage.binary, "run", "--token-file", file, "--proxy", proxy, "--"]
    done(stage.run([*ours, "git", "clone", "https://github.com/acme/old.git", "tool"], cwd=work, **home(work)))
    (work / "tool/more").write_text("more\n")
    commit(stage, work / "tool", "more")
    done(stage.run([*ours, "git", "push", "origin", "HEAD:main"], cwd=work / "tool", **home(work)))
    listed = stage.run(["git", "ls-tree", "--name-only", "main"], cwd=work / "served/acme/tool.git")
    equal(listed.stdout.split(), ["README", "more"], "what was pushed")
    posted = [line for line, _ in server.take() if line.startswith("POST")]
    holds(posted and all("/acme/tool.git/" in line for line in posted), f"git went on at the new name: {posted}")


@CASES.case("run: git is refused what the token does not allow, and does not ask for another")
def git_is_refused(stage):
    proxy, work = served(stage, "run-refused")
    file = token_file(stage, work, mint(proxy, token=CREDENTIAL, allowed=list(READ)))
    ours = [stage.binary, "run", "--token-file", file, "--proxy", proxy, "--", "git"]
    done(stage.run([*ours, "clone", "https://github.com/acme/tool.git", "tool"], cwd=work, **home(work)))
    (work / "tool/more").write_text("more\n")
    commit(stage, work / "tool", "more")
    pushed = stage.run([*ours, "push", "origin", "HEAD:main"], cwd=work / "tool", **home(work))
    holds(pushed.returncode != 0 and REFUSED in pushed.stderr, f"the push is refused: {pushed.stderr}")


@CASES.case("env: bash takes the lines for git, and a renewed token counts at once")
def git_by_env(stage):
    proxy, work = served(stage, "env")
    file = token_file(stage, work, "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.e30.AA")
    good = mint(proxy, token=CREDENTIAL, allowed=list(READ))
    script = """
        eval "$("$MAGICPROXY" env git --proxy "$PROXY" --token-file "$TOKEN_FILE")"
        ! git clone https://github.com/acme/tool.git early 2>early.log
        printf '%s\\n' "$GOOD" >"$TOKEN_FILE"
        git clone https://github.com/acme/tool.git tool
        unset GOOD
        env >shown
    """
    variables = {"MAGICPROXY": stage.binary, "PROXY": proxy, "TOKEN_FILE": file, "GOOD": good}
    done(stage.run(["bash", "-euo", "pipefail", "-c", script], cwd=work, **variables, **home(work)))
    equal((work / "tool/README").read_text(), "hello\n", "what was cloned")
    holds(good not in (work / "shown").read_text(), "the token is in the environment")


@CASES.case("env: bash takes the lines for curl")
def curl_by_env(stage):
    file = token_file(stage, stage.folder, stage.token("GET /user"))
    script = """
        eval "$("$MAGICPROXY" env curl --proxy "$PROXY" --token-file "$TOKEN_FILE")"
        printf 'Authorization: Bearer %s' "$MAGIC_TOKEN" | curl -sS --fail -H @- "$MAGIC_API/user"
    """
    shown = stage.run(["bash", "-euo", "pipefail", "-c", script], MAGICPROXY=stage.binary, PROXY=stage.proxy, TOKEN_FILE=file)
    equal((shown.returncode, json.loads(shown.stdout)["target"]), (0, "/user"), f"what curl got ({shown.stderr})")


@CASES.case("run: PyGithub in a program finds the proxy and the token in its variables")
def pygithub_runs(stage):
    file = token_file(stage, stage.folder, stage.token("GET /user"))
    program = """
import os, github
api = github.Github(auth=github.Auth.Token(os.environ["GITHUB_TOKEN"]), base_url=os.environ["GITHUB_API_URL"])
print(api.get_user().raw_data["target"])
"""
    ours = [stage.binary, "run", "--token-file", file, "--proxy", stage.proxy, "--client", "pygithub", "--"]
    shown = stage.run([*ours, sys.executable, "-c", program], GITHUB_TOKEN=CREDENTIAL)
    equal((shown.returncode, shown.stdout), (0, "/user\n"), f"what it printed ({shown.stderr[-400:]})")


def home(folder):
    return {"HOME": folder, **QUIETLY}


def token_file(stage, folder, token):
    path = folder / "job's token"
    path.touch(0o600)
    path.write_text(token + "\n")
    return path
