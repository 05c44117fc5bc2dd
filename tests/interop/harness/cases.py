"""Cases and their runner: one line for each case, `N passed, N failed` at the end."""

import argparse
import dataclasses
import pathlib
import signal
import sys
import traceback
import typing

#: Characters of a failure that are shown.
_LONGEST = 800


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    check: typing.Callable[[typing.Any], None]
    #: What the case is counted under in a table; the runner of the cases says what that is.
    row: typing.Any = None


class Cases:
    """The cases of one topic; `house` is whatever the runner hands to each of them, `row` what they are counted under."""

    def __init__(self, row=None):
        self.row = row
        self.all: list[Case] = []

    def case(self, name, over=None, row=None):
        """Registers a check. With `over`, one case for each value, which the check takes as its second argument."""

        def register(check):
            counted = row or self.row
            if over is None:
                self.all.append(Case(name, check, counted))
            for value in over or ():
                label = ", ".join(value) if isinstance(value, tuple) else value
                self.all.append(Case(f"{name} [{label}]", lambda house, value=value: check(house, value), counted))
            return check

        return register


def run_all(topics, house, conclusion=lambda outcomes: ()):
    """Runs the cases of all topics in order and returns the number of failures.

    `conclusion` is handed pairs of a case and whether it passed, and gives lines to print before the last one.
    """
    # Told to stop, leave in order, so that no child outlives this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    every = [case for topic in topics for case in topic.all]
    outcomes = [(case, _passes(case, house)) for case in every]
    failed = sum(not passed for _, passed in outcomes)
    for line in conclusion(outcomes):
        print(line)
    print(f"{len(every) - failed} passed, {failed} failed", flush=True)
    return failed


def _passes(case, house):
    try:
        case.check(house)
    except Exception as error:
        print(f"FAIL {case.name}: {_told(error)}", flush=True)
        return False
    print(f"ok   {case.name}", flush=True)
    return True


def binary_from_arguments(description):
    """The path that `--binary PATH` names."""
    return checked(argument_parser(description).parse_args().binary)


def argument_parser(description):
    """What every runner takes; one that takes more adds it."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, required=True, help="the magicproxy program to test")
    return parser


def checked(binary):
    """The path of the program, which must be there."""
    binary = binary.resolve()
    if not binary.is_file():
        print(f"there is no program at `{binary}`: build it first")
        print("0 passed, 1 failed")
        sys.exit(1)
    return binary


def equal(actual, expected, what):
    """Fails unless both are equal."""
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def holds(condition, what):
    """Fails unless the condition is true."""
    if not condition:
        raise AssertionError(what)


def _told(error):
    """One line: where in the cases it happened, and what."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "harness" not in frame.filename]
    where = f"{pathlib.Path(frames[-1].filename).name}:{frames[-1].lineno}: " if frames else ""
    return where + f"{type(error).__name__}: {error}".replace("\n", " | ")[:_LONGEST]
