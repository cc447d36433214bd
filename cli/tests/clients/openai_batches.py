"""The official openai package against a whole system: files and batches, unchanged.

Usage: openai_batches.py BASE_URL API_KEY OTHER_KEY, where OTHER_KEY is of another tenant. Exits 0 when all holds.
"""

import json
import sys
import time

import openai

PATIENCE = 150


def main(base_url: str, key: str, other_key: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=30,
                           default_headers={"Orrery-Data-Classes": "public"})
    other = openai.OpenAI(base_url=base_url, api_key=other_key, max_retries=0, timeout=30)
    files(client, other)
    chats(client, other)
    embeddings(client)
    responses(client)
    bad_input(client)
    lists(client, other)
    print(f"openai {openai.__version__}: all calls hold")


def line(custom_id, body, url="/v1/chat/completions", method="POST"):
    return {"custom_id": custom_id, "method": method, "url": url, "body": body}


def chat(text, **more):
    return {"model": "metered", "messages": [{"role": "user", "content": text}], **more}


def upload(client, lines, purpose="batch"):
    text = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines) + "\n"
    return client.files.create(file=("lines.jsonl", text.encode()), purpose=purpose)


def ended(client, batch):
    deadline = time.monotonic() + PATIENCE
    while (batch := client.batches.retrieve(batch.id)).status in ("validating", "in_progress", "finalizing", "cancelling"):
        assert time.monotonic() < deadline, batch
        time.sleep(0.1)
    return batch


def read(client, file_id):
    return {line["custom_id"]: line for line in map(json.loads, client.files.content(file_id).text.splitlines())}


def files(client, other):
    text = b"whatever it is \x00\xff"
    file = client.files.create(file=("notes.txt", text), purpose="user_data",
                               expires_after={"anchor": "created_at", "seconds": 3600})
    assert (file.bytes, file.filename, file.purpose, file.object) == (len(text), "notes.txt", "user_data", "file"), file
    assert file.expires_at == file.created_at + 3600, file
    assert client.files.retrieve(file.id) == file
    content = client.files.content(file.id)
    assert content.read() == text and "notes.txt" in content.response.headers["content-disposition"]
    second = client.files.create(file=b"more", purpose="vision")
    assert [each.id for each in client.files.list(limit=1)] == [second.id, file.id], "pages follow each other"
    assert [each.id for each in client.files.list(order="asc", limit=1)] == [file.id, second.id]
    assert [each.id for each in client.files.list(purpose="vision")] == [second.id]
    assert list(other.files.list()) == []
    for call in (other.files.retrieve, other.files.content, other.files.delete):
        expect(openai.NotFoundError, "not_found", lambda: call(file.id))
    expect(openai.BadRequestError, "invalid_request", lambda: client.files.create(file=b"", purpose="batch"), "file")
    expect(openai.BadRequestError, "invalid_request",
           lambda: client.files.create(file=b"x", purpose="batch_output"), "purpose")
    assert client.files.delete(file.id).deleted and client.files.delete(second.id).deleted
    expect(openai.NotFoundError, "not_found", lambda: client.files.retrieve(file.id))
    assert list(client.files.list()) == []


def chats(client, other):
    lines = [line(f"q{n}", chat(f"question {n}", temperature=0, logit_bias={"1": 1, "2": 2, "3": 3})) for n in range(150)]
    lines.insert(70, line("unknown", {**chat("x"), "model": "nothing-of-that-name"}))
    lines.insert(90, line("wrong", chat("x", temperature=7)))
    file = upload(client, lines)
    expect(openai.NotFoundError, "not_found", lambda: other.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"), "input_file_id")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h",
                                  metadata={"nightly": "yes"},
                                  output_expires_after={"anchor": "created_at", "seconds": 7200})
    assert (batch.object, batch.endpoint, batch.input_file_id) == ("batch", "/v1/chat/completions", file.id), batch
    assert (batch.metadata, batch.expires_at) == ({"nightly": "yes"}, batch.created_at + 86400), batch
    expect(openai.NotFoundError, "not_found", lambda: other.batches.retrieve(batch.id))
    expect(openai.NotFoundError, "not_found", lambda: other.batches.cancel(batch.id))
    batch = ended(client, batch)
    assert (batch.status, batch.errors) == ("completed", None), batch
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (152, 150, 2), batch
    assert batch.completed_at >= batch.finalizing_at >= batch.in_progress_at >= batch.created_at, batch
    answers = read(client, batch.output_file_id)
    assert sorted(answers) == sorted(f"q{n}" for n in range(150))
    for answer in answers.values():
        assert answer["id"].startswith("batch_req_") and answer["error"] is None, answer
        response = answer["response"]
        assert response["status_code"] == 200 and response["request_id"].startswith("dec_"), answer
        completion = openai.types.chat.ChatCompletion.model_validate(response["body"])
        assert completion.choices[0].message.content == "four words of text", answer
    failures = read(client, batch.error_file_id)
    assert sorted(failures) == ["unknown", "wrong"], failures
    assert failures["unknown"]["response"]["status_code"] == 422, failures
    assert failures["unknown"]["response"]["body"]["error"]["code"] == "model_not_found", failures
    assert failures["wrong"]["response"]["body"]["error"]["param"] == "temperature", failures
    output = client.files.retrieve(batch.output_file_id)
    assert (output.purpose, output.expires_at - output.created_at) == ("batch_output", 7200), output
    expect(openai.ConflictError, "failed_precondition", lambda: client.batches.cancel(batch.id))


def embeddings(client):
    body = {"model": "vectors", "input": ["a", "b"]}
    file = upload(client, [line("e", body, "/v1/embeddings")])
    batch = ended(client, client.batches.create(
        input_file_id=file.id, endpoint="/v1/embeddings", completion_window="1h"))
    answer = read(client, batch.output_file_id)["e"]["response"]["body"]
    assert len(openai.types.CreateEmbeddingResponse.model_validate(answer).data) == 2, answer
    assert batch.error_file_id is None, batch


def responses(client):
    file = upload(client, [line("r", {"model": "metered", "input": "hello"}, "/v1/responses")])
    batch = ended(client, client.batches.create(
        input_file_id=file.id, endpoint="/v1/responses", completion_window="24h"))
    answer = read(client, batch.output_file_id)["r"]["response"]["body"]
    assert openai.types.responses.Response.model_validate(answer).output_text == "four words of text", answer


def bad_input(client):
    good = line("a", chat("x"))
    file = upload(client, [good, "{not json", line("b", chat("x"), url="/v1/embeddings"), "", good,
                           line("c", chat("x"), method="GET"), line("d", chat("x", stream=True))])
    batch = ended(client, client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"))
    assert batch.status == "failed" and batch.failed_at and not batch.output_file_id and not batch.error_file_id, batch
    found = [(fault.line, fault.code, fault.param) for fault in batch.errors.data]
    assert found == [(2, "invalid_json_line", None), (3, "mismatched_url", "url"), (5, "duplicate_custom_id", "custom_id"),
                     (6, "invalid_method", "method"), (7, "invalid_body", "body.stream")], found
    blank = upload(client, ["", ""])
    batch = ended(client, client.batches.create(
        input_file_id=blank.id, endpoint="/v1/chat/completions", completion_window="24h"))
    assert (batch.status, batch.errors.data[0].code) == ("failed", "empty_file"), batch
    for wrong, param in [({"endpoint": "/v1/files"}, "endpoint"), ({"completion_window": "soon"}, "completion_window"),
                         ({"metadata": {"k": "x" * 513}}, "metadata")]:
        asked = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h", **wrong}
        expect(openai.BadRequestError, "invalid_request", lambda: client.batches.create(**asked), param)
    photo = client.files.create(file=b"x", purpose="vision")
    expect(openai.BadRequestError, "invalid_request", lambda: client.batches.create(
        input_file_id=photo.id, endpoint="/v1/chat/completions", completion_window="24h"), "input_file_id")


def lists(client, other):
    batches = [batch.id for batch in client.batches.list(limit=2)]
    assert len(batches) == 5 and len(set(batches)) == 5, batches
    page = client.batches.list(limit=2)
    assert page.has_more and [batch.id for batch in page.data] == batches[:2], page
    assert list(other.batches.list()) == []


def expect(kind, code, call, param=None):
    try:
        call()
    except kind as error:
        assert error.code == code and (param is None or error.param == param), (error.code, error.param, str(error))
    else:
        raise AssertionError(f"expected {kind.__name__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
