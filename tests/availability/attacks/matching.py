"""Requests whose decision is costly: many automata, long paths, many readings."""

from attacks import Cases
from attacks.units import Stream, asking, outcome_of, told
from clock import until
from costly import costly_to_match, path_of_twelve_readings
from expected import TOO_COSTLY
from honest import serve_all, strangers
from http1 import ask
from stage import ATTACKER

CASES = Cases()


@CASES.case("costly-decisions", "one warm token of 411 rules, a path of twelve readings, 80 requests at a time")
async def costly_decisions(stage):
    api = await stage.http1_api()
    proxy = stage.proxy(api, [(("upstream", "encoded_slash"), "both")])
    clients = await strangers(stage, proxy)
    token = await stage.minted(proxy, *costly_to_match())
    path = path_of_twelve_readings()
    before = proxy.cpu()
    warm = [await outcome_of(ask(proxy.port, ATTACKER, "GET", path, token=token)) for _ in range(6)]
    stage.saw(token_bytes=len(token), first_ones=" ".join(sorted(set(warm))), ms_each=round((proxy.cpu() - before) * 1000 / len(warm)))
    stage.judge(set(warm) == {f"403 {TOO_COSTLY}"}, f"a costly decision was answered {warm[0]}")
    attack = Stream(asking(proxy, "GET", path, token), lanes=80, most=8000)
    await until(lambda: attack.begun >= 120, "120 costly requests")
    await serve_all(stage, proxy, clients)
    await attack.stop()
    stage.saw(attacker=told(attack.outcomes))
