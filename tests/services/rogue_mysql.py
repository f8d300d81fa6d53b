"""A MySQL server that answers every statement by asking for a file of the client's."""

from __future__ import annotations

import socket
import threading

GREETING = (
    b"\x0a5.5.5-rogue\x00" + b"\x01\x00\x00\x00" + b"abcdefgh\x00" + b"\xff\xff" + b"\x21" + b"\x02\x00" + b"\x0f\x80"
    b"\x15" + b"\x00" * 10 + b"ijklmnopqrst\x00" + b"mysql_native_password\x00"
)  # fmt: skip
OK = b"\x00\x00\x00\x02\x00\x00\x00"
ASK = b"\xfb"


class RogueServer:
    """Listens on a port of this machine until it is closed. received: what it was sent instead of statements."""

    def __init__(self, file: str) -> None:
        self._file = file.encode()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.received = b""
        self.statements: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._send(connection, 0, GREETING)
                number, _ = self._receive(connection)
                self._send(connection, number + 1, OK)
                while True:
                    number, packet = self._receive(connection)
                    self.statements.append(packet[1:])
                    self._send(connection, number + 1, ASK + self._file)
                    while True:
                        number, text = self._receive(connection)
                        if not text:
                            break
                        self.received += text
                    self._send(connection, number + 1, OK)
            except OSError:
                return

    @staticmethod
    def _send(connection: socket.socket, number: int, packet: bytes) -> None:
        connection.sendall(len(packet).to_bytes(3, "little") + bytes([number % 256]) + packet)

    @staticmethod
    def _receive(connection: socket.socket) -> tuple[int, bytes]:
        head = b""
        while len(head) < 4:
            if not (more := connection.recv(4 - len(head))):
                raise ConnectionError
            head += more
        length, packet = int.from_bytes(head[:3], "little"), b""
        while len(packet) < length:
            if not (more := connection.recv(length - len(packet))):
                raise ConnectionError
            packet += more
        return head[3], packet
