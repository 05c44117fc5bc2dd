"""The proxy gets its own certificate from an ACME server, Pebble, which connects to it to see whose the name is."""

import hashlib
import socket
import ssl
import time

import debian
from cryptography import x509
from harness.cases import Cases, equal, holds
from harness.patience import HANGS
from harness.process import Server, environment
from matrix import Row
from upstreams import loopback
from upstreams.pebble import TLS_PORT

ROWS = [Row("the proxy's own certificate", lambda _: debian.version("pebble"), "Pebble", "ordered by TLS-ALPN-01, kept over a restart")]
CASES = Cases(ROWS[0])

NAME = "proxy.example.com"

_CONFIGURATION = """\
listen = "{host}:{port}"

[keys]
folder = "{keys}"

[acme]
domains = ["{name}"]
contact = "mailto:admin@example.org"
directory = "{directory}"
extra_ca_file = "{ca_file}"
cache = "{cache}"
"""


@CASES.case("a certificate is ordered, shown in handshakes, and still there after a restart")
def ordered_and_kept(stage):
    host = loopback.address(TLS_PORT)
    stage.dns.powerdns.add_zone("proxy.example.com.", (f"{NAME}.", "A", host))
    folder = stage.folder / "acme"
    folder.mkdir()
    acme = stage.dns.acme
    file = stage.file(
        "acme.toml",
        _CONFIGURATION.format(
            host=host, port=TLS_PORT, keys=stage.keys, name=NAME, directory=acme.directory, ca_file=acme.ca_file, cache=folder / "cache"
        ),
    )
    command = [stage.binary, "serve", "--config", file]

    def start(number):
        log = folder / f"log-{number}"
        return Server("proxy-acme", command, log=log, env=environment(folder), cwd=folder, address=(host, TLS_PORT))

    first = start(1)
    try:
        shown = certificate(host, first)
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        equal(names, [NAME], "the names in the certificate")
        holds("Pebble" in shown.issuer.rfc4514_string(), f"the issuer: {shown.issuer.rfc4514_string()}")
    finally:
        first.stop()
    secrets = [path for path in (folder / "cache").rglob("*") if path.name in ("account.json", "key.pem")]
    equal(len(secrets), 2, "files that are secret")
    holds(all(path.stat().st_mode & 0o077 == 0 for path in secrets), f"others may read {secrets}")
    second = start(2)
    try:
        equal(fingerprint(certificate(host, second)), fingerprint(shown), "the certificate after a restart")
    finally:
        second.stop()


def certificate(host, server):
    """The certificate that is shown in a handshake, as soon as there is one."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    deadline = time.monotonic() + HANGS
    while True:
        try:
            with socket.create_connection((host, TLS_PORT)) as plain, context.wrap_socket(plain, server_hostname=NAME) as secured:
                return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True))
        except OSError as error:
            if time.monotonic() > deadline:
                told = server.log.read_text("utf-8", "replace").splitlines()[-3:]
                raise AssertionError(f"no certificate: {error}: {' | '.join(told)}") from error
            time.sleep(0.05)


def fingerprint(shown):
    return hashlib.sha256(shown.tbs_certificate_bytes).hexdigest()
