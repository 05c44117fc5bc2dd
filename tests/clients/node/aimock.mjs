// aimock, a mock of LLM APIs by others, whose events the caller releases one by one.
//
// Around it: what has come in is recorded, a wrong credential is refused, and the events of a stream are held back until
// `POST /__stage/step`. Only what an SDK shows counts as an event; what stands between them goes out unasked.
// Once it was given a certificate, it is at a second port too, with TLS and HTTP/2, as the APIs themselves are.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createSecureServer } from "node:http2";
import { createServer } from "@copilotkit/aimock";
import { constants, createGzip } from "node:zlib";

const [credential] = process.argv.slice(2);

/** Bodies of more bytes are recorded by their digest alone. */
const LONGEST_BODY = 64 * 1024;

/** Milliseconds after which a stream that nobody reads will never end: a guard, and never a measure. */
const PATIENCE = 600_000;

const fixtures = [{ match: { userMessage: "repeat your URL" }, response: () => ({ content: `${mock.url}/v1/models` }) }, { match: { userMessage: /./ }, response: { content: "Hello from the other side" } }];
const mock = await createServer(fixtures, { port: 0, host: "127.0.0.1", logLevel: "silent", chunkSize: 6 });

const arrived = [];
/** How streams are sent: as they come, or held; compressed or not; broken off instead of the second event, in HTTP/2 with this code. Whether anything is answered at all. */
let mode = { held: false, gzip: false, cut: null, mute: false };
/** The stream that was begun last. */
let stream;

function record(request) {
  const digest = createHash("sha256");
  const entry = { method: request.method, target: request.url, rawHeaders: request.rawHeaders, size: 0, body: "" };
  const emit = request.emit;
  // A listener of our own would start the flow before aimock listens.
  request.emit = function (event, ...values) {
    if (event === "data") {
      digest.update(values[0]);
      entry.size += values[0].length;
      entry.body = entry.size > LONGEST_BODY ? "" : entry.body + values[0].toString("latin1");
    } else if (event === "end") {
      entry.sha256 = digest.digest("hex");
    }
    return emit.call(this, event, ...values);
  };
  arrived.push(entry);
}

/** Does the request have the credential where its API wants it? */
function known(request) {
  return request.url.startsWith("/v1/messages")
    ? request.headers["x-api-key"] === credential
    : request.headers.authorization === `Bearer ${credential}`;
}

function refuse(response) {
  const error = { type: "authentication_error", message: "the upstream does not know this credential", code: "invalid_api_key", param: null };
  response.writeHead(401, { "Content-Type": "application/json" }).end(JSON.stringify({ type: "error", error }));
}

/** A batch of messages, which aimock does not have: its results are where Anthropic says that they are. */
function batch(response, id, results) {
  const [type, value] = results
    ? ["application/x-jsonl", { custom_id: "first", result: { type: "errored", error: { type: "error", error: { type: "api_error", message: "no" } } } }]
    : ["application/json", {
      id, type: "message_batch", processing_status: "ended", results_url: `${mock.url}/v1/messages/batches/${id}/results`,
      request_counts: { processing: 0, succeeded: 0, errored: 1, canceled: 0, expired: 0 },
      created_at: "2026-01-01T00:00:00Z", expires_at: "2026-01-02T00:00:00Z", ended_at: "2026-01-01T01:00:00Z",
    }];
  response.writeHead(200, { "Content-Type": type }).end(`${JSON.stringify(value)}\n`);
}

/** Is this what an SDK hands to its caller? */
const shown = (text) => /^data: (?!\[DONE\])/m.test(text) && !/^event: ping$/m.test(text);

/** A stream of events whose end is in our hands: a queue before a response. */
class Held {
  #response;
  #queue = [];
  #allowed;
  #cut;
  #send;
  #finish;
  #ended = false;
  sent = 0;

  constructor(response, write, end, { held, gzip, cut }) {
    this.#response = response;
    this.#cut = cut;
    this.#allowed = held || cut !== null ? 1 : Infinity;
    this.#send = write;
    this.#finish = end;
    this.gone = new Promise((resolve) => response.on("close", () => resolve(this.#ended ? "finished" : "cut")));
    if (gzip) this.#compress(write, end);
  }

  #compress(write, end) {
    const packer = createGzip();
    this.#response.setHeader("Content-Encoding", "gzip");
    packer.on("data", write).on("end", () => end());
    this.#send = (text) => { packer.write(text); packer.flush(constants.Z_SYNC_FLUSH); };
    this.#finish = () => packer.end();
  }

  /** Takes an event, or `null` for the end. */
  push(text) {
    this.#queue.push(text);
    this.#flush();
  }

  /** Sends the next event, or what comes instead of it. */
  next() {
    if (this.#cut !== null) {
      const { stream } = this.#response;
      return stream ? stream.close(this.#cut) : this.#response.destroy();
    }
    this.#allowed += 1;
    this.#flush();
  }

  #flush() {
    for (; this.#queue.length > 0; this.#queue.shift()) {
      const [text] = this.#queue;
      if (text === null) {
        this.#ended = true;
        this.#finish();
        continue;
      }
      if (shown(text)) {
        if (this.sent === this.#allowed) return;
        this.sent += 1;
      }
      this.#send(text);
    }
  }
}

/** Holds back what is written to a response, if it turns out to be a stream. */
function hold(response) {
  const write = response.write.bind(response);
  const end = response.end.bind(response);
  let held;
  response.write = (text, ...rest) => {
    if (!String(response.getHeader("content-type")).startsWith("text/event-stream")) return write(text, ...rest);
    if (!held) stream = held = new Held(response, write, end, mode);
    held.push(String(text));
    return true;
  };
  response.end = (...rest) => {
    if (!held) return end(...rest);
    held.push(null);
    return response;
  };
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

const controls = {
  "/__stage/mode": async (request) => { mode = JSON.parse(await body(request)); },
  "/__stage/take": () => arrived.splice(0),
  // The port at which there is HTTP/2 with this certificate.
  "/__stage/secure": async (request) => {
    const secure = createSecureServer(JSON.parse(await body(request)), receive).listen(0, "127.0.0.1");
    await once(secure, "listening");
    return secure.address().port;
  },
  // How many events had gone out when the caller asked for the next.
  "/__stage/step": () => {
    const { sent } = stream;
    stream.next();
    return sent;
  },
  // How the stream ended, as soon as it has.
  "/__stage/gone": () => {
    let timer;
    const late = new Promise((resolve) => { timer = setTimeout(resolve, PATIENCE, "still there"); });
    return Promise.race([stream.gone, late]).finally(() => clearTimeout(timer));
  },
};

const { server } = mock;
const [answer] = server.listeners("request");
server.removeAllListeners("request");
server.on("request", receive);

async function receive(request, response) {
  const control = controls[request.url];
  if (control) {
    const value = await control(request);
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value ?? null));
    return;
  }
  record(request);
  if (!known(request)) return refuse(response);
  if (mode.mute) return;
  const found = /^\/v1\/messages\/batches\/(\w+)(\/results)?$/.exec(request.url);
  if (found) return batch(response, found[1], found[2]);
  hold(response);
  answer(request, response);
}
