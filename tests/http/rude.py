# SPDX-License-Identifier: Apache-2.0
"""Clients that no server deserves.  Each kind is a function that is given a connection, a source of
chance and the place it plays in; it raises AssertionError where the host answers what it must not.
That a connection ends is no fault; that neither an answer nor an end comes in SILENCE is one.

A canary is a whole request that is sent where no reader of RFC 9112 takes it for one: in a body, or
behind framing that must be refused.  It would give a tag to the repository of canaries, or take one
from it, or an upload."""

import socket
import ssl
import struct

import images
import raw

CANARIES = "canary"  # their repository
SILENCE = 30  # seconds
KINDS = {}


def kind(function):
    KINDS[function.__name__] = function
    return function


class Place:
    """What rude clients find: a large blob and a manifest, and what canaries are after: a tag of
    their repository, and an upload that is under way there."""

    def __init__(self, server, large, manifest, tag):
        self.server, self.large, self.manifest, self.tag = server, large, manifest, tag
        self.blob = f"/v2/a/blobs/{images.digest(large)}"
        self.upload = self.begun_upload()
        self.sent = 0

    def begun_upload(self):
        """With bytes: of one without there is nothing that could be taken away."""
        reply = raw.ask(self.server, "PATCH", upload(self, CANARIES), b"canary")
        ok(reply and reply.status == 202, "no upload", reply)
        return raw.target(reply["Location"])

    def giving(self, tag):
        return (f"PUT /v2/{CANARIES}/manifests/{tag} HTTP/1.1\r\nHost: x\r\n"
                f"Content-Type: {images.MANIFEST}\r\nContent-Length: {len(self.manifest)}\r\n"
                "\r\n").encode() + self.manifest

    @staticmethod
    def taking(path):
        return f"DELETE {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()

    def canary(self):
        """Each kind in turn."""
        self.sent += 1
        if self.sent % 3 == 0:
            return self.taking(f"/v2/{CANARIES}/manifests/{self.tag}")
        return self.taking(self.upload) if self.sent % 3 == 1 else self.giving(f"hid{self.sent}")


def play(name, place, chance):
    """One client of that kind, from its beginning to its end."""
    with raw.Connection(place.server, timeout=SILENCE) as c:
        try:
            KINDS[name](c, chance, place)
        except TimeoutError:
            ok(False, "neither an answer nor an end", name)
        except OSError:
            pass


def refused(c):
    """What cannot be framed is answered with an error or not at all, and ends the connection."""
    reply = c.reply()
    if reply and reply.status == 100:
        reply = c.reply()
    if reply:
        ok(reply.status >= 400 and reply["Connection"] == "close", "taken", reply)
    # the library sends the head of its own refusal of a length twice (docs/design/http.md)
    ok(len(c.rest) < 500, "another answer", c.rest)
    c.rest = b""
    ok(c.ended(), "the connection goes on", reply)


def ok(truth, what, *more):
    if not truth:
        raise AssertionError(f"{what}: {more!r}")


def sane(reply, *allowed):
    """An answer, and not one that says that the host has stumbled."""
    if reply:
        ok(reply.status in allowed if allowed else reply.status < 500 or reply.status in (501, 505),
           "an odd status", reply)
    return reply


def reset(c):
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()


def linger(c, seconds):
    c.socket.settimeout(seconds)
    try:
        c.socket.recv(10)
    except OSError:
        pass
    c.socket.settimeout(SILENCE)


def leave(c, chance):
    """One way or the other, sometimes not at once."""
    if chance.random() < 0.3:
        linger(c, chance.uniform(0.05, 0.5))
    how = chance.randrange(3)
    if how == 0:
        reset(c)
    elif how == 1:
        c.socket.shutdown(socket.SHUT_WR)
        while c.socket.recv(65536):
            pass


def upload(place, repository="a"):
    """Where a body is taken."""
    reply = raw.ask(place.server, "POST", f"/v2/{repository}/blobs/uploads/", b"")
    ok(reply and reply.status == 202, "no upload", reply)
    return raw.target(reply["Location"])


# ---- halves ----

@kind
def half_a_request_line(c, chance, place):
    line = f"GET {place.blob} HTTP/1.1\r\n"
    c.send(line[:chance.randrange(1, len(line))])
    leave(c, chance)


@kind
def half_a_head(c, chance, place):
    head = (f"PATCH {place.blob} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
            f"Cookie: {'y' * chance.randrange(5000)}\r\nAccept: a/b\r\n\r\n")
    c.send(head[:chance.randrange(30, len(head))])
    leave(c, chance)


@kind
def half_a_body(c, chance, place):
    length = chance.choice((1000, 300_000, 3_000_000))
    part = chance.randbytes(chance.randrange(length))
    if chance.random() < 0.5:
        c.head("PATCH", upload(place), f"Content-Length: {length}").send(part)
    else:
        c.head("PUT", "/v2/a/manifests/half", f"Content-Type: {images.MANIFEST}",
               "Transfer-Encoding: chunked").send(f"{length:x}\r\n".encode() + part)
    leave(c, chance)


# ---- too much, too slow ----

@kind
def a_head_without_end(c, chance, _):
    c.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n")
    many = chance.random() < 0.5
    try:
        for n in range(1000):
            c.send(f"N{n}: {'x' * 900}\r\n" if many else ("Long: " if n == 0 else "x" * 1000))
    except OSError:
        return
    ok(c.reply().status in (400, 413, 431), "taken")


@kind
def a_query_without_end(c, chance, _):
    """The library has no room for so many arguments, and sends nothing (docs/design/http.md)."""
    c.send("GET /v2/?" + "a&" * chance.randrange(1000, 8000) + " HTTP/1.1\r\nHost: x\r\n\r\n")
    c.socket.shutdown(socket.SHUT_WR)
    sane(c.reply(), 400, 413, 414, 431)


@kind
def bytes_one_by_one(c, chance, place):
    for byte in b"GET /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\n\r\n":
        c.send(bytes([byte]))
    ok(c.reply().status == 200, "no manifest")
    body = chance.randbytes(40)
    c.head("PATCH", upload(place), "Transfer-Encoding: chunked")
    for byte in body:
        c.send(b"1\r\n" + bytes([byte]) + b"\r\n")
    leave(c, chance)


@kind
def a_body_that_stops(c, chance, place):
    c.head("PATCH", upload(place), "Content-Length: 5000000").send(chance.randbytes(400_000))
    linger(c, chance.uniform(0.2, 1))
    leave(c, chance)


@kind
def an_answer_not_taken(c, chance, place):
    c.head("GET", place.blob)
    c.socket.recv(chance.choice((1, 1000, 100_000)))
    leave(c, chance)


# ---- gone ----

@kind
def resets(c, chance, place):
    where = chance.randrange(3)
    if where == 0:
        c.send("GET /v2/ HTTP/1.1\r\nHos")
    elif where == 1:
        c.head("PATCH", upload(place), "Content-Length: 900000").send(chance.randbytes(100_000))
    else:
        c.head("GET", place.blob).socket.recv(1)
    reset(c)


# ---- many at once ----

@kind
def pipelined(c, chance, place):
    asked = []
    for _ in range(chance.randrange(2, 20)):
        method, path, status = chance.choice((
            ("GET", "/v2/", 200), ("HEAD", place.blob, 200), ("GET", "/v2/none/tags/list", 404),
            ("GET", "/v2/A/tags/list", 400), ("GET", "/v2/a/manifests/t", 200),
            ("DELETE", "/v2/a/blobs/uploads/none", 404)))
        asked.append((method, status))
        c.head(method, path)
    for method, status in asked:
        if chance.random() < 0.05:
            return leave(c, chance)
        reply = c.reply(method)
        ok(reply and reply.status == status, f"{method}: not {status}", reply)
    ok(c.head("GET", "/v2/").reply().status == 200, "one answer too many")
    return None


@kind
def pipelined_uploads(c, chance, place):
    expected = []
    for _ in range(chance.randrange(2, 6)):
        data = place.canary() + chance.randbytes(chance.randrange(2000))
        good = chance.random() < 0.6
        digest = images.digest(data if good else data + b"x")
        c.head("POST", f"/v2/a/blobs/uploads/?digest={digest}", f"Content-Length: {len(data)}",
               "Content-Type: application/octet-stream").send(data)
        expected.append(201 if good else 400)
    if chance.random() < 0.3:
        return leave(c, chance)
    for status in expected:
        reply = c.reply()
        ok(reply and reply.status == status, f"not {status}", reply)
    return None


# ---- smuggling ----

METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE")


@kind
def two_lengths(c, chance, place):
    canary = place.canary()
    first, second = chance.choice(((5, 5), (5, 5 + len(canary)), (5 + len(canary), 5), (0, 5)))
    lines = chance.choice((
        [f"Content-Length: {first}", f"Content-Length: {second}"],
        [f"Content-Length: {first}, {second}"], [f"Content-Length: {first}", "Content-Length:"],
        [f"Content-Length: {first}", f"content-length:{second}"], [f"Content-Length: +{first}"],
        [f"Content-Length: -{first + 1}"], [f"Content-Length: 0x{first + 16:x}"],
        ["Content-Length: 18446744073709551621"], [f"Content-Length : {first}"],
        [f"Content-Length: {first} {second}"]))
    c.head(chance.choice(METHODS), "/v2/a/manifests/t2", *lines)
    c.send(b"abcde" + canary)
    refused(c)


@kind
def lengths_in_disguise(c, chance, place):
    """Folded, or with a NUL, or both: some see the length and some do not."""
    canary = place.canary()
    size = len(canary)
    c.head(chance.choice(METHODS), "/v2/a/manifests/t2", chance.choice((
        f"Content-Length:\r\n {size}", f"Content-Length: 0\r\n\t{size}",
        f"Content-Le: {size}\r\n ngth", f"Content-Length: 0\0{size}", f"Content-Length: {size}\0",
        f"X: a\r\n b\r\nContent-Length: {size}", f"X: a\0\r\nContent-Length: {size}",
        "Transfer-Encoding:\r\n chunked", "Transfer-Encoding: chun\r\n ked",
        "Transfer-Encoding: chunked\0x", f" Content-Length: {size}")))
    c.send(canary)
    refused(c)


@kind
def length_and_chunks(c, chance, place):
    canary = place.canary()
    lines = [f"Content-Length: {chance.choice((4, 5, 5 + len(canary)))}",
             "Transfer-Encoding: chunked"]
    chance.shuffle(lines)
    c.head(chance.choice(METHODS), "/v2/a/manifests/t2", *lines).send(b"0\r\n\r\n" + canary)
    refused(c)


@kind
def odd_codings(c, chance, place):
    line = chance.choice((
        "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity", "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding : chunked", "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding: chunked;q=1", "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: chunk"))
    c.head(chance.choice(METHODS), "/v2/a/manifests/t2", line)
    c.send(b"0\r\n\r\n" + place.canary())
    refused(c)


@kind
def odd_chunks(c, chance, place):
    start = chance.choice((b"fffffffffffffffff\r\n", b"10000000000000000\r\n", b"-5\r\n", b"0x5\r\n",
                           b"5 5\r\n", b"g\r\n", b"\r\n", b"+5\r\n", b"5\r\nabcdefg\r\n"))
    c.head("PUT", "/v2/a/manifests/t2", f"Content-Type: {images.MANIFEST}",
           "Transfer-Encoding: chunked")
    c.send(start + place.canary())
    c.socket.shutdown(socket.SHUT_WR)
    refused(c)


@kind
def trailers_and_extensions(c, chance, place):
    """These are right, and so is what comes after them."""
    canary = place.canary()
    c.head(chance.choice(("GET", "POST", "DELETE")), "/v2/a/tags/list", "Transfer-Encoding: chunked")
    c.send(b"5;a=b;c=\"d e\"\r\nabcde\r\n%x;%s\r\n" % (len(canary), b"x" * chance.randrange(300))
           + canary + b"\r\n0;last\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n")
    reply = sane(c.reply(), 200, 405)
    ok(reply, "no answer")
    ok(c.head("GET", "/v2/").reply().body == b"{}", "another answer")


# ---- heads ----

@kind
def odd_lines(c, chance, place):
    line = chance.choice((b"X: a\nY: b\r\n", b"X: a\0b\r\n", b"X\0: a\r\n", b"X: a\r\n folded\r\n",
                          b" X: a\r\n", b"X : a\r\n", b"no colon\r\n", b": no name\r\n", b"X: a\rb\r\n",
                          b"X\xff\xfe: \xff\r\n", b"Host: second\r\n", b"\x7f: a\r\n",
                          b"X:" + b"\t" * 500 + b"\r\n"))
    c.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n")
    sane(c.reply())


@kind
def expectations(c, chance, place):
    canary = place.canary()
    length = f"Content-Length: {len(canary)}"
    way = chance.randrange(5)
    if way == 0:  # sent without waiting, to where it is refused
        c.head("PATCH", "/v2/a/blobs/uploads/none", length, "Expect: 100-continue").send(canary)
        sane(c.reply())
    elif way == 1:  # refused, and sent all the same
        c.head("PATCH", "/v2/a/blobs/uploads/none", length, "Expect: 100-continue")
        ok(sane(c.reply()).status == 404, "not refused")
        c.send(canary).ended()
    elif way == 2:  # promised and never sent
        c.head("PATCH", upload(place), length, "Expect: 100-continue")
        ok(c.reply().status == 100, "not asked for")
        leave(c, chance)
    elif way == 3:
        c.head("GET", "/v2/", "Expect: 100-continue", "Expect: 200-ok")
        sane(c.reply())
    else:
        c.head("GET", "/v2/a/tags/list", length, "Expect: the unexpected").send(canary)
        sane(c.reply())


@kind
def odd_ranges(c, chance, place):
    large = len(place.large)
    span = chance.choice((
        "bytes=0-99999999999999999999999", "bytes=-99999999999999999999999", "bytes=-0", "bytes=--5",
        "bytes=5-2", f"bytes={large}-", f"bytes={large - 1}-", "bytes=a-b", "bytes=", "bytes=,",
        "bytes 0-5", "octets=0-5", "bytes=0-5,", "bytes=" + ",".join(f"{n}-{n + 9}" for n in range(300)),
        "bytes=" + ",".join(["0-"] * 200), "bytes=0x0-0x5", "bytes=0-0,-1", "bytes=\xff-",
        f"bytes=0-{1 << 63}", f"bytes={1 << 64}-{(1 << 64) + 5}"))
    reply = sane(c.head("GET", place.blob, f"Range: {span}").reply(), 200, 206, 400, 416)
    if reply and reply.status == 200:
        ok(reply.body == place.large, "other bytes")
    elif reply and reply.status == 206 and "multipart" not in (reply["Content-Type"] or ""):
        first, last = reply["Content-Range"].split(" ")[1].split("/")[0].split("-")
        ok(reply.body == place.large[int(first):int(last) + 1], "other bytes", span)


@kind
def bodies_where_none_belong(c, chance, place):
    canary = place.canary()
    method = chance.choice(("GET", "HEAD", "DELETE", "OPTIONS"))
    path = chance.choice(("/v2/", "/v2/a/manifests/t", "/v2/none/manifests/t", "/v2/A/tags/list"))
    if method == "DELETE":
        path = "/v2/a/blobs/uploads/none"
    if chance.random() < 0.5:
        c.head(method, path, f"Content-Length: {len(canary)}").send(canary)
    else:
        c.head(method, path, "Transfer-Encoding: chunked")
        c.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(canary), canary))
    ok(sane(c.reply(method)), "no answer")
    reply = c.head("GET", "/v2/").reply()
    ok(reply is None or reply.body == b"{}", "another answer", reply)


@kind
def odd_targets(c, chance, _):
    target = chance.choice((
        "http://other.test/v2/", "https://u:p@other.test:99/v2/", "ftp://x/v2/", "http:///v2/",
        "http://", "//other/v2/", "other.test:443", "*", "/v2/../../etc/passwd", "/%2e%2e/v2/",
        "/v2/%00/tags/list", "/v2/a%2Fb/tags/list", "/v2/" + "a/" * 3000 + "tags/list", "/v2/?" + "&" * 100,
        "/v2/#x", "\\v2\\", "/v2/_catalog?n=-1", "/v2/_catalog?n=99999999999999999999", "v2/", "?"))
    method = chance.choice(("GET", "GET", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PUT", "DELETE"))
    sane(c.head(method, target).reply(method))


@kind
def odd_versions(c, chance, _):
    first = chance.choice((
        b"GET /v2/\r\n", b"GET /v2/ HTTP/0.9\r\n\r\n", b"GET /v2/ HTTP/1.0\r\n\r\n",
        b"GET /v2/ HTTP/2.0\r\nHost: x\r\n\r\n", b"GET /v2/ HTTP/1.99\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /v2/ http/1.1\r\nHost: x\r\n\r\n",
        b"GET  /v2/  HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /v2/ HTTP/1.1 x\r\n\r\n", b"\r\n" * 500,
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", hello()))
    c.send(first)
    c.socket.shutdown(socket.SHUT_WR)
    sane(c.reply())


def hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="x")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


@kind
def odd_bytes(c, chance, _):
    junk = chance.choice((b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\x80",
                          b"%ff%fe", b"%c0%af", b"%ed%a0%80", b"%", b"%zz", b"%u0041"))
    where = chance.choice((b"GET /v2/%s/tags/list HTTP/1.1\r\nHost: x\r\n\r\n",
                           b"GET /v2/_catalog?last=%s HTTP/1.1\r\nHost: x\r\n\r\n",
                           b"GET /v2/a/manifests/%s HTTP/1.1\r\nHost: x\r\n\r\n",
                           b"GET /v2/ HTTP/1.1\r\nHost: %s\r\n\r\n",
                           b"GET /v2/ HTTP/1.1\r\nHost: x\r\nUser-Agent: %s\r\n\r\n",
                           b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Request-Id: %s\r\n\r\n"))
    c.send(where % junk)
    sane(c.reply())


@kind
def odd_methods(c, chance, _):
    method = chance.choice(("get", "G" * 3000, "BREW", "P\xffT", "M-SEARCH", "GET/", "\"GET\"", "0", ""))
    sane(c.head(method, chance.choice(("/v2/", "/v2/a/manifests/t", "/"))).reply())
