"""Bodies that are costly to read: listings for `elements`, and gzip that grows."""

import asyncio
import json

from apis import bomb, listing
from attacks import Cases
from attacks.units import Stream, asking, told
from clock import until
from expected import LISTINGS_BYTES, MIB
from honest import serve_all, strangers
from stage import CREDENTIAL

CASES = Cases()

_RULE = {
    "method": "PATCH",
    "route": "/zones/example.org",
    "elements": {
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
