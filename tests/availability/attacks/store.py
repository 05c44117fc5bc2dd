"""The state file: tokens of strangers that ask for rows in it."""

from attacks import Cases
from attacks.units import Stream, outcome_of, told
from expected import KIB, STATE_BYTES, STATE_NEEDS_MINTER, STATE_ROWS, STATE_ROWS_PER_OWNER, STATE_ROWS_PER_PEER
from honest import Client, serve_all
from http1 import ask
from stage import ATTACKER, OTHERS, NotMinted, narrow

CASES = Cases()

_TOKENS = 1200
_LIMIT = {"total": 1000}


@CASES.case("rows-of-sealed-tokens", "1,200 sealed tokens with a limit, each used once")
async def rows_of_sealed_tokens(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, [(("state", "path"), "state.redb")])
    clients = await _with_limits(stage, proxy)
    key = await stage.sealing_key(proxy)

    async def unit(_):
        token = narrow(stage.sealed(key, "GET /small"), {"limit": _LIMIT})
        return await outcome_of(ask(proxy.port, ATTACKER, "GET", "/small", token=token))

    attack = await _flood(stage, proxy, clients, unit)
    refused = sum(count for outcome, count in attack.outcomes.items() if STATE_NEEDS_MINTER in outcome)
    stage.judge(refused == _TOKENS, f"{_TOKENS - refused} of {_TOKENS} strangers' tokens were not refused for their limit")


@CASES.case("rows-of-minted-tokens", "1,200 version 1 tokens with a limit, ordered over HTTP and used once")
async def rows_of_minted_tokens(stage):
    api = await stage.http1_api()
    bounds = {STATE_ROWS: 1000, STATE_ROWS_PER_PEER: 200, STATE_ROWS_PER_OWNER: 100}
    proxy = stage.proxy(api, [(("state", "path"), "state.redb"), *bounds.items()])
    clients = await _with_limits(stage, proxy)

    async def unit(_):
        try:
            token = await stage.minted(proxy, "GET /small", limit=_LIMIT)
        except NotMinted as refused:
            return str(refused)
        return await outcome_of(ask(proxy.port, ATTACKER, "GET", "/small", token=token))

    attack = await _flood(stage, proxy, clients, unit)
    most = bounds[STATE_ROWS_PER_PEER]
    stage.judge(attack.outcomes["200"] <= most, f"{attack.outcomes['200']} tokens of one address have rows, at most {most}")


async def _with_limits(stage, proxy):
    """Clients whose own tokens have limits; each was used once."""
    clients = [Client(source, (await stage.minted(proxy, "GET /small", source=source, limit=_LIMIT),)) for source in OTHERS[:4]]
    for client in clients:
        came = await ask(proxy.port, client.source, "GET", client.target, token=client.tokens[0])
        stage.judge(came.status == 200, f"an honest token with a limit was answered {came.status} {came.code}")
    return clients


async def _flood(stage, proxy, clients, unit):
    file = stage.folder / "state.redb"
    before = _size(file)
    attack = Stream(unit, lanes=40, most=_TOKENS)
    await serve_all(stage, proxy, clients)
    await attack.all()
    grown = _size(file) - before
    stage.saw(attacker=told(attack.outcomes), state_kib=f"{before // KIB} + {grown // KIB}")
    stage.judge(grown <= STATE_BYTES, f"the state file grew by {grown // KIB} KiB, at most {STATE_BYTES // KIB}")
    return attack


def _size(file):
    return file.stat().st_size if file.exists() else 0
