"""A server on a real socket that answers what a test tells it to, well or badly."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class ScriptedServer:
    """Each chunk that arrives is answered with the next of `answers`; b"" hangs up instead."""

    answers: list[bytes]
    port: int = 0
    connections: int = 0
    received: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while chunk := await reader.read(2**16):
                self.received.append(chunk)
                if not self.answers:
                    continue
                answer = self.answers.pop(0)
                if not answer:
                    break
                writer.write(answer)
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def scripted_server(answers: Sequence[bytes] = ()) -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer(list(answers))
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
        await server.wait_closed()
