"""Bodies that are costly to read or to keep: listings for `elements`, gzip that grows, content that nobody takes."""

import asyncio
import collections
import json

from apis import bomb, listing
from attacks import Cases
from attacks.units import Stream, asking, told
from clock import settled, until
from expected import BUFFERED_BYTES, KIB, LISTINGS_BYTES, MIB, UPLOADS_BYTES, UPSTREAM_CONNECTIONS
from honest import serve_all, strangers
from http2 import Http2Client
from stage import ATTACKER, CREDENTIAL

CASES = Cases()

_RULE = {
    "method": "PATCH",
    "route": "/zones/example.org",
    "list_items": {
        "list": "rrsets", "key": ["name", "type"], "creates": {"changetype": "REPLACE"}, "deletes": {"changetype": "DELETE"},
    },
}


@CASES.case("large-listings", "20 changes at a time that need a listing of 4 MiB each")
async def large_listings(stage):
    api = await stage.http1_api()
    api.listing = listing()
    proxy = stage.proxy(api)
    clients = await strangers(stage, proxy)
    token = await stage.minted(proxy, _RULE)

    def unit(number):
        change = {"rrsets": [{"name": f"a{number}.example.org", "type": "TXT", "changetype": "REPLACE"}]}
        fields = [("Content-Type", "application/json")]
        return asking(proxy, "PATCH", "/zones/example.org", token, fields=fields, body=json.dumps(change).encode())(number)

    attack = Stream(unit, lanes=20, most=400)
    await until(lambda: api.requests + attack.done >= 20, "20 changes in progress")
    await serve_all(stage, proxy, clients)
    await attack.stop()
    stage.saw(attacker=told(attack.outcomes), mib=round(proxy.peak() / MIB))
    stage.judge(proxy.peak() <= LISTINGS_BYTES, f"the proxy grew by {proxy.peak() / MIB:.0f} MiB, at most {LISTINGS_BYTES // MIB}")


@CASES.case("gzip-bombs", "24 responses at a time of some 190 KiB that are 192 MiB")
async def gzip_bombs(stage):
    api = await stage.http1_api()
    # Of what the proxy looks for, without its end: every place could be one.
    api.bomb = await asyncio.to_thread(bomb, CREDENTIAL[:-1].encode())
    proxy = stage.proxy(api)
    clients = await strangers(stage, proxy)
    token = await stage.minted(proxy, "GET /bomb")
    attack = Stream(asking(proxy, "GET", "/bomb", token, fields=[("Accept-Encoding", "gzip")]), lanes=24, most=4000)
    await until(lambda: api.requests + attack.done >= 24, "24 bombs in progress")
    await serve_all(stage, proxy, clients)
    await attack.stop()
    stage.saw(attacker=told(attack.outcomes), mib=round(proxy.peak() / MIB))


@CASES.case("h2-held-uploads", "300 uploads by HTTP/2 with 256 KiB each that wait for a connection to the upstream")
async def held_uploads(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, [(("limits", "upstream_connections_per_origin"), 8), (BUFFERED_BYTES, 16 * MIB)])
    clients = await strangers(stage, proxy)
    token = await stage.minted(proxy, "POST /held.*")
    attackers, sent = [], 0
    for _ in range(10):
        attacker = await Http2Client.open(proxy.port, ATTACKER)
        attackers.append(attacker)
        # Its windows are known once the proxy has said what they are.
        await until(lambda: attacker.connection.outbound_flow_control_window > 65535, "a window")
        for number in range(30):
            sent += await attacker.upload(f"/held/{number}", bytes(256 * KIB), token=token)
            await asyncio.sleep(0)
    unsent = lambda: sum(attacker.transport.get_write_buffer_size() for attacker in attackers)  # noqa: E731
    await settled(lambda: (unsent(), proxy.memory() // MIB, sum(attacker.answered() for attacker in attackers)))
    await serve_all(stage, proxy, clients)
    answered = sum(attacker.answered() for attacker in attackers)
    outcomes = collections.Counter(str(status) for attacker in attackers for status in attacker.statuses.values())
    stage.saw(attacker=told(outcomes), sent_mib=sent // MIB, answered_or_reset=answered, mib=round(proxy.peak() / MIB, 1))
    stage.judge(sent >= 32 * MIB, f"the attacker sent {sent // MIB} MiB only")
    stage.judge(proxy.peak() <= UPLOADS_BYTES, f"the proxy grew by {proxy.peak() / MIB:.1f} MiB, at most {UPLOADS_BYTES // MIB}")
    api.released.set()
    for attacker in attackers:
        attacker.close()
