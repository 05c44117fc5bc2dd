"""Honest clients beside an attacker: each of their requests is to be answered."""

import asyncio
import dataclasses
import itertools
import time
import types

import http1
import http2
from apis import SMALL
from expected import GUARD, WORK_AHEAD
from stage import OTHERS

_EACH = 5


@dataclasses.dataclass(frozen=True)
class Client:
    """Someone at an address with a token, or with several that are used one after the other."""

    source: str
    tokens: tuple
    target: str = "/small"
    #: `http1` or `http2`.
    protocol: types.ModuleType = http1


@dataclasses.dataclass
class Served:
    asked: int = 0
    answered: int = 0
    #: Seconds of each answered request, with its connection.
    seconds: list = dataclasses.field(default_factory=list)
    #: CPU seconds that the proxy worked, for whomever, while one of them waited: the most.
    work: float = 0.0
    faults: list = dataclasses.field(default_factory=list)

    def percentile(self, share):
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


async def serve_all(stage, proxy, clients, each=_EACH):
    """Has every client ask in turn, all of them beside each other, and judges that all were answered, and behind how much work."""
    served = Served()
    await asyncio.gather(*(_ask_in_turn(proxy, client, each, served) for client in clients))
    stage.saw(asked=served.asked, answered=served.answered, p50=served.percentile(0.5), p99=served.percentile(0.99), work=served.work)
    first = f", the first: {served.faults[0]}" if served.faults else ""
    stage.judge(served.answered == served.asked, f"{served.asked - served.answered} of {served.asked} honest requests were not served{first}")
    stage.judge(served.work <= WORK_AHEAD, f"an honest request waited while the proxy worked {served.work:.1f} s, at most {WORK_AHEAD}")


async def _ask_in_turn(proxy, client, each, served):
    served.asked += each
    for token in itertools.islice(itertools.cycle(client.tokens), each):
        begun, worked = time.monotonic(), proxy.cpu()
        try:
            async with asyncio.timeout(GUARD):
                response = await client.protocol.ask(proxy.port, client.source, "GET", client.target, token=token)
        except (OSError, EOFError, TimeoutError) as error:
            served.work = max(served.work, proxy.cpu() - worked)
            served.faults.append(f"{client.source}: {type(error).__name__} after {time.monotonic() - begun:.1f} s")
            return
        served.work = max(served.work, proxy.cpu() - worked)
        if response.status != 200 or (client.target == "/small" and response.body != SMALL):
            served.faults.append(f"{client.source}: {response.status} {response.code or ''}")
            return
        served.answered += 1
        served.seconds.append(time.monotonic() - begun)


async def strangers(stage, proxy, count=4, rule="GET /small"):
    """Clients at other addresses, each with a token that it ordered over HTTP; every other one speaks HTTP/2."""
    tokens = [await stage.minted(proxy, rule, source=source) for source in OTHERS[:count]]
    return [Client(source, (token,), protocol=(http1, http2)[number % 2]) for number, (source, token) in enumerate(zip(OTHERS, tokens))]
