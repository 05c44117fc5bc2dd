"""Tokens that are cheap to make and costly to verify."""

import json

from attacks import Cases
from attacks.units import Stream, outcome_of, told
from clock import until
from costly import costly_to_compile
from honest import Client, serve_all
from http1 import ask
from stage import ATTACKER, OTHERS, narrow

CASES = Cases()

#: Minting is closed, so that tokens minted beside the keys are known to be no stranger's.
CLOSED = [(("mint", "policy"), "closed"), (("tokens", "accept"), ["v1", "v2"]), (("limits", "token_cache_bytes"), 16 * 1024 * 1024)]
_LANES = 100
_MOST = 6000
#: Costly ones that were dealt with before the honest clients begin.
_BEFORE = 60


@CASES.case("costly-sealed-tokens", "distinct costly tokens, made with the public key alone, 100 at a time")
async def costly_sealed_tokens(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, CLOSED)
    key = await stage.sealing_key(proxy)
    fresh = [Client(source, tuple(stage.sealed(key, "GET /small") for _ in range(5))) for source in OTHERS[:3]]
    clients = [*fresh, *(await _warm(stage, proxy))]
    bytes_each = len(stage.sealed(key, *costly_to_compile(1)))

    async def unit(number):
        token = stage.sealed(key, *costly_to_compile(number))
        return await outcome_of(ask(proxy.port, ATTACKER, "GET", "/small", token=token))

    attack = Stream(unit, _LANES, _MOST)
    await until(lambda: attack.done >= _BEFORE, f"{_BEFORE} costly tokens")
    await serve_all(stage, proxy, clients)
    await attack.stop()
    stage.saw(attacker=told(attack.outcomes), token_bytes=bytes_each)


@CASES.case("costly-from-many", "the same from 50 addresses")
async def costly_from_many(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, CLOSED)
    key = await stage.sealing_key(proxy)
    # New tokens that no stranger can mint, and new ones that anyone can.
    known = Client(OTHERS[0], tuple(stage.minted_beside_the_keys(proxy, "GET /small") for _ in range(5)))
    fresh = [Client(source, tuple(stage.sealed(key, "GET /small") for _ in range(5))) for source in OTHERS[1:3]]
    clients = [known, *fresh, *(await _warm(stage, proxy))]

    async def unit(number):
        token, source = stage.sealed(key, *costly_to_compile(number)), f"127.0.1.{1 + number % 50}"
        return await outcome_of(ask(proxy.port, source, "GET", "/small", token=token))

    attack = Stream(unit, _LANES, _MOST)
    await until(lambda: attack.done >= _BEFORE, f"{_BEFORE} costly tokens")
    await serve_all(stage, proxy, clients)
    await attack.stop()
    stage.saw(attacker=told(attack.outcomes))


@CASES.case("costly-narrowing", "one holder of a version 1 token asks /narrow for costly ones, 100 at a time, and uses them")
async def costly_narrowing(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, CLOSED)
    key = await stage.sealing_key(proxy)
    token = stage.minted_beside_the_keys(proxy, "GET /.*")
    fresh = [Client(source, tuple(stage.sealed(key, "GET /small") for _ in range(5))) for source in OTHERS[:3]]
    clients = [*fresh, *(await _warm(stage, proxy))]

    async def unit(number):
        order = json.dumps({"caveat": {"allowed": costly_to_compile(number)}}).encode()
        fields = [("Content-Type", "application/json")]
        asked = ask(proxy.port, ATTACKER, "POST", "/__magictoken/narrow", token=token, fields=fields, body=order)
        try:
            made = await asked
        except (OSError, EOFError, ValueError) as error:
            return f"narrow: {type(error).__name__}"
        if made.status != 200:
            return f"narrow: {made.status} {made.code}"
        return "used: " + await outcome_of(ask(proxy.port, ATTACKER, "GET", "/small", token=made.body.decode()))

    attack = Stream(unit, _LANES, _MOST)
    await until(lambda: attack.begun >= _LANES + _BEFORE, f"{_BEFORE} costly orders")
    await serve_all(stage, proxy, clients)
    await attack.stop()
    stage.saw(attacker=told(attack.outcomes))


@CASES.case("costly-sealed-narrowing", "one sealed token narrowed by its holder with ever other costly rules, 100 at a time")
async def costly_sealed_narrowing(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, CLOSED)
    key = await stage.sealing_key(proxy)
    token = stage.sealed(key, "GET /.*")
    fresh = [Client(source, tuple(stage.sealed(key, "GET /small") for _ in range(5))) for source in OTHERS[:3]]
    clients = [*fresh, *(await _warm(stage, proxy))]

    async def unit(number):
        narrowed = narrow(token, {"allowed": costly_to_compile(number)})
        return await outcome_of(ask(proxy.port, ATTACKER, "GET", "/small", token=narrowed))

    attack = Stream(unit, _LANES, _MOST)
    await until(lambda: attack.done >= _BEFORE, f"{_BEFORE} costly tokens")
    await serve_all(stage, proxy, clients)
    await attack.stop()
    stage.saw(attacker=told(attack.outcomes))


async def _warm(stage, proxy):
    """Clients whose tokens were verified before; one of them sits at the attacker's address."""
    clients = [Client(source, (stage.minted_beside_the_keys(proxy, "GET /small"),)) for source in (OTHERS[3], ATTACKER)]
    for client in clients:
        came = await ask(proxy.port, client.source, "GET", client.target, token=client.tokens[0])
        stage.judge(came.status == 200, f"a token was not warmed: {came.status}")
    return clients
