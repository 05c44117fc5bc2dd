"""Pebble, the small ACME server of Let's Encrypt's authors, from Debian's package."""

import datetime
import ipaddress
import json

import debian
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from harness.process import Server, environment
from upstreams import loopback

_ACME = 14000


class Pebble:
    """Validates by asking the name server at `resolver`, host and port."""

    def __init__(self, folder, resolver):
        host = loopback.address(_ACME)
        #: A file with the certificate that clients must trust to speak to it.
        self.ca_file = folder / "ca.pem"
        _write_certificate(host, self.ca_file, folder / "key.pem")
        (folder / "config.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"{host}:{_ACME}", "managementListenAddress": "",
            "certificate": str(self.ca_file), "privateKey": str(folder / "key.pem"),
            "httpPort": 5002, "tlsPort": 5001, "ocspResponderURL": "", "externalAccountBindingRequired": False,
        }}))
        command = [debian.program("pebble"), "-config", folder / "config.json", "-dnsserver", resolver]
        # No waiting, no nonces refused for practice, and each order is validated anew.
        variables = {"PEBBLE_VA_NOSLEEP": 1, "PEBBLE_WFE_NONCEREJECT": 0, "PEBBLE_AUTHZREUSE": 0}
        self._server = Server(
            "pebble", command, log=folder / "log", env=environment(folder, **variables), cwd=folder, address=(host, _ACME),
        )
        self.directory = f"https://{host}:{_ACME}/dir"

    def stop(self):
        self._server.stop()


def _write_certificate(host, certificate_file, key_file):
    """A certificate for an address, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pebble for tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_file.write_bytes(key.private_bytes(*form))
