"""The workflow files of the guide on CI: they are what GitHub and GitLab take."""

import re
import sys

import yaml
from harness.cases import Cases, equal, holds
from house import ROOT, run

CASES = Cases()
GUIDE = ROOT / "docs/guide/ci.md"


def _file(heading):
    """The whole file that a section of the guide shows."""
    section = GUIDE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^```yaml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    equal(len(found), 1, f"files below `{heading}`")
    return found[0]


@CASES.case("the file is what the service takes", over=[("GitHub Actions", "vendor.github-workflows"), ("GitLab", "vendor.gitlab-ci")])
def schema(house, shown):
    heading, name = shown
    path = house.empty("ci") / "file.yml"
    path.write_text(_file(heading))
    run([f"{sys.prefix}/bin/check-jsonschema", "--builtin-schema", name, path])


@CASES.case("no step that runs the work holds the stronger token")
def confined(house):
    workflow = yaml.safe_load(_file("GitHub Actions"))
    equal(workflow["permissions"], {}, "what GitHub's own token may do")
    for job in workflow["jobs"].values():
        holds("env" not in job and "environment" in job, "the secret is for the whole job, or for every branch")
        holders = [step["name"] for step in job["steps"] if "secrets." in str(step)]
        equal(holders, ["a token for this job alone"], "steps with the secret")
    lines = yaml.safe_load(_file("GitLab"))["triage"]["before_script"]
    equal(lines[-1], "unset MAGIC_TOKEN", "the last line before the work")
