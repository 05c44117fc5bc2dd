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
    lines = [line for line in commands() if line.startswith("magicproxy ")]
    equal([line.split()[1] for line in lines], ["mint", "inspect", "explain"], "the commands")
    for line, status in zip(lines, (0, 0, 3)):
        done = stage.run(["bash", "-uc", f'PATH="$PWD:$PATH"; {line}'], cwd=work, GITHUB_TOKEN=CREDENTIAL, MAGICPROXY_KEYS=stage.keys)
        equal(done.returncode, status, f"exit status of `{line}` ({done.stderr.strip()[-300:]})")
        holds(CREDENTIAL not in done.stdout + done.stderr, f"`{line}` shows the credential")


def commands():
    """The commands of the section, each on one line."""
    readme = (ROOT / "README.md").read_text("utf-8")
    section = re.search(r"^## Mint a token and use it$(.*?)^## ", readme, re.M | re.S)
    blocks = re.findall(r"```console\n(.*?)```", section.group(1) if section else "", re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
