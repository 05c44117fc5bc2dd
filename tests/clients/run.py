"""Tests `magicproxy` with real clients, unmodified, against APIs that nobody here wrote where there is one.

    python tests/clients/run.py --binary target/release/magicproxy

The Python that runs this must have what both `requirements.txt` name, and `MAGICPROXY_NODE` (else `target/node`) must hold
the packages of `package.json`. `cargo xtask test clients` sees to both.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Cases, processes and exchanges are the same as in tests/interop. Appended: what lies here comes first.
sys.path.append(str(HERE.parent / "interop"))

from harness.cases import binary_from_arguments, run_all  # noqa: E402
from stage import open_stage  # noqa: E402
from topics import curl, env_and_run, git, octokit, pygithub, readme, recipe_runner  # noqa: E402


def main():
    binary = binary_from_arguments(__doc__)
    with open_stage(binary) as stage:
        return run_all([topic.CASES for topic in (recipe_runner, curl, readme, octokit, pygithub, git, env_and_run)], stage)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
