"""WebSockets: they count, they end when idle, and when their token is revoked."""

import asyncio
import base64
import collections

from attacks import Cases
from attacks.units import outcome_of, told
from clock import reached
from expected import CONNECTIONS, CONNECTIONS_PER_PEER, GUARD, WEBSOCKET_IDLE
from honest import serve_all, strangers
from http1 import Connection
from stage import ATTACKER, OTHERS

CASES = Cases()

_ALLOWED = (("upstream", "websocket"), True)
_UPGRADE = [
    ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", base64.b64encode(bytes(16)).decode()),
]


async def _open(proxy, source, token):
    """A WebSocket, and what came of its handshake."""
    connection = await Connection.open(proxy.port, source)
    connection.send("GET", "/ws", token=token, fields=_UPGRADE)
    return connection, await outcome_of(connection.read())


async def _judge_alive(stage, socket):
    """Judges that what is written comes back."""
    socket.writer.write(b"still here")
    try:
        async with asyncio.timeout(GUARD):
            await socket.reader.readuntil(b"still here")
    except (OSError, EOFError, TimeoutError):
        stage.judge(False, "the honest WebSocket was ended too")


@CASES.case("websockets-count", "60 WebSockets, where 16 connections are allowed, 8 from one address")
async def they_count(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, [_ALLOWED, (CONNECTIONS, 16), (CONNECTIONS_PER_PEER, 8)])
    clients = await strangers(stage, proxy)
    token = await stage.minted(proxy, "GET /ws")
    outcomes, sockets = collections.Counter(), []
    for _ in range(60):
        socket, came = await _open(proxy, ATTACKER, token)
        sockets.append(socket)
        outcomes[came] += 1
    await serve_all(stage, proxy, clients)
    stage.saw(attacker=told(outcomes), websockets=api.most_websockets)
    stage.judge(1 <= api.most_websockets <= 8, f"{api.most_websockets} WebSockets at a time, at most 8")
    for socket in sockets:
        socket.abort()


@CASES.case("websockets-idle", "20 WebSockets on which nothing is sent, where one second of that is allowed")
async def they_end_when_idle(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, [_ALLOWED, (WEBSOCKET_IDLE, "1s")])
    clients = await strangers(stage, proxy)
    token = await stage.minted(proxy, "GET /ws")
    sockets = [await _open(proxy, ATTACKER, token) for _ in range(20)]
    outcomes = collections.Counter(came for _, came in sockets)
    # One that is used all the time.
    busy, _ = await _open(proxy, OTHERS[-1], await stage.minted(proxy, "GET /ws", source=OTHERS[-1]))
    await serve_all(stage, proxy, clients)
    ended = await reached(lambda: busy.writer.write(b"again") or api.websockets <= 1)
    stage.saw(attacker=told(outcomes), websockets=api.most_websockets, left=api.websockets)
    stage.judge(outcomes["101"] > 0, "no WebSocket was opened")
    stage.judge(ended, f"{api.websockets - 1} idle WebSockets were not ended")
    await _judge_alive(stage, busy)
    for socket in [busy, *(socket for socket, _ in sockets)]:
        socket.abort()


@CASES.case("websockets-revoked", "8 WebSockets of a token that is revoked, beside one of another token")
async def they_end_with_their_token(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, [_ALLOWED])
    clients = await strangers(stage, proxy)
    token = await stage.minted(proxy, "GET /ws")
    other = await stage.minted(proxy, "GET /ws", source=OTHERS[-1])
    sockets = [await _open(proxy, ATTACKER, token) for _ in range(8)]
    honest, came = await _open(proxy, OTHERS[-1], other)
    stage.judge(came == "101", f"the honest WebSocket was answered {came}")
    (stage.folder / "stolen.token").write_text(token)
    stage.command("revoke", "--config", proxy.config, "--keys", stage.keys, "--token", "@stolen.token")
    await serve_all(stage, proxy, clients)
    ended = await reached(lambda: api.websockets <= 1)
    stage.saw(attacker=told(collections.Counter(came for _, came in sockets)), left=api.websockets)
    stage.judge(ended, f"{api.websockets - 1} WebSockets outlived their token")
    await _judge_alive(stage, honest)
    for socket in [honest, *(socket for socket, _ in sockets)]:
        socket.abort()
