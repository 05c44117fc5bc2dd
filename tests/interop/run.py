"""Tests `magicproxy` beside the Python program that it replaces, `magic-api-proxy` 0.1.14 from PyPI.

    python tests/interop/run.py --binary target/release/magicproxy

The Python that runs this must have what `requirements.txt` names. `MAGICPROXY_PY_TOKEN` (else `target/py-token`) must hold a Python
environment with what `clients/python/tests/requirements.txt` names, and `MAGICPROXY_NODE_TOKEN` (else `target/node-token`) what
`npm ci` installs of `clients/js`. `cargo xtask` makes both.
"""

import sys

from cases import configuration, control, differences, hidden, jose, keys, migrating, sealed, tokens
from harness.cases import binary_from_arguments, run_all
from house import open_house


def main():
    binary = binary_from_arguments(__doc__)
    with open_house(binary) as house:
        topics = (keys, tokens, configuration, control, differences, migrating, hidden, jose, sealed)
        return run_all([topic.CASES for topic in topics], house)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
