"""README.md and docs/guide/getting-started.md, done as they say."""

import json
import re

from harness.cases import Cases, equal, holds
from stage import CREDENTIAL, ROOT

CASES = Cases()

README = "README.md"
GUIDE = "docs/guide/getting-started.md"


@CASES.case("README: mint offline, a first refusal")
def first_refusal(stage):
    work = stage.folder / "readme-first"
    work.mkdir()
    (work / "magicproxy").symlink_to(stage.binary)
    serve, mint, curl = commands(README, "A first refusal")
    holds(serve.startswith("magicproxy serve "), f"the first command: {serve}")
    # The stage's proxy has this API in GitHub's place, and runs already.
    known = {"GITHUB_TOKEN": CREDENTIAL, "MAGICPROXY_KEYS": stage.keys, "API_ROOT": stage.upstream.url}
    curl = curl.replace("http://127.0.0.1:5000", stage.proxy)
    stage.upstream.take()
    script = "\n".join(['PATH="$PWD:$PATH"', mint, curl, curl.replace("/user/repos", "/user")])
    done = stage.run(["bash", "-euc", script], cwd=work, **known)
    equal(done.returncode, 0, f"exit status ({done.stderr})")
    refused, end = json.JSONDecoder().raw_decode(done.stdout)
    equal((refused["status"], refused["code"]), (403, "not_allowed"), "the refusal")
    equal(json.loads(done.stdout[end:])["method"], "GET", "the API's answer to what is allowed")
    equal([request.target for request in stage.upstream.take()], ["/user"], "what reached the API")


@CASES.case("getting started: mint over HTTP, one request allowed, one refused")
def over_http(stage):
    lines = [line for line in commands(GUIDE, "Mint a token over HTTP, and use it") if "curl" in line]
    holds(len(lines) >= 3, f"the guide shows minting and two requests: {lines}")
    script = "\n".join(lines).replace("http://127.0.0.1:5000", stage.proxy)
    stage.upstream.take()
    done = stage.run(["bash", "-euc", script], GITHUB_TOKEN=CREDENTIAL)
    equal(done.returncode, 0, f"exit status ({done.stderr})")
    allowed, end = json.JSONDecoder().raw_decode(done.stdout)
    refused = json.loads(done.stdout[end:])
    equal(allowed["method"], "GET", "the API's answer")
    equal((refused["status"], refused["code"]), (403, "not_allowed"), "the refusal")
    equal(len(stage.upstream.take()), 1, "how many requests reached the API")


@CASES.case("getting started: mint offline, inspect, explain")
def offline(stage):
    work = stage.folder / "readme"
    work.mkdir()
    (work / "magicproxy").symlink_to(stage.binary)
    lines = commands(GUIDE, "Mint with the private key at hand")
    equal([line.split()[1] for line in lines], ["mint", "inspect", "explain"], "the commands")
    for line, status in zip(lines, (0, 0, 3)):
        done = stage.run(["bash", "-uc", f'PATH="$PWD:$PATH"; {line}'], cwd=work, GITHUB_TOKEN=CREDENTIAL, MAGICPROXY_KEYS=stage.keys)
        equal(done.returncode, status, f"exit status of `{line}` ({done.stderr.strip()[-300:]})")
        holds(CREDENTIAL not in done.stdout + done.stderr, f"`{line}` shows the credential")


@CASES.case("getting started: sealed with the public key, narrowed by its holder, used by curl")
def sealed(stage):
    work = stage.folder / "readme-sealed"
    work.mkdir()
    (work / "magicproxy").symlink_to(stage.binary)
    lines = commands(GUIDE, "Mint with the public key, and narrow with nothing")
    equal([line.split()[1] for line in lines], ["mint", "narrow"], "the commands")
    name = stage.upstream.url.removeprefix("http://")
    for line in lines:
        line = line.replace("https://proxy.example", stage.proxy).replace("--aud github", f"--aud {name}")
        done = stage.run(["bash", "-uc", f'PATH="$PWD:$PATH"; {line}'], cwd=work, GITHUB_TOKEN=CREDENTIAL, HOME=work)
        equal(done.returncode, 0, f"exit status of `{line}` ({done.stderr.strip()[-300:]})")
    stage.upstream.take()
    for token, target, status in (
        ("job", "/repos/acme/other", "200"),
        ("agent", "/repos/acme/site/issues", "200"),
        ("agent", "/repos/acme/other", "403"),
    ):
        bearer = f"Authorization: Bearer {(work / f'{token}.token').read_text('ascii').strip()}"
        done = stage.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", bearer, stage.proxy + target])
        equal(done.stdout, status, f"status of {target} with {token}.token ({done.stderr})")
    arrived = stage.upstream.take()
    equal([request.target for request in arrived], ["/repos/acme/other", "/repos/acme/site/issues"], "what reached the API")
    equal([request.values("Authorization") for request in arrived], [[f"Bearer {CREDENTIAL}"]] * 2, "Authorization at the API")


def commands(page, title):
    """The commands of a page's section, each on one line."""
    text = (ROOT / page).read_text("utf-8")
    section = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", text, re.M | re.S)
    blocks = re.findall(r"```console\n(.*?)```", section.group(1) if section else "", re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
