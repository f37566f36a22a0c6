"""A connection to a server that breaks within an answer."""

from __future__ import annotations

import socket
import threading


class Cutter:
    """Stand between, pass requests on one by one, and hang up within a large answer.

    Parameters
    ----------
    port
        The server's.
    size
        After so many bytes of one answer.
    """

    def __init__(self, port, size):
        self._port, self._size = port, size
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self):
        with socket.create_connection(self._listener.getsockname()[:2]):
            self._listener.close()
        self._threads[0].join()

    def _accept(self):
        while True:
            near, _ = self._listener.accept()
            with near, socket.create_connection(("127.0.0.1", self._port)) as far:
                while (request := _request(near)) and self._answered(request, near, far):
                    pass
                if not request:
                    return  # the connection of close()

    def _answered(self, request, near, far):
        far.sendall(request)
        sent, last = 0, b""
        while sent <= self._size and (answer := far.recv(4096)):
            near.sendall(answer)
            sent += len(answer)
            last = (last + answer)[-5:]  # the end of an answer may come in two pieces
            if last == b"0\r\n\r\n":
                return True
        return False


def _request(near):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = near.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += near.recv(65536)
    return head + b"\r\n\r\n" + body
