"""The units of systemd: no line that systemd does not know, and as little as the program needs."""

import re

from harness.cases import Cases, holds
from house import ROOT, run

CASES = Cases()
UNITS = ROOT / "deploy/systemd"
#: The most that `systemd-analyze security` may find, of 10.
_EXPOSURE = 2.0


@CASES.case("systemd knows every line of the units")
def verified(house):
    folder = house.empty("units")
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/bin/magicproxy", str(house.binary))
        (folder / unit.name).write_text(text)
    said = run(["systemd-analyze", "verify", "--man=no", *sorted(folder.iterdir())])
    holds(not said.strip(), said)


@CASES.case("the service may do little")
def exposure(house):
    said = run(["systemd-analyze", "security", "--offline=true", "--no-pager", UNITS / "magicproxy.service"])
    level = float(re.search(r"Overall exposure level for magicproxy.service: ([0-9.]+)", said)[1])
    holds(level <= _EXPOSURE, f"exposure {level} of at most {_EXPOSURE}")


@CASES.case("the service reads the configuration that the commands read")
def one_configuration(house):
    text = (UNITS / "magicproxy.service").read_text()
    holds("--config /etc/magicproxy/config.toml" in text, "another file than `magicproxy mint` looks at")
