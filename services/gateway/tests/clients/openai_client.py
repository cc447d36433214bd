"""The official openai package against the gateway: every call that the gateway offers, unchanged.

Usage: openai_client.py BASE_URL API_KEY. Exits 0 when all holds.
"""

import io
import sys

import openai


def main(base_url: str, key: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=20)

    assert [model.id for model in client.models.list()] == ["smollm2"]
    assert client.models.retrieve("smollm2").owned_by == "local"
    expect(openai.NotFoundError, "model_not_found", lambda: client.models.retrieve("nothing"))

    said = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
    answer = client.chat.completions.create(model="smollm2", messages=said, temperature=0, max_tokens=8, user="x")
    assert answer.choices[0].message.content == "You said: hello", answer
    assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens == 7, answer

    chunks = list(client.chat.completions.create(
        model="smollm2", messages=said, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant", chunks[0]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Good day", chunks
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop", chunks
    assert not chunks[-1].choices and chunks[-1].usage.completion_tokens == 2, chunks[-1]
    assert all(chunk.usage is None for chunk in chunks[:-1])

    broken = [{"role": "user", "content": "break"}]
    expect(openai.APIError, "model_failed",
           lambda: list(client.chat.completions.create(model="smollm2", messages=broken, stream=True)))
    expect(openai.BadRequestError, "invalid_request",
           lambda: client.chat.completions.create(model="smollm2", messages=said, n=1000))
    expect(openai.AuthenticationError, "invalid_api_key", lambda: openai.OpenAI(
        base_url=base_url, api_key="sk-wrong", max_retries=0).models.list())

    # The package asks for base64 by itself and decodes it.
    embedded = client.embeddings.create(model="minilm", input=["abc", "de"])
    assert [item.embedding for item in embedded.data] == [[3.0, 0.5], [2.0, 0.5]], embedded
    plain = client.embeddings.create(model="minilm", input="abcd", encoding_format="float")
    assert plain.data[0].embedding == [4.0, 0.5], plain

    sound = lambda: ("note.wav", io.BytesIO(b"RIFF....WAVE"), "audio/wav")
    transcribe = lambda **options: client.audio.transcriptions.create(model="whisper", file=sound(), **options)
    assert transcribe().text == "Hello there."
    assert transcribe(response_format="text").strip() == "Hello there."
    verbose = transcribe(response_format="verbose_json", language="en", timestamp_granularities=["segment"])
    assert verbose.duration == 2.5 and verbose.segments[1].start == 1.0, verbose
    assert "00:00:01,000 --> 00:00:02,500" in transcribe(response_format="srt")
    assert transcribe(response_format="vtt").startswith("WEBVTT")
    print(f"openai {openai.__version__}: all calls hold")


def expect(kind, code, call) -> None:
    try:
        call()
    except kind as error:
        assert error.code == code, (error.code, error)
    else:
        raise AssertionError(f"{kind.__name__} was not raised")


if __name__ == "__main__":
    main(*sys.argv[1:])
