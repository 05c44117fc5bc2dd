"""The table at the end of a run: which clients were tried, in which version, against what, and how it went.

A topic declares its rows beside its cases:

    ROWS = [Row("PyGithub", pip("PyGithub"), "GitHub, as recorded", "pages, labels, refusals")]
    CASES = Cases(ROWS[0])

Where a topic tries several clients, each case names its own: `@CASES.case("…", row=LEGO)`. A client that cannot be served keeps
its row, with the `reason` and without cases.
"""

import dataclasses
import importlib.metadata
import json
import subprocess
import typing

_HEAD = ("client", "version", "upstream", "scenarios", "verdict")


@dataclasses.dataclass(frozen=True)
class Row:
    #: The client's own name.
    client: str
    #: Its version, or a function that finds it out; that is handed the stage.
    version: str | typing.Callable[[typing.Any], str]
    #: What stands behind the proxy, in words.
    upstream: str
    #: What was tried, in words.
    scenarios: str
    #: Why it cannot be served; empty where it is.
    reason: str = ""


def pip(package):
    """The version of a Python package."""
    return lambda stage: importlib.metadata.version(package)


def npm(package):
    """The version of a Node package."""
    return lambda stage: json.loads((stage.node_folder / "node_modules" / package / "package.json").read_text("utf-8"))["version"]


def says(*command, word=1):
    """The word of that number (from 0) on the first line that a command prints."""
    return lambda stage: subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0].split()[word]


def table(topics, outcomes, stage):
    """The lines of the table. `outcomes` are pairs: a case, and whether it passed."""
    rows = [row for topic in topics for row in getattr(topic, "ROWS", [])]
    unknown = {case.name for case, _ in outcomes if case.row is not None and case.row not in rows}
    if unknown:
        raise AssertionError(f"cases with a row that no topic has in `ROWS`: {unknown}")
    return _aligned([_HEAD, *(_cells(row, outcomes, stage) for row in rows)])


def _cells(row, outcomes, stage):
    return (row.client, _version(row, stage), row.upstream, row.scenarios, _verdict(row, outcomes))


def _version(row, stage):
    if isinstance(row.version, str):
        return row.version
    try:
        return row.version(stage)
    except Exception as error:
        # The verdict tells what a client that is not there amounts to.
        return f"unknown ({type(error).__name__})"


def _verdict(row, outcomes):
    passed = [ok for case, ok in outcomes if case.row == row]
    if not passed:
        return f"not served: {row.reason}" if row.reason else "NOT TRIED"
    verdict = "works" if all(passed) else "FAILS"
    return f"{verdict}, {sum(passed)} of {len(passed)}"


def _aligned(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return [lines[0], "-+-".join("-" * width for width in widths), *lines[1:]]
