"""What the cases of the DNS clients work with: three APIs, one proxy before them all, and an ACME server.

Everything is started when it is first asked for, and only once. No client can leave this machine: whatever is not loopback is sent to
an HTTP proxy that does not exist.
"""

import functools
import json
import os
import pathlib
import tempfile
import time

import debian
from harness.cases import equal, holds
from harness.exchange import ask
from harness.patience import HANGS
from harness.process import Server, environment
from upstreams.cloudflare import Cloudflare
from upstreams.digitalocean import DigitalOcean
from upstreams.pebble import Pebble
from upstreams.powerdns import PowerDns
from upstreams.valkey import Valkey

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCRIPTS = HERE / "dns_clients"

DIGITALOCEAN_CREDENTIAL = "dop_v1_theRealCredential0123456789abcdef"
CLOUDFLARE_CREDENTIAL = "theRealCloudflareCredential0123456789"
POWERDNS_CREDENTIAL = "the-real-powerdns-key-0123456789"

#: Five names are three pages.
NAMES = ("example.org", "example.net", "example.com", "alpha.example", "beta.example")


_NOWHERE = "http://127.0.0.1:9"
NO_WAY_OUT = {"HTTP_PROXY": _NOWHERE, "http_proxy": _NOWHERE, "HTTPS_PROXY": _NOWHERE, "NO_PROXY": "localhost,127.0.0.1,127.0.0.0/8"}

_CONFIGURATION = """\
listen = "{listen}"

[keys]
folder = "{keys}"

[upstreams.digitalocean]
api_root = "{digitalocean}"

[upstreams.cloudflare]
api_root = "{cloudflare}"

[upstreams.powerdns]
api_root = "{powerdns}"

{settings}
"""


class DnsStage:
    def __init__(self, stage):
        self.stage = stage
        self.folder = stage.folder / "dns"
        self.folder.mkdir()
        #: The logs of the proxies, and how many lines of each were read.
        self._logs = {}

    # --- what stands behind the proxy

    @functools.cached_property
    def digitalocean(self):
        return self._stopped_later(DigitalOcean(DIGITALOCEAN_CREDENTIAL, NAMES, self.powerdns.publish))

    @functools.cached_property
    def cloudflare(self):
        return self._stopped_later(Cloudflare(CLOUDFLARE_CREDENTIAL, NAMES, self.powerdns.publish))

    @functools.cached_property
    def powerdns(self):
        server = self._stopped_later(PowerDns(self._new_folder("powerdns"), POWERDNS_CREDENTIAL))
        server.add_zone("example.org.", ("www.example.org.", "A", "192.0.2.1"))
        server.add_zone("example.net.", ("www.example.net.", "A", "192.0.2.2"))
        return server

    # --- the proxy

    @functools.cached_property
    def proxy(self):
        """Its URL, without TLS."""
        return self.server("proxy-dns").url

    @functools.cached_property
    def tls(self):
        """The URL of another one that speaks TLS, and the file with the authority that clients must trust."""
        url = self.server("proxy-dns-tls", "--tls-dev").url
        return url.replace("http:", "https:"), self.stage.keys / "dev-ca.pem"

    def server(self, name, *arguments, address=None, listen="127.0.0.1:0", settings="", powerdns=None):
        """A proxy before all three APIs, which are told to expect nobody else from here on. `settings` are further lines for it."""
        file = self.configuration(name)
        apis = {"digitalocean": self.digitalocean.url, "cloudflare": self.cloudflare.url, "powerdns": powerdns or self.powerdns.url}
        file.write_text(_CONFIGURATION.format(listen=listen, keys=self.stage.keys, settings=settings, **apis))
        command = [self.stage.binary, "serve", "--config", file, *arguments]
        log = self.folder / f"{name}.log"
        started = self._stopped_later(Server(name, command, log=log, env=environment(self.folder), cwd=self.folder, address=address))
        self._logs[log] = 0
        self.digitalocean.expect(started.pid)
        self.cloudflare.expect(started.pid)
        return started

    def configuration(self, name):
        """The settings file of the proxy of that name."""
        return self.folder / f"{name}.toml"

    def token(self, upstream, credential, *rules):
        """A token for one of the APIs, which all of these proxies take: they have the same keys."""
        body = json.dumps({"token": credential, "allowed": list(rules)})
        answer = ask(self.proxy, "POST", f"/{upstream}/__magictoken", headers={"Content-Type": "application/json"}, body=body)
        if answer.status != 200:
            raise AssertionError(f"no token was minted: {answer.status} {answer.text}")
        return answer.text

    # --- proxies with a store

    def on_redb(self, name):
        """The settings with which a proxy keeps its state in a file of its own."""
        return f'[state]\nstore = "redb"\npath = "{self.folder / name}.redb"'

    @functools.cached_property
    def owning(self):
        """The URL of a proxy that keeps in a file who has made what."""
        return self.server("proxy-owning", settings=self.on_redb("owning")).url

    @functools.cached_property
    def valkey(self):
        """The settings with which proxies share their state in one Valkey."""
        server = self._stopped_later(Valkey(self._new_folder("valkey")))
        return f'[state]\nstore = "valkey"\nurl = "{server.url}"\ntimeout = "10s"'

    # --- the ACME server

    @functools.cached_property
    def acme(self):
        """Validates by asking PowerDNS."""
        return self._stopped_later(Pebble(self._new_folder("pebble"), self.powerdns.resolver))

    # --- clients

    def python(self, script, job, **variables):
        """Runs one of our scripts with the clients' Python; it reads a job in JSON and prints JSON."""
        return self._outcomes([environment_folder() / "bin/python", SCRIPTS / script], job, variables)

    def node(self, script, job, **variables):
        """The same with Node."""
        return self._outcomes(["node", self.stage.node_folder / script], job, variables)

    def _outcomes(self, command, job, variables):
        done = self.run(command, stdin=json.dumps(job), **variables)
        if done.returncode != 0:
            raise AssertionError(f"{command[-1].name} did not run: {done.stderr[-600:]}")
        return json.loads(done.stdout)

    def run(self, command, **options):
        return self.stage.run(command, **NO_WAY_OUT | options)

    def path(self):
        """The `PATH` on which the clients are."""
        return os.pathsep.join([str(environment_folder() / "bin"), debian.path()])

    # --- what all of them must hold to

    def forget(self):
        """Whatever has happened so far, does not count."""
        for api in (self.digitalocean, self.cloudflare, self.powerdns):
            api.take()
        self._new_refusals()

    def only_through_the_proxy(self, api, token):
        """What has reached one of our APIs, all of it from the proxy, with the credential, and without the token."""
        arrived, strangers = api.take()
        equal(strangers, [], "connections to the API that are not the proxy's")
        for each in arrived:
            equal(each.values("Authorization"), [f"Bearer {api.credential}"], f"Authorization of {each.method} {each.target}")
            holds(token not in repr(each), f"the magic token reached the API: {each.method} {each.target}")
        return [f"{each.method} {each.target}" for each in arrived]

    def only_through_the_proxy_to_powerdns(self, token):
        """The same for PowerDNS, which knows who has its key and not who connects. And the DNS questions that it was asked."""
        arrived, questions = self.powerdns.take()
        for each in arrived:
            equal(each.values("X-API-Key"), [POWERDNS_CREDENTIAL], f"X-API-Key of {each.method} {each.target}")
            equal(each.values("Authorization"), [], f"Authorization of {each.method} {each.target}")
            holds(token not in repr(each), f"the magic token reached PowerDNS: {each.method} {each.target}")
        return [f"{each.method} {each.target}" for each in arrived], questions

    def refused_only(self, *requests):
        """The proxy has refused these requests since the last call, each of them once: nobody tried again."""
        deadline = time.monotonic() + HANGS
        found = []
        # A line is written when the answer has ended, which its reader may see first.
        while time.monotonic() < deadline and len(found) < max(1, len(requests)):
            found += self._new_refusals()
            time.sleep(0.02)
        equal(found + self._new_refusals(), list(requests), "what the proxy refused")

    def refused_nothing(self):
        """The proxy has refused nothing since the last call that asked."""
        equal(self._new_refusals(), [], "what the proxy refused")

    def _new_refusals(self):
        found = []
        for log, read in self._logs.items():
            lines = log.read_text("utf-8", "replace").split("\n")[:-1]
            self._logs[log] = len(lines)
            told = [json.loads(line) for line in lines[read:] if line.startswith("{")]
            found += [f"{line['method']} {line['path']}" for line in told if line.get("decision") == "not_allowed"]
        return found

    def _new_folder(self, name):
        # Another one each time: a server that did not start is started again by the next case, which then tells the same.
        return pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    def _stopped_later(self, server):
        self.stage.stack.callback(server.stop)
        return server


def environment_folder():
    """The Python environment of the clients."""
    home = pathlib.Path(os.environ.get("MAGICPROXY_PY_DNS") or ROOT / "target/py-dns").absolute()
    if not (home / "bin/python").exists():
        raise AssertionError(f"there is no Python environment in `{home}`: it takes what `tests/clients/dns_clients/requirements.txt` names")
    return home


def package(name):
    """The version of one of the clients' packages."""
    stem = name.replace("-", "_")
    return lambda _: next(environment_folder().glob(f"lib/python3*/site-packages/{stem}-*.dist-info")).stem.split("-")[1]
