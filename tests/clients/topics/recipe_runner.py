"""The runner of recipes itself: what it runs, what it looks for, and what it does not let pass."""

import itertools
import pathlib
import time

import recipes
from harness.cases import Cases, equal, holds
from harness.patience import HANGS
from harness.process import environment

CASES = Cases()

_numbers = itertools.count(1)

#: What fails, and what is said then.
FAULTS = {
    "a command that fails": ("```sh\necho before\nfalse\necho after\n```\n", "page.md:2: ended here with status 1: before"),
    "a command that fails inside a pipe": ("```sh\nfalse | cat\n```\n", "page.md:2: ended here with status 1"),
    "the second block": ("```sh\ntrue\n```\ntext\n\n```sh\necho two; exit 3\n```\n", "page.md:7: ended here with status 3: two"),
    "leaving early, well": ("```sh\nexit 0\n```\n\n```sh\nfalse\n```\n", "page.md:2: ended here with status 0"),
    "leaving early in the last block": ("```sh\nexit 0\n```\n", "page.md:2: ended here with status 0"),
    "a block after one that ignores failures": ("```sh\nset +e\n```\n```sh\nfalse\ntrue\n```\n", "page.md:5: ended here"),
    "a variable that nobody gives": ('```sh\necho "$TOKEN_FILE"\n```\n', "TOKEN_FILE: unbound variable"),
    "other output than expected": ("```sh\necho a b\n```\n```text expect\na c\n```\n", "page.md:2: expected 'a c\\n', got 'a b'"),
    "half a line": ("```sh\necho abc\n```\n```text expect\nab\n```\n", "expected"),
    "lines in another order": ("```sh\necho a; echo b\n```\n```text expect\nb\n...\na\n```\n", "expected"),
    "an expectation of nobody": ("```text expect\na\n```\n```sh\ntrue\n```\n", "page.md:2: what is expected must follow a block that is run"),
    "an expectation of what is not run": ("```sh\ntrue\n```\n```sh no-run\nx\n```\n```text expect\na\n```\n", "page.md:8: what is expected"),
    "another kind of block": ("```sh norun\ntrue\n```\n", "page.md:2: unknown kind of block `sh norun`"),
    "an expectation spelt wrong": ("```sh\ntrue\n```\n```expect\nx\n```\n", "unknown kind of block `expect`"),
    "an open quote": ("```sh\necho 'a\n```\n```sh\necho b'\n```\n", "page.md:2: not a whole script"),
    "an open here-document": ("```sh\ncat <<X\n```\n```sh\nX\n```\n", "page.md:2: not a whole script"),
    "an open block": ("```sh\ntrue\n", "page.md:1: the block is not closed"),
    "nothing to run": ("# Title\n\n```sh no-run\ntrue\n```\n", "page.md: there is no block to run"),
    "a program that does not end": ("```sh\necho waiting\nexec sleep 1000\n```\n", "page.md:2: ended here with status after {} s, stopped: waiting"),
}


@CASES.case("a recipe fails loudly:", over=FAULTS)
def fault(stage, name):
    text, said = FAULTS[name]
    # On a busy machine it takes a while until a program that does not end has said something.
    for timeout in (1, 4, 16, 64) if "does not end" in name else (HANGS,):
        heard = failure(stage, text, timeout)
        if said.format(timeout) in heard:
            return
    raise AssertionError(f"`{said}` is not in `{heard}`")


def failure(stage, text, timeout):
    try:
        run_text(stage, text, timeout=timeout)
    except recipes.RecipeError as error:
        return str(error)
    raise AssertionError("it passed")


@CASES.case("a recipe is one shell, and its variables come from outside")
def one_shell(stage):
    page = """
1. In a list:

   ```sh
   name=world; mkdir d; cd d
   cat <<'END'
     kept
   END
   ```

````md
```sh
exit 9
```
````

```sh no-run
exit 9
```

```sh
echo "$PROXY $name"; echo oops >&2; basename "$PWD"; cat
```

```text expect
http://127.0.0.1:5000/it's $HOME world
...
d
```

```text
only shown
```
"""
    first, second = run_text(stage, page, PROXY="http://127.0.0.1:5000/it's $HOME")
    equal(first.output, "  kept\n", "what the first block printed")
    equal(second.output, "http://127.0.0.1:5000/it's $HOME world\noops\nd\n", "what the second block printed")


@CASES.case("a recipe does not wait for what it leaves running in the background, and ends it")
def background(stage):
    page = "```sh\nsleep 1000 &\necho $!\n```\n\n```sh\necho done\n```\n```text expect\ndone\n```\n"
    first, _ = run_text(stage, page)
    deadline = time.monotonic() + HANGS
    while is_running(int(first.output)):
        holds(time.monotonic() < deadline, "it has ended")


@CASES.case("what is expected is found where it is")
def containing(_):
    output = "a\nb  \nc\nd\n"
    for expected in ("a", "a\nb", "b\nc", "c\nd\n", "a\n...\nd", "...\nc", "a\n...", "", "..."):
        holds(recipes.contains(output, expected), f"{expected!r} is there")
    for expected in ("x", "a\nc", "d\n...\na", "b\n...\nb", "a\n...\nx\n...\nd", "a\n\nb"):
        holds(not recipes.contains(output, expected), f"{expected!r} is not there")


@CASES.case("every recipe can be read, and says what was tried where nothing in it is run")
def pages(_):
    for page in sorted(recipes.PAGES.glob("*.md")):
        if page.stem != "README" and not recipes.read(page):
            said = page.read_text("utf-8")
            holds("**Not tested.**" in said or "tried with " in said.lower(), f"`{page.name}` has nothing to run and says neither `**Not tested.**` nor `Tried with`")


def is_running(pid):
    """Not gone, and no zombie that nobody has buried yet."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.rsplit(")", 1)[1].split()[0] not in "ZX"


def run_text(stage, text, *, timeout=HANGS, **variables):
    folder = stage.folder / f"runner-{next(_numbers)}"
    folder.mkdir()
    page = pathlib.Path(folder / "page.md")
    page.write_text(text, "utf-8")
    return recipes.run_page(page, env=environment(folder, **variables), folder=folder, timeout=timeout)
