"""Streams of an upstream that speaks HTTP/2: unread bodies, pending requests, requests that are given up."""

import asyncio

from attacks import Cases
from attacks.units import Held, Stream, outcome_of, told
from clock import settled, until
from expected import PROTOCOL, RESETS_PER_CONNECTION, STREAMS_PER_CONNECTION
from honest import serve_all, strangers
from http1 import Connection, ask
from stage import ATTACKER, OTHERS

CASES = Cases()

H2 = [(PROTOCOL, "h2")]


@CASES.case("h2-unread-downloads", "8 downloads of 64 MiB that nobody reads, over an HTTP/2 upstream")
async def unread_downloads(stage):
    api = await stage.http2_api()
    proxy = stage.proxy(api, H2)
    clients = await strangers(stage, proxy)
    token = await stage.minted(proxy, "GET /large.*")
    held = Held()
    for number in range(8):
        await held.send(proxy, f"/large/{number}", token, limit=1024, receive_buffer=4096)
    await until(lambda: held.answered == 8, "a head for each download")
    await settled(lambda: api.sent, least=1)
    await serve_all(stage, proxy, clients)
    stage.saw(attacker=told(held.outcomes), bytes_sent=api.sent, upstream_connections=api.opened)
    await held.end()


@CASES.case("h2-pending-requests", "100 requests that an HTTP/2 upstream does not answer, on a connection that was there")
async def pending_requests(stage):
    api = await stage.http2_api()
    proxy = stage.proxy(api, H2)
    clients = await strangers(stage, proxy)
    token = await stage.minted(proxy, "GET /held.*")
    # The connection that all will want to share.
    await ask(proxy.port, OTHERS[0], "GET", "/small", token=clients[0].tokens[0])
    held = Held()
    for number in range(100):
        await held.send(proxy, f"/held/{number}", token)
    await settled(lambda: api.held + held.answered, least=90)
    pending, refused = api.held, held.answered
    await serve_all(stage, proxy, clients)
    most, behind = max(api.streams), held.answered - refused
    stage.judge(not behind, f"honest requests were served only when {behind} of the attacker's had ended")
    stage.saw(pending=pending, attacker=told(held.outcomes), streams_per_connection=most, upstream_connections=api.opened)
    stage.judge(most <= STREAMS_PER_CONNECTION, f"{most} streams on one connection to the upstream, at most {STREAMS_PER_CONNECTION}")
    api.released.set()
    await held.end()


@CASES.case("h2-open-and-abort", "1,500 requests given up as soon as the upstream has them, beside somebody's long exchange")
async def open_and_abort(stage):
    api = await stage.http2_api()
    proxy = stage.proxy(api, H2)
    clients = await strangers(stage, proxy)
    patient = await stage.minted(proxy, "GET /held.*", source=OTHERS[-1])
    token = await stage.minted(proxy, "GET /held.*")
    long = asyncio.ensure_future(outcome_of(ask(proxy.port, OTHERS[-1], "GET", "/held/long", token=patient)))
    await until(lambda: api.held_by["/held/long"] == 1, "the long exchange at the upstream")
    attack = Stream(lambda number: _give_up(api, proxy, token, f"/held/{number}"), lanes=50, most=1500)
    await until(lambda: attack.done >= 300, "300 requests given up")
    await serve_all(stage, proxy, clients)
    await attack.all()
    await settled(lambda: sum(api.resets))
    api.released.set()
    most = max(api.resets)
    stage.saw(attacker=told(attack.outcomes), resets_per_connection=most, upstream_connections=api.opened, ended_by_upstream=api.ended)
    came = await long
    stage.judge(came == "200", f"the long exchange ended with {came}")
    stage.judge(most <= RESETS_PER_CONNECTION, f"{most} resets on one connection to the upstream, at most {RESETS_PER_CONNECTION}")


async def _give_up(api, proxy, token, path):
    connection = await Connection.open(proxy.port, ATTACKER)
    connection.send("GET", path, token=token)
    answer = asyncio.ensure_future(outcome_of(connection.read()))
    await until(lambda: answer.done() or api.paths[path], f"anything about `{path}`")
    came = answer.result() if answer.done() else "given up"
    connection.abort()
    answer.cancel()
    await asyncio.gather(answer, return_exceptions=True)
    return came
