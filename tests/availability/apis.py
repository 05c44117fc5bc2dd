"""The API behind the proxy, over HTTP/1.1 and over HTTP/2 with TLS. What a path does is the same on both; everything is counted.

    /small…   200, 1 KiB            /held…    200 when the case says so
    /large…   200, 64 MiB           /bomb…    200, some 190 KiB of gzip that are 192 MiB
    /zones/…  a listing of 4 MiB, and 204 for its PATCH
    /ws…      a WebSocket that echoes (HTTP/1.1 only)
"""

import asyncio
import base64
import collections
import hashlib
import zlib

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from expected import KIB, MIB

SMALL = b"s" * KIB
_LARGE = 64 * MIB
_CHUNK = b"l" * (16 * KIB)
_WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def bomb(text):
    """192 MiB of a short text again and again, as gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = text * (MIB // len(text))
    return b"".join(packer.compress(block) for _ in range(192)) + packer.flush()


def listing():
    """A listing in JSON just below 4 MiB, of very many very small objects."""
    filler = b",".join([b'{"":0}'] * ((4 * MIB - 200) // 7))
    return b'{"rrsets":[],"comments":[' + filler + b"]}"


class Api:
    """What both kinds have: counters, and requests that wait to be answered."""

    def __init__(self):
        self.port = None
        #: Connections: now, ever, and the most at a time.
        self.connections = self.opened = self.most_connections = 0
        #: Requests: ever, held now, the most held at a time, by their path.
        self.requests = self.held = self.most_held = 0
        self.paths = collections.Counter()
        self.held_by = collections.Counter()
        self.most_held_by = collections.Counter()
        #: Bytes of large bodies that went out.
        self.sent = 0
        self.websockets = self.most_websockets = 0
        self.released = asyncio.Event()
        self.bomb = self.listing = b""

    def connected(self):
        self.connections += 1
        self.opened += 1
        self.most_connections = max(self.most_connections, self.connections)

    def disconnected(self):
        self.connections -= 1

    def hold(self, path):
        self.held += 1
        self.held_by[path] += 1
        self.most_held = max(self.most_held, self.held)
        self.most_held_by[path] = max(self.most_held_by[path], self.held_by[path])

    def let_go(self, path):
        self.held -= 1
        self.held_by[path] -= 1

    def asked(self, path):
        self.requests += 1
        self.paths[path] += 1

    def fields_and_body(self, path):
        """The answer of a path that answers at once."""
        if path.startswith("/bomb"):
            return {"content-type": "text/plain", "content-encoding": "gzip"}, self.bomb
        if path.startswith("/zones/"):
            return {"content-type": "application/json"}, self.listing
        return {"content-type": "text/plain"}, SMALL


class Http1Api(Api):
    """Over HTTP/1.1 in clear."""

    async def start(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024, limit=256 * KIB)
        self.port = server.sockets[0].getsockname()[1]
        return self

    @property
    def root(self):
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader, writer):
        self.connected()
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, EOFError, asyncio.LimitOverrunError):
            # The proxy has gone; what it did shows in the counters.
            pass
        finally:
            self.disconnected()
            writer.close()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if ": " in line)}
        await self._read_body(reader, fields)
        self.asked(path)
        if path.startswith("/ws"):
            return await self._websocket(reader, writer, fields)
        if path.startswith("/held") and not await self._hold(path, reader):
            return False
        if path.startswith("/large"):
            return await self._large(writer)
        if method == "PATCH":
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            return True
        answer, body = self.fields_and_body(path)
        lines = ["HTTP/1.1 200 OK", f"content-length: {len(body)}", *(f"{name}: {value}" for name, value in answer.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()
        return True

    async def _read_body(self, reader, fields):
        if "chunked" in fields.get("transfer-encoding", ""):
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readline()
        elif size := int(fields.get("content-length", 0)):
            await reader.readexactly(size)

    async def _hold(self, path, reader):
        """Whether the proxy was still there when the case let go."""
        self.hold(path)
        waits = [asyncio.ensure_future(self.released.wait()), asyncio.ensure_future(reader.read(1))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            gone = waits[1].done()
        finally:
            self.let_go(path)
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        return not gone

    async def _large(self, writer):
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {_LARGE}\r\n\r\n".encode())
        for _ in range(_LARGE // len(_CHUNK)):
            writer.write(_CHUNK)
            await writer.drain()
            self.sent += len(_CHUNK)
        return True

    async def _websocket(self, reader, writer, fields):
        accept = base64.b64encode(hashlib.sha1(fields["sec-websocket-key"].encode() + _WEBSOCKET).digest())
        lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Accept: " + accept, b"", b""]
        writer.write(b"\r\n".join(lines))
        self.websockets += 1
        self.most_websockets = max(self.most_websockets, self.websockets)
        try:
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
        finally:
            self.websockets -= 1
        return False


class Http2Api(Api):
    """Over HTTP/2 with TLS; it allows 100 streams, and ends a connection on which too many were reset, as servers do."""

    #: Streams at a time on one connection.
    MAX_STREAMS = 100
    #: Resets on one connection after which it is ended.
    MAX_RESETS = 500

    def __init__(self):
        super().__init__()
        #: By connection: resets, and the most streams at a time.
        self.resets, self.streams = [], []
        #: Connections that were ended for their resets.
        self.ended = 0

    async def start(self, context):
        server = await asyncio.get_running_loop().create_server(lambda: _Http2Server(self), "127.0.0.1", 0, ssl=context, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        return self

    @property
    def root(self):
        return f"https://127.0.0.1:{self.port}"


class _Http2Server(asyncio.Protocol):
    def __init__(self, api):
        self.api = api
        self.transport = None
        self.number = len(api.resets)
        api.resets.append(0)
        api.streams.append(0)
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.open = set()
        #: Bodies that go on when there is window: bytes left of each stream.
        self.large = {}
        self.small = {}
        #: Tasks that wait to answer.
        self.held = {}
        self.paused = False

    def connection_made(self, transport):
        self.transport = transport
        self.api.connected()
        self.connection.local_settings = h2.settings.Settings(client=False, initial_values={
            h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.api.MAX_STREAMS,
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 65535,
        })
        self.connection.initiate_connection()
        self._flush()

    def connection_lost(self, _):
        self.api.disconnected()
        for task in self.held.values():
            task.cancel()

    def pause_writing(self):
        self.paused = True

    def resume_writing(self):
        self.paused = False
        self._pump()

    def data_received(self, data):
        try:
            events = self.connection.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.transport.close()
            return
        for event in events:
            self._take(event)
        self._pump()

    def _take(self, event):
        match event:
            case h2.events.RequestReceived():
                self._answer(event.stream_id, dict(event.headers)[":path"])
            case h2.events.DataReceived():
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamReset():
                self._reset(event.stream_id)

    def _answer(self, stream, path):
        self.api.asked(path)
        self.open.add(stream)
        self.api.streams[self.number] = max(self.api.streams[self.number], len(self.open))
        if path.startswith("/held"):
            self.held[stream] = asyncio.ensure_future(self._hold(stream, path))
        elif path.startswith("/large"):
            self.connection.send_headers(stream, [(":status", "200"), ("content-type", "text/plain"), ("content-length", str(_LARGE))])
            self.large[stream] = _LARGE
        else:
            self._small(stream, path)

    def _small(self, stream, path):
        fields, body = self.api.fields_and_body(path)
        self.connection.send_headers(stream, [(":status", "200"), *fields.items(), ("content-length", str(len(body)))])
        self.small[stream] = body

    async def _hold(self, stream, path):
        self.api.hold(path)
        try:
            await self.api.released.wait()
        finally:
            self.api.let_go(path)
        self.held.pop(stream, None)
        if not self.transport.is_closing() and stream in self.open:
            self._small(stream, path)
            self._pump()

    def _reset(self, stream):
        self._ended(stream)
        self.large.pop(stream, None)
        self.small.pop(stream, None)
        if task := self.held.pop(stream, None):
            task.cancel()
        self.api.resets[self.number] += 1
        if self.api.resets[self.number] == self.api.MAX_RESETS:
            self.api.ended += 1
            self.connection.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
            self._flush()
            self.transport.close()

    def _ended(self, stream):
        self.open.discard(stream)

    def _pump(self):
        """Sends of the bodies what the windows allow."""
        if self.transport.is_closing():
            return
        try:
            for stream, body in list(self.small.items()):
                self._send_small(stream, body)
            for stream in list(self.large):
                self._send_large(stream)
        except h2.exceptions.ProtocolError:
            self.transport.close()
            return
        self._flush()

    def _room(self, stream):
        return min(self.connection.local_flow_control_window(stream), self.connection.max_outbound_frame_size)

    def _send_small(self, stream, body):
        while body and (room := self._room(stream)) > 0:
            self.connection.send_data(stream, body[:room])
            body = body[room:]
        self.small[stream] = body
        if not body:
            del self.small[stream]
            self.connection.end_stream(stream)
            self._ended(stream)

    def _send_large(self, stream):
        left = self.large[stream]
        while left and not self.paused and (room := min(self._room(stream), len(_CHUNK), left)) > 0:
            self.connection.send_data(stream, _CHUNK[:room])
            self.api.sent += room
            left -= room
            self._flush()
        self.large[stream] = left
        if not left:
            del self.large[stream]
            self.connection.end_stream(stream)
            self._ended(stream)

    def _flush(self):
        if not self.transport.is_closing():
            self.transport.write(self.connection.data_to_send())
