"""What the recorder answers: enough for clients to make their next call."""

import json
import re

SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
NAME, TEXT = "_acme-challenge.www.example.org", "GFxAvQ2JwcBfHBmeZ6ZEfDk3X0mVh2Qm9yQ0bJ4oC7s"
_CLOUDFLARE = {"success": True, "errors": [], "messages": [], "result_info": {"page": 1, "per_page": 1, "count": 1, "total_count": 1}}
_RECORD = {"id": "R1", "type": "TXT", "name": NAME, "content": TEXT, "ttl": 120}
_DESEC = {"subname": "_acme-challenge.www", "type": "TXT", "ttl": 3600, "records": [f'"{TEXT}"'], "name": f"{NAME}."}


def answer(url, method, target, body):
    """Status, content type and body."""
    path, _, query = target.partition("?")
    if re.search(r"(^|&)page=[2-9]", query):
        return 200, "application/json", json.dumps({**_CLOUDFLARE, "result": []}).encode()
    streamed = b'"stream":true' in body.replace(b" ", b"")
    if streamed:
        return 200, "text/event-stream", b"data: [DONE]\n\n"
    for pattern, made in _ANSWERS:
        if re.fullmatch(pattern, f"{method} {path}"):
            return 201 if method == "POST" and "/repos/" in path else 200, "application/json", json.dumps(made(url)).encode()
    return 200, "application/json", b"{}"


def _issue(url):
    return {"url": f"{url}/repos/acme/site/issues/7", "number": 7}


_ANSWERS = [
    (r"GET /client/v4/zones", lambda _: {**_CLOUDFLARE, "result": [{"id": "Z1", "name": "example.org"}]}),
    (r"GET /client/v4/zones/Z1/dns_records", lambda _: {**_CLOUDFLARE, "result": [_RECORD]}),
    (r"(POST|DELETE) /client/v4/zones/Z1/dns_records.*", lambda _: {**_CLOUDFLARE, "result": _RECORD}),
    (r"GET /v2/domains/?", lambda _: {"domains": [{"name": "example.org", "ttl": 1800}], "links": {}, "meta": {"total": 1}}),
    (r"GET /v2/domains/example.org/records/?", lambda _: {"domain_records": [
        {"id": 7, "type": "TXT", "name": "_acme-challenge.www", "data": TEXT}], "links": {}, "meta": {"total": 1}}),
    (r"POST /v2/domains/example.org/records/?", lambda _: {"domain_record": {"id": 7, "type": "TXT", "name": "_acme-challenge.www"}}),
    (r"GET /api", lambda _: [{"url": "/api/v1", "version": 1}]),
    (r"GET /api/v1/servers/localhost/zones.*", lambda _: {"id": "example.org.", "name": "example.org.", "url": "/api/v1/servers/localhost/zones/example.org.", "kind": "Native", "rrsets": [
        {"name": f"{NAME}.", "type": "TXT", "ttl": 60, "records": [{"content": f'"{TEXT}"', "disabled": False}], "comments": []}]}),
    (r"GET /api/v1/domains/", lambda _: [{"name": "example.org", "minimum_ttl": 3600, "keys": [], "published": None}]),
    (r"GET /api/v1/domains/example.org/?", lambda _: {"name": "example.org", "minimum_ttl": 3600, "keys": []}),
    (r"GET /api/v1/domains/example.org/rrsets/.*", lambda _: _DESEC),
    (r"(POST|PUT|PATCH) /api/v1/domains/example.org/rrsets/", lambda _: [_DESEC]),
    (r"(PUT|PATCH) /api/v1/domains/example.org/rrsets/.+", lambda _: _DESEC),
    (r"GET /repos/acme/site/issues/7", _issue),
    (r"GET /repos/acme/site/pulls/7", lambda url: {"url": f"{url}/repos/acme/site/pulls/7", "number": 7}),
    (r"GET /repos/acme/site/actions/workflows/deploy.yml", lambda url: {"url": f"{url}/repos/acme/site/actions/workflows/5", "id": 5, "path": ".github/workflows/deploy.yml"}),
    (r"POST /repos/acme/site/issues/7/labels", lambda _: [{"name": "bug"}]),
    (r"PUT /repos/acme/site/contents/.*", lambda url: {"commit": {"sha": SHA}, "content": {"path": "docs/a.md"}}),
    (r"GET /search/issues", lambda _: {"total_count": 0, "incomplete_results": False, "items": []}),
    (r"POST /api/.*", lambda _: {"ok": True}),
    (r"GET /api/conversations.*", lambda _: {"ok": True, "messages": []}),
]
