// Calls of unmodified SDKs: `node calls.cjs NAME URL`, with the packages of tests/clients at `NODE_PATH`.
"use strict";

const MESSAGES = [{ role: "user", content: "hello" }];
const SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e";
const REPOSITORY = { owner: "acme", repo: "site" };

// Packages of modules only: found where `NODE_PATH` says, too.
async function loaded(name) {
  return import(require("node:url").pathToFileURL(require.resolve(name)));
}

async function openai(url) {
  const { OpenAI } = require("openai");
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: "not-the-key", maxRetries: 0 });
}

async function anthropic(url) {
  const { Anthropic } = require("@anthropic-ai/sdk");
  return new Anthropic({ baseURL: url, apiKey: "not-the-key", maxRetries: 0 });
}

async function octokit(url) {
  const { Octokit } = await import(require("node:path").join(process.env.NODE_PATH, "@octokit/rest/dist-src/index.js"));
  return new Octokit({ auth: "not-the-token", baseUrl: url }).rest;
}

async function cloudflare(url) {
  const { Cloudflare } = require("cloudflare");
  return new Cloudflare({ apiToken: "not-the-token", baseURL: `${url}/client/v4`, maxRetries: 0 });
}

async function drained(stream) {
  for await (const _event of stream);
}

const CALLS = {
  openai_chat: async (url) => (await openai(url)).chat.completions.create({ model: "gpt-5-mini", messages: MESSAGES, max_completion_tokens: 200 }),
  openai_chat_streamed: async (url) =>
    drained(await (await openai(url)).chat.completions.create({ model: "gpt-5-mini", messages: MESSAGES, max_completion_tokens: 200, stream: true })),
  openai_responses: async (url) => (await openai(url)).responses.create({ model: "gpt-5-mini", input: "hello" }),
  anthropic_messages: async (url) => (await anthropic(url)).messages.create({ model: "claude-haiku-4-5", max_tokens: 256, messages: MESSAGES }),
  anthropic_messages_streamed: async (url) => drained((await anthropic(url)).messages.stream({ model: "claude-haiku-4-5", max_tokens: 256, messages: MESSAGES })),
  octokit_pull: async (url) => (await octokit(url)).pulls.create({ ...REPOSITORY, base: "main", head: "agent/fix", title: "Fix" }),
  octokit_labels: async (url) => (await octokit(url)).issues.addLabels({ ...REPOSITORY, issue_number: 7, labels: ["bug", "triage"] }),
  octokit_release: async (url) => (await octokit(url)).repos.createRelease({ ...REPOSITORY, tag_name: "v1.2.3", name: "1.2.3", draft: true }),
  octokit_asset: async (url) =>
    (await octokit(url)).repos.uploadReleaseAsset({
      ...REPOSITORY, release_id: 5, name: "a.tar.gz", data: Buffer.from("H4sIAAAAAAAAAwMAAAAAAAAAAAA=", "base64"),
      url: `${url}/repos/acme/site/releases/5/assets`, headers: { "content-type": "application/gzip" },
    }),
  octokit_dispatch: async (url) =>
    (await octokit(url)).actions.createWorkflowDispatch({ ...REPOSITORY, workflow_id: "deploy.yml", ref: "main", inputs: { environment: "staging", version: "v1.2.3" } }),
  octokit_merge: async (url) => (await octokit(url)).pulls.merge({ ...REPOSITORY, pull_number: 7, merge_method: "squash", sha: SHA }),
  octokit_file: async (url) =>
    (await octokit(url)).repos.createOrUpdateFileContents({ ...REPOSITORY, path: "docs/a.md", message: "Add a page", content: "aGVsbG8=", branch: "agent/fix" }),
  octokit_comment: async (url) => (await octokit(url)).issues.createComment({ ...REPOSITORY, issue_number: 7, body: "Done" }),
  octokit_search: async (url) => (await octokit(url)).search.issuesAndPullRequests({ q: "repo:acme/site is:open label:bug", per_page: 50 }),
  cloudflare_record: async (url) =>
    (await cloudflare(url)).dns.records.create({ zone_id: "Z1", type: "TXT", name: "_acme-challenge.www.example.org", content: "x", ttl: 120 }),
  gitbeaker_merge_request: async (url) => {
    const { Gitlab } = require("@gitbeaker/rest");
    return new Gitlab({ host: url, token: "not-the-token" }).MergeRequests.create(1, "agent/fix", "main", "Fix");
  },
};

// The answers are no real ones, and clients may say so.
CALLS[process.argv[2]](process.argv[3]).then(() => process.exit(0), (error) => {
  console.error(String(error).split("\n")[0]);
  process.exit(1);
});
