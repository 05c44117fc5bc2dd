"""An attacker's units: many of one thing, bounded in number, whose outcomes are counted."""

import asyncio
import collections
import itertools

from clock import finish
from http1 import Connection, ask
from stage import ATTACKER


def told(counter):
    """A counter of outcomes as text: `200: 3, 429 owner_share: 5`."""
    return " + ".join(f"{count} × {outcome}" for outcome, count in sorted(counter.items(), key=str)) or "none"


async def outcome_of(exchange):
    """What came of an exchange: its status and code, or the name of the error."""
    try:
        response = await exchange
    except (OSError, EOFError, ValueError) as error:
        return type(error).__name__
    return f"{response.status} {response.code}" if response.code else str(response.status)


class Stream:
    """Units that follow each other on a number of lanes, until it is stopped or all have been sent."""

    def __init__(self, unit, lanes, most):
        self.outcomes = collections.Counter()
        self.begun = 0
        self._numbers = itertools.count()
        self._most = most
        self._unit = unit
        self._tasks = [asyncio.ensure_future(self._lane()) for _ in range(lanes)]

    async def _lane(self):
        while (number := next(self._numbers)) < self._most:
            self.begun += 1
            self.outcomes[await self._unit(number)] += 1

    @property
    def done(self):
        return sum(self.outcomes.values())

    async def all(self):
        await asyncio.gather(*self._tasks)

    async def stop(self):
        await finish(self._tasks)


def asking(proxy, method, target, token, source=ATTACKER, **more):
    """A unit that asks once on a connection of its own."""
    return lambda _: outcome_of(ask(proxy.port, source, method, target, token=token, **more))


class Held:
    """Requests on connections of their own, each left alone once it was sent."""

    def __init__(self):
        self.connections, self.tasks, self.outcomes = [], [], collections.Counter()

    async def send(self, proxy, target, token, source=ATTACKER, **more):
        connection = await Connection.open(proxy.port, source, **more)
        connection.send("GET", target, token=token)
        self.connections.append(connection)
        self.tasks.append(asyncio.ensure_future(self._read_head(connection)))

    async def _read_head(self, connection):
        self.outcomes[await outcome_of(connection.read_head())] += 1

    @property
    def answered(self):
        return sum(self.outcomes.values())

    async def end(self):
        await finish(self.tasks)
        for connection in self.connections:
            connection.abort()
