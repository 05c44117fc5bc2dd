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

from cases_of import archive, ci, compose, configurations, debian, image, kubernetes, materials, replicas, unit, wheel  # noqa: E402
from harness.cases import argument_parser, checked, run_all  # noqa: E402
from house import open_house  # noqa: E402

#: The files of `deploy/` and `docs/`.
QUICK = [unit, configurations, compose, kubernetes, ci]
#: What is made of the program.
PACKAGES = [archive, debian, wheel, image, materials, replicas]


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--packages", type=pathlib.Path, help="the folder of the packages to test")
    parser.add_argument("--debian", type=pathlib.Path, help="a root with a minimal Debian")
    given = parser.parse_args()
    topics = PACKAGES if given.packages else QUICK
    packages = given.packages and given.packages.resolve()
    debian_root = given.debian and given.debian.resolve()
    with open_house(checked(given.binary), packages, debian_root) as house:
        return run_all([topic.CASES for topic in topics], house)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
