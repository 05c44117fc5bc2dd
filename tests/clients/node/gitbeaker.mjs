// Calls of an unmodified gitbeaker: one job a line on standard input, one outcome a line on standard output.
//
// { host, tokens: { token | jobToken | oauthToken }, act, id }

import { createInterface } from "node:readline";
import { Gitlab } from "@gitbeaker/rest";

const project = "acme/tool";

const acts = {
  show: (gitlab, job) => gitlab.Projects.show(job.id ?? project),
  issues: async (gitlab) => (await gitlab.Issues.all({ projectId: project, perPage: 2 })).map((issue) => issue.iid),
  create: (gitlab) => gitlab.Issues.create(project, "new"),
  remove: (gitlab) => gitlab.Projects.remove(project),
  // gitbeaker has no call for a URL that it was given; this is what its calls are made of.
  follow: async (gitlab) => {
    const shown = await gitlab.Projects.show(project);
    const { body } = await gitlab.Projects.requester.get(shown._links.self);
    return body;
  },
};

async function outcome(job) {
  const gitlab = new Gitlab({ host: job.host, ...job.tokens });
  try {
    return { value: await acts[job.act](gitlab, job) };
  } catch (error) {
    return { error: { kind: error.name, status: error.cause?.response?.status ?? null, message: error.message } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await outcome(JSON.parse(line))));
}
