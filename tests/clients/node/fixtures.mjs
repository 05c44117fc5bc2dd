// Serves GitHub as `@octokit/fixtures` recorded it, on a free loopback port.
//
// The recordings ask for `Authorization: token …` and for octokit's `Accept`. The proxy says `Bearer`, which GitHub takes as
// well, and other clients than octokit accept other types. So the credential itself stays required, and nothing else.

import fixtures from "@octokit/fixtures";
import fixturesServer from "@octokit/fixtures-server";
import express from "express";

const SCENARIOS = ["paginate-issues", "add-labels-to-issue", "labels", "rename-repository", "errors", "release-assets"];

function recorded(name) {
  const exchanges = fixtures.get(`api.github.com/${name}`);
  for (const exchange of exchanges) {
    const authorization = exchange.reqheaders.authorization.replace(/^token /, "Bearer ");
    exchange.reqheaders = { authorization };
  }
  return exchanges;
}

// Listening comes first, because the URLs in the answers name the port.
const app = express();
const listener = app.listen(0, "127.0.0.1", () => {
  app.use(
    fixturesServer({
      fixturesUrl: `http://127.0.0.1:${listener.address().port}`,
      fixtures: Object.fromEntries(SCENARIOS.map((name) => [name, recorded(name)])),
      logLevel: "warn",
      ttl: 600_000,
    }),
  );
});
