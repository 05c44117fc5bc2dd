"""Connections to the upstream: many callers whose requests are not answered."""

import collections

from attacks import Cases
from attacks.units import told
from attacks.verification import CLOSED
from clock import settled
from expected import CONNECTIONS_OF_1024_FILES, UPSTREAM_CONNECTIONS, UPSTREAM_CONNECTIONS_PER_OWNER
from expected import UPSTREAM_CONNECTIONS_PER_PEER, UPSTREAM_CONNECTIONS_RESERVED
from honest import Client, serve_all, strangers
from http2 import Http2Client
from stage import ATTACKER, OTHERS

CASES = Cases()

_CALLERS = 20
_EACH = 100
_BOUNDS = {
    UPSTREAM_CONNECTIONS: 400, UPSTREAM_CONNECTIONS_RESERVED: 50, UPSTREAM_CONNECTIONS_PER_PEER: 200, UPSTREAM_CONNECTIONS_PER_OWNER: 50,
}


@CASES.case("pending-with-1024-files", "20 callers with 100 requests each that are not answered; the proxy may open 1,024 files")
async def pending_with_few_files(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, files=1024)
    clients = await strangers(stage, proxy)
    callers = [(await stage.minted(proxy, "GET /held.*"), await Http2Client.open(proxy.port, ATTACKER)) for _ in range(_CALLERS)]
    await _fill(api, callers)
    stage.saw(files=proxy.files())
    await serve_all(stage, proxy, clients)
    _judge_connections(stage, api, callers, CONNECTIONS_OF_1024_FILES)


@CASES.case("pending-by-strangers", "20 sealed tokens with 100 requests each that are not answered, from one address")
async def pending_by_strangers(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, [*CLOSED, *_BOUNDS.items()])
    key = await stage.sealing_key(proxy)
    others = [Client(source, (stage.sealed(key, "GET /small"),)) for source in OTHERS[:2]]
    known = [Client(source, (stage.minted_beside_the_keys(proxy, "GET /small"),)) for source in (OTHERS[2], ATTACKER)]
    callers = [(stage.sealed(key, "GET /held.*"), await Http2Client.open(proxy.port, ATTACKER)) for _ in range(_CALLERS)]
    await _fill(api, callers)
    await serve_all(stage, proxy, [*others, *known])
    _judge_connections(stage, api, callers, _BOUNDS[UPSTREAM_CONNECTIONS_PER_PEER])
    _judge_owners(stage, api)


@CASES.case("pending-from-many", "the same from 20 addresses: they take all but what is reserved for known tokens")
async def pending_from_many(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, [*CLOSED, *_BOUNDS.items()])
    key = await stage.sealing_key(proxy)
    known = [Client(source, (stage.minted_beside_the_keys(proxy, "GET /small"),)) for source in (*OTHERS[:3], ATTACKER)]
    sources = [ATTACKER, *(f"127.0.1.{last}" for last in range(1, _CALLERS))]
    callers = [(stage.sealed(key, "GET /held.*"), await Http2Client.open(proxy.port, source)) for source in sources]
    await _fill(api, callers)
    await serve_all(stage, proxy, known)
    _judge_connections(stage, api, callers, _BOUNDS[UPSTREAM_CONNECTIONS] - _BOUNDS[UPSTREAM_CONNECTIONS_RESERVED])
    _judge_owners(stage, api)


async def _fill(api, callers):
    """Sends all requests, and waits until nothing more happens: each is held by the upstream, waits, or was refused.

    One of each caller goes first: a connection may be allowed more streams once a request of it was admitted.
    """
    for each in (1, _EACH - 1):
        for number, (token, caller) in enumerate(callers):
            for _ in range(each):
                caller.request("GET", f"/held/{number}", token=token)
        await settled(lambda: api.held + sum(caller.answered() for _, caller in callers), least=1)


def _judge_connections(stage, api, callers, most):
    # With the honest clients' own.
    most += len(OTHERS)
    outcomes = collections.Counter()
    for _, caller in callers:
        outcomes.update(f"{status} {caller.code(stream) or ''}".strip() for stream, status in caller.statuses.items())
        outcomes["reset"] += len(caller.resets - caller.statuses.keys())
    stage.saw(held=api.most_held, upstream_connections=api.most_connections, attacker=told(+outcomes))
    stage.judge(api.most_connections <= most, f"{api.most_connections} connections to the upstream, at most {most}")
    for _, caller in callers:
        caller.close()


def _judge_owners(stage, api):
    most, allowed = max(api.most_held_by.values()), _BOUNDS[UPSTREAM_CONNECTIONS_PER_OWNER]
    stage.saw(of_one_owner=most)
    stage.judge(most <= allowed, f"one token had {most} connections, at most {allowed}")
