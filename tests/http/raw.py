# SPDX-License-Identifier: Apache-2.0
"""HTTP by hand over a socket, for what http.client would not send or would hide; and what a
store's folder holds."""

import hashlib
import json
import os
import socket
import time


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __getitem__(self, name):
        found = [v for n, v in self.headers if n.lower() == name.lower()]
        return ", ".join(found) if found else None

    @property
    def codes(self):
        if "json" not in (self["Content-Type"] or ""):
            raise AssertionError(f"no JSON: {self!r}")
        return [e["code"] for e in json.loads(self.body)["errors"]]

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:500]!r}>"


class Connection:
    def __init__(self, server, timeout=30, receive=None):
        """receive is the size of the buffer that the system fills before the test reads."""
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.socket.connect(("127.0.0.1", server.port))
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        return self

    def head(self, method, path, *headers, version="1.1"):
        lines = [f"{method} {path} HTTP/{version}", "Host: registry.test", *headers]
        return self.send("\r\n".join(lines) + "\r\n\r\n")

    def _more(self):
        data = self.socket.recv(65536)
        self.rest += data
        return bool(data)

    def reply(self, method="GET"):
        """The next answer, informational ones too; None where the connection has ended."""
        while b"\r\n\r\n" not in self.rest:
            if not self._more():
                if self.rest:
                    raise AssertionError(f"answer cut: {self.rest!r}")
                return None
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = [tuple(p.strip() for p in line.split(":", 1)) for line in lines[1:]]
        reply = Reply(status, headers, b"")
        if method != "HEAD" and status >= 200 and status not in (204, 304):
            length = int(reply["Content-Length"])
            while len(self.rest) < length:
                if not self._more():
                    raise AssertionError(f"body cut at {len(self.rest)} of {length}")
            reply.body, self.rest = self.rest[:length], self.rest[length:]
        return reply

    def is_cut_off(self, piece="x", seconds=40, meanwhile=None):
        """Sends a piece five times a second: does the server close it, then?"""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.send(piece)
            except OSError:
                return True
            if meanwhile:
                meanwhile()
            time.sleep(0.2)
        return False

    def ended(self):
        """Has the server closed it?"""
        try:
            return not self.rest and not self._more()
        except ConnectionError:
            return True


def ask(server, method, path, body=None, *headers):
    """One request, one answer."""
    with Connection(server) as c:
        if body is not None:
            headers = (*headers, f"Content-Length: {len(body)}")
        c.head(method, path, *headers)
        if body:
            c.send(body)
        return c.reply(method)


def target(location):
    """The path of a Location, absolute or not."""
    return "/" + location.split("://", 1)[1].split("/", 1)[1] if "://" in location else location


def tree(folder):
    """{path: hash} of every file below."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            try:
                with open(path, "rb") as f:
                    content = hashlib.sha256(f.read()).hexdigest()
            except FileNotFoundError:  # gone since it was listed
                continue
            found[os.path.relpath(path, folder)] = content
    return found
