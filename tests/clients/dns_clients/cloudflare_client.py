"""Does a job with Cloudflare's SDK for Python, unmodified: `{"token", "zone", "calls": ["zones", …]}`, and prints what came of each.

Where the API is, `CLOUDFLARE_BASE_URL` says.
"""

import json
import sys

import cloudflare


def outcome(client, zone, call):
    try:
        return {"value": CALLS[call](client, zone)}
    except cloudflare.APIStatusError as error:
        return {"error": type(error).__name__, "status": error.status_code, "text": str(error), "messages": [each.message for each in error.errors]}


CALLS = {
    "zones": lambda client, zone: [each.name for each in client.zones.list()],
    "records": lambda client, zone: [each.name for each in client.dns.records.list(zone_id=zone)],
    "add": lambda client, zone: client.dns.records.create(zone_id=zone, type="TXT", name="new.example.org", content='"x"', ttl=60).name,
    "remove": lambda client, zone: [
        client.dns.records.delete(each.id, zone_id=zone).id for each in client.dns.records.list(zone_id=zone, name={"exact": "new.example.org"})
    ],
    "accounts": lambda client, zone: [each.name for each in client.accounts.list()],
}

given = json.load(sys.stdin)
opened = cloudflare.Cloudflare(api_token=given["token"])
json.dump([outcome(opened, given["zone"], call) for call in given["calls"]], sys.stdout)
