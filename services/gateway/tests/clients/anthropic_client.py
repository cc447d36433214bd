"""The official anthropic package against the gateway: every call that the gateway offers, unchanged.

Usage: anthropic_client.py BASE_URL API_KEY. Exits 0 when all holds.
"""

import base64
import sys

import anthropic

WEATHER = {"name": "weather", "description": "The weather in a city.", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


def said(text):
    return [{"role": "user", "content": text}]


def main(base_url: str, key: str) -> None:
    client = anthropic.Anthropic(base_url=base_url, api_key=key, max_retries=0, timeout=20)
    assert [(model.id, model.type) for model in client.models.list()] == [("smollm2", "model")]
    messages(client)
    bearer = anthropic.Anthropic(base_url=base_url, auth_token=key, max_retries=0, timeout=20)
    assert ask(bearer, "hello").content[0].text == "You said: hello"
    tools(client)
    streams(client)
    files(client)
    counted(client)
    errors(client, base_url)
    print(f"anthropic {anthropic.__version__}: all calls hold")


def ask(client, content, **options):
    return client.messages.create(**{"model": "smollm2", "max_tokens": 2000, "messages": said(content), **options})


def messages(client):
    answer = ask(client, "hello", system="be brief", stop_sequences=["#"], metadata={"user_id": "u"},
                 extra_body={"temperature": 0, "top_k": 5})
    assert answer.content[0].text == "You said: hello" and answer.stop_reason == "end_turn", answer
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens, answer.usage.output_tokens) == (4, 1, 2), answer
    assert answer._request_id and answer.model == "smollm2", answer
    assert ask(client, "hello", max_tokens=1).stop_reason == "max_tokens"
    assert ask(client, "refuse").stop_reason == "refusal"
    thought = ask(client, "hello", thinking={"type": "enabled", "budget_tokens": 1024})
    assert [block.type for block in thought.content] == ["thinking", "text"], thought
    assert thought.content[0].thinking == "Let me think." and thought.content[0].signature == "proof", thought
    blocks = ask(client, [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                 system=[{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}])
    assert blocks.content[0].text == "You said: ab", blocks
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": True}
    form = {"format": {"type": "json_schema", "schema": schema}}
    assert "Oslo" in ask(client, "where?", output_config=form).content[0].text


def tools(client):
    asked = said("weather in Oslo and Rome?")
    answer = ask(client, asked[0]["content"], tools=[WEATHER], tool_choice={"type": "any"})
    assert answer.stop_reason == "tool_use", answer
    assert [(b.type, b.name, b.input) for b in answer.content] == [
        ("tool_use", "weather", {"city": "Oslo"}), ("tool_use", "weather", {"city": "Rome"})], answer
    results = [{"type": "tool_result", "tool_use_id": block.id, "content": "rain"} for block in answer.content]
    turns = [*asked, {"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
    final = client.messages.create(model="smollm2", max_tokens=50, messages=turns, tools=[WEATHER])
    assert final.content[0].text == "Tools said: call_0=rain, call_1=rain", final


def streams(client):
    options = {"model": "smollm2", "max_tokens": 2000}
    events = list(client.messages.create(messages=said("hello"), stream=True, **options))
    kinds = [event.type for event in events]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"], kinds
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 1, kinds
    assert events[-2].usage.output_tokens == 2 and events[-2].delta.stop_reason == "end_turn", events[-2]

    thinking = {"type": "enabled", "budget_tokens": 1024}
    with client.messages.stream(messages=said("hello"), thinking=thinking, **options) as stream:
        assert "".join(stream.text_stream) == "You said: hello"
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text"], final
    assert final.content[0].thinking == "Let me think." and final.content[0].signature == "proof", final
    assert final.usage.input_tokens == 4, final

    with client.messages.stream(messages=said("weather in Oslo and Rome?"), tools=[WEATHER], **options) as stream:
        final = stream.get_final_message()
    assert final.stop_reason == "tool_use", final
    assert [(b.id, b.name, b.input) for b in final.content] == [
        ("call_0", "weather", {"city": "Oslo"}), ("call_1", "weather", {"city": "Rome"})], final
    try:
        list(client.messages.create(messages=said("break"), stream=True, **options))
    except anthropic.APIStatusError as error:
        assert error.body["error"]["type"] == "api_error" and "went away" in str(error), error.body
    else:
        raise AssertionError("a stream that broke off did not say so")


def files(client):
    data = base64.b64encode(b"hi").decode()
    look = [{"type": "text", "text": "look"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
            {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": data}}]
    seen = ask(client, look).content[0].text
    assert seen == "look; image image/png 2 ; document application/pdf 2 a.pdf", seen
    outside = [{"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}]
    error = expect(anthropic.BadRequestError, "invalid_request_error", lambda: ask(client, outside))
    assert "gateway.media_hosts" in str(error), error


def counted(client):
    count = lambda **more: client.messages.count_tokens(model="smollm2", messages=said("hello world"), **more).input_tokens
    assert 2 <= count() < 20, count()
    assert count(tools=[WEATHER], system="be brief") > count()


def errors(client, base_url):
    expect(anthropic.BadRequestError, "invalid_request_error", lambda: ask(client, "x", extra_body={"temperature": 2}))
    expect(anthropic.BadRequestError, "invalid_request_error", lambda: ask(
        client, "x", tools=[{"type": "web_search_20250305", "name": "web_search"}]))
    wrong = anthropic.Anthropic(base_url=base_url, api_key="sk-ant-wrong", max_retries=0)
    expect(anthropic.AuthenticationError, "authentication_error", lambda: ask(wrong, "x"))
    expect(anthropic.APIStatusError, "billing_error", lambda: ask(client, "expensive"))
    large = "x" * 300_000
    expect(anthropic.RequestTooLargeError, "request_too_large", lambda: ask(client, large))
    expect(anthropic.NotFoundError, "not_found_error", lambda: client.messages.batches.list())


def expect(kind, name, call):
    try:
        call()
    except kind as error:
        assert error.body["error"]["type"] == name, (error.body, error)
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


if __name__ == "__main__":
    main(*sys.argv[1:])
