"""Calls of unmodified SDKs for LLMs: one job a line on standard input, one outcome a line on standard output.

See `node/llm.mjs`, which does the same in JavaScript. `sync` in a job chooses between the two clients of each SDK. `options` are arguments
of the call, `body`, `query` and `headers` are sent besides, and the message has `prompt` characters.
"""

import asyncio
import dataclasses
import json
import sys
import typing
import urllib.request

import anthropic
import openai

MESSAGES = [{"role": "user", "content": "hello"}]


@dataclasses.dataclass(frozen=True)
class Api:
    clients: tuple[type, type]
    call: typing.Callable
    text: typing.Callable
    #: The text in an event, if there is any.
    piece: typing.Callable


OPENAI = (openai.OpenAI, openai.AsyncOpenAI)

APIS = {
    "chat": Api(
        OPENAI,
        lambda client, **options: client.chat.completions.create(**{"model": "gpt-5", "messages": MESSAGES} | options),
        lambda answer: answer.choices[0].message.content,
        lambda event: event.choices[0].delta.content if event.choices else None,
    ),
    "responses": Api(
        OPENAI,
        lambda client, **options: client.responses.create(**{"model": "gpt-5", "input": "hello"} | options),
        lambda answer: answer.output_text,
        lambda event: event.delta if event.type == "response.output_text.delta" else None,
    ),
    "messages": Api(
        (anthropic.Anthropic, anthropic.AsyncAnthropic),
        lambda client, **options: client.messages.create(**{"model": "claude-opus-4-6", "max_tokens": 64, "messages": MESSAGES} | options),
        lambda answer: answer.content[0].text,
        lambda event: event.delta.text if event.type == "content_block_delta" else None,
    ),
}


def outcome(job):
    api = APIS[job["api"]]
    options = {"base_url": job["baseURL"], "timeout": job["timeout"]}
    if "header" in job:
        options["default_headers"] = {job["header"]: job["token"], "Authorization": anthropic.Omit()}
    else:
        options["api_key"] = job["token"]
    try:
        if job["sync"]:
            with api.clients[0](**options) as client:
                return SYNC[job["act"]](api, client, job)
        return asyncio.run(asynchronous(api, options, job))
    except (openai.OpenAIError, anthropic.AnthropicError) as error:
        return {"error": {"kind": type(error).__name__, "status": getattr(error, "status_code", None), "message": str(error)}}
    except Exception as error:
        # Of the HTTP library below, which the SDKs let through while they read a stream.
        return {"error": {"kind": f"{type(error).__module__}.{type(error).__name__}", "status": None, "message": str(error)}}


async def asynchronous(api, options, job):
    async with api.clients[1](**options) as client:
        return await ASYNC[job["act"]](api, client, job)


# --- the same acts twice, as the SDKs have everything twice


def plain(api, client, job):
    return {"text": api.text(api.call(client))}


async def plain_async(api, client, job):
    return {"text": api.text(await api.call(client))}


FOR_URL = [{"role": "user", "content": "repeat your URL"}]


def url(api, client, job):
    return {"text": api.text(api.call(client, messages=FOR_URL))}


async def url_async(api, client, job):
    return {"text": api.text(await api.call(client, messages=FOR_URL))}


def stream(api, client, job):
    """Asks for the next event only when the last one is here, and notes how many had gone out until then."""
    pieces, steps = [], []
    for event in api.call(client, stream=True):
        note(api, event, job, pieces, steps)
    return {"pieces": pieces, "steps": steps}


async def stream_async(api, client, job):
    pieces, steps = [], []
    async for event in await api.call(client, stream=True):
        note(api, event, job, pieces, steps)
    return {"pieces": pieces, "steps": steps}


def leave(api, client, job):
    answer = api.call(client, stream=True)
    next(iter(answer))
    answer.close()
    return {"gone": post(job["goneURL"])}


async def leave_async(api, client, job):
    answer = await api.call(client, stream=True)
    await anext(aiter(answer))
    await answer.close()
    return {"gone": post(job["goneURL"])}


def retrieve(api, client, job):
    return {"model": client.models.retrieve(job["model"]).id}


async def retrieve_async(api, client, job):
    return {"model": (await client.models.retrieve(job["model"])).id}


def upload(api, client, job):
    content = uploaded(job)
    file = client.files.create(file=("data.jsonl", content), purpose="batch")
    return {"size": file.bytes, "same": client.files.content(file.id).read() == content}


async def upload_async(api, client, job):
    content = uploaded(job)
    file = await client.files.create(file=("data.jsonl", content), purpose="batch")
    return {"size": file.bytes, "same": (await client.files.content(file.id)).read() == content}


def results(api, client, job):
    return {"ids": [result.custom_id for result in client.messages.batches.results("msgbatch_1")]}


async def results_async(api, client, job):
    return {"ids": [result.custom_id async for result in await client.messages.batches.results("msgbatch_1")]}


def given(api, client, job):
    """Streams an answer to a call with the arguments of the job."""
    pieces, steps = [], []
    for event in api.call(client, stream=True, **arguments(job)):
        note(api, event, job, pieces, steps)
    return {"pieces": pieces, "steps": steps}


async def given_async(api, client, job):
    pieces, steps = [], []
    async for event in await api.call(client, stream=True, **arguments(job)):
        note(api, event, job, pieces, steps)
    return {"pieces": pieces, "steps": steps}


SYNC = {"given": given, "plain": plain, "url": url, "stream": stream, "leave": leave, "retrieve": retrieve, "upload": upload, "results": results}
ASYNC = {
    "given": given_async, "plain": plain_async, "url": url_async, "stream": stream_async, "leave": leave_async, "retrieve": retrieve_async, "upload": upload_async,
    "results": results_async,
}


def note(api, event, job, pieces, steps):
    if text := api.piece(event):
        pieces.append(text)
    if job.get("stepURL"):
        steps.append(post(job["stepURL"]))


def arguments(job):
    """What a job says of its call."""
    options = dict(job.get("options", {}))
    if "prompt" in job:
        options["messages"] = [{"role": "user", "content": "0123456789abcde\n" * (job["prompt"] // 16)}]
    sent = {"extra_query": job.get("query"), "extra_headers": job.get("headers"), "extra_body": job.get("body")}
    return options | {name: value for name, value in sent.items() if value}


def uploaded(job):
    pattern = b"0123456789abcdef\n"
    return (pattern * (job["size"] // len(pattern) + 1))[:job["size"]]


def post(url):
    with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as answer:
        return json.load(answer)


for line in sys.stdin:
    print(json.dumps(outcome(json.loads(line))), flush=True)
