"""Calls of unmodified clients of DNS APIs: `python calls_dns.py NAME URL`, with the environment of tests/clients/dns_clients."""

import os
import sys

DOMAIN, NAME, TEXT = "example.org", "_acme-challenge.www.example.org", "GFxAvQ2JwcBfHBmeZ6ZEfDk3X0mVh2Qm9yQ0bJ4oC7s"


def certbot_cloudflare(url):
    os.environ["CLOUDFLARE_BASE_URL"] = f"{url}/client/v4"
    from certbot_dns_cloudflare._internal.dns_cloudflare import _CloudflareClient

    client = _CloudflareClient(api_token="not-the-token")
    client.add_txt_record(DOMAIN, NAME, TEXT, 120)
    client.del_txt_record(DOMAIN, NAME, TEXT)


def certbot_digitalocean(url):
    os.environ["DIGITALOCEAN_END_POINT"] = f"{url}/v2/"
    from certbot_dns_digitalocean._internal.dns_digitalocean import _DigitalOceanClient

    client = _DigitalOceanClient("not-the-token")
    client.add_txt_record(DOMAIN, NAME, TEXT, 30)
    client.del_txt_record(DOMAIN, NAME, TEXT)


def certbot_pdns(url):
    """Through lexicon, configured as the plugin does it."""
    from lexicon.client import Client
    from lexicon.config import ConfigResolver

    options = {"pdns_server": url, "auth_token": "not-the-token", "pdns_server_id": "localhost", "pdns_disable_notify": "true"}
    config = {"domain": DOMAIN, "delegated": DOMAIN, "provider_name": "powerdns", "ttl": 60, "powerdns": options}
    with Client(ConfigResolver().with_dict(config)) as operations:
        operations.create_record("TXT", NAME, TEXT)
        operations.delete_record(None, "TXT", NAME, TEXT)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
