#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A store that speaks S3 as a test wants it to: with quirks, faults, a log and a clock of its own.

As a module:

    fake = FakeS3(Profile(page_size=3)).start()
    bucket = fake.new_bucket()
    fake.fault(operation="DeleteObjects", nth=1, cut=20)
    ...
    fake.calls("DeleteObjects"), fake.objects(bucket)
    fake.stop()

As a program it says "listening on http://127.0.0.1:PORT" and runs until it is ended; see --help.

It promises that no request whose signature is wrong reaches the store.  Buckets are named in the
path, or in the host where that is bucket.DOMAIN.  This file knows connections and the course of a
request; what a request asks for is operations.py's, what is stored store.py's.
"""

import argparse
import dataclasses
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import answers
import operations
import sigv4
from faults import Call, Fault, Script
from sigv4 import Credentials, Refused
from store import Bucket, Profile

HEAD_MOST = 64 << 10
BODY_MOST = 1 << 30
REASONS = {200: "OK", 204: "No Content", 206: "Partial Content", 400: "Bad Request",
           403: "Forbidden", 404: "Not Found", 412: "Precondition Failed"}


class Request:
    """One request as it came: its target and headers are not touched."""

    def __init__(self, head, connection):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, version = lines[0].split(" ")
        if version != "HTTP/1.1":
            raise ValueError(version)
        self.headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise ValueError(line)
            self.headers.append((name, value.strip()))
        self.path, _, self.query = self.target.partition("?")
        self.connection = connection
        self.body = b""
        self.bucket, self.key = "", b""
        self.arguments = {sigv4.decode(name).decode("latin-1"): sigv4.decode(value)
                          for name, value in sigv4.query_pairs(self.query)}

    def header(self, name):
        return next((value for other, value in self.headers if other.lower() == name), None)

    def locate(self, domain, prefix):
        """Finds bucket and key.  What is not below the prefix is in no bucket."""
        host = (self.header("host") or "").rsplit(":", 1)[0]
        path = self.path[len(prefix) + 1:] if self.path.startswith(prefix + "/") else "-/"
        if domain and host.endswith("." + domain):
            self.bucket = host[:-len(domain) - 1]
        else:
            self.bucket, _, path = path.partition("/")
        self.key = sigv4.decode(path)


class FakeS3:
    """One store on a free port of 127.0.0.1, by TLS with the context of ssl that is given.  May be
    used from any thread."""

    accesskey, secretkey, region = "fake-access", "fake/secret+key", "us-east-1"

    def __init__(self, profile=None, sessiontoken=None, domain="s3.test", prefix="", port=0,
                 tls=None):
        self.profile = profile or Profile()
        self.sessiontoken, self.domain, self.prefix = sessiontoken, domain, prefix
        self._tls = tls
        self.credentials = [Credentials(self.accesskey, self.secretkey, sessiontoken)]
        self.script = Script()
        self._lock = threading.RLock()
        self._buckets, self._offset, self._connections = {}, 0.0, 0
        self._operations = operations.Operations(self.profile, self._buckets, self.now,
                                                 self.make_bucket)
        self._listener, self._port, self._open, self._threads = None, port, set(), []

    # ---- what a test does with it ----

    def start(self):
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
        self._port = self._listener.getsockname()[1]
        thread = threading.Thread(target=self._listen, daemon=True)
        self._threads = [thread]
        thread.start()
        return self

    def stop(self):
        if not self._listener:
            return
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        except OSError:
            pass
        self._listener.close()
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            threads = list(self._threads)
        for thread in threads:
            thread.join(10)
        self._listener = None

    @property
    def host(self):
        return f"127.0.0.1:{self._port}"

    @property
    def endpoint(self):
        return f"{'https' if self._tls else 'http'}://{self.host}"

    def now(self):
        """Seconds since 1970 by the store's clock."""
        return time.time() + self._offset

    def advance(self, seconds):
        """Sets the store's clock forward, or back."""
        with self._lock:
            self._offset += seconds

    def make_bucket(self, name):
        with self._lock:
            self._buckets.setdefault(name, Bucket(self.profile))

    def new_bucket(self):
        with self._lock:
            name = f"bucket-{len(self._buckets) + 1}"
            self.make_bucket(name)
        return name

    def bucket(self, name):
        """The store's own, to look at or to change while no call is under way."""
        return self._buckets[name]

    def put(self, bucket, key, body):
        """key: bytes, or text in UTF-8."""
        with self._lock:
            self._buckets[bucket].put(key if isinstance(key, bytes) else key.encode(), body,
                                      self.now())

    def objects(self, bucket):
        """{key: bytes}; keys as text, what is not UTF-8 in them by surrogates."""
        with self._lock:
            return {_text(key): stored.body
                    for key, stored in sorted(self._buckets[bucket].objects.items())}

    def fault(self, **what):
        return self.script.add(Fault(**what))

    def calls(self, *names):
        return self.script.calls(*names)

    def clear(self):
        """Forgets the faults and the log, not what is stored."""
        self.script.clear()

    # ---- connections ----

    def _listen(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections += 1
                self._open.add(connection)
                thread = threading.Thread(target=self._serve, daemon=True,
                                          args=(connection, self._connections))
                self._threads = [t for t in self._threads if t.is_alive()] + [thread]
                thread.start()

    def _serve(self, plain, number):
        connection = plain
        try:
            if self._tls:
                connection = self._tls.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._open.add(connection)
            with connection, connection.makefile("rb") as stream:
                while self._serve_one(connection, stream, number):
                    pass
        except OSError:
            pass  # the client has gone
        finally:
            plain.close()
            with self._lock:
                self._open -= {plain, connection}

    def _serve_one(self, connection, stream, number):
        """False where the connection is to be closed."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline(HEAD_MOST)
            head += line
            if not line or len(head) > HEAD_MOST:
                return False
        try:
            request = Request(head[:-4], number)
            length = int(request.header("content-length") or "0")
        except ValueError:
            _send(connection, answers.error(400, "BadRequest", "this is not HTTP/1.1"), None)
            return False
        if not 0 <= length <= BODY_MOST or request.header("transfer-encoding") is not None:
            _send(connection, answers.error(411, "MissingContentLength", "no length"), None)
            return False
        if (request.header("expect") or "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.body = stream.read(length)
        if len(request.body) < length:
            return False
        return self._answer(connection, request)

    # ---- the course of a request ----

    def _answer(self, connection, request):
        request.locate(self.domain, self.prefix)
        name = operations.name_of(request)
        call = Call(request, name, request.bucket, _text(request.key), self.now())
        fault = None
        try:
            sigv4.check(request, self.credentials, self.region, self.now())
            fault = call.fault = self.script.take(name, call.key)
            if fault and fault.forget:
                call.body = b""
            answer = self._work(name, request, fault)
        except Refused as e:
            call.code, call.message = e.code, e.message
            answer = answers.error(e.status, e.code, e.message, request.path, e.headers, e.region)
        if answer is None:
            self.script.note(call)
            return False
        answer.set_header("Date", answers.http_date(self.now()))
        answer.set_header("x-amz-request-id", f"FAKE{request.connection:04d}")
        for header, value in (fault.headers if fault else {}).items():
            answer.set_header(header, value)
        call.status, call.sent = answer.status, len(answer.body)
        self.script.note(call)
        if fault and fault.pieces:
            return _send_pieces(connection, answer, fault.pieces(answer.body))
        return _send(connection, answer, request.method, fault.cut if fault else None)

    def _work(self, name, request, fault):
        """The answer, None to close without one."""
        if fault and fault.delay:
            time.sleep(fault.delay)
        answer = None
        if not fault or fault.work:
            with self._lock:
                answer = self._operations.run(name, request)
        if not fault:
            return answer
        if fault.close:
            return None
        if fault.body is not None:
            answer = answers.Answer(fault.status or 200, [("Content-Type", "application/xml")],
                                    fault.body)
        elif fault.answers:
            answer = answers.error(fault.status or 500, fault.code or "InternalError",
                                   fault.message, request.path)
        if fault.edit:
            fault.edit(answer)
        return answer


def _text(key):
    return key.decode("utf-8", "surrogateescape")


def _head(answer):
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Other')}",
             *(f"{name}: {value}" for name, value in answer.headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _send(connection, answer, method, cut=None):
    """False where the connection is to be closed."""
    body = b"" if method == "HEAD" else answer.body
    length = len(answer.body) if answer.length is None else answer.length
    if answer.status != 204 and "content-length" not in (n.lower() for n, _ in answer.headers):
        answer.set_header("Content-Length", str(length))
    connection.sendall(_head(answer) + (body if cut is None else body[:cut]))
    return cut is None and method is not None


def _send_pieces(connection, answer, pieces):
    answer.set_header("Transfer-Encoding", "chunked")
    connection.sendall(_head(answer))
    for seconds, piece in [*pieces, (0, b"")]:
        time.sleep(seconds)
        connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
    return True


def main():
    parser = argparse.ArgumentParser(description="a scripted S3 store in memory")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bucket", action="append", default=[], help="made at the start")
    for field in dataclasses.fields(Profile):
        kind = (lambda text: text == "yes") if field.type in (bool, "bool") else type(field.default)
        parser.add_argument("--" + field.name.replace("_", "-"), type=kind, default=field.default,
                            help=f"default {field.default!r}")
    given = vars(parser.parse_args())
    profile = Profile(**{field.name: given[field.name] for field in dataclasses.fields(Profile)})
    fake = FakeS3(profile, port=given["port"]).start()
    for name in given["bucket"]:
        fake.make_bucket(name)
    print(f"listening on {fake.endpoint}, access key {fake.accesskey}, secret key "
          f"{fake.secretkey}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
