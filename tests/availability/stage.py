"""What a case works with: a proxy with a configuration, APIs behind it, tokens of every kind, and a place for what was seen."""

import contextlib
import dataclasses
import datetime
import ipaddress
import json
import pathlib
import re
import resource
import ssl
import sys
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Child processes are those of tests/interop, sealed tokens those of clients/python. Appended: what lies here comes first.
sys.path += [str(HERE.parent / "interop"), str(ROOT / "clients/python/src")]

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from harness.process import Server, environment, run  # noqa: E402
from magicproxy_token import mint, narrow  # noqa: E402

from apis import Http1Api, Http2Api  # noqa: E402
from http1 import ask  # noqa: E402

CREDENTIAL = "ghp_theRealCredential0123456789abcdef"
ATTACKER = "127.0.0.1"
#: Other addresses than the attacker's.
OTHERS = [f"127.0.0.{last}" for last in range(2, 10)]

__all__ = ["ATTACKER", "CREDENTIAL", "NotMinted", "OTHERS", "Proxy", "Stage", "narrow", "open_stage"]


class NotMinted(Exception):
    """An order for a token was refused."""


class Proxy:
    """A running proxy, and what the system says of it."""

    def __init__(self, server, config):
        self.server = server
        self.config = config
        self.port = urllib.parse.urlsplit(server.url).port
        self.idle = self.memory()

    def memory(self):
        """Bytes that are resident now."""
        return self._status("VmRSS")

    def peak(self):
        """The most bytes that were ever resident, above those of the idle proxy."""
        return self._status("VmHWM") - self.idle

    def files(self):
        return len(list(pathlib.Path(f"/proc/{self.server.pid}/fd").iterdir()))

    def cpu(self):
        """CPU seconds of the process so far."""
        # The clock of another process, as clock_getcpuclockid(3) makes its number.
        return time.clock_gettime((~self.server.pid << 3) | 2)

    def _status(self, name):
        text = pathlib.Path(f"/proc/{self.server.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+)", text)[1]) * 1024


@dataclasses.dataclass
class Stage:
    binary: pathlib.Path
    folder: pathlib.Path
    stack: contextlib.ExitStack
    #: Leave out what the configuration of this binary does not know: to see the suite fail on a binary from before the limits.
    old: bool
    figures: dict = dataclasses.field(default_factory=dict)
    faults: list = dataclasses.field(default_factory=list)
    left_out: list = dataclasses.field(default_factory=list)

    # --- what was seen

    def saw(self, **figures):
        self.figures.update(figures)

    def judge(self, holds, fault):
        if not holds:
            self.faults.append(fault)

    # --- the proxy

    @property
    def keys(self):
        folder = self.folder / "keys"
        if not folder.exists():
            self.command("keys", "generate", "--keys", folder)
        return folder

    def command(self, *arguments, stdin=""):
        """What a command of the program prints; it must succeed."""
        done = run([self.binary, *arguments], env=environment(self.folder), cwd=self.folder, stdin=stdin)
        if done.returncode != 0:
            raise AssertionError(f"`magicproxy {arguments[0]}` ended with status {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout.strip()

    def proxy(self, api, settings=(), files=None):
        """A proxy before an API. `settings` are pairs of (table, key) and value; `files` is how many files it may open."""
        wanted = {("upstream", "api_root"): api.root, ("upstream", "name"): "api", ("limits", "workers"): 2, ("log", "level"): "error"}
        wanted |= dict(settings)
        if isinstance(api, Http2Api):
            wanted[("upstream", "extra_ca_file")] = "ca.pem"
        config = self._config(wanted)
        command = [self.binary, "serve", "--config", config, "--keys", self.keys, "--listen", "127.0.0.1:0"]
        if files:
            command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
        server = Server("proxy", command, log=self.folder / "proxy.log", env=environment(self.folder), cwd=self.folder)
        self.stack.callback(server.stop)
        return Proxy(server, config)

    def _config(self, wanted):
        path = self.folder / "proxy.toml"
        while True:
            path.write_text(_toml(wanted), "utf-8")
            done = run([self.binary, "config", "check", "--config", path], env=environment(self.folder), cwd=self.folder)
            unknown = {tuple(name.split(".")) for name in re.findall(r"unknown key `([a-z_.0-9]+)`", done.stderr)} & wanted.keys()
            if not (self.old and unknown):
                return path
            self.left_out += sorted(".".join(name) for name in unknown)
            wanted = {name: value for name, value in wanted.items() if name not in unknown}

    # --- APIs

    async def http1_api(self):
        return await Http1Api().start()

    async def http2_api(self):
        return await Http2Api().start(_certificate(self.folder))

    # --- tokens

    async def minted(self, proxy, *allowed, source=ATTACKER, **members):
        """A version 1 token, ordered over HTTP by whoever is at this address."""
        order = json.dumps({"token": CREDENTIAL, "allowed": list(allowed), **members}).encode()
        made = await ask(proxy.port, source, "POST", "/__magictoken", fields=[("Content-Type", "application/json")], body=order)
        if made.status != 200:
            raise NotMinted(f"not minted: {made.status} {made.code}")
        return made.body.decode()

    def minted_beside_the_keys(self, proxy, *allowed, options=()):
        """A version 1 token that no stranger can mint, where minting is closed."""
        allow = [part for rule in allowed for part in ("--allow", rule)]
        return self.command("mint", "--config", proxy.config, "--keys", self.keys, *allow, *options, "--credential-file", "-", stdin=CREDENTIAL)

    async def sealing_key(self, proxy):
        """The public key, as the proxy publishes it."""
        return json.loads((await ask(proxy.port, OTHERS[0], "GET", "/__magictoken/keys")).body)

    @staticmethod
    def sealed(key, *allowed, **more):
        """A version 2 token, made with the public key alone."""
        return mint(key=key, credential={"secret": CREDENTIAL}, aud="api", allowed=list(allowed), **more).token


@contextlib.contextmanager
def open_stage(binary, old):
    """The stage, torn down at the end."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="magicproxy-availability-")))
        yield Stage(binary, folder, stack, old)


def _toml(wanted):
    tables = {}
    for (table, key), value in wanted.items():
        tables.setdefault(table, []).append(f"{key} = {json.dumps(value)}")
    return "\n".join(f"[{table}]\n" + "\n".join(lines) + "\n" for table, lines in tables.items())


def _certificate(folder):
    """A certificate of an authority of the case's own, whose root lies in `ca.pem`."""
    root_key, root = _signed("root", None, None)
    key, leaf = _signed("127.0.0.1", root_key, root)
    (folder / "ca.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "api.pem").write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "api.pem")
    context.set_alpn_protocols(["h2"])
    return context


def _signed(name, issuer_key, issuer):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.subject if issuer else subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(today - datetime.timedelta(days=1)).not_valid_after(today + datetime.timedelta(days=2))
    builder = builder.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    if issuer is not None:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))])
        purposes = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(names, critical=False).add_extension(purposes, critical=False)
    return key, builder.sign(issuer_key or key, hashes.SHA256())
