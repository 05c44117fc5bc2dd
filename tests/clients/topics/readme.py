"""README.md, section "Mint a token and use it", done as it says."""

import json
import re

from harness.cases import Cases, equal, holds
from stage import CREDENTIAL, ROOT

CASES = Cases()


@CASES.case("README: mint over HTTP, one request allowed, one refused")
def over_http(stage):
    lines = [line for line in commands() if "curl" in line]
    holds(len(lines) >= 3, f"the README shows minting and two requests: {lines}")
    script = "\n".join(lines).replace("http://127.0.0.1:5000", stage.proxy)
    stage.upstream.take()
    done = stage.run(["bash", "-euc", script], GITHUB_TOKEN=CREDENTIAL)
    equal(done.returncode, 0, f"exit status ({done.stderr})")
    allowed, end = json.JSONDecoder().raw_decode(done.stdout)
    refused = json.loads(done.stdout[end:])
    equal(allowed["method"], "GET", "the API's answer")
    equal((refused["status"], refused["code"]), (403, "not_allowed"), "the refusal")
    equal(len(stage.upstream.take()), 1, "how many requests reached the API")


@CASES.case("README: mint offline, inspect, explain")
def offline(stage):
    work = stage.folder / "readme"
    work.mkdir()
    (work / "magicproxy").symlink_to(stage.binary)
    lines = [line for line in commands() if line.startswith("magicproxy ") and not is_of_sealed_tokens(line)]
    equal([line.split()[1] for line in lines], ["mint", "inspect", "explain"], "the commands")
    for line, status in zip(lines, (0, 0, 3)):
        done = stage.run(["bash", "-uc", f'PATH="$PWD:$PATH"; {line}'], cwd=work, GITHUB_TOKEN=CREDENTIAL, MAGICPROXY_KEYS=stage.keys)
        equal(done.returncode, status, f"exit status of `{line}` ({done.stderr.strip()[-300:]})")
        holds(CREDENTIAL not in done.stdout + done.stderr, f"`{line}` shows the credential")


@CASES.case("README: sealed with the public key, narrowed by its holder, used by curl")
def sealed(stage):
    work = stage.folder / "readme-sealed"
    work.mkdir()
    (work / "magicproxy").symlink_to(stage.binary)
    lines = [line for line in commands() if is_of_sealed_tokens(line)]
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


def is_of_sealed_tokens(line):
    return " --to " in line or line.startswith("magicproxy narrow ")


def commands():
    """The commands of the section, each on one line."""
    readme = (ROOT / "README.md").read_text("utf-8")
    section = re.search(r"^## Mint a token and use it$(.*?)^## ", readme, re.M | re.S)
    blocks = re.findall(r"```console\n(.*?)```", section.group(1) if section else "", re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
