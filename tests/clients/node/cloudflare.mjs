// Does a job with Cloudflare's SDK for JavaScript, unmodified: { token, zone, calls: ["zones", …] }, and prints what came of each.
//
// Where the API is, CLOUDFLARE_BASE_URL says.

import { readFileSync } from "node:fs";
import Cloudflare from "cloudflare";

const job = JSON.parse(readFileSync(0, "utf8"));
const client = new Cloudflare({ apiToken: job.token });
const zone_id = job.zone;

async function all(pages, member) {
  const found = [];
  for await (const each of pages) {
    found.push(each[member]);
  }
  return found;
}

const CALLS = {
  zones: () => all(client.zones.list(), "name"),
  records: () => all(client.dns.records.list({ zone_id }), "name"),
  add: async () => (await client.dns.records.create({ zone_id, type: "TXT", name: "new.example.org", content: '"x"', ttl: 60 })).name,
  remove: async () => {
    const removed = [];
    for (const id of await all(client.dns.records.list({ zone_id, name: { exact: "new.example.org" } }), "id")) {
      removed.push((await client.dns.records.delete(id, { zone_id })).id);
    }
    return removed;
  },
  accounts: () => all(client.accounts.list(), "name"),
};

async function outcome(call) {
  try {
    return { value: await CALLS[call]() };
  } catch (error) {
    return { error: error.name, status: error.status, text: error.message, messages: (error.errors ?? []).map((each) => each.message) };
  }
}

const outcomes = [];
for (const call of job.calls) {
  outcomes.push(await outcome(call));
}
console.log(JSON.stringify(outcomes));
