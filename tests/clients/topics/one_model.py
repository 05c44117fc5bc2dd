"""The SDKs of OpenAI and Anthropic with tokens for one model and a cap, by rules with conditions.

A streamed call with a prompt of 2 MB passes, and the API gets the bytes that the SDK would send to it directly. Its neighbours are
refused once, before a byte goes to the API.
"""

import functools

from harness.cases import Cases, equal, holds
from llm_stage import CREDENTIAL, REASON, carried
from matrix import Row, npm, pip
from topics import llm
from upstreams.llm import PIECES

_TRIED = "one model and a cap: a prompt of 2 MB, streamed; refused on ten neighbours"


def _row(client, version):
    return Row(f"{client}, one model", version, "aimock", _TRIED)


#: By the row of the topic `llm`.
_ROWS = {
    llm.OPENAI_PYTHON: _row("openai (Python)", pip("openai")),
    llm.OPENAI_NODE: _row("openai (JavaScript)", npm("openai")),
    llm.ANTHROPIC_PYTHON: _row("anthropic (Python)", pip("anthropic")),
    llm.ANTHROPIC_NODE: _row("@anthropic-ai/sdk (JavaScript)", npm("@anthropic-ai/sdk")),
}
ROWS = list(_ROWS.values())
CASES = Cases()

#: Characters of the long prompt.
_PROMPT = 2 << 20

RULES = {
    "openai": {
        "method": "POST", "route": "/v1/chat/completions",
        "json": {"model": "gpt-5-mini", "messages": {}, "max_completion_tokens": {"min": 1, "max": 2000}, "stream?": {}},
    },
    "anthropic": {
        "method": "POST", "route": "/v1/messages", "headers": {"anthropic-beta": {"absent": True}},
        "json": {"model": "claude-haiku-4-5", "messages": {}, "max_tokens": {"min": 1, "max": 4096}, "system?": {}, "stream?": {}},
    },
}

#: The arguments of the call that each rule allows.
ALLOWED = {
    "openai": {"model": "gpt-5-mini", "max_completion_tokens": 2000},
    "anthropic": {"model": "claude-haiku-4-5", "max_tokens": 4096},
}

_FUNCTION = {"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}

#: What differs from the allowed call, and the refusal: its status, and a part of its text.
_FALSE = (403, REASON)
_VALUE = (400, "a member of the body has a value that cannot be judged")
_TWIN = (400, "some readers take a member of the body for another one")
NEIGHBOURS = {
    "openai": {
        "another model": ({"options": {"model": "gpt-5"}}, _FALSE),
        "a model of which the name goes on": ({"options": {"model": "gpt-5-mini-2026-01-01"}}, _FALSE),
        "the model in other letters": ({"options": {"model": "GPT-5-mini"}}, _FALSE),
        "a bigger cap": ({"options": {"max_completion_tokens": 2001}}, _FALSE),
        "a cap by another name": ({"options": {"max_tokens": 2000}}, _FALSE),
        "a cap that is a text": ({"options": {"max_completion_tokens": "2000"}}, _VALUE),
        "tools": ({"options": {"tools": [_FUNCTION]}}, _FALSE),
        "no tools, in a list": ({"options": {"tools": []}}, _FALSE),
        "a search of the web": ({"options": {"web_search_options": {}}}, _FALSE),
        "eight answers": ({"options": {"n": 8}}, _FALSE),
        "a dearer service": ({"options": {"service_tier": "priority"}}, _FALSE),
        "what is stored": ({"options": {"store": True}}, _FALSE),
        "a member that no SDK has": ({"body": {"x": 1}}, _FALSE),
        "a twin of the model": ({"body": {"Model": "gpt-5"}}, _TWIN),
        "a query": ({"query": {"model": "gpt-5"}}, _FALSE),
    },
    "anthropic": {
        "another model": ({"options": {"model": "claude-opus-4-6"}}, _FALSE),
        "a model of which the name goes on": ({"options": {"model": "claude-haiku-4-5-20260101"}}, _FALSE),
        "the model in other letters": ({"options": {"model": "Claude-Haiku-4-5"}}, _FALSE),
        "a bigger cap": ({"options": {"max_tokens": 4097}}, _FALSE),
        "a cap that is a text": ({"options": {"max_tokens": "4096"}}, _VALUE),
        "tools": ({"options": {"tools": [{"name": "run", "input_schema": {"type": "object"}}]}}, _FALSE),
        "a tool of the server": ({"options": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}}, _FALSE),
        "thinking": ({"options": {"thinking": {"type": "enabled", "budget_tokens": 2048}}}, _FALSE),
        "a dearer service": ({"options": {"service_tier": "auto"}}, _FALSE),
        "servers of others": ({"body": {"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "x"}]}}, _FALSE),
        "a beta": ({"headers": {"anthropic-beta": "mcp-client-2025-11-20"}}, _FALSE),
        "a twin of the model": ({"body": {"Model": "claude-opus-4-6"}}, _TWIN),
        "a query": ({"query": {"beta": "true"}}, _FALSE),
    },
}


def case(name):
    """Registers a check once for each client of each SDK, which it takes as its second argument."""

    def register(check):
        for client in llm.EACH:
            CASES.case(f"{client}, one model: {name}", row=_ROWS[client.row])(functools.partial(check, client=client))
        return check

    return register


@case("a prompt of 2 MB, streamed event by event, arrives as the SDK sends it")
def long_prompt(stage, client):
    token = fresh(stage, client)
    call = {"options": ALLOWED[client.upstream], "prompt": _PROMPT}
    direct = {"baseURL": stage.llm.llm.url, "header": "X-Api-Key"} if client.upstream == "anthropic" else {"baseURL": f"{stage.llm.llm.url}/v1"}
    equal(client.ask(stage, "given", CREDENTIAL, **direct, **call).get("pieces"), PIECES, "what was streamed without the proxy")
    (sent,) = stage.llm.llm.take()
    stage.llm.llm.stream(held=True)
    outcome = client.ask(stage, "given", token, stepURL=stage.llm.llm.step_url, **call)
    equal(outcome.get("pieces"), PIECES, f"what was streamed: {outcome}")
    equal(outcome["steps"], list(range(1, len(outcome["steps"]) + 1)), "events sent when each was there")
    (arrived,) = stage.llm.llm.take()
    carried([arrived], client.upstream, token)
    equal((arrived.target, arrived.body), (sent.target, sent.body), "target, and digest of the body")
    equal((len(sent.body), int(*arrived.values("Content-Length")) > _PROMPT), (64, True), "the body is long")


@case("each neighbour of the call is refused once, and the exception says why")
def neighbours(stage, client):
    token = fresh(stage, client)
    allowed, beside = ALLOWED[client.upstream], NEIGHBOURS[client.upstream]
    holds(len(beside) >= 10, f"{len(beside)} neighbours")
    before = len(stage.llm.attempts(client.path))
    for what, (change, (status, reason)) in beside.items():
        outcome = client.ask(stage, "given", token, **change | {"options": allowed | change.get("options", {})})
        holds("error" in outcome, f"{what} was not refused: {outcome}")
        llm.told(outcome, status, reason)
        equal(stage.llm.llm.take(), [], f"what reached the API of {what}")
    if client.upstream == "openai":
        llm.told(client.ask(stage, "given", token, options={"model": allowed["model"]}), *_FALSE)
        beside = beside | {"no cap": None}
    equal(stage.llm.llm.take(), [], "what reached the API")
    equal(len(stage.llm.attempts(client.path)) - before, len(beside), "how often the proxy was asked")
    equal(client.ask(stage, "given", token, options=allowed).get("pieces"), PIECES, "the call itself")
    equal(len(stage.llm.llm.take()), 1, "what reached the API of the call itself")


def fresh(stage, client):
    """The token; nothing has arrived yet, and streams come as they are."""
    stage.llm.llm.stream()
    stage.llm.llm.take()
    return stage.llm.token(client.upstream, RULES[client.upstream])
