"""An HTTP/1.1 client from any loopback address, with every byte in the hands of its user."""

import asyncio
import dataclasses
import json
import socket

_LIMIT = 256 * 1024
_READ = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Response:
    status: int
    fields: dict
    body: bytes = b""

    @property
    def code(self):
        """The code of a refusal by the proxy; nothing for what the API answered."""
        try:
            return json.loads(self.body).get("code")
        except (ValueError, AttributeError):
            return None


class Connection:
    """One connection to the proxy."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port, source, *, limit=_LIMIT, receive_buffer=None):
        own = socket.socket()
        try:
            own.setblocking(False)
            if receive_buffer:
                own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            own.bind((source, 0))
            await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", port))
            return cls(*await asyncio.open_connection(sock=own, limit=limit))
        except BaseException:
            own.close()
            raise

    def send(self, method, target, *, token=None, fields=(), body=None):
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
        lines += [f"Authorization: Bearer {token}"] if token else []
        lines += [f"{name}: {value}" for name, value in fields]
        lines += [f"Content-Length: {len(body)}"] if body is not None else []
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + (body or b""))

    async def read_head(self):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
        return Response(int(head[0].split(" ")[1]), {name.lower(): value for name, value in fields.items()})

    async def read(self):
        """The head and the whole body."""
        head = await self.read_head()
        if head.status in (101, 204, 304):
            return head
        if "chunked" in head.fields.get("transfer-encoding", ""):
            return dataclasses.replace(head, body=await self._read_chunks())
        return dataclasses.replace(head, body=await self._read_exactly(int(head.fields.get("content-length", 0))))

    async def _read_chunks(self):
        body = b""
        while size := int((await self.reader.readline()).split(b";")[0], 16):
            body += await self._read_exactly(size)
            await self.reader.readline()
        while (await self.reader.readline()).strip():
            pass
        return body

    async def _read_exactly(self, size):
        return await self.reader.readexactly(size) if size else b""

    def close(self):
        self.writer.close()

    def abort(self):
        """Closes without a farewell."""
        self.writer.transport.abort()


async def ask(port, source, method, target, **more):
    """One exchange on a connection of its own."""
    connection = await Connection.open(port, source)
    try:
        connection.send(method, target, **more)
        return await connection.read()
    finally:
        connection.close()
