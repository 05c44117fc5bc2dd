"""Who owns what, across proxies that share a store, and across the death of one that does not: `docs/spec/state.md`."""

import collections
import concurrent.futures
import contextlib
import http.client
import itertools
import signal
import subprocess
import threading
import time

import debian
from dns_stage import DIGITALOCEAN_CREDENTIAL, NO_WAY_OUT, POWERDNS_CREDENTIAL
from harness.cases import Cases, equal, holds
from harness.patience import HANGS
from harness.process import environment
from matrix import Row
from topics import lego as lego_topic
from topics.ownership import (
    CHANGING, CREATING, DELETED, DOMAIN, LEGO_READING, NOTIFYING, OTHER, RECORDS, REPLACED, ZONE,
    change, digitalocean, make_record, powerdns, prepare_digitalocean, prepare_zones, refused,
)
from upstreams import loopback
from upstreams.held import Held

ROWS = [
    Row("lego, owning", lambda _: debian.version("lego"), "stub of DigitalOcean, PowerDNS 4.7, Pebble", "the proxy is killed in between and starts again"),
]
CASES = Cases()

_PORT = 5000
_POLL = 0.01

#: Clients at once, and how many of them a limit lets through.
_CLIENTS, _TOTAL = 100, 3
#: A revocation that proxies share is in force everywhere after this many seconds.
_NOTICED = 1.0
#: So often it may take longer.
_TRIES = 20

# --- proxies that share a Valkey


@CASES.case("what is made through one proxy, its owner deletes through another, and nobody else")
def shared_ownership(stage):
    dns = stage.dns
    prepare_digitalocean(dns)
    one, two = replicas(dns, "owners", 2)
    token, other = (dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, CREATING) for _ in range(2))
    made = make_record(one, token, "_acme-challenge.shared")
    for proxy in (one, two):
        refused(digitalocean(proxy, other, "DELETE", made), "not_allowed", "another token's deletion")
    equal(digitalocean(two, token, "DELETE", made).status, 204, "the deletion through the other proxy")
    for proxy in (one, two):
        refused(digitalocean(proxy, token, "DELETE", made), "not_allowed", "the deletion once more")


@CASES.case("elements that are made through one proxy are owned at another")
def shared_elements(stage):
    dns = stage.dns
    prepare_zones(dns)
    one, two = replicas(dns, "list-items", 2)
    token, other = (dns.token("powerdns", POWERDNS_CREDENTIAL, CHANGING) for _ in range(2))
    equal(powerdns(one, token, change(REPLACED, OTHER, "TXT")).status, 204, "the creation")
    for how in (REPLACED, DELETED):
        refused(powerdns(two, other, change(how, OTHER, "TXT")), "not_owned", f"{how} by another token")
    equal(powerdns(two, token, change(DELETED, OTHER, "TXT")).status, 204, "the deletion through the other proxy")
    equal(powerdns(one, other, change(REPLACED, OTHER, "TXT")).status, 204, "a new owner's creation")
    equal(powerdns(two, other, change(DELETED, OTHER, "TXT")).status, 204, "a new owner's deletion")


@CASES.case("one name, wanted by many tokens at two proxies at once, is one token's")
def contended(stage):
    dns = stage.dns
    prepare_zones(dns)
    proxies = replicas(dns, "contended", 2)
    tokens = [dns.token("powerdns", POWERDNS_CREDENTIAL, CHANGING) for _ in range(16)]
    answers = at_once(lambda number: powerdns(proxies[number % 2], tokens[number], change(REPLACED, OTHER, "TXT")), len(tokens))
    equal(sorted(answer.status for answer in answers), [204] + [403] * 15, "the answers")
    winner = next(number for number, answer in enumerate(answers) if answer.status == 204)
    equal(powerdns(proxies[0], tokens[winner], change(DELETED, OTHER, "TXT")).status, 204, "the owner's deletion")


@CASES.case("`total = 3` lets exactly 3 of 100 clients at 3 proxies through")
def exact_total(stage):
    dns = stage.dns
    prepare_digitalocean(dns)
    proxies = replicas(dns, "total", 3)
    token = dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, CREATING | {"limit": {"total": _TOTAL}})
    dns.forget()

    def create(number):
        return digitalocean(proxies[number % 3], token, "POST", RECORDS, {"type": "TXT", "name": "_acme-challenge.total", "data": f"{number}"})

    answers = at_once(create, _CLIENTS)
    made = [answer for answer in answers if answer.status == 201]
    equal(len(made), _TOTAL, f"creations ({tally(answers)})")
    for answer in answers:
        if answer.status != 201:
            refused(answer, "total_used_up", "a creation beyond the limit")
    equal(dns.only_through_the_proxy(dns.digitalocean, token), [f"POST {RECORDS}"] * _TOTAL, "what reached the API")
    # What was made within the limit is owned, at each of them.
    for number, answer in enumerate(made):
        path = f"{RECORDS}/{answer.json()['domain_record']['id']}"
        equal(digitalocean(proxies[number % 3], token, "DELETE", path).status, 204, "a deletion")


@CASES.case("a token that is revoked once is refused by all proxies within a second")
def revoked(stage):
    dns = stage.dns
    prepare_digitalocean(dns)
    proxies = replicas(dns, "revoked", 2)
    other = dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, "GET /v2/account")

    def statuses(each):
        return [digitalocean(proxy, each, "GET", "/v2/account").status for proxy in proxies]

    def noticed():
        """Seconds from the end of a revocation until both proxies refuse the token."""
        token = dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, "GET /v2/account")
        file = stage.file("revoked.token", token)
        equal(statuses(token), [200, 200], "the answers before")
        done = dns.run([stage.binary, "revoke", "--config", dns.configuration("proxy-revoked-0"), "--token", f"@{file}"])
        ended = time.monotonic()
        equal(done.returncode, 0, f"the status of `revoke` ({done.stderr})")
        until(lambda: statuses(token) == [401, 401], "both proxies refuse the token")
        return time.monotonic() - ended

    # A machine that is busy with something else is late now and then, and a proxy that is too late is so each time.
    holds(any(noticed() < _NOTICED for _ in range(_TRIES)), f"both proxies refuse it within {_NOTICED} s, once in {_TRIES} times")
    equal(statuses(other), [200, 200], "the answers to another token")


def tally(answers):
    """How many answers there are of each kind, for those who read of a failure."""
    return dict(collections.Counter(f"{answer.status} {answer.text[:200] if answer.status >= 500 else ''}" for answer in answers))


def replicas(dns, name, count):
    """The URLs of proxies that share the Valkey, all of which have read what is revoked."""
    proxies = [dns.server(f"proxy-{name}-{number}", settings=dns.valkey).url for number in range(count)]
    token = dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, "GET /v2/account")
    for proxy in proxies:
        until(lambda: digitalocean(proxy, token, "GET", "/v2/account").status == 200, "a proxy has reached Valkey")
    return proxies


def at_once(job, count):
    """What the job gives for each number, all of which begin together."""
    barrier = threading.Barrier(count)

    def begin(number):
        barrier.wait(HANGS)
        return job(number)

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


# --- a proxy that is killed


@CASES.case("lego cleans up what it made before the proxy was killed", row=ROWS[0])
def killed_under_lego(stage):
    dns = stage.dns
    prepare_digitalocean(dns)
    proxy = Mortal(dns, "lego")
    token = dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, CREATING)
    variables = NO_WAY_OUT | {
        "DO_API_URL": f"{proxy.url}/digitalocean", "DO_AUTH_TOKEN": token, "DO_POLLING_INTERVAL": 3, "LEGO_CA_CERTIFICATES": dns.acme.ca_file,
    }
    dns.forget()
    with started(stage, lego_topic.command(dns, "digitalocean", f"killed.{DOMAIN}"), **variables) as (lego, said):
        # It has the number of its record, and sleeps for a while before it goes on.
        until(lambda: "Checking DNS record propagation" in said(), "lego has made its record", lego, said)
        lego.send_signal(signal.SIGSTOP)
        equal(len(dns.digitalocean.domains[DOMAIN]), 1, "records when the proxy is killed")
        proxy.kill()
        proxy.start()
        lego.send_signal(signal.SIGCONT)
        status = lego.wait(HANGS)
        equal(status, 0, f"lego's status ({said()[-600:]})")
    arrived = dns.only_through_the_proxy(dns.digitalocean, token)
    equal([each.split()[0] for each in arrived], ["POST", "DELETE"], "made and cleaned up")
    equal(dns.digitalocean.domains[DOMAIN], {}, "what is left")
    refused(digitalocean(proxy.url, token, "DELETE", arrived[1].split()[1]), "not_allowed", "its own, once more")


@CASES.case("lego's second run cleans up what PowerDNS did, and no one heard of, when the proxy was killed", row=ROWS[0])
def killed_before_the_answer(stage):
    dns = stage.dns
    prepare_zones(dns)
    name = f"_acme-challenge.killed.{ZONE}"
    token, other = (dns.token("powerdns", POWERDNS_CREDENTIAL, *LEGO_READING, CHANGING, NOTIFYING) for _ in range(2))
    before = dns.powerdns.records(ZONE, "TXT")
    with Held(dns.powerdns.url) as held:
        proxy = Mortal(dns, "powerdns", powerdns=held.url)
        variables = {"PDNS_API_URL": f"{proxy.url}/powerdns", "PDNS_API_KEY": token, "LEGO_CA_CERTIFICATES": dns.acme.ca_file}
        command = lego_topic.command(dns, "pdns", f"killed.{ZONE}".rstrip("."))
        held.method = "PATCH"
        with started(stage, command, **NO_WAY_OUT | variables) as (lego, said):
            until(held.holding.is_set, "PowerDNS has made the record", lego, said)
            proxy.kill()
            holds(lego.wait(HANGS) != 0, "lego failed")
        held.release()
        holds(name in dns.powerdns.records(ZONE, "TXT"), "the record is there, and nobody was told")
        proxy.start()
        for how in (REPLACED, DELETED):
            refused(powerdns(proxy.url, other, change(how, name, "TXT")), "not_owned", f"{how} by another token")
        done = dns.run(command, **variables)
        equal(done.returncode, 0, f"lego's status, the second time ({done.stderr[-600:]})")
        equal(dns.powerdns.records(ZONE, "TXT"), before, "what is left")
        # The first request may still arrive, as far as the proxy knows: the record stays the token's for 16 minutes.
        refused(powerdns(proxy.url, other, change(REPLACED, name, "TXT")), "not_owned", "replaced by another token, early")
        equal(powerdns(proxy.url, token, change(DELETED, name, "TXT")).status, 204, "its own, once more")


@CASES.case("of what a proxy on redb has acknowledged, nothing is lost when it is killed")
def killed_under_load(stage):
    dns = stage.dns
    prepare_digitalocean(dns)
    proxy = Mortal(dns, "load")
    token = dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, CREATING)
    acknowledged = []

    names = (f"_acme-challenge.load-{number}" for number in itertools.count())

    def create():
        # Until there is nobody to ask; the last answer may be cut off.
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                acknowledged.append(make_record(proxy.url, token, next(names)))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        running = [pool.submit(create) for _ in range(8)]
        try:
            until(lambda: len(acknowledged) >= 40, "40 records are made")
        finally:
            proxy.kill()
    for each in running:
        each.result()
    proxy.start()
    for path in acknowledged:
        equal(digitalocean(proxy.url, token, "DELETE", path).status, 204, f"the deletion of {path}")
    # What nobody was told of may have been made as well, by each of the eight.
    orphans = dns.digitalocean.domains[DOMAIN]
    holds(len(orphans) <= 8, f"{len(orphans)} records of which nobody was told")
    orphans.clear()


class Mortal:
    """A proxy with a file for its state that is killed and starts again at the same address."""

    def __init__(self, dns, name, **options):
        self._dns, self._name, self._options = dns, name, options
        self._listen = f"{loopback.address(_PORT)}:{_PORT}"
        self._lives = 0
        self.start()

    def start(self):
        self._lives += 1
        name = f"proxy-mortal-{self._name}-{self._lives}"
        settings = self._dns.on_redb(f"mortal-{self._name}")
        self._server = self._dns.server(name, listen=self._listen, settings=settings, **self._options)
        self.url = self._server.url

    def kill(self):
        self._server.kill()


@contextlib.contextmanager
def started(stage, command, **variables):
    """A program that runs meanwhile, and a function that gives what it has said. It does not outlive this."""
    log = stage.new_folder("started") / "log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=environment(stage.folder, **variables), cwd=stage.folder,
        )
    try:
        yield child, lambda: log.read_text("utf-8", "replace")
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()


def until(condition, what, child=None, said=lambda: ""):
    """Waits for it, as long as the program runs that is to bring it about."""
    deadline = time.monotonic() + HANGS
    while not condition():
        ended = child is not None and child.poll() is not None
        if ended or time.monotonic() > deadline:
            raise AssertionError(f"it did not come to this: {what}: {said()[-600:]}")
        time.sleep(_POLL)
