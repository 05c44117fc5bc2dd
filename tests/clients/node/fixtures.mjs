// Serves GitHub as `@octokit/fixtures` recorded it, on a free loopback port.
//
// The recordings ask for `Authorization: token …` and for octokit's `Accept`. The proxy says `Bearer`, which GitHub takes as
// well, and other clients than octokit accept other types. So the credential itself stays required, and nothing else.

import fixtures from "@octokit/fixtures";
import fixturesServer from "@octokit/fixtures-server";
import express from "express";

const SCENARIOS = ["paginate-issues", "add-labels-to-issue", "labels", "rename-repository", "errors"];

function recorded(name) {
  const exchanges = fixtures.get(`api.github.com/${name}`);
  for (const exchange of exchanges) {
    const authorization = exchange.reqheaders.authorization.replace(/^token /, "Bearer ");
    exchange.reqheaders = { authorization };
  }
  return exchanges;
}

const app = express();

// Where clients find this API is known only when the proxy before it runs.
app.post("/start", express.json(), (request, response) => {
  app.use(
    fixturesServer({
      fixturesUrl: request.body.public,
      fixtures: Object.fromEntries(SCENARIOS.map((name) => [name, recorded(name)])),
      logLevel: "warn",
      ttl: 600_000,
    }),
  );
  response.sendStatus(204);
});

app.listen(0, "127.0.0.1");
