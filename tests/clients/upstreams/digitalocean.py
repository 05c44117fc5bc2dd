"""Domains and domain records as DigitalOcean's API v2 has them: lists come in pages that name the next one by its whole URL."""

import re

from upstreams.api import Api

#: Most items on a page, whatever is asked for. DigitalOcean gives 200; fewer make several pages of few.
LARGEST_PAGE = 2

_DOMAINS = re.compile(r"/v2/domains/?")
_DOMAIN = re.compile(r"/v2/domains/([^/]+)/?")
_RECORDS = re.compile(r"/v2/domains/([^/]+)/records/?")
_RECORD = re.compile(r"/v2/domains/([^/]+)/records/(\d+)/?")

_NOT_FOUND = (404, {"id": "not_found", "message": "The resource you were accessing could not be found."})


class DigitalOcean(Api):
    def __init__(self, credential, domains, publish):
        """`publish` is handed a domain, the full name of a TXT record that came or went, and what is there now."""
        self._publish = publish
        #: The records of each domain, by their number.
        self.domains = {name: {} for name in domains}
        self._last_number = 1000
        super().__init__(credential)

    def refuse(self):
        return 401, {"id": "Unauthorized", "message": "Unable to authenticate you"}

    def answer(self, method, path, query, body):
        # It takes a path with or without a slash at its end, and its own links have none.
        if method == "GET" and path == "/v2/account":
            return 200, {"account": {"email": "nobody@example.org", "uuid": "0", "status": "active"}}
        if method == "GET" and _DOMAINS.fullmatch(path):
            return self._page("domains", path, query, [self._domain(name) for name in self.domains])
        if (found := _DOMAIN.fullmatch(path)) and method == "GET" and found[1] in self.domains:
            return 200, {"domain": self._domain(found[1])}
        if (found := _RECORDS.fullmatch(path)) and found[1] in self.domains:
            return self._records(method, path, query, body, found[1])
        if (found := _RECORD.fullmatch(path)) and int(found[2]) in self.domains.get(found[1], {}):
            return self._record(method, body, found[1], int(found[2]))
        return _NOT_FOUND

    def _records(self, method, path, query, body, domain):
        records = self.domains[domain]
        if method == "GET":
            kept = [record for record in records.values() if _matches(record, query)]
            return self._page("domain_records", path, query, kept)
        if method == "POST":
            self._last_number += 1
            record = {"id": self._last_number, "priority": None, "port": None, "weight": None, "flags": None, "tag": None, "ttl": 1800}
            records[self._last_number] = record | body
            self._changed(domain, body["name"])
            return 201, {"domain_record": records[self._last_number]}
        return _NOT_FOUND

    def _record(self, method, body, domain, number):
        records = self.domains[domain]
        if method == "DELETE":
            self._changed(domain, records.pop(number)["name"])
            return 204, None
        if method in ("PUT", "PATCH"):
            records[number] |= body
            self._changed(domain, records[number]["name"])
        return 200, {"domain_record": records[number]}

    def _changed(self, domain, name):
        here = self.domains[domain].values()
        # A name with a dot at its end is whole; any other is the domain's.
        full = name[:-1] if name.endswith(".") else f"{name}.{domain}"
        self._publish(domain, full, [record["data"] for record in here if (record["type"], record["name"]) == ("TXT", name)])

    def _domain(self, name):
        return {"name": name, "ttl": 1800, "zone_file": f"$ORIGIN {name}.\n"}

    def _page(self, member, path, query, items):
        size = min(int(query.get("per_page", 20)), LARGEST_PAGE)
        page = int(query.get("page", 1))
        last = max(1, -(-len(items) // size))
        links = {"first": 1, "prev": page - 1} if page > 1 else {}
        links |= {"next": page + 1, "last": last} if page < last else {}
        here = self.url + path.rstrip("/")
        pages = {rel: f"{here}?page={number}&per_page={size}" for rel, number in links.items()}
        shown = items[(page - 1) * size:page * size]
        return 200, {member: shown, "links": {"pages": pages} if pages else {}, "meta": {"total": len(items)}}


def _matches(record, query):
    return all(record[key] == query[key] for key in ("name", "type") if key in query)
