"""LangChain's ChatOpenAI and OpenAIEmbeddings against the gateway, unchanged.

Usage: langchain_client.py BASE_URL API_KEY. Exits 0 when all holds.
"""

import sys

import langchain_openai
import pydantic
from importlib.metadata import version
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool


class City(pydantic.BaseModel):
    """A city and how warm it is."""

    city: str
    degrees: int


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}"


def main(base_url: str, key: str) -> None:
    for options in ({}, {"use_responses_api": True}):
        chat = langchain_openai.ChatOpenAI(
            model="smollm2", base_url=base_url, api_key=key, max_retries=0, timeout=20, **options)
        converse(chat)
    embed(langchain_openai.OpenAIEmbeddings(model="minilm", base_url=base_url, api_key=key, max_retries=0))
    print(f"langchain-openai {version('langchain-openai')}: all calls hold")


def converse(chat):
    answer = chat.invoke("hello")
    assert answer.text == "You said: hello", answer
    assert answer.usage_metadata["total_tokens"] == 7, answer
    parts = list(chat.stream("hello"))
    assert "".join(part.text for part in parts) == "You said: hello", parts

    able = chat.bind_tools([weather])
    asked = [HumanMessage("weather in Oslo and Rome?")]
    called = able.invoke(asked)
    assert [call["args"] for call in called.tool_calls] == [{"city": "Oslo"}, {"city": "Rome"}], called
    results = [ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in called.tool_calls]
    final = able.invoke([*asked, called, *results])
    assert final.text == "Tools said: call_0=rain in Oslo, call_1=rain in Rome", final
    streamed = None
    for part in able.stream(asked):
        streamed = part if streamed is None else streamed + part
    assert [call["args"]["city"] for call in streamed.tool_calls] == ["Oslo", "Rome"], streamed

    for method in ("json_schema", "function_calling"):
        structured = chat.with_structured_output(City, method=method)
        assert structured.invoke("how warm is Oslo?") == City(city="Oslo", degrees=7), method
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}}
    seen = chat.invoke([HumanMessage([{"type": "text", "text": "look"}, image])])
    assert seen.text == "look; image image/png 2 low", seen


def embed(embeddings):
    # By itself it sends tokens, not texts.
    assert embeddings.embed_query("hello world") == [11.0, 0.5]
    assert embeddings.embed_documents(["hällo", "wörld 🌍"]) == [[6.0, 0.5], [11.0, 0.5]]


if __name__ == "__main__":
    main(*sys.argv[1:])
