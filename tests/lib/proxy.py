# SPDX-License-Identifier: Apache-2.0
"""A proxy before an S3 server that names and counts the requests it passes on.

A test gives its endpoint, instead of the server's, to who is counted.  Heads and bodies pass as
they are, the Host that is signed included, and no body is kept; every connection has one of its
own to the server, and both stay open as long as client and server want.
"""

import re
import select
import socket
import threading
import time
import urllib.parse

from listener import Listener

_BLOCK = 1 << 16
_HEAD_MOST = 1 << 16


class Call:
    """One request: its S3 operation, bucket, key, and in the end the status of the answer."""

    def __init__(self, method, target, headers):
        path, _, query = target.partition("?")
        self.method, self.target = method, target
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self.bucket, _, key = path.lstrip("/").partition("/")
        self.key = urllib.parse.unquote(key)
        self.copies = "x-amz-copy-source" in headers
        self.presigned = "X-Amz-Signature" in self.query
        self.operation = self._named()
        self.status = None  # none came
        self.sent = 0  # bytes of the request's body

    def _named(self):
        where = "object" if self.key else "bucket" if self.bucket else "service"
        for subresource, names in _SUBRESOURCES.items():
            if subresource in self.query and (self.method, where) in names:
                name = names[self.method, where]
                return name + "Copy" if self.copies and name == "UploadPart" else name
        if self.copies and (self.method, where) == ("PUT", "object"):
            return "CopyObject"
        return _PLAIN.get((self.method, where), f"{self.method} {where}")

    def __repr__(self):
        return f"{self.operation} {self.key or self.query.get('prefix', '')} -> {self.status}"


# by query, the telling one first
_SUBRESOURCES = {
    "partNumber": {("PUT", "object"): "UploadPart"},
    "uploadId": {("POST", "object"): "CompleteMultipartUpload",
                 ("DELETE", "object"): "AbortMultipartUpload",
                 ("GET", "object"): "ListParts"},
    "uploads": {("POST", "object"): "CreateMultipartUpload",
                ("GET", "bucket"): "ListMultipartUploads"},
    "delete": {("POST", "bucket"): "DeleteObjects"},
    "list-type": {("GET", "bucket"): "ListObjectsV2"},
    "location": {("GET", "bucket"): "GetBucketLocation"},
    "versioning": {("GET", "bucket"): "GetBucketVersioning"},
    "attributes": {("GET", "object"): "GetObjectAttributes"},
}
_PLAIN = {
    ("GET", "object"): "GetObject", ("HEAD", "object"): "HeadObject",
    ("PUT", "object"): "PutObject", ("DELETE", "object"): "DeleteObject",
    ("GET", "bucket"): "ListObjects", ("HEAD", "bucket"): "HeadBucket",
    ("PUT", "bucket"): "CreateBucket", ("DELETE", "bucket"): "DeleteBucket",
    ("GET", "service"): "ListBuckets",
}


class _Gone(Exception):
    """One of the two closed its connection, or said what is no HTTP."""


class _Side:
    """A connection and what was read from it ahead."""

    def __init__(self, sock):
        self.sock, self.ahead = sock, b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def more(self):
        data = self.sock.recv(_BLOCK)
        if not data:
            raise _Gone()
        self.ahead += data

    def line(self):
        while b"\n" not in self.ahead:
            if len(self.ahead) > _HEAD_MOST:
                raise _Gone()
            self.more()
        line, _, self.ahead = self.ahead.partition(b"\n")
        return line + b"\n"

    def head(self):
        """(bytes, first line, {name in small letters: value})."""
        raw, headers = self.line(), {}
        first = raw.decode("latin-1").strip()
        while True:
            line = self.line()
            raw += line
            if len(raw) > _HEAD_MOST:
                raise _Gone()
            if not line.strip():
                return raw, first, headers
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()

    def pieces(self, size):
        """size bytes, as they come."""
        while size:
            if not self.ahead:
                self.more()
            piece, self.ahead = self.ahead[:size], self.ahead[size:]
            size -= len(piece)
            yield piece

    def chunks(self):
        """A chunked body as it is, its trailers included."""
        while True:
            line = self.line()
            yield line
            size = int(line.split(b";")[0], 16)
            if not size:
                break
            yield from self.pieces(size + 2)
        while True:
            line = self.line()
            yield line
            if not line.strip():
                return

    def rest(self):
        if self.ahead:
            yield self.ahead
        self.ahead = b""
        while True:
            data = self.sock.recv(_BLOCK)
            if not data:
                return
            yield data

    def body(self, headers, until_closed):
        if headers.get("transfer-encoding", "").lower().endswith("chunked"):
            return self.chunks()
        if "content-length" in headers:
            return self.pieces(int(headers["content-length"]))
        return self.rest() if until_closed else ()

    def readable(self):
        return bool(self.ahead) or bool(select.select([self.sock], [], [], 0)[0])


class Proxy(Listener):
    """Before a started Minio, or anything with .host (HOST:PORT), .accesskey and .secretkey; it
    stands for that server wherever only these, .endpoint and .bucket matter."""

    def __init__(self, server):
        super().__init__()
        self.server, self.accesskey, self.secretkey = server, server.accesskey, server.secretkey
        self._lock = threading.Lock()
        self._calls, self._open, self._last = [], 0, time.monotonic()

    def new_bucket(self):
        return self.server.new_bucket()

    # ---- what was counted ----

    def reset(self):
        with self._lock:
            self._calls = []

    def calls(self):
        with self._lock:
            return list(self._calls)

    def counts(self, presigned=False):
        """{operation: number}; without what clients were sent on to, unless presigned."""
        found = {}
        for call in self.calls():
            if presigned or not call.presigned:
                found[call.operation] = found.get(call.operation, 0) + 1
        return found

    def settle(self, quiet=0.15, most=20):
        """Waits until nothing is under way and nothing came for a while."""
        deadline = time.monotonic() + most
        while time.monotonic() < deadline:
            with self._lock:
                rest = 0.01 if self._open else self._last + quiet - time.monotonic()
            if rest <= 0:
                return self
            time.sleep(rest)
        raise AssertionError(f"requests still come after {most} s: {self.calls()[-5:]}")

    # ---- connections ----

    def serve(self, connection, number):
        host, _, port = self.server.host.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=60) as other:
                client, server = _Side(connection), _Side(other)
                while self._one(client, server):
                    pass
        except (_Gone, OSError, ValueError):
            pass  # closing both tells both

    def _one(self, client, server):
        """One request and its answer; do the connections stay?"""
        raw, first, headers = client.head()
        method, target = first.split(" ")[:2]
        call = Call(method, target, headers)
        with self._lock:
            self._calls.append(call)
            self._open += 1
        try:
            server.sock.sendall(raw)
            return self._exchange(client, server, call, headers)
        finally:
            with self._lock:
                self._open -= 1
                self._last = time.monotonic()

    def _exchange(self, client, server, call, headers):
        whole = True
        if headers.get("expect", "").lower() == "100-continue":
            whole = self._answered(client, server) == "100"
        if whole:
            for piece in client.body(headers, until_closed=False):
                if server.readable():  # it answers before it has read all
                    whole = False
                    break
                server.sock.sendall(piece)
                call.sent += len(piece)
        while True:
            raw, first, answer = server.head()
            status = re.match(r"HTTP/1\.[01] (\d{3})", first).group(1)
            client.sock.sendall(raw)
            if status[0] != "1":
                break
        call.status = int(status)
        if call.method != "HEAD" and status not in ("204", "304"):
            for piece in server.body(answer, until_closed=True):
                client.sock.sendall(piece)
        lasting = "content-length" in answer or "transfer-encoding" in answer or status == "204"
        closes = "close" in (headers.get("connection", "") + answer.get("connection", "")).lower()
        return whole and lasting and not closes

    @staticmethod
    def _answered(client, server):
        """Passes an interim answer on: "100".  A final one is left to be read: ""."""
        while b"\n" not in server.ahead:
            server.more()
        if not re.match(rb"HTTP/1\.[01] 100", server.ahead):
            return ""
        client.sock.sendall(server.head()[0])
        return "100"
