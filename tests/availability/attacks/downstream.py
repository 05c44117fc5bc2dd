"""Connections from clients without a token: refusals that are not read, idle ones, slow heads."""

import asyncio

from attacks import Cases
from clock import reached, settled
from expected import BUFFERED_BYTES, CONNECTIONS, GUARD, HEADS_BYTES, KIB, MIB, REFUSALS_BYTES
from honest import serve_all, strangers
from http1 import Connection
from http2 import Http2Client
from stage import ATTACKER

CASES = Cases()


@CASES.case("h2-unread-refusals", "100 connections with 100 streams without a token each, and a window of 0")
async def unread_refusals(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api)
    clients = await strangers(stage, proxy)
    attackers = []
    for _ in range(100):
        attacker = await Http2Client.open(proxy.port, ATTACKER, window=0)
        sent = sum(attacker.request("GET", f"/refused/{number}") is not None for number in range(100))
        attackers.append((attacker, sent))
    await settled(lambda: sum(attacker.answered() for attacker, _ in attackers), least=100)
    answered = sum(attacker.answered() for attacker, _ in attackers)
    await serve_all(stage, proxy, clients)
    stage.saw(refusals=answered, mib=round(proxy.peak() / MIB, 1), closed_at_once=sum(attacker.closed for attacker, _ in attackers))
    stage.judge(proxy.peak() <= REFUSALS_BYTES, f"the proxy grew by {proxy.peak() / MIB:.1f} MiB, at most {REFUSALS_BYTES // MIB}")
    ended = await reached(lambda: all(_over(attacker, sent) for attacker, sent in attackers))
    left = sum(not _over(attacker, sent) for attacker, sent in attackers)
    stage.judge(ended, f"{left} of 100 connections still held refusals after {GUARD} s")
    for attacker, _ in attackers:
        attacker.close()


def _over(attacker, sent):
    """Nothing of what was sent is held any more: the connection is gone, or every stream was ended."""
    return attacker.closed or len(attacker.ended | attacker.resets) >= sent


@CASES.case("idle-from-one-address", "100 connections from one address that send nothing, where 64 are allowed")
async def idle_from_one_address(stage):
    await _idle(stage, [ATTACKER] * 100)


@CASES.case("idle-from-many", "128 connections from 32 addresses that were answered once and stay, where 64 are allowed")
async def idle_from_many(stage):
    await _idle(stage, [f"127.0.1.{1 + number % 32}" for number in range(128)], first="/__magictoken")


@CASES.case("idle-after-401", "100 connections from 25 addresses, kept after a 401, where 64 are allowed")
async def idle_after_a_refusal(stage):
    await _idle(stage, [f"127.0.1.{1 + number % 25}" for number in range(100)], first="/nothing")


async def _idle(stage, sources, first=None):
    api = await stage.http1_api()
    # No time-out helps the honest clients here.
    patience = [(("timeouts", "header"), "5m"), (("timeouts", "keep_alive"), "5m")]
    proxy = stage.proxy(api, [(CONNECTIONS, 64), *patience])
    clients = await strangers(stage, proxy)
    idle = [await Connection.open(proxy.port, source) for source in sources]
    watched = [asyncio.ensure_future(_watch(connection)) for connection in idle]
    if first:
        for connection in idle:
            connection.send("GET", first)
    before = await settled(lambda: (sum(task.done() for task in watched), proxy.files()))
    await serve_all(stage, proxy, clients)
    stage.saw(idle=len(idle), closed_before=before[0], closed_after=sum(task.done() for task in watched))
    for connection in idle:
        connection.abort()
    await asyncio.gather(*watched)


async def _watch(connection):
    """Ends when the connection does."""
    try:
        while await connection.reader.read(4096):
            pass
    except OSError:
        pass


@CASES.case("slow-heads", "400 connections with 60 KiB of a head that never ends")
async def slow_heads(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, [(BUFFERED_BYTES, 16 * MIB)])
    clients = await strangers(stage, proxy)
    # Many fields, none too long: what a head may be.
    head = b"GET /small HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%03d: %s\r\n" % (number, b"h" * 950) for number in range(63))
    slow = [await Connection.open(proxy.port, ATTACKER) for _ in range(400)]
    watched = [asyncio.ensure_future(_watch(connection)) for connection in slow]
    for connection in slow:
        connection.writer.write(head[: 60 * KIB])
    unsent = lambda: sum(connection.writer.transport.get_write_buffer_size() for connection in slow)  # noqa: E731
    await settled(lambda: (unsent(), proxy.memory() // MIB))
    await serve_all(stage, proxy, clients)
    stage.saw(mib=round(proxy.peak() / MIB, 1), closed=sum(task.done() for task in watched))
    stage.judge(proxy.peak() <= HEADS_BYTES, f"the proxy grew by {proxy.peak() / MIB:.1f} MiB, at most {HEADS_BYTES // MIB}")
    for connection in slow:
        connection.abort()
    await asyncio.gather(*watched)
