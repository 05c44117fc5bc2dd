// Makes the calls that a job on standard input describes with an unmodified octokit, and prints what came of each.
//
// { baseUrl, token, calls: [
//   { method: "issues.listForRepo", parameters: {…}, paginate: true, keep: "issues", at: "release.upload_url" },
//   { request: "GET", at: "issue.url" },
//   { graphql: "query …" } ] }
//
// `keep` keeps the data of an answer under a name, and `at` takes the URL to call from what was kept.

import { readFileSync } from "node:fs";
import { Octokit } from "@octokit/rest";

const job = JSON.parse(readFileSync(0, "utf8"));
const octokit = new Octokit({ auth: job.token, baseUrl: job.baseUrl });
const kept = {};

function urlAt(place) {
  const [name, member] = place.split(".");
  return kept[name]?.[member];
}

async function made({ method, parameters, paginate, request, graphql, at }) {
  if (graphql) {
    return { data: await octokit.graphql(graphql) };
  }
  if (request) {
    return octokit.request(`${request} ${urlAt(at)}`);
  }
  const [namespace, name] = method.split(".");
  const call = octokit.rest[namespace][name];
  if (paginate) {
    return { data: await octokit.paginate(call, parameters) };
  }
  return call(at ? { ...parameters, url: urlAt(at) } : parameters);
}

async function outcome(call) {
  try {
    const { status, data, url } = await made(call);
    if (call.keep) {
      kept[call.keep] = data;
    }
    return { status, data, url };
  } catch (error) {
    return { error: { status: error.status, message: error.message, data: error.response?.data } };
  }
}

const outcomes = [];
for (const call of job.calls) {
  outcomes.push(await outcome(call));
}
console.log(JSON.stringify(outcomes));
