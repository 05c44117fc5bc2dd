"""Keys: made by one program, used by the other."""

import json
import shutil
import stat

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness.cases import Cases, equal, holds
from harness.exchange import ask, mint
from house import CREDENTIAL, KINDS

from .asked import allowed, refused

CASES = Cases()

FILES = ("private.pem", "public.pem", "public.x509.cer")


@CASES.case("keys of the Python program's generator start our proxy, which mints with them")
def theirs_here(house):
    base = house.proxy("theirs")
    allowed(house, base, "GET /user", mint(base, token=CREDENTIAL, allowed=["GET /user"]))


@CASES.case("our `keys list` reads keys of the Python program's generator")
def theirs_listed(house):
    listed = json.loads(house.ok("keys", "list", "--json", "--keys", house.their_keys))
    equal([(key["bits"], key["state"]) for key in listed], [(2048, "active")], "the keys")


@CASES.case("keys of ours start the Python program, which mints with them", over=KINDS)
def ours_there(house, kind):
    base = house.peer(kind, "ours")
    # Without keys that it can read, the program answers 503 or nothing at all.
    equal(ask(base, "GET", "/__magictoken").status, 200, "status")
    allowed(house, base, "GET /user", mint(base, token=CREDENTIAL, allowed=["GET /user"]))


@CASES.case("our generator writes the three files of theirs, the private one for its owner only")
def three_files(house):
    # What is beside them is of our version 2, and of state, which theirs does not look at.
    names = [path.name for path in house.our_keys.iterdir() if not path.name.startswith(("sealing-", "keyset-", "owners."))]
    equal(sorted(names), sorted(FILES), "the files")
    for secret in ("private.pem", "owners.jwk"):
        equal(stat.S_IMODE((house.our_keys / secret).stat().st_mode), 0o600, f"the mode of {secret}")
    for name in FILES:
        beginnings = [(folder / name).read_text().splitlines()[0] for folder in (house.our_keys, house.their_keys)]
        equal(beginnings[0], beginnings[1], f"the first line of {name}")


@CASES.case("PUBLIC_ACCESS names the host in the certificates of both generators")
def public_access(house):
    folder = house.folder / "keys-named"
    house.ok("keys", "generate", KEYS_LOCATION=folder, PUBLIC_ACCESS="https://magic.example.org")
    for keys in (folder, house.their_keys):
        certificate = x509.load_pem_x509_certificate((keys / "public.x509.cer").read_bytes())
        names = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
        equal(names, ["magic.example.org"], f"the name in {keys.name}")


@CASES.case("a private key in the PKCS#1 form serves both programs", over=KINDS)
def pkcs1(house, kind):
    folder = copied(house.our_keys, house.folder / f"keys-pkcs1-{kind}")
    private = serialization.load_pem_private_key((folder / "private.pem").read_bytes(), password=None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    (folder / "private.pem").write_bytes(private.private_bytes(*form))
    settings = lambda: {"KEYS_LOCATION": folder, "API_ROOT": house.upstream.url}
    here = house.proxy_with(f"proxy-pkcs1-{kind}", settings)
    there = house.peer_with(f"peer-pkcs1-{kind}", kind, settings)
    allowed(house, there, "GET /user", mint(here, token=CREDENTIAL, allowed=["GET /user"]))
    allowed(house, here, "GET /user", mint(there, token=CREDENTIAL, allowed=["GET /user"]))


@CASES.case("after `keys rotate` tokens of the Python program live on, and it takes the new key's")
def rotation(house):
    old = mint(house.peer("sync", "theirs"), token=CREDENTIAL, allowed=["GET /user"])
    folder = copied(house.their_keys, house.folder / "keys-rotated")
    house.ok("keys", "rotate", "--keys", folder)
    settings = lambda: {"KEYS_LOCATION": folder, "API_ROOT": house.upstream.url}
    here = house.proxy_with("proxy-rotated", settings)
    allowed(house, here, "GET /user", old)
    there = house.peer_with("peer-rotated", "sync", settings)
    allowed(house, there, "GET /user", mint(here, token=CREDENTIAL, allowed=["GET /user"]))
    # A ring of several keys is ours alone: there, the old key is gone.
    refused(house, there, "GET /user", old, 400)


@CASES.case("a token of other keys is accepted by neither program")
def strangers(house):
    token = mint(house.proxy("ours"), token=CREDENTIAL, allowed=["GET /user"])
    refused(house, house.proxy("theirs"), "GET /user", token, 401)
    refused(house, house.peer("sync", "theirs"), "GET /user", token, 400)
    # The asynchronous server does not catch its own exception.
    refused(house, house.peer("async", "theirs"), "GET /user", token, 500)
    holds(mint(house.peer("sync", "theirs"), token=CREDENTIAL, allowed=["GET /user"]), "the peer still mints")


def copied(folder, to):
    return shutil.copytree(folder, to)
