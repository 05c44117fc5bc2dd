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
#: Where it looks for those who show by TLS that a name is theirs.
TLS_PORT = 5001


class Pebble:
    """Validates by asking the name server at `resolver`, host and port."""

    def __init__(self, folder, resolver):
        host = loopback.address(_ACME)
        #: A file with the authority that clients must trust to speak to it.
        self.ca_file = folder / "ca.pem"
        _write_certificates(host, self.ca_file, folder / "cert.pem", folder / "key.pem")
        (folder / "config.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"{host}:{_ACME}", "managementListenAddress": "",
            "certificate": str(folder / "cert.pem"), "privateKey": str(folder / "key.pem"),
            "httpPort": 5002, "tlsPort": TLS_PORT, "ocspResponderURL": "", "externalAccountBindingRequired": False,
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


def _write_certificates(host, ca_file, certificate_file, key_file):
    """An authority, and a certificate of it for an address."""
    now = datetime.datetime.now(datetime.timezone.utc)
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority for tests")])
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def certificate(name, public_key, *extensions):
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(ca_name).public_key(public_key)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca_file.write_bytes(certificate(ca_name, ca_key.public_key(), (x509.BasicConstraints(ca=True, path_length=0), True)))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pebble for tests")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    certificate_file.write_bytes(certificate(name, key.public_key(), (address, False)))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_file.write_bytes(key.private_bytes(*form))
