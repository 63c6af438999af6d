"""OpenAI's responses over a WebSocket: in turn, refused, cancelled, gone on from, drained."""
import asyncio
import json
import signal
import sys

try:
    import websockets
except ImportError:
    print("skipped: there is no python3-websockets")
    sys.exit(77)

from troupe_server import Server


def create(text, **more):
    return json.dumps({"type": "response.create", "input": text, "max_output_tokens": 24,
                       "seed": 3, **more})


async def events_of(line):
    """The events of one response, or one error."""
    events = []
    while True:
        event = json.loads(await asyncio.wait_for(line.recv(), 60))
        events.append(event)
        ends = ("response.completed", "response.incomplete", "response.failed", "error")
        if event["type"] in ends:
            return events


def text_of(events):
    return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")


def output_of(response):
    return response["output"][0]["content"][0]["text"]


async def talk(server):
    url = f"ws://127.0.0.1:{server.port}/v1/responses"
    whole = server.post({"input": "Tell me a story.", "max_output_tokens": 24, "seed": 3},
                        path="/v1/responses")[1]
    async with websockets.connect(url) as line:
        # Two at once are answered one after the other.
        await line.send(create("Tell me a story."))
        await line.send(create("Tell me a story.", stream=False))
        for _ in range(2):
            events = await events_of(line)
            assert events[0]["type"] == "response.created", events[0]
            assert [e["sequence_number"] for e in events] == list(range(len(events)))
            assert text_of(events) == output_of(whole) == output_of(events[-1]["response"])
        first = events[-1]["response"]["id"]
        await line.send(create("And then?", previous_response_id=first))
        events = await events_of(line)
        assert events[-1]["response"]["previous_response_id"] == first, events[-1]
        assert events[-1]["response"]["usage"]["input_tokens"] > whole["usage"]["input_tokens"]
        # What is wrong is told, and the connection goes on.
        for wrong in ("no JSON", "[]", "{}", '{"type": "response.cancel"}',
                      create("x", temperature=9), create(5), create("x", unheard_of=1)):
            await line.send(wrong)
            events = await events_of(line)
            assert events[-1]["type"] == "error" and events[-1]["status"] == 400, (wrong, events)
        await line.send(create("Tell me a very long story.", max_output_tokens=3000,
                               ignore_eos=True))
        while json.loads(await line.recv())["type"] != "response.output_text.delta":
            pass
        await line.send('{"type": "response.cancel"}')
        events = await events_of(line)
        assert events[-1]["type"] in ("response.failed", "error"), events[-1]
        await line.send(create("Hello."))
        assert (await events_of(line))[-1]["type"].startswith("response.")
        # A client that leaves frees what it held.
        await line.send(create("Tell me a very long story.", max_output_tokens=3000,
                               ignore_eos=True))
        while json.loads(await line.recv())["type"] != "response.output_text.delta":
            pass
    server.wait_until(lambda: server.metric("troupe_kv_pages_used") == 0, 5, "pages free")
    async with websockets.connect(url) as line:
        await line.send(create("Tell me a story.", max_output_tokens=200, ignore_eos=True))
        await line.recv()
        server.process.send_signal(signal.SIGTERM)
        events = await events_of(line)
        assert events[-1]["type"].startswith("response."), events[-1]
        try:
            await asyncio.wait_for(line.recv(), 30)
            raise AssertionError("the connection goes on")
        except websockets.ConnectionClosed as closed:
            assert closed.code == 1001, closed


def main():
    with Server("--max-model-len", 4096) as server:
        asyncio.run(talk(server))
    print("responses over a WebSocket: in turn, refused, cancelled, drained")


if __name__ == "__main__":
    main()
