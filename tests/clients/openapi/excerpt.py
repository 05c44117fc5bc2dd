"""Makes `github.json` beside this file: a few operations out of GitHub's OpenAPI description, with the schemas that they need.

    npm pack @octokit/openapi@23.0.2
    tar xzf octokit-openapi-23.0.2.tgz package/generated/api.github.com.json
    python excerpt.py package/generated/api.github.com.json > github.json

The whole package is 385 MB, so the tests bring the excerpt along. It is under the licence beside it. Left out: examples, descriptions
of schemas, links to documentation. Changed: see `nullable`.
"""

import json
import re
import sys

OPERATIONS = {
    "/user": ["get"],
    "/user/repos": ["get"],
    "/repos/{owner}/{repo}": ["get"],
    "/repos/{owner}/{repo}/issues": ["get", "post"],
    "/repos/{owner}/{repo}/issues/{issue_number}": ["get", "patch"],
    "/repos/{owner}/{repo}/issues/{issue_number}/labels": ["get", "post"],
    "/repos/{owner}/{repo}/labels": ["get"],
    "/repos/{owner}/{repo}/releases": ["get"],
    "/repos/{owner}/{repo}/releases/tags/{tag}": ["get"],
}

LEFT_OUT = {"example", "examples", "externalDocs", "x-github", "x-githubEnterpriseOverlays"}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        whole = json.load(file)
    paths = {path: {method: slim(whole["paths"][path][method]) for method in methods} for path, methods in OPERATIONS.items()}
    excerpt = {
        "openapi": whole["openapi"],
        "info": {
            "title": whole["info"]["title"], "version": whole["info"]["version"], "license": whole["info"]["license"],
            "description": "An excerpt of @octokit/openapi 23.0.2, made by excerpt.py; MIT, see LICENSE.",
        },
        "servers": whole["servers"],
        "paths": paths,
        "components": needed(whole["components"], paths),
    }
    json.dump(excerpt, sys.stdout, separators=(",", ":"), sort_keys=True)
    print()


def needed(components, used):
    """The components that `used` refers to, and those that they refer to."""
    found = {}
    waiting = [used]
    while waiting:
        for kind, name in references(waiting.pop()):
            if name not in found.setdefault(kind, {}):
                found[kind][name] = slim(components[kind][name])
                waiting.append(found[kind][name])
    return found


def references(value):
    return re.findall(r'"\$ref": "#/components/([^/"]+)/([^"]+)"', json.dumps(value))


def slim(value):
    if isinstance(value, list):
        return [slim(item) for item in value]
    if not isinstance(value, dict):
        return value
    return nullable({name: slim(item) for name, item in value.items() if not left_out(name, item)})


def nullable(schema):
    """Says in another way that a schema without a `type` takes null.

    OpenAPI 3.0 knows `nullable` beside `type` only, and GitHub has it beside `oneOf` too. Prism cannot compile that, and without
    a word takes everything for valid then.
    """
    if schema.get("nullable") is not True or "type" in schema:
        return schema
    rest = {name: item for name, item in schema.items() if name != "nullable"}
    return {"anyOf": [rest, {"type": "string", "nullable": True, "not": {"type": "string"}}]}


def left_out(name, item):
    # Where it holds a schema, `description` is a property that is called so. OpenAPI wants a description of each answer: short ones stay.
    return name in LEFT_OUT or name == "description" and isinstance(item, str) and len(item) > 60


if __name__ == "__main__":
    main()
