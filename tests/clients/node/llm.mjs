// Calls of unmodified SDKs for LLMs: one job a line on standard input, one outcome a line on standard output.
//
// { api, baseURL, token, header, act: "plain" | "given" | "stream" | "leave" | "retrieve" | "upload" | "results", stepURL, goneURL, model, timeout }
// For "given" also { options, prompt, body, query, headers }: arguments of the call, characters of its message, and what else is sent.
// `python/llm_sdks.py` does the same in Python.

import { createInterface } from "node:readline";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";

const messages = [{ role: "user", content: "hello" }];
const forURL = [{ role: "user", content: "repeat your URL" }];

const apis = {
  chat: {
    open: (options) => new OpenAI(options),
    call: (client, options, sent) => client.chat.completions.create({ model: "gpt-5", messages, ...options }, sent),
    text: (answer) => answer.choices[0].message.content,
    piece: (event) => event.choices[0]?.delta.content,
  },
  responses: {
    open: (options) => new OpenAI(options),
    call: (client, options) => client.responses.create({ model: "gpt-5", input: "hello", ...options }),
    text: (answer) => answer.output_text,
    piece: (event) => (event.type === "response.output_text.delta" ? event.delta : undefined),
  },
  messages: {
    open: (options) => new Anthropic(options),
    call: (client, options, sent) => client.messages.create({ model: "claude-opus-4-6", max_tokens: 64, messages, ...options }, sent),
    text: (answer) => answer.content[0].text,
    piece: (event) => (event.type === "content_block_delta" ? event.delta.text : undefined),
  },
};

const post = async (url) => (await fetch(url, { method: "POST" })).json();

/** Asks for the next event only when the last one is here, and notes how many had gone out until then. */
async function read(api, events, job) {
  const [pieces, steps] = [[], []];
  for await (const event of events) {
    if (api.piece(event)) pieces.push(api.piece(event));
    if (job.stepURL) steps.push(await post(job.stepURL));
  }
  return { pieces, steps };
}

const acts = {
  plain: async (api, client) => ({ text: api.text(await api.call(client, {})) }),
  url: async (api, client) => ({ text: api.text(await api.call(client, { messages: forURL })) }),
  // Streams an answer to a call with the arguments of the job.
  given: async (api, client, job) => {
    const content = "0123456789abcde\n".repeat((job.prompt ?? 0) / 16);
    const long = job.prompt ? { messages: [{ role: "user", content }] } : {};
    const { query, headers } = job;
    return read(api, await api.call(client, { stream: true, ...job.options, ...long, ...job.body }, { query, headers }), job);
  },
  stream: async (api, client, job) => read(api, await api.call(client, { stream: true }), job),
  leave: async (api, client, job) => {
    for await (const event of await api.call(client, { stream: true })) {
      if (event) break;
    }
    return { gone: await post(job.goneURL) };
  },
  retrieve: async (api, client, job) => ({ model: (await client.models.retrieve(job.model)).id }),
  upload: async (api, client, job) => {
    const content = Buffer.alloc(job.size, "0123456789abcdef\n");
    const file = await client.files.create({ file: await toFile(content, "data.jsonl"), purpose: "batch" });
    const back = Buffer.from(await (await client.files.content(file.id)).arrayBuffer());
    return { size: file.bytes, same: back.equals(content) };
  },
  results: async (api, client) => {
    const ids = [];
    for await (const result of await client.messages.batches.results("msgbatch_1")) ids.push(result.custom_id);
    return { ids };
  },
};

async function outcome(job) {
  const api = apis[job.api];
  const key = job.header
    ? { apiKey: null, defaultHeaders: { [job.header]: job.token, Authorization: null } }
    : { apiKey: job.token };
  const client = api.open({ ...key, baseURL: job.baseURL, timeout: job.timeout * 1000 });
  try {
    return await acts[job.act](api, client, job);
  } catch (error) {
    return { error: { kind: error.constructor.name, status: error.status ?? null, message: error.message } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await outcome(JSON.parse(line))));
}
