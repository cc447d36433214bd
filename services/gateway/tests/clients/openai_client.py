"""The official openai package against the gateway: every call that the gateway offers, unchanged.

Usage: openai_client.py BASE_URL API_KEY. Exits 0 when all holds.
"""

import base64
import io
import json
import sys

import openai
import pydantic

PNG = b"\x89PNG\r\n\x1a\n"
WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


class City(pydantic.BaseModel):
    city: str
    degrees: int


def said(text):
    return [{"role": "system", "content": "be brief"}, {"role": "user", "content": text}]


def main(base_url: str, key: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=20)
    models(client, base_url)
    chat(client)
    chat_streams(client)
    tools(client)
    structured(client)
    files(client)
    responses(client)
    response_streams(client)
    completions(client)
    embeddings(client)
    moderations(client)
    images(client)
    audio(client)
    print(f"openai {openai.__version__}: all calls hold")


def models(client, base_url):
    assert [model.id for model in client.models.list()] == ["smollm2"]
    assert client.models.retrieve("smollm2").owned_by == "local"
    expect(openai.NotFoundError, "model_not_found", lambda: client.models.retrieve("nothing"))
    expect(openai.AuthenticationError, "invalid_api_key", lambda: openai.OpenAI(
        base_url=base_url, api_key="sk-wrong", max_retries=0).models.list())


def chat(client):
    raw = client.chat.completions.with_raw_response.create(
        model="smollm2", messages=said("hello"), temperature=0, max_tokens=8, user="x", seed=1, stop=["#"],
        presence_penalty=0.5, frequency_penalty=0.5, logit_bias={"42": -1}, reasoning_effort="low",
        extra_body={"verbosity": "low"})
    assert raw.headers["orrery-decision"] == "dec_1" and raw.headers["orrery-cache"] == "miss", raw.headers
    assert len(raw.headers["x-request-id"]) == 32, raw.headers
    answer = raw.parse()
    assert answer._request_id == raw.headers["x-request-id"]
    assert answer.choices[0].message.content == "You said: hello", answer
    assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens == 7, answer
    assert answer.usage.prompt_tokens_details.cached_tokens == 1, answer
    assert answer.choices[0].message.reasoning_content == "Let me think.", answer

    many = client.chat.completions.create(
        model="smollm2", messages=said("hello"), n=3, logprobs=True, top_logprobs=2)
    assert [choice.message.content for choice in many.choices] == ["You said: hello", "Choice 1", "Choice 2"], many
    token = many.choices[0].logprobs.content[0]
    assert token.token == "You" and [top.token for top in token.top_logprobs] == ["You", "I"], token

    refused = client.chat.completions.create(model="smollm2", messages=said("refuse"))
    assert refused.choices[0].message.refusal == "I will not." and refused.choices[0].message.content is None, refused
    short = client.chat.completions.create(model="smollm2", messages=said("hello"), max_completion_tokens=1)
    assert short.choices[0].finish_reason == "length", short
    expect(openai.BadRequestError, "invalid_request", lambda: client.chat.completions.create(
        model="smollm2", messages=said("hello"), n=1000), param="n")
    expect(openai.BadRequestError, "invalid_request", lambda: client.chat.completions.create(
        model="smollm2", messages=said("hello"), temperature="hot"), param="temperature")


def chat_streams(client):
    stream = lambda text, **options: list(client.chat.completions.create(
        model="smollm2", messages=said(text), stream=True, **options))
    chunks = stream("hello", stream_options={"include_usage": True}, logprobs=True, n=2)
    assert chunks[0].choices[0].delta.role == "assistant", chunks[0]
    texts = {}
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
    assert texts == {0: "You said: hello", 1: "Choice 1"}, texts
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-2:] == ["stop", "stop"], chunks
    assert any(c.choices and c.choices[0].logprobs and c.choices[0].logprobs.content[0].token == "You" for c in chunks)
    assert not chunks[-1].choices and chunks[-1].usage.completion_tokens == 2, chunks[-1]
    assert all(chunk.usage is None for chunk in chunks[:-1])
    late = stream("only at the end")
    assert "".join(c.choices[0].delta.content or "" for c in late) == "You said: only at the end", late
    expect(openai.APIError, "model_failed", lambda: stream("break"))
    with client.chat.completions.stream(model="smollm2", messages=said("hello")) as events:
        kinds = [event.type for event in events]
    assert "content.delta" in kinds and kinds[-1] == "content.done", kinds
    assert events.get_final_completion().choices[0].message.content == "You said: hello"


def tools(client):
    asked = said("weather in Oslo and Rome?")
    answer = client.chat.completions.create(
        model="smollm2", messages=asked, tools=[WEATHER], tool_choice="auto", parallel_tool_calls=True)
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls" and message.content is None, answer
    assert [json.loads(call.function.arguments) for call in message.tool_calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    results = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls]
    final = client.chat.completions.create(model="smollm2", messages=[*asked, message, *results], tools=[WEATHER])
    assert final.choices[0].message.content == "Tools said: call_0=rain, call_1=rain", final

    with client.chat.completions.stream(model="smollm2", messages=asked, tools=[WEATHER]) as events:
        streamed = events.get_final_completion().choices[0]
    assert streamed.finish_reason == "tool_calls", streamed
    assert [(c.id, c.function.name, c.function.arguments) for c in streamed.message.tool_calls] == [
        ("call_0", "weather", '{"city":"Oslo"}'), ("call_1", "weather", '{"city":"Rome"}')], streamed

    older = client.chat.completions.create(
        model="smollm2", messages=said("weather in Oslo?"), functions=[WEATHER["function"]], function_call="auto")
    assert older.choices[0].finish_reason == "function_call", older
    assert older.choices[0].message.function_call.name == "weather", older
    back = [{"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
            {"role": "function", "name": "weather", "content": "rain"}]
    final = client.chat.completions.create(
        model="smollm2", messages=[*said("x"), *back], functions=[WEATHER["function"]])
    assert final.choices[0].message.content.endswith("=rain"), final


def structured(client):
    parsed = client.chat.completions.parse(model="smollm2", messages=said("where?"), response_format=City)
    assert parsed.choices[0].message.parsed == City(city="Oslo", degrees=7), parsed
    with client.chat.completions.stream(model="smollm2", messages=said("where?"), response_format=City) as events:
        final = events.get_final_completion()
    assert final.choices[0].message.parsed == City(city="Oslo", degrees=7), final
    broken = lambda: client.chat.completions.parse(
        model="smollm2", messages=said("break the schema"), response_format=City)
    expect(openai.InternalServerError, "model_failed", broken)
    expect(openai.APIError, "model_failed", lambda: list(client.chat.completions.create(
        model="smollm2", messages=said("break the schema"), stream=True,
        response_format={"type": "json_schema", "json_schema": {"name": "City", "schema": City.model_json_schema()}})))
    loose = client.chat.completions.create(
        model="smollm2", messages=said("where?"), response_format={"type": "json_object"})
    assert json.loads(loose.choices[0].message.content)["degrees"] == 7, loose
    strict = [{"type": "function", "function": {**WEATHER["function"], "strict": True}}]
    expect(openai.InternalServerError, "model_failed", lambda: client.chat.completions.create(
        model="smollm2", messages=said("weather in Oslo, wrongly"), tools=strict))
    expect(openai.BadRequestError, "invalid_request", lambda: client.chat.completions.create(
        model="smollm2", messages=said("x"), response_format={
            "type": "json_schema", "json_schema": {"name": "x", "schema": {"type": 7}}}),
        param="response_format.json_schema.schema")


def files(client):
    data = lambda kind, content=b"hi": f"data:{kind};base64,{base64.b64encode(content).decode()}"
    look = [{"role": "user", "content": [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": data("image/png"), "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"RIFF").decode(), "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": data("application/pdf", b"%PDF")}}]}]
    seen = client.chat.completions.create(model="smollm2", messages=look).choices[0].message.content
    assert seen == "look; image image/png 2 low; audio audio/wav 4 ; document application/pdf 4 a.pdf", seen
    outside = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]}]
    error = expect(openai.BadRequestError, "invalid_request", lambda: client.chat.completions.create(
        model="smollm2", messages=outside), param="messages[0].content[0].image_url.url")
    assert "gateway.media_hosts" in error.message, error


def responses(client):
    answer = client.responses.create(model="smollm2", input="hello", instructions="be brief", max_output_tokens=9)
    assert answer.output_text == "You said: hello" and answer.status == "completed", answer
    assert answer.usage.total_tokens == 7 and answer.instructions == "be brief" and answer.store is False, answer
    short = client.responses.create(model="smollm2", input="hello", max_output_tokens=1)
    assert short.status == "incomplete" and short.incomplete_details.reason == "max_output_tokens", short

    tool = {"type": "function", **WEATHER["function"]}
    items = [{"role": "user", "content": "weather in Oslo?"}]
    called = client.responses.create(model="smollm2", input=items, tools=[tool], reasoning={"effort": "low"})
    thought, call = called.output
    assert thought.type == "reasoning" and thought.content[0].text == "Let me think.", called
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "Oslo"}), call
    items += [item.model_dump() for item in called.output]
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "rain"})
    final = client.responses.create(model="smollm2", input=items, tools=[tool])
    assert final.output_text == "Tools said: call_0=rain", final

    parsed = client.responses.parse(model="smollm2", input="where?", text_format=City)
    assert parsed.output_parsed == City(city="Oslo", degrees=7), parsed
    image = [{"role": "user", "content": [{"type": "input_image", "detail": "high", "image_url": "data:image/png;base64,aGk="}]}]
    assert client.responses.create(model="smollm2", input=image).output_text == "image image/png 2 high"
    expect(openai.BadRequestError, "invalid_request", lambda: client.responses.create(
        model="smollm2", input="x", previous_response_id="resp_1"), param="previous_response_id")
    expect(openai.BadRequestError, "invalid_request", lambda: client.responses.create(
        model="smollm2", input="x", tools=[{"type": "web_search"}]), param="tools[0].type")


def response_streams(client):
    events = list(client.responses.create(
        model="smollm2", input="hello", stream=True, reasoning={"effort": "low"}))
    assert [event.sequence_number for event in events] == list(range(len(events))), events
    kinds = [event.type.removeprefix("response.") for event in events]
    assert kinds[:2] == ["created", "in_progress"] and kinds[-1] == "completed", kinds
    ordered = [kind for index, kind in enumerate(kinds) if index == 0 or kinds[index - 1] != kind]
    assert ordered[2:-1] == [
        "output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.done", "content_part.done",
        "output_item.done", "output_item.added", "content_part.added", "output_text.delta", "output_text.done",
        "content_part.done", "output_item.done"], ordered
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == "You said: hello"
    assert events[-1].response.output_text == "You said: hello", events[-1]

    tool = {"type": "function", **WEATHER["function"]}
    with client.responses.stream(model="smollm2", input="weather in Oslo and Rome?", tools=[tool]) as stream:
        final = stream.get_final_response()
    assert [json.loads(call.arguments)["city"] for call in final.output] == ["Oslo", "Rome"], final
    with client.responses.stream(model="smollm2", input="where?", text_format=City) as stream:
        assert stream.get_final_response().output_parsed == City(city="Oslo", degrees=7)
    failed = list(client.responses.create(model="smollm2", input="break", stream=True))[-1]
    assert failed.type == "response.failed" and failed.response.error.code == "model_failed", failed


def completions(client):
    answer = client.completions.create(model="smollm2", prompt="once", logprobs=2, n=2)
    assert [choice.text for choice in answer.choices] == ["once and so on", "Choice 1"], answer
    assert answer.choices[0].logprobs.top_logprobs[0] == {"You": -0.5, "I": -0.5}, answer
    parts = list(client.completions.create(model="smollm2", prompt=["once"], stream=True))
    assert "".join(part.choices[0].text for part in parts) == "once and so on", parts
    assert parts[-1].choices[0].finish_reason == "stop", parts
    expect(openai.BadRequestError, "invalid_request", lambda: client.completions.create(
        model="smollm2", prompt="x", echo=True), param="echo")
    expect(openai.BadRequestError, "invalid_request", lambda: client.completions.create(
        model="smollm2", prompt=["x", "y"]), param="prompt")


def embeddings(client):
    # The package asks for base64 by itself and decodes it.
    embedded = client.embeddings.create(model="minilm", input=["abc", "de"])
    assert [item.embedding for item in embedded.data] == [[3.0, 0.5], [2.0, 0.5]], embedded
    plain = client.embeddings.create(model="minilm", input="abcd", encoding_format="float")
    assert plain.data[0].embedding == [4.0, 0.5], plain
    wide = client.embeddings.create(model="minilm", input="abcd", dimensions=3)
    assert wide.data[0].embedding == [4.0, 0.5, 0.5], wide
    # "hello world" in the tokens of cl100k.
    tokens = client.embeddings.create(model="minilm", input=[[15339, 1917], [15339]])
    assert [item.embedding[0] for item in tokens.data] == [11.0, 5.0], tokens
    expect(openai.BadRequestError, "invalid_request", lambda: client.embeddings.create(
        model="minilm", input=[[9999999]]), param="input")


def moderations(client):
    judged = client.moderations.create(input=["be kind", "hurt them"])
    assert [result.flagged for result in judged.results] == [False, True], judged
    assert judged.results[1].categories.violence and judged.results[1].category_scores.violence > 0.5, judged
    parts = client.moderations.create(input=[{"type": "text", "text": "hurt"}, {"type": "text", "text": "them"}])
    assert [result.flagged for result in parts.results] == [True], parts


def images(client):
    made = client.images.generate(prompt="a cat", n=2, size="1024x1024")
    assert [base64.b64decode(image.b64_json) for image in made.data] == [PNG, PNG], made
    assert made.data[0].revised_prompt == "generate: a cat", made
    by_url = client.images.generate(prompt="a cat", response_format="url").data[0].url
    assert by_url.startswith("data:image/png;base64,"), by_url
    file = lambda name: (name, io.BytesIO(PNG + name.encode()), "image/png")
    changed = client.images.edit(image=[file("a"), file("bc")], mask=file("m"), prompt="a hat")
    assert changed.data[0].revised_prompt == "edit 9 10 9: a hat", changed
    varied = client.images.create_variation(image=file("a"), n=1)
    assert varied.data[0].revised_prompt == "vary 9: ", varied
    expect(openai.BadRequestError, "invalid_request", lambda: client.images.edit(
        image=("a.txt", io.BytesIO(b"text"), "text/plain"), prompt="x"), param="image")


def audio(client):
    sound = lambda: ("note.wav", io.BytesIO(b"RIFF....WAVE"), "audio/wav")
    transcribe = lambda **options: client.audio.transcriptions.create(model="whisper", file=sound(), **options)
    assert transcribe().text == "Hello there."
    assert transcribe(response_format="text", prompt="Hello", temperature=0.2).strip() == "Hello there."
    verbose = transcribe(response_format="verbose_json", language="en", timestamp_granularities=["segment"])
    assert verbose.duration == 2.5 and verbose.segments[1].start == 1.0, verbose
    assert "00:00:01,000 --> 00:00:02,500" in transcribe(response_format="srt")
    assert transcribe(response_format="vtt").startswith("WEBVTT")
    expect(openai.BadRequestError, "invalid_request", lambda: transcribe(
        response_format="verbose_json", timestamp_granularities=["word"]), param="timestamp_granularities[]")
    assert client.audio.translations.create(model="whisper", file=sound()).text == "Hello, there."
    error = expect(openai.UnprocessableEntityError, "model_not_found", lambda: client.audio.translations.create(
        model="small", file=sound()))
    assert "does not translate" in error.message, error


def expect(kind, code, call, param=None):
    try:
        call()
    except kind as error:
        assert error.code == code, (error.code, error)
        assert param is None or error.param == param, (error.param, error)
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


if __name__ == "__main__":
    main(*sys.argv[1:])
