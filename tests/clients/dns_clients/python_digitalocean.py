"""Does a job with python-digitalocean, unmodified: `{"token", "domain", "calls": ["domains", …]}`, and prints what came of each.

Where the API is, `DIGITALOCEAN_END_POINT` says.
"""

import json
import sys

import digitalocean


def outcome(job, call):
    manager = digitalocean.Manager(token=job["token"])
    domain = digitalocean.Domain(token=job["token"], name=job["domain"])
    try:
        return {"value": CALLS[call](manager, domain)}
    except digitalocean.Error as error:
        return {"error": type(error).__name__, "text": str(error)}


CALLS = {
    "domains": lambda manager, domain: [each.name for each in manager.get_all_domains()],
    "records": lambda manager, domain: [each.name for each in domain.get_records()],
    "add": lambda manager, domain: domain.create_new_domain_record(type="TXT", name="new", data="x")["domain_record"]["name"],
    "remove": lambda manager, domain: [each.destroy() for each in domain.get_records() if each.name == "new"],
    "droplets": lambda manager, domain: [each.name for each in manager.get_all_droplets()],
}

given = json.load(sys.stdin)
json.dump([outcome(given, call) for call in given["calls"]], sys.stdout)
