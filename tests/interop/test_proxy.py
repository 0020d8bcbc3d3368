#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The counting proxy of tests/lib is not seen by who talks through it, and names what it counts."""

import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import proxy
import tap


class Scripted:
    """A server with a script of (what it wants, what it answers then): a number of bytes behind a
    head, or the bytes that end what it reads; got has all that it read, by connection."""

    accesskey = secretkey = "x"

    def __init__(self, *script):
        self.script, self.got = list(script), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.host = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while self.script:
            sock = self.listener.accept()[0]
            self.got.append(b"")
            with sock:
                while self.script and self.one(sock):
                    pass

    def one(self, sock):
        data = b""
        wanted, answers = self.script[0]
        while True:
            _, end, body = data.partition(b"\r\n\r\n")
            if data.endswith(wanted) if isinstance(wanted, bytes) else end and len(body) >= wanted:
                break
            piece = sock.recv(65536)
            if not piece:
                return False
            data += piece
            self.got[-1] += piece
        self.script.pop(0)
        sock.sendall(answers)
        return b"close" not in answers


def through(script, *said):
    """(what the client got, the server, the proxy); each of said is sent as it is."""
    server = Scripted(*script)
    middle = proxy.Proxy(server).start()
    tap.defer(middle.stop)
    with socket.create_connection(("127.0.0.1", middle.port), timeout=10) as client:
        for data in said:
            client.sendall(data)
        answer, want = b"", b"".join(a for _, a in script)
        while len(answer) < len(want):
            piece = client.recv(65536)
            if not piece:
                break
            answer += piece
    middle.settle()
    return answer, server, middle


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@tap.test
def requests_and_answers_pass_unchanged_on_one_connection():
    head = b"HEAD /b/k HTTP/1.1\r\nHost: elsewhere:99\r\n\r\n"
    put = b"PUT /b/k%20k HTTP/1.1\r\nhOsT:  elsewhere:99\r\nContent-Length: 5\r\n\r\n12345"
    get = b"GET /b?list-type=2 HTTP/1.1\r\nHost: elsewhere:99\r\n\r\n"
    no_body = b"HTTP/1.1 404 Not Found\r\nContent-Length: 700\r\n\r\n"
    chunks = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
              b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n")
    script = [(0, no_body), (5, OK), (0, chunks)]
    answer, server, middle = through(script, head, put, get)
    tap.equal(answer, no_body + OK + chunks)
    tap.equal(server.got, [head + put + get])
    tap.equal([(c.operation, c.key, c.status, c.sent) for c in middle.calls()],
              [("HeadObject", "k", 404, 0), ("PutObject", "k k", 200, 5),
               ("ListObjectsV2", "", 200, 0)])
    tap.equal(middle.counts(), {"HeadObject": 1, "PutObject": 1, "ListObjectsV2": 1})
    middle.reset()
    tap.equal(middle.counts(), {})


@tap.test
def body_in_chunks():
    put = b"PUT /b/k HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"A\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n"
    answer, server, _ = through([(len(body), OK)], put, body[:7], body[7:])
    tap.equal((answer, server.got), (OK, [put + body]))


@tap.test
def body_that_waits_to_be_asked_for():
    put = b"PUT /b/k HTTP/1.1\r\nHost: e\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    server = Scripted((0, b"HTTP/1.1 100 Continue\r\n\r\n"), (b"abc", OK))
    middle = proxy.Proxy(server).start()
    tap.defer(middle.stop)
    with socket.create_connection(("127.0.0.1", middle.port), timeout=10) as client:
        client.sendall(put)
        tap.equal(client.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
        client.sendall(b"abc")
        answer = b""
        while len(answer) < len(OK):
            answer += client.recv(1000)
        tap.equal(answer, OK)
    tap.equal(middle.settle().calls()[0].sent, 3)


@tap.test
def answer_before_the_body():
    """Refused at once: the answer comes through and the connection ends."""
    refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    put = b"PUT /b/k HTTP/1.1\r\nHost: e\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    answer, server, middle = through([(0, refused)], put)
    tap.equal((answer, server.got), (refused, [put]))
    tap.equal(middle.calls()[0].status, 403)


@tap.test
def body_until_the_connection_ends():
    got = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it"
    answer, _, middle = through([(0, got)], b"GET /b/k HTTP/1.1\r\nHost: e\r\n\r\n")
    tap.equal(answer, got)
    tap.equal(middle.counts(), {"GetObject": 1})


@tap.test
def client_that_hangs_up_is_counted():
    server = Scripted((10, OK))
    middle = proxy.Proxy(server).start()
    tap.defer(middle.stop)
    with socket.create_connection(("127.0.0.1", middle.port), timeout=10) as client:
        client.sendall(b"PUT /b/k HTTP/1.1\r\nHost: e\r\nContent-Length: 10\r\n\r\n123")
        while not server.got or not server.got[0].endswith(b"123"):
            time.sleep(0.01)
    call, = middle.settle().calls()
    tap.equal((call.operation, call.status, call.sent), ("PutObject", None, 3))


@tap.test
def operations_are_named():
    for want, method, target, copies in (
            ("PutObject", "PUT", "/b/a%20b", False), ("CopyObject", "PUT", "/b/k", True),
            ("UploadPart", "PUT", "/b/k?partNumber=1&uploadId=x", False),
            ("UploadPartCopy", "PUT", "/b/k?partNumber=1&uploadId=x", True),
            ("CreateMultipartUpload", "POST", "/b/k?uploads", False),
            ("CreateMultipartUpload", "POST", "/b/k?uploads=", False),
            ("CompleteMultipartUpload", "POST", "/b/k?uploadId=x", False),
            ("AbortMultipartUpload", "DELETE", "/b/k?uploadId=x", False),
            ("ListParts", "GET", "/b/k?uploadId=x", False),
            ("ListMultipartUploads", "GET", "/b?uploads=&prefix=k", False),
            ("ListMultipartUploads", "GET", "/b/?uploads", False),
            ("ListObjectsV2", "GET", "/b?list-type=2&prefix=k", False),
            ("ListObjects", "GET", "/b/?prefix=k", False),
            ("DeleteObjects", "POST", "/b?delete", False),
            ("DeleteObject", "DELETE", "/b/k", False), ("GetObject", "GET", "/b/k", False),
            ("HeadObject", "HEAD", "/b/k", False), ("HeadBucket", "HEAD", "/b", False),
            ("DELETE service", "DELETE", "/", False)):
        headers = {"x-amz-copy-source": "b/other"} if copies else {}
        tap.equal(proxy.Call(method, target, headers).operation, want, f"{method} {target}")


@tap.test
def presigned_requests_are_counted_apart():
    target = b"/b/a%20b?X-Amz-Signature=1"
    _, _, middle = through([(0, OK)], b"GET " + target + b" HTTP/1.1\r\nHost: e\r\n\r\n")
    tap.equal(middle.counts(), {})
    tap.equal(middle.counts(presigned=True), {"GetObject": 1})
    tap.equal(middle.calls()[0].key, "a b")


if __name__ == "__main__":
    tap.main()
