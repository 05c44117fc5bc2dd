"""Follows the recipes in `docs/guide/clients`: runs what a page tells its reader to type, and looks for what it promises.

    results = recipes.follow(stage, "pygithub", PROXY=f"{proxy}/github", TOKEN_FILE=file)

The convention, which `docs/guide/clients/README.md` tells to people:

- A fence ```` ```sh ```` is run. All of a page's run in order in one `bash -euo pipefail`, in a new folder, so that a variable or a
  `cd` of one lasts until the next. ```` ```sh no-run ```` is for the reader alone.
- A fence ```` ```text expect ```` says what the block before it prints, on standard output or standard error: these lines, together and in
  order, with nothing between them. A line `...` stands for any lines.
- Pages take what differs from the environment: `$PROXY` (the API at the proxy, such as `http://127.0.0.1:5000/github`), `$TOKEN_FILE`,
  `$SOCKET`, `$CA_FILE`. One that a page names and nobody gives ends the recipe: `unbound variable`.
"""

import contextlib
import dataclasses
import itertools
import os
import pathlib
import re
import signal
import subprocess

from harness.patience import HANGS
from harness.process import environment

HERE = pathlib.Path(__file__).resolve().parent
PAGES = HERE.parent.parent / "docs/guide/clients"

#: Seconds that a whole page may take.

#: Characters of a block's output that a failure shows.
_SHOWN = 600

_ANY_LINES = "..."
_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^`]*)$")

#: Every recipe that was followed to its end, by the name of its page.
followed = set()


@dataclasses.dataclass(frozen=True)
class Block:
    """A fence that is run."""

    #: The line of the page on which its text begins.
    line: int
    script: str
    #: What it must print: each of these.
    expected: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Result:
    """A block that was run, and what it printed on both streams."""

    block: Block
    output: str


class RecipeError(AssertionError):
    """A page that does not keep the convention, or does not work."""


def follow(stage, name, *, timeout=HANGS, **variables):
    """Follows the page `NAME.md` with these variables, beside which only `PATH`, `HOME` and `LANG` are set.

    `magicproxy` is on the `PATH`. Gives one `Result` for each block; fails with the page's name and line.
    """
    work = _new_folder(stage.folder / "recipes", name)
    (work / "bin").mkdir()
    (work / "bin/magicproxy").symlink_to(stage.binary)
    path = os.pathsep.join([str(work / "bin"), str(variables.pop("PATH", os.environ["PATH"]))])
    home = work / "home"
    home.mkdir()
    results = run_page(PAGES / f"{name}.md", env=environment(home, PATH=path, **variables), folder=work, timeout=timeout)
    followed.add(name)
    return results


def run_page(page, *, env, folder, timeout=HANGS):
    """Runs the blocks of a page in `folder`, which must exist."""
    blocks = read(page)
    if not blocks:
        raise RecipeError(f"{page.name}: there is no block to run")
    _check_syntax(page, blocks)
    work = folder / "work"
    work.mkdir()
    (folder / "recipe.sh").write_text(_script(blocks, folder), "utf-8")
    command = ["bash", "-euo", "pipefail", str(folder / "recipe.sh")]
    with (folder / "output.start").open("wb") as output:
        status = _status(command, timeout, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=work)
    return _judge(page, blocks, folder, status)


def runnable_pages(folder=PAGES):
    """The names of the pages that have something to run."""
    return sorted(page.stem for page in folder.glob("*.md") if page.stem != "README" and read(page))


def read(page):
    """The blocks of a page."""
    blocks = []
    # The block that a fence of `expect` is about: the last fence, if that was run.
    last = None
    for line, info, text in _fences(page):
        words = info.split()
        if words == ["sh"]:
            blocks.append(Block(line, text))
            last = blocks[-1]
        elif words == ["text", "expect"]:
            if last is None or last is not blocks[-1]:
                raise RecipeError(f"{page.name}:{line}: what is expected must follow a block that is run")
            blocks[-1] = last = dataclasses.replace(last, expected=(*last.expected, text))
        elif words[:1] == ["sh"] and words != ["sh", "no-run"] or "expect" in words:
            raise RecipeError(f"{page.name}:{line}: unknown kind of block `{info}`")
        else:
            last = None
    return blocks


def contains(output, expected):
    """Are the expected lines in the output, whole and in order? `...` stands for any lines."""
    pieces = [[]]
    for line in expected.splitlines():
        if line.strip() == _ANY_LINES:
            pieces.append([])
        else:
            pieces[-1].append(line.rstrip())
    lines = [line.rstrip() for line in output.splitlines()]
    at = 0
    for piece in pieces:
        starts = range(at, len(lines) - len(piece) + 1)
        found = next((start for start in starts if lines[start:start + len(piece)] == piece), None)
        if found is None:
            return False
        at = found + len(piece)
    return True


def _fences(page):
    """Line, info string and text of every fenced block (CommonMark 4.5, backticks only)."""
    lines = page.read_text("utf-8").splitlines()
    opened = None
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if opened is None:
            if fence:
                opened = (number, fence, [])
        elif fence and len(fence["ticks"]) >= len(opened[1]["ticks"]) and not fence["info"].strip():
            start, first, text = opened
            yield start + 1, first["info"].strip(), "".join(f"{each}\n" for each in text)
            opened = None
        else:
            indent = len(opened[1]["indent"])
            opened[2].append(line[min(indent, len(line) - len(line.lstrip(" "))):])
    if opened:
        raise RecipeError(f"{page.name}:{opened[0]}: the block is not closed")


def _script(blocks, folder):
    """One script for all blocks. Each writes to a file of its own, so that a program left running blocks nothing."""
    parts = []
    for index, block in enumerate(blocks):
        # What a block switched off does not stay off.
        parts.append(f"exec >'{_output(folder, index)}' 2>&1; set -euo pipefail\n{block.script}")
    # Reached only where no block left early, with status 0 or another.
    parts.append(f"exec >'{folder / 'finished'}' 2>&1\n")
    return "\n".join(parts)


def _output(folder, index):
    return folder / f"output.{index}"


def _check_syntax(page, blocks):
    """A block must be whole: an open quote would swallow the next."""
    for block in blocks:
        done = subprocess.run(["bash", "-n"], input=block.script, capture_output=True, text=True, check=False)
        # bash only warns of a here-document without its end.
        if done.returncode != 0 or done.stderr:
            raise RecipeError(f"{page.name}:{block.line}: not a whole script: {done.stderr.strip()}")


def _status(command, timeout, **options):
    # In a session of its own, so that what a page leaves running ends with it.
    with subprocess.Popen(command, start_new_session=True, **options) as child:
        try:
            return child.wait(timeout)
        except subprocess.TimeoutExpired:
            return f"after {timeout} s, stopped"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def _judge(page, blocks, folder, status):
    results = []
    for index, block in enumerate(blocks):
        if not _output(folder, index).exists():
            break
        results.append(Result(block, _output(folder, index).read_text("utf-8", "replace")))
    if status != 0 or not (folder / "finished").exists():
        last = results[-1] if results else Result(blocks[0], (folder / "output.start").read_text("utf-8", "replace"))
        raise RecipeError(f"{page.name}:{last.block.line}: ended here with status {status}: {last.output.strip()[-_SHOWN:]}")
    for result in results:
        for expected in result.block.expected:
            if not contains(result.output, expected):
                raise RecipeError(f"{page.name}:{result.block.line}: expected {expected!r}, got {result.output.strip()[-_SHOWN:]!r}")
    return results


def _new_folder(parent, name):
    """A folder that nobody has used yet."""
    for number in itertools.count(1):
        folder = parent / f"{name}-{number}"
        if not folder.exists():
            folder.mkdir(parents=True)
            return folder
