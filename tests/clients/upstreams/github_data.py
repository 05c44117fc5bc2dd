"""What GitHub tells about one account, one repository, its issues and its releases, with every member that strict clients ask for.

`api` and `uploads` are the origins that the URLs in it begin with.
"""

import urllib.parse

CREATED = "2026-01-02T03:04:05Z"

#: As many as make four pages of three.
ISSUES = 11

_USER_LINKS = {
    "followers_url": "followers", "following_url": "following{/other_user}", "gists_url": "gists{/gist_id}",
    "starred_url": "starred{/owner}{/repo}", "subscriptions_url": "subscriptions", "organizations_url": "orgs", "repos_url": "repos",
    "events_url": "events{/privacy}", "received_events_url": "received_events",
}

_REPOSITORY_LINKS = {
    "archive": "{archive_format}{/ref}", "assignees": "assignees{/user}", "blobs": "git/blobs{/sha}", "branches": "branches{/branch}",
    "collaborators": "collaborators{/collaborator}", "comments": "comments{/number}", "commits": "commits{/sha}",
    "compare": "compare/{base}...{head}", "contents": "contents/{+path}", "contributors": "contributors", "deployments": "deployments",
    "downloads": "downloads", "events": "events", "forks": "forks", "git_commits": "git/commits{/sha}", "git_refs": "git/refs{/sha}",
    "git_tags": "git/tags{/sha}", "hooks": "hooks", "issue_comment": "issues/comments{/number}", "issue_events": "issues/events{/number}",
    "issues": "issues{/number}", "keys": "keys{/key_id}", "labels": "labels{/name}", "languages": "languages", "merges": "merges",
    "milestones": "milestones{/number}", "notifications": "notifications{?since,all,participating}", "pulls": "pulls{/number}",
    "releases": "releases{/id}", "stargazers": "stargazers", "statuses": "statuses/{sha}", "subscribers": "subscribers",
    "subscription": "subscription", "tags": "tags", "teams": "teams", "trees": "git/trees{/sha}",
}

_PRIVATE_TO_USER = {
    "name": "The Octocat", "company": None, "blog": "", "location": None, "email": "octocat@example.com", "hireable": None, "bio": None,
    "public_repos": 1, "public_gists": 0, "followers": 0, "following": 0, "created_at": CREATED, "updated_at": CREATED, "private_gists": 0,
    "total_private_repos": 0, "owned_private_repos": 0, "disk_usage": 1, "collaborators": 0, "two_factor_authentication": True,
}


def user(api, login="octocat"):
    url = f"{api}/users/{login}"
    links = {name: f"{url}/{rest}" for name, rest in _USER_LINKS.items()}
    return {
        "login": login, "id": 1, "node_id": "MDQ6VXNlcjE=", "avatar_url": "https://avatars.example/1", "gravatar_id": "", "url": url,
        "html_url": f"https://github.com/{login}", "type": "User", "site_admin": False, **links,
    }


def myself(api):
    return user(api) | _PRIVATE_TO_USER


def repository(api, number=1, name="tool"):
    url = f"{api}/repos/acme/{name}"
    page = f"https://github.com/acme/{name}"
    links = {f"{part}_url": f"{url}/{rest}" for part, rest in _REPOSITORY_LINKS.items()}
    counts = ["forks_count", "stargazers_count", "watchers_count", "size", "open_issues_count", "subscribers_count", "network_count"]
    return {
        "id": number, "node_id": f"R_{number}", "name": name, "full_name": f"acme/{name}", "owner": user(api, "acme"), "private": False,
        "html_url": page, "description": f"See {url} for more", "fork": False, "url": url, **links,
        "git_url": f"git://github.com/acme/{name}.git", "ssh_url": f"git@github.com:acme/{name}.git", "clone_url": f"{page}.git",
        "svn_url": page, "mirror_url": None, "homepage": None, "language": None, **dict.fromkeys([*counts, "forks", "open_issues", "watchers"], 0),
        **dict.fromkeys(["has_projects", "has_wiki", "has_pages", "has_discussions", "archived", "disabled"], False), "has_issues": True,
        "default_branch": "main", "license": None, "created_at": CREATED, "pushed_at": CREATED, "updated_at": CREATED,
        "permissions": {"admin": False, "push": True, "pull": True},
    }


def issue(api, number):
    repo = f"{api}/repos/acme/tool"
    url = f"{repo}/issues/{number}"
    return {
        "id": 1000 + number, "node_id": f"I_{number}", "url": url, "repository_url": repo, "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments", "events_url": f"{url}/events", "html_url": f"https://github.com/acme/tool/issues/{number}",
        "number": number, "state": "open", "title": f"Issue {number}", "body": f"{url} says it all", "user": user(api), "labels": [],
        "assignee": None, "assignees": [], "milestone": None, "locked": False, "comments": 0, "closed_at": None, "created_at": CREATED,
        "updated_at": CREATED, "author_association": "OWNER",
    }


def pull(api, number, sent):
    """A pull request, as it was sent."""
    url = f"{api}/repos/acme/tool/pulls/{number}"
    ends = {end: {"label": f"acme:{sent[end]}", "ref": sent[end], "sha": "0" * 40, "user": user(api), "repo": repository(api)} for end in ("base", "head")}
    return issue(api, number) | {"url": url, "title": sent.get("title"), "body": sent.get("body"), "draft": sent.get("draft", False)} | ends


def label(api, name):
    url = f"{api}/repos/acme/tool/labels/{urllib.parse.quote(name)}"
    return {"id": 1, "node_id": "LA_1", "url": url, "name": name, "description": None, "color": "d73a4a", "default": False}


def release(api, uploads):
    repo = f"{api}/repos/acme/tool"
    url = f"{repo}/releases/1"
    return {
        "id": 1, "node_id": "RE_1", "url": url, "html_url": "https://github.com/acme/tool/releases/tag/v1", "assets_url": f"{url}/assets",
        "upload_url": f"{uploads}/repos/acme/tool/releases/1/assets{{?name,label}}", "tarball_url": f"{repo}/tarball/v1",
        "zipball_url": f"{repo}/zipball/v1", "tag_name": "v1", "target_commitish": "main", "name": "v1", "body": "", "draft": False,
        "prerelease": False, "immutable": False, "created_at": CREATED, "published_at": CREATED, "author": user(api),
        "assets": [asset(api, "tool.txt", 17)],
    }


def asset(api, name, size):
    return {
        "id": 7, "node_id": "RA_7", "url": f"{api}/repos/acme/tool/releases/assets/7", "name": name, "label": "", "state": "uploaded",
        "browser_download_url": f"https://github.com/acme/tool/releases/download/v1/{name}", "content_type": "text/plain", "size": size,
        "digest": None, "download_count": 0, "created_at": CREATED, "updated_at": CREATED, "uploader": user(api),
    }
