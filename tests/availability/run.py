"""Attacks on the availability of `magicproxy`, with honest clients beside the attacker, who are all to be answered.

    python tests/availability/run.py --binary target/release/magicproxy

The Python that runs this must have what `requirements.txt` names; `cargo xtask test availability` sees to that. README.md says
how to read the table.
"""

import argparse
import asyncio
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import traceback

from attacks import bodies, downstream, matching, store, upstream_connections, upstream_streams, verification, websockets
from clock import Hang
from stage import open_stage

KINDS = [upstream_streams, verification, matching, downstream, upstream_connections, store, bodies, websockets]
CASES = {case.name: case for kind in KINDS for case in kind.CASES}

#: Seconds after which the process of a case is ended: only for one that hangs.
_GUARD = 240
#: Figures that have a column of their own, the others stand behind.
_COLUMNS = ("asked", "answered", "p50", "p99", "work")


def main():
    given = _arguments()
    if given.alone:
        print(json.dumps(_run(CASES[given.alone], given)))
        return 0
    chosen = [CASES[name] for name in given.only or CASES]
    failed = 0
    print(f"     {'case':<28} {'answered':>9} {'p50 ms':>7} {'p99 ms':>7} {'work s':>7}  what else was seen")
    with concurrent.futures.ThreadPoolExecutor(given.beside) as pool:
        for case, outcome in zip(chosen, pool.map(lambda case: _apart(case, given), chosen)):
            failed += bool(outcome["faults"])
            _tell(case, outcome)
    print(f"{len(chosen) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, required=True, help="the magicproxy program to test")
    parser.add_argument("--only", action="append", choices=CASES, metavar="CASE", help="run this case; may be repeated")
    parser.add_argument("--beside", type=int, default=2, help="how many cases run at the same time")
    parser.add_argument("--old", action="store_true", help="leave out keys that the program's configuration does not know")
    parser.add_argument("--alone", choices=CASES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.binary = given.binary.resolve()
    if not given.binary.is_file():
        print(f"there is no program at `{given.binary}`: build it first\n0 passed, 1 failed")
        sys.exit(1)
    return given


def _apart(case, given):
    """Runs a case in a process of its own, so that cases share neither an interpreter nor open files."""
    command = [sys.executable, __file__, "--binary", str(given.binary), "--alone", case.name, *(["--old"] if given.old else [])]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_GUARD, check=False)
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"figures": {}, "faults": [f"hung for {_GUARD} s"], "left_out": []}
    except (ValueError, IndexError):
        return {"figures": {}, "faults": [f"ended without a word: {done.stderr.strip()[-600:]}"], "left_out": []}


def _run(case, given):
    with open_stage(given.binary, given.old) as stage:
        try:
            asyncio.run(case.run(stage))
        except Hang as error:
            stage.judge(False, str(error))
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            stage.judge(False, f"{pathlib.Path(last.filename).name}:{last.lineno}: {type(error).__name__}: {error}")
        return {"figures": stage.figures, "faults": stage.faults, "left_out": sorted(set(stage.left_out))}


def _tell(case, outcome):
    """One line of the table, and one for each fault."""
    figures = outcome["figures"]
    asked, answered, p50, p99, work = (figures.get(name, float("nan")) for name in _COLUMNS)
    others = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items() if name not in _COLUMNS)
    mark = "FAIL" if outcome["faults"] else "ok  "
    told = f"{answered}/{asked}"
    print(f"{mark} {case.name:<28} {told:>9} {p50 * 1000:>7.0f} {p99 * 1000:>7.0f} {work:>7.2f}  {others}")
    for fault in outcome["faults"]:
        print(f"       {' '.join(fault.split())}")
    if outcome["left_out"]:
        print(f"       left out: {', '.join(outcome['left_out'])}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
