"""Waiting for conditions: polled, never slept for; `GUARD` only ends what hangs."""

import asyncio
import time

from expected import GUARD

_POLL = 0.01
#: Polls without a change after which a counter counts as settled.
_STILL = 50


class Hang(Exception):
    """A condition that did not come."""


async def until(condition, what, guard=2 * GUARD):
    """Returns when the condition holds."""
    deadline = time.monotonic() + guard
    while not condition():
        if time.monotonic() > deadline:
            raise Hang(f"after {guard} s: not {what}")
        await asyncio.sleep(_POLL)


async def reached(condition, guard=GUARD):
    """Whether the condition came to hold."""
    try:
        await until(condition, "", guard)
    except Hang:
        return False
    return True


async def settled(counter, least=0, guard=GUARD):
    """Returns when a counter is at least so high and was the same at many polls in a row."""
    deadline = time.monotonic() + guard
    last, still = None, 0
    while still < _STILL and time.monotonic() < deadline:
        now = counter()
        still = still + 1 if now == last and sum(now if isinstance(now, tuple) else (now,)) >= least else 0
        last = now
        await asyncio.sleep(_POLL)
    return last


async def finish(tasks):
    """Ends tasks that are no longer needed."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
