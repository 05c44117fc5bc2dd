// Makes the calls that a job on standard input describes with an unmodified octokit, and prints what came of each.
//
// { baseUrl, token, calls: [{ method: "issues.listForRepo", parameters: {…}, paginate: true }] }

import { readFileSync } from "node:fs";
import { Octokit } from "@octokit/rest";

const job = JSON.parse(readFileSync(0, "utf8"));
const octokit = new Octokit({ auth: job.token, baseUrl: job.baseUrl });

async function outcome({ method, parameters, paginate }) {
  const [namespace, name] = method.split(".");
  const call = octokit.rest[namespace][name];
  try {
    if (paginate) {
      return { data: await octokit.paginate(call, parameters) };
    }
    const { status, data, url } = await call(parameters);
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
