"""A worker: takes steps of one task queue, says that it is alive, and answers. `pip install nats-py` is all it needs.

    python worker.py nats://127.0.0.1:4222 tenant-acme PASSWORD acme words
"""

import asyncio
import hashlib
import json
import os
import sys

import nats
from nats.errors import NoRespondersError, TimeoutError
from nats.js.errors import APIError

JSON = {"Content-Type": "application/json"}


class Refused(Exception):
    """The kernel said no: `code` is the platform's, `refusal` says which no it is."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]
        self.refusal = (error.get("detail") or {}).get("refusal")


class Worker:
    def __init__(self, connection, tenant, queue):
        self.nats, self.tenant, self.queue = connection, tenant, queue

    async def call(self, name, body):
        subject = f"orrery.v1.worker.{self.tenant}.{name}"
        reply = await self.nats.request(subject, json.dumps(body).encode(), timeout=10, headers=JSON)
        answer = json.loads(reply.data)
        if reply.headers and "Nats-Service-Error-Code" in reply.headers:
            raise Refused(answer)
        return answer

    async def run(self, handle):
        """Pulls announcements for ever; each is worth one question for work."""
        while True:
            try:
                place = self.place = await self.call("open", {"queue": self.queue})
                pull = await self.nats.jetstream().pull_subscribe_bind(place["consumer"], place["stream"])
                while True:
                    try:
                        [message] = await pull.fetch(1, timeout=5)
                    except TimeoutError:
                        continue
                    await self.take(message, handle)
            except (NoRespondersError, TimeoutError, APIError, Refused) as error:
                print("the kernel or its stream is away, opening the queue again:", error, file=sys.stderr)
                await asyncio.sleep(0.5)

    async def take(self, message, handle):
        lease = await self.call("lease", {"queue": self.queue, "worker": f"{os.uname().nodename}-{os.getpid()}"})
        if lease["work"] is None and lease["retry_after_ms"]:
            return await message.nak(delay=lease["retry_after_ms"] / 1000)
        await message.ack()
        if lease["work"]:
            await self.perform(lease["work"], handle)

    async def perform(self, work, handle):
        lease = {"key": work["key"], "token": work["token"]}
        progress = {"details": work["heartbeat_details"]}
        handling = asyncio.ensure_future(self.handle(work, lease, handle, progress))
        try:
            while not handling.done():
                await asyncio.wait([handling], timeout=(work["heartbeat_ms"] or 30000) / 3000)
                beat = await self.call("heartbeat", lease | {"details": progress["details"]})
                print("details kept:", progress["details"])
                if beat["cancelled"]:
                    return handling.cancel()
            await self.call("complete", lease | handling.result())
        except Refused as refused:
            # Late, duplicate or no longer wanted: somebody else has the step now. Anything else is ours to report.
            handling.cancel()
            print("refused:", refused.refusal, refused, file=sys.stderr)
            if refused.refusal in ("schema", "too_large", "missing", "digest"):
                error = {"title": refused.refusal, "detail": str(refused)}
                final = refused.refusal in ("schema", "too_large")
                await self.call("fail", lease | {"error": error, "non_retryable": final})
        except Exception as failure:
            error = {"title": type(failure).__name__, "detail": str(failure)}
            await self.call("fail", lease | {"error": error, "non_retryable": isinstance(failure, ValueError)})

    async def handle(self, work, lease, handle, progress):
        """Does the work; what does not fit into a message comes and goes in parts."""
        given, content = work["input"], work["input_content"]
        if content:
            parts = [await self.call("fetch", lease | {"sha256": part}) for part in content["parts"]]
            text = "".join(part["text"] for part in parts)
            if digest(text) != content["sha256"]:
                raise RuntimeError("the input does not have its digest")
            given = json.loads(text)
        output = await handle(given, progress)
        text = json.dumps(output)
        if len(text) <= self.place["result_bytes_max"]:
            return {"output": output}
        # It is plain ASCII, so it may be cut anywhere.
        step = self.place["part_bytes_max"]
        cuts = [text[at:at + step] for at in range(0, len(text), step)]
        parts = [(await self.call("store", lease | {"text": cut}))["sha256"] for cut in cuts]
        print("result stored in parts:", len(parts))
        return {"output_content": {"parts": parts, "size_bytes": len(text), "sha256": digest(text)}}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


async def count_words(given, progress):
    """The work itself: counts the words of each page, and goes on after the last page that an earlier attempt counted."""
    if "pages" not in given:
        raise ValueError("the input has no pages")
    counts = list(progress["details"] or [])
    for page in given["pages"][len(counts):]:
        await asyncio.sleep(given.get("seconds_per_page", 0))
        counts.append(len(page.split()))
        print("counted page", len(counts))
        progress["details"] = list(counts)
    result = {"words": sum(counts), "pages": counts}
    return result | {"text": given["pages"]} if given.get("with_text") else result


async def main(url, user, password, tenant, queue):
    connection = await nats.connect(url, user=user, password=password, inbox_prefix=f"_INBOX.{user}".encode())
    await Worker(connection, tenant, queue).run(count_words)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
