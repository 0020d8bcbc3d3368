# SPDX-License-Identifier: Apache-2.0
"""A proxy as HTTPS_PROXY names one.  Wherever a request wants to go, it goes to one server: names need
not exist.

    proxy = Forward(fake.host).start()
    proxy.connects      # ["store.test:443", ...] of CONNECT
    proxy.forwards      # ["http://store.test/k", ...] of requests that it made itself
"""

import select
import socket
import urllib.parse

from listener import Listener

_BLOCK = 1 << 16


class Forward(Listener):
    def __init__(self, target, refusal=None):
        """target: HOST:PORT.  refusal: a status line that answers each CONNECT instead."""
        super().__init__()
        self.connects, self.forwards, self.heads = [], [], []
        self._target, self._refusal = target, refusal

    @property
    def url(self):
        """As a variable names it."""
        return self.endpoint

    def serve(self, connection, number):
        with connection.makefile("rb") as stream:
            try:
                while self._one(connection, stream):
                    pass
            except ValueError:
                pass  # it is not HTTP

    def _one(self, client, stream):
        head = _head(stream)
        if not head:
            return False
        self.heads.append(head)
        method, target, _ = head[0].split(" ")
        if method == "CONNECT":
            self.connects.append(target)
            if self._refusal:
                client.sendall(f"HTTP/1.1 {self._refusal}\r\nContent-Length: 0\r\n\r\n".encode())
                return False
            with self._reach() as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                tunnel(client, server)
            return False
        self.forwards.append(target)
        url = urllib.parse.urlsplit(target)
        head[0] = f"{method} {url.path or '/'}{'?' if url.query else ''}{url.query} HTTP/1.1"
        with self._reach() as server, server.makefile("rb") as answers:
            server.sendall(_text(head) + stream.read(_length(head)))
            answer = _head(answers)
            client.sendall(_text(answer))
            if method != "HEAD":
                client.sendall(answers.read(_length(answer)))
        return True

    def _reach(self):
        host, _, port = self._target.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=60)


def _head(stream):
    lines = []
    while True:
        line = stream.readline(_BLOCK).decode("latin-1").rstrip("\r\n")
        if not line:
            return lines
        lines.append(line)


def _text(head):
    return "\r\n".join([*head, "", ""]).encode("latin-1")


def _length(head):
    fields = (line.partition(":") for line in head[1:])
    return next((int(value) for name, _, value in fields if name.lower() == "content-length"), 0)


def tunnel(one, other):
    while True:
        for side in select.select([one, other], [], [])[0]:
            data = side.recv(_BLOCK)
            if not data:
                return
            (other if side is one else one).sendall(data)
