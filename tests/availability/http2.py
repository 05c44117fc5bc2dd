"""An HTTP/2 client with prior knowledge, which sends what its user wants and counts what comes back."""

import asyncio
import json
import socket

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from http1 import Response


class Http2Client(asyncio.Protocol):
    """One connection to the proxy."""

    def __init__(self, window):
        self.window = window
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.transport = None
        #: Streams by what came of them.
        self.statuses, self.bodies, self.ended, self.resets = {}, {}, set(), set()
        self.went_away = self.closed = False
        #: Something has come since it was cleared.
        self.moved = asyncio.Event()

    @classmethod
    async def open(cls, port, source, *, window=65535):
        own = socket.socket()
        try:
            own.setblocking(False)
            own.bind((source, 0))
            loop = asyncio.get_running_loop()
            await loop.sock_connect(own, ("127.0.0.1", port))
            _, client = await loop.create_connection(lambda: cls(window), sock=own)
        except BaseException:
            own.close()
            raise
        return client

    def connection_made(self, transport):
        self.transport = transport
        self.connection.local_settings = h2.settings.Settings(client=True, initial_values={
            h2.settings.SettingCodes.ENABLE_PUSH: 0,
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: self.window,
        })
        self.connection.initiate_connection()
        self.flush()

    def request(self, method, path, *, token=None, fields=()):
        """Begins a request without a body; None where the connection takes no more."""
        try:
            stream = self.connection.get_next_available_stream_id()
            head = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "localhost"), *fields]
            head += [("authorization", f"Bearer {token}")] if token else []
            self.connection.send_headers(stream, head, end_stream=True)
        except h2.exceptions.ProtocolError:
            return None
        self.flush()
        return stream

    async def upload(self, path, content, *, token):
        """Begins a POST and sends as much of its content as the proxy's windows take at once, and no more."""
        stream = self.connection.get_next_available_stream_id()
        head = [(":method", "POST"), (":path", path), (":scheme", "http"), (":authority", "localhost")]
        self.connection.send_headers(stream, [*head, ("authorization", f"Bearer {token}")], end_stream=False)
        sent = 0
        while (room := min(self.connection.local_flow_control_window(stream), 16384, len(content) - sent)) > 0:
            self.connection.send_data(stream, content[sent : sent + room])
            sent += room
        self.flush()
        return sent

    def answered(self):
        """How many requests have an answer of some kind; all of them once the connection is gone."""
        return len(self.statuses.keys() | self.resets)

    def data_received(self, data):
        try:
            events = self.connection.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.transport.close()
            return
        for event in events:
            self._take(event)
        self.flush()
        self.moved.set()

    def _take(self, event):
        match event:
            case h2.events.ResponseReceived():
                self.statuses[event.stream_id] = int(dict(event.headers)[":status"])
            case h2.events.DataReceived():
                self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
                if self.window:
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self.ended.add(event.stream_id)
            case h2.events.StreamReset():
                self.resets.add(event.stream_id)
            case h2.events.ConnectionTerminated():
                self.went_away = True

    def flush(self):
        if self.transport and not self.transport.is_closing():
            self.transport.write(self.connection.data_to_send())

    def code(self, stream):
        """The code of a refusal."""
        try:
            return json.loads(self.bodies.get(stream, b"")).get("code")
        except (ValueError, AttributeError):
            return None

    def connection_lost(self, _):
        self.closed = True
        self.moved.set()

    def close(self):
        self.transport.abort()


async def ask(port, source, method, target, *, token=None):
    """One exchange on a connection of its own."""
    client = await Http2Client.open(port, source)
    try:
        stream = client.request(method, target, token=token)
        while stream not in client.ended:
            if client.closed or stream in client.resets:
                raise EOFError(f"`{target}` was not answered")
            client.moved.clear()
            await client.moved.wait()
        return Response(client.statuses[stream], {}, client.bodies.get(stream, b""))
    finally:
        client.close()
