"""Calls of unmodified SDKs: `python calls_sdks.py NAME URL`, with the environment of tests/clients."""

import sys

MESSAGES = [{"role": "user", "content": "hello"}]
SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "The weather.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
}}}


def openai_chat(url):
    _openai(url).chat.completions.create(model="gpt-5-mini", messages=MESSAGES, max_completion_tokens=200)


def openai_chat_streamed(url):
    list(_openai(url).chat.completions.create(model="gpt-5-mini", messages=MESSAGES, max_completion_tokens=200, stream=True))


def openai_chat_tools(url):
    _openai(url).chat.completions.create(model="gpt-5-mini", messages=MESSAGES, tools=[TOOL])


def openai_chat_usage(url):
    options = {"stream_options": {"include_usage": True}, "temperature": 0.2}
    list(_openai(url).chat.completions.create(model="gpt-5-mini", messages=MESSAGES, stream=True, **options))


def openai_chat_parsed(url):
    """The helper that asks for JSON of a shape."""
    import pydantic

    class Answer(pydantic.BaseModel):
        text: str

    _openai(url).chat.completions.parse(model="gpt-5-mini", messages=MESSAGES, response_format=Answer)


def openai_responses(url):
    _openai(url).responses.create(model="gpt-5-mini", input="hello")


def openai_embeddings(url):
    _openai(url).embeddings.create(model="text-embedding-3-small", input=["hello"])


def anthropic_messages(url):
    _anthropic(url).messages.create(model="claude-haiku-4-5", max_tokens=256, messages=MESSAGES, system="Be brief.")


def anthropic_messages_streamed(url):
    list(_anthropic(url).messages.create(model="claude-haiku-4-5", max_tokens=256, messages=MESSAGES, stream=True))


def anthropic_messages_helper(url):
    with _anthropic(url).messages.stream(model="claude-haiku-4-5", max_tokens=256, messages=MESSAGES) as stream:
        list(stream)


def anthropic_beta(url):
    _anthropic(url).beta.messages.create(model="claude-haiku-4-5", max_tokens=256, messages=MESSAGES, betas=["files-api-2025-04-14"])


def pygithub_pull(url):
    _repository(url).create_pull(base="main", head="agent/fix", title="Fix", body="It fixes.")


def pygithub_pull_without_body(url):
    _repository(url).create_pull(base="main", head="agent/fix", title="Fix")


def pygithub_labels(url):
    _repository(url).get_issue(7).add_to_labels("bug", "triage")


def pygithub_release(url):
    _repository(url).create_git_release(tag="v1.2.3", name="1.2.3", message="Notes", draft=True)


def pygithub_dispatch(url):
    _repository(url).get_workflow("deploy.yml").create_dispatch("main", {"environment": "staging", "version": "v1.2.3"})


def pygithub_merge(url):
    _repository(url).get_pull(7).merge(merge_method="squash", sha=SHA)


def pygithub_file(url):
    repository = _repository(url)
    repository.create_file("docs/a.md", "Add a page", "hello", branch="agent/fix")
    repository.update_file("docs/a.md", "Change a page", "hello again", SHA, branch="agent/fix")
    repository.delete_file("docs/a.md", "Remove a page", SHA, branch="agent/fix")


def pygithub_search(url):
    list(_github(url).search_issues("repo:acme/site is:open label:bug"))


def pygithub_comment(url):
    _repository(url).get_issue(7).create_comment("Done")


def gitlab_merge_request(url):
    import gitlab

    project = gitlab.Gitlab(url, private_token="not-the-token").projects.get(1, lazy=True)
    project.mergerequests.create({"source_branch": "agent/fix", "target_branch": "main", "title": "Fix"})


def _openai(url):
    import openai

    return openai.OpenAI(base_url=f"{url}/v1", api_key="not-the-key", max_retries=0)


def _anthropic(url):
    import anthropic

    return anthropic.Anthropic(base_url=url, api_key="not-the-key", max_retries=0)


def _github(url):
    import github

    return github.Github(auth=github.Auth.Token("not-the-token"), base_url=url, retry=None)


def _repository(url):
    return _github(url).get_repo("acme/site", lazy=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
