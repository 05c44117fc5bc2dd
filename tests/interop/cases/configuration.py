"""Configuration: the Python program's environment variables and JSON file, read by both programs alike."""

import json
import shutil

from harness.cases import Cases, equal, holds
from harness.exchange import ask, mint, order
from house import CREDENTIAL, KINDS, SCOPES

from .asked import PAIRS, PEER_REFUSAL, allowed, pair, refused

CASES = Cases()

#: Nobody listens there.
NOWHERE = "http://127.0.0.1:9"

#: What the scopes of the house mean.
TRIAGE = ("GET /repos/acme/tool/issues", "POST /repos/acme/tool/issues/7/labels")
READER = ("GET /user",)
NEITHER = ("DELETE /repos/acme/tool/issues", "GET /repos/other/tool/issues", "POST /repos/acme/tool/issues/x/labels", "PUT /user")


@CASES.case("API_ROOT and KEYS_LOCATION mean the same to both", over=KINDS)
def api_root_and_keys(house, kind):
    both_work(house, kind, "env", lambda: {"API_ROOT": house.upstream.url, "KEYS_LOCATION": house.our_keys})


@CASES.case("the three file locations mean the same to both", over=KINDS)
def locations(house, kind):
    places = scattered(house, f"env-{kind}")
    both_work(house, kind, "locations", lambda: {"API_ROOT": house.upstream.url, **places})


@CASES.case("KEYS_LOCATION wins over the single locations in both", over=KINDS)
def folder_wins(house, kind):
    elsewhere = dict.fromkeys(("PRIVATE_KEY_LOCATION", "PUBLIC_KEY_LOCATION", "PUBLIC_CERTIFICATE_LOCATION"), house.folder / "nothing")
    both_work(house, kind, "folder-wins", lambda: {"API_ROOT": house.upstream.url, "KEYS_LOCATION": house.our_keys, **elsewhere})


@CASES.case("one CONFIG_FILE starts both: api_root, keys_location, public_access, scopes", over=KINDS)
def whole_file(house, kind):
    config = {
        "api_root": house.upstream.url,
        "keys_location": str(house.our_keys),
        "public_access": "https://magic.example.org",
        "plugins_location": None,
        "scopes": SCOPES,
    }
    file = house.file(f"whole-{kind}.json", json.dumps(config))
    there, here = both_work(house, kind, "whole-file", lambda: {"CONFIG_FILE": file})
    for minter, user, status in ((there, here, 403), (here, there, PEER_REFUSAL[kind])):
        token = mint(minter, token=CREDENTIAL, scopes=["triage"])
        allowed(house, user, TRIAGE[0], token)
        refused(house, user, READER[0], token, status)


@CASES.case("a CONFIG_FILE with the three file locations starts both", over=KINDS)
def file_with_locations(house, kind):
    located = {name.lower(): str(path) for name, path in scattered(house, f"file-{kind}").items()}
    file = house.file(f"located-{kind}.json", json.dumps({"api_root": house.upstream.url, **located}))
    both_work(house, kind, "file-locations", lambda: {"CONFIG_FILE": file})


@CASES.case("the environment wins over the file in both", over=KINDS)
def environment_wins(house, kind):
    file = house.file(f"beaten-{kind}.json", json.dumps({"api_root": NOWHERE, "keys_location": str(house.folder / "nothing")}))
    settings = lambda: {"CONFIG_FILE": file, "API_ROOT": house.upstream.url, "KEYS_LOCATION": house.our_keys}
    both_work(house, kind, "env-wins", settings)


@CASES.case("a folder `keys` in the working directory is found by both", over=KINDS)
def keys_here(house, kind):
    if not (house.folder / "keys").exists():
        shutil.copytree(house.our_keys, house.folder / "keys")
    both_work(house, kind, "keys-here", lambda: {"API_ROOT": house.upstream.url})


@CASES.case("a token minted there with scopes works here with the same file", over=PAIRS)
def scopes_theirs(house, of):
    there, here = pair(house, of)
    scoped(house, there, here, 403)


@CASES.case("a token minted here with scopes works there with the same file", over=PAIRS)
def scopes_ours(house, of):
    there, here = pair(house, of)
    scoped(house, here, there, PEER_REFUSAL[of[0]])


@CASES.case("a token minted by `mint` with a scope works there with the same file", over=KINDS)
def scopes_offline(house, kind):
    place = ["--keys", house.our_keys, "--api-root", house.upstream.url]
    token = house.ok("mint", *place, "--scope", "triage", "--credential-file", "-", stdin=CREDENTIAL, CONFIG_FILE=house.scopes_file)
    allowed(house, house.peer(kind, "ours"), TRIAGE[0], token)
    refused(house, house.peer(kind, "ours"), READER[0], token, PEER_REFUSAL[kind])


@CASES.case("a scope that is not configured is refused by both", over=PAIRS)
def unknown_scope(house, of):
    for base in pair(house, of):
        for members in ({"scope": "nothing"}, {"scopes": ["triage", "nothing"]}, {"scopes": [7]}):
            equal(order(base, token=CREDENTIAL, **members).status, 400, f"{members}: status")


@CASES.case("a file with plugins, which are Python, is refused here with a reason")
def plugins(house):
    file = house.file("plugins.json", json.dumps({"api_root": house.upstream.url, "plugins_location": "plugins"}))
    done = house.ours("config", "check", CONFIG_FILE=file)
    equal(done.returncode, 78, "exit status")
    holds("plugins_location" in done.stdout + done.stderr, f"the reason names the member: {done.stderr}")


def both_work(house, kind, name, settings):
    """Starts both programs with the same settings; each uses a token of the other."""
    there = house.peer_with(f"peer-{name}-{kind}", kind, settings)
    here = house.proxy_with(f"proxy-{name}-{kind}", settings)
    for base in (there, here):
        equal(ask(base, "GET", "/__magictoken").text.split(" version ")[0], f"magic API proxy for {house.upstream.url}", "what it says")
    allowed(house, here, "GET /user", mint(there, token=CREDENTIAL, allowed=["GET /user"]))
    allowed(house, there, "GET /user", mint(here, token=CREDENTIAL, allowed=["GET /user"]))
    return there, here


def scattered(house, name):
    """Our keys under other names in three folders, as the single locations give them."""
    places = {}
    for variable, file in (("PRIVATE_KEY", "private.pem"), ("PUBLIC_KEY", "public.pem"), ("PUBLIC_CERTIFICATE", "public.x509.cer")):
        path = house.folder / f"scattered-{name}" / variable.lower() / "key"
        path.parent.mkdir(parents=True)
        shutil.copy(house.our_keys / file, path)
        places[f"{variable}_LOCATION"] = path
    return places


def scoped(house, minter, user, status):
    """Tokens with one scope, by both spellings, and with two."""
    for members in ({"scope": "triage"}, {"scopes": ["triage"]}):
        token = mint(minter, token=CREDENTIAL, **members)
        for request in TRIAGE:
            allowed(house, user, request, token)
        for request in (*READER, *NEITHER):
            refused(house, user, request, token, status)
    both = mint(minter, token=CREDENTIAL, scope="reader", scopes=["triage"])
    for request in (*TRIAGE, *READER):
        allowed(house, user, request, both)
    for request in NEITHER:
        refused(house, user, request, both, status)
