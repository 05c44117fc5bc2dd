"""Does a job with pydo, unmodified: `{"endpoint", "token", "domain", "calls": ["domains", …]}`, and prints what came of each."""

import json
import sys

import azure.core.exceptions
import pydo


def outcome(client, domain, call):
    try:
        return {"value": CALLS[call](client, domain)}
    except azure.core.exceptions.AzureError as error:
        return {"error": type(error).__name__, "status": getattr(error, "status_code", None), "text": str(error)}


def pages(client, _):
    """The caller counts the pages; the API says by a link that there is another."""
    names, page, more = [], 1, True
    while more:
        answer = client.domains.list(page=page, per_page=2)
        names += [each["name"] for each in answer["domains"]]
        page, more = page + 1, "next" in answer["links"].get("pages", {})
    return names


def remove(client, domain):
    found = client.domains.list_records(domain, name="new")["domain_records"]
    return [client.domains.delete_record(domain, each["id"]) for each in found]


def add(client, domain):
    return client.domains.create_record(domain, body={"type": "TXT", "name": "new", "data": "x"})["domain_record"]["name"]


CALLS = {
    "domains": pages,
    "next": lambda client, _: client.domains.list(per_page=2)["links"]["pages"]["next"],
    "add": add,
    "remove": remove,
    "droplets": lambda client, _: client.droplets.list(),
}

given = json.load(sys.stdin)
with pydo.Client(token=given["token"], endpoint=given["endpoint"]) as opened:
    json.dump([outcome(opened, given["domain"], call) for call in given["calls"]], sys.stdout)
