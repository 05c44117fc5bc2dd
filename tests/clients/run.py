"""Tests `magicproxy` with real clients, unmodified, against APIs that nobody here wrote where there is one.

    python tests/clients/run.py --binary target/release/magicproxy

The Python that runs this must have what both `requirements.txt` name, and `MAGICPROXY_NODE` (else `target/node`) must hold
the packages of `package.json`. `MAGICPROXY_PY_DNS` (else `target/py-dns`) is a Python environment with
what `dns_clients/requirements.txt` names. PowerDNS, Pebble, lego and git-lfs are Debian's: installed, or unpacked below `MAGICPROXY_DEBIAN`.
`MAGICPROXY_TEST_VALKEY` is a valkey-server, such as `tests/state/requirements.txt` has.
`cargo xtask test clients` sees to all that. `--only NAME` runs one topic's cases. The table of clients at
the end is what the topics declare: see `matrix.py`.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Cases, processes and exchanges are the same as in tests/interop. Appended: what lies here comes first.
sys.path.append(str(HERE.parent / "interop"))

from harness.cases import argument_parser, checked, run_all  # noqa: E402
from matrix import table  # noqa: E402
from stage import open_stage  # noqa: E402
from topics import agents, curl, env_and_run, gh, git, git_lfs, git_libraries, githubkit, gitlab, llm, octokit, one_model, prism, pygithub, readme, recipe_runner, renovate, terraform  # noqa: E402
from topics import acme, certbot, cloudflare_sdk, lego, one_name, ownership, powerdns, pydo, python_digitalocean, survival  # noqa: E402

#: In the order in which they run.
TOPICS = [
    recipe_runner,
    curl,
    readme,
    octokit,
    renovate,
    prism,
    pygithub,
    git,
    git_libraries,
    git_lfs,
    gh,
    githubkit,
    env_and_run,
    acme,
    powerdns,
    lego,
    certbot,
    one_name,
    ownership,
    survival,
    python_digitalocean,
    pydo,
    cloudflare_sdk,
    llm,
    one_model,
    agents,
    gitlab,
    terraform,
]


def main():
    binary, topics = arguments()
    with open_stage(binary) as stage:
        return run_all([topic.CASES for topic in topics], stage, lambda outcomes: table(topics, outcomes, stage))


def arguments():
    """The program to test, and the topics whose cases are run."""
    names = {topic.__name__.removeprefix("topics."): topic for topic in TOPICS}
    parser = argument_parser(__doc__)
    parser.add_argument("--only", action="append", choices=sorted(names), metavar="NAME", help="run this topic's cases; may be repeated")
    given = parser.parse_args()
    return checked(given.binary), [names[name] for name in given.only] if given.only else TOPICS


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
