"""Tests what a release consists of, each package by installing it into an empty root and serving one request, and the files of `deploy/`.

    python tests/packages/run.py --binary target/release/magicproxy
    python tests/packages/run.py --binary target/release/magicproxy --packages target/packages --debian target/debian

The Python that runs this must have what `requirements.txt` names. Without `--packages`, only the files of `deploy/` are tested,
which takes seconds. `--debian` is a root that `debootstrap --variant=minbase --include=adduser` has made; roots are entered by
`chroot`, as root. `MAGICPROXY_TEST_VALKEY` is a valkey-server. `cargo xtask test deploy packages` sees to all that.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Cases, processes and exchanges are the same as in tests/interop. Appended: what lies here comes first.
sys.path.append(str(HERE.parent / "interop"))

from cases_of import archive, arm64, ci, compose, configurations, containers, debian, image, kubernetes, libraries, materials, replicas, unit, wheel  # noqa: E402
from harness.cases import argument_parser, checked, run_all  # noqa: E402
from house import open_house  # noqa: E402

#: The files of `deploy/` and `docs/`.
QUICK = [unit, configurations, compose, kubernetes, ci]
#: What is made of the program.
PACKAGES = [archive, debian, wheel, image, containers, libraries, materials, replicas]


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--packages", type=pathlib.Path, help="the folder of the packages to test")
    parser.add_argument("--debian", type=pathlib.Path, help="a root with a minimal Debian")
    given = parser.parse_args()
    packages = given.packages and given.packages.resolve()
    topics = [*PACKAGES, *_of_arm64(packages)] if packages else QUICK
    debian_root = given.debian and given.debian.resolve()
    with open_house(checked(given.binary), packages, debian_root) as house:
        return run_all([topic.CASES for topic in topics], house)


def _of_arm64(packages):
    """The topic of the packages for arm64, if there is any: a stage makes packages of the program that it has."""
    return [arm64] if any("arm64" in path.name for path in packages.iterdir()) else []


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
