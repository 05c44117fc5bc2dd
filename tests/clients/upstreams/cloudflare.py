"""Zones and DNS records as Cloudflare's API v4 has them: lists come in numbered pages, and behind the last there is an empty one."""

import itertools
import re

from upstreams.api import Api

#: Most items on a page, whatever is asked for. Cloudflare gives more; fewer make several pages of few.
LARGEST_PAGE = 2

_ZONE = re.compile(r"/client/v4/zones/([0-9a-f]{32})")
_RECORDS = re.compile(r"/client/v4/zones/([0-9a-f]{32})/dns_records")
_RECORD = re.compile(r"/client/v4/zones/([0-9a-f]{32})/dns_records/([0-9a-f]{32})")


class Cloudflare(Api):
    def __init__(self, credential, zones, publish):
        """`publish` is handed a zone, the name of a TXT record that came or went, and what is there now."""
        self._publish = publish
        #: The records of each zone by their id, by the zone's id.
        self.records = {}
        self.zones = {}
        self._numbers = itertools.count(1)
        for name in zones:
            number = self._new_id()
            self.zones[number] = name
            self.records[number] = {}
        super().__init__(credential)

    def zone_id(self, name):
        return next(number for number, zone in self.zones.items() if zone == name)

    def refuse(self):
        return _failed(403, 9109, "Invalid access token")

    def answer(self, method, path, query, body):
        if method == "GET" and path == "/client/v4/zones":
            return _page(query, [self._zone(number) for number, name in self.zones.items() if query.get("name", name) == name])
        if (found := _ZONE.fullmatch(path)) and method == "GET" and found[1] in self.zones:
            return _result(self._zone(found[1]))
        if (found := _RECORDS.fullmatch(path)) and found[1] in self.zones:
            return self._list(method, query, body, found[1])
        if (found := _RECORD.fullmatch(path)) and found[2] in self.records.get(found[1], {}):
            return self._record(method, body, found[1], found[2])
        return _failed(404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?")

    def _list(self, method, query, body, zone):
        records = self.records[zone]
        if method == "POST":
            number = self._new_id()
            record = {"id": number, "proxied": False, "proxiable": False, "ttl": 1, "created_on": _WHEN, "modified_on": _WHEN}
            records[number] = record | {"meta": {}, "settings": {}, "tags": []} | body
            self._changed(zone, body["name"])
            return _result(records[number])
        return _page(query, [record for record in records.values() if _matches(record, query)])

    def _record(self, method, body, zone, number):
        records = self.records[zone]
        if method == "DELETE":
            self._changed(zone, records.pop(number)["name"])
            return _result({"id": number})
        if method in ("PUT", "PATCH"):
            records[number] |= body
            self._changed(zone, records[number]["name"])
        return _result(records[number])

    def _changed(self, zone, name):
        here = self.records[zone].values()
        self._publish(self.zones[zone], name, [record["content"] for record in here if (record["type"], record["name"]) == ("TXT", name)])

    def _zone(self, number):
        return {"id": number, "name": self.zones[number], "status": "active", "type": "full", "paused": False, "name_servers": []}

    def _new_id(self):
        return f"{next(self._numbers):032x}"


_WHEN = "2026-01-01T00:00:00Z"


def _matches(record, query):
    wanted = {"type": query.get("type")}
    for member in ("name", "content"):
        wanted[member] = query.get(f"{member}.exact", query.get(f"{member}[exact]", query.get(member)))
    return all(value is None or record[member] == value for member, value in wanted.items())


def _page(query, items):
    size = min(int(query.get("per_page", 20)), LARGEST_PAGE)
    page = int(query.get("page", 1))
    shown = items[(page - 1) * size:page * size]
    info = {"page": page, "per_page": size, "count": len(shown), "total_count": len(items), "total_pages": -(-len(items) // size)}
    return 200, {"result": shown, "result_info": info, "success": True, "errors": [], "messages": []}


def _result(value):
    return 200, {"result": value, "success": True, "errors": [], "messages": []}


def _failed(status, code, message):
    return status, {"result": None, "success": False, "errors": [{"code": code, "message": message}], "messages": []}
