"""Canned answers to the GraphQL questions of `gh` and Renovate; any other question is an error, as GraphQL has it."""

from upstreams import github_data as data

_NO_MORE = {"hasNextPage": False, "endCursor": ""}


def answer(asked):
    """The answer to a GraphQL request."""
    query = asked["query"]
    told = next((told for sign, told in _ANSWERS.items() if sign in query), None)
    if told is None:
        return {"data": None, "errors": [{"type": "UNKNOWN", "message": f"no answer to this is canned: {query[:200]}"}]}
    return {"data": told(asked.get("variables") or {})}


def _issues(variables):
    nodes = [_issue(number) for number in range(data.ISSUES, 0, -1)]
    return {"repository": {"hasIssuesEnabled": True, "issues": {"totalCount": len(nodes), "nodes": nodes, "pageInfo": _NO_MORE}}}


def _issue(number):
    return {
        "number": number, "title": f"Issue {number}", "url": f"https://github.com/acme/tool/issues/{number}", "state": "OPEN",
        "updatedAt": data.CREATED, "labels": {"nodes": [], "totalCount": 0}, "stateReason": "",
    }


def _repository(variables):
    return {"repository": {"id": "R_1", "name": "tool", "owner": {"id": "U_1", "login": "acme"}, "description": "a tool", "hasIssuesEnabled": True}}


def _repository_to_work_on(variables):
    """What Renovate wants to know of a repository."""
    allowed = dict.fromkeys(["mergeCommitAllowed", "rebaseMergeAllowed", "squashMergeAllowed"], True)
    return {"repository": {
        "id": "R_1", "nameWithOwner": "acme/tool", "sshUrl": "git@github.com:acme/tool.git", "isFork": False, "parent": None, "isArchived": False,
        "hasIssuesEnabled": True, "hasVulnerabilityAlertsEnabled": False, "autoMergeAllowed": False, **allowed,
        "defaultBranchRef": {"name": "main", "target": {"oid": "0" * 40}},
    }}


def _no_such_fields(variables):
    """What a host that is not github.com is asked first: which fields it has."""
    return {name: {"fields": []} for name in ("Issue", "PullRequest", "StatusCheckRollupContextConnection", "WorkflowRun", "SearchType")}


def _viewer(variables):
    return {"viewer": {"login": "octocat"}}


#: The first whose sign is in the query answers.
_ANSWERS = {
    "query UserCurrent": _viewer,
    "query IssueList": _issues,
    "squashMergeAllowed": _repository_to_work_on,
    "query RepositoryInfo": _repository,
    "__type": _no_such_fields,
}
