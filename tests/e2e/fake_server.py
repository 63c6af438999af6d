"""A server whose answers, times and counts a test knows: POST /generate, plain or as SSE."""
import asyncio
import json
import threading
import time


class FakeServer:
    """`slots` requests at a time take `seconds` each; none begins while it stalls.

    stall: (begin, length) in seconds since the first request; reject(number): whether it gets a 503
    at once; gaps: seconds before each piece of a stream; text(prompt, number): the answer.
    """

    def __init__(self, slots=8, seconds=0.1, stall=None, reject=None, gaps=None, text=None):
        self.slots, self.seconds, self.stall = slots, seconds, stall
        self.reject, self.gaps = reject, gaps
        self.text = text or (lambda prompt, number: prompt[-8:])
        self.num_answered = self.num_rejected = self.num_requests = self.num_tokens = 0
        self.first = None

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        self.ready.wait()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.free = asyncio.Semaphore(self.slots)
        server = self.loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024))
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        server.close()
        self.loop.close()

    async def _serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                body = await reader.readexactly(length)
                if head.startswith(b"POST /generate"):
                    await self._generate(json.loads(body), writer)
                else:
                    self._reply(writer, 404, {})
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @staticmethod
    def _reply(writer, status, body):
        data = json.dumps(body).encode()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\n\r\n" % (status, len(data)) + data)

    async def _generate(self, ask, writer):
        number = self.num_requests
        self.num_requests += 1
        if self.first is None:
            self.first = time.monotonic()
        if self.reject and self.reject(number):
            self.num_rejected += 1
            self._reply(writer, 503, {"error": {"message": "busy"}})
            return
        async with self.free:
            await self._wait_for_stall()
            text = self.text(ask["prompt"], number)
            if ask.get("stream"):
                await self._stream(text, writer)
            else:
                await asyncio.sleep(self.seconds)
                self.num_answered += 1
                self.num_tokens += 7
                self._reply(writer, 200, {"text": text, "finish_reason": "stop", "usage": {
                    "prompt_tokens": 5, "completion_tokens": 7}})

    async def _wait_for_stall(self):
        if not self.stall:
            return
        begin, length = self.stall
        since = time.monotonic() - self.first
        if begin <= since < begin + length:
            await asyncio.sleep(begin + length - since)

    async def _stream(self, text, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n")
        for i, gap in enumerate(self.gaps):
            await asyncio.sleep(gap)
            event = {"text": text if i == 0 else "."}
            if i == len(self.gaps) - 1:
                event.update(finish_reason="length", usage={
                    "prompt_tokens": 5, "completion_tokens": len(self.gaps)})
            data = b"data: " + json.dumps(event).encode() + b"\n\n"
            writer.write(b"%x\r\n" % len(data) + data + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        self.num_answered += 1
        self.num_tokens += len(self.gaps)
