#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Streams of requests that hide others in their bodies, with a byte or two put in, replaced or taken
out where framing is decided: the host sees no request that a reader of RFC 9112 does not see.
They are the same each time; STOWAGE_TEST_SEED makes others."""

import concurrent.futures
import json
import os
import random
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import raw
import registry
import stowage
import strict
import tap

SEED = int(os.environ.get("STOWAGE_TEST_SEED") or 1)
STREAMS = 600 if stowage.SAN else 2000
AT_ONCE = 8 if stowage.SAN else 16
MANIFEST = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "config": {
    "mediaType": images.CONFIG, "digest": images.digest(b"{}"), "size": 2}, "layers": []})
HIDDEN = re.compile(rb"/v2/canary/manifests/(s[0-9]+x[0-9]+)")

print(f"# seed {SEED}")
server = stowage.Server("memory").start()
client = registry.Client(server)
client.push_blob("canary", b"{}")
client.put_manifest("canary", "t", MANIFEST, images.MANIFEST)


def open_files():
    return len(os.listdir(f"/proc/{server.pid}/fd"))


FILES = open_files()


def canary(tag):
    return (f"PUT /v2/canary/manifests/{tag} HTTP/1.1\r\nHost: x\r\n"
            f"Content-Type: {images.MANIFEST}\r\nContent-Length: {len(MANIFEST)}\r\n\r\n").encode() + \
        MANIFEST


def tags():
    return set(json.loads(raw.ask(server, "GET", "/v2/canary/tags/list").body)["tags"])


def answers(c):
    """([answers], how it ended); what comes behind one that ends the connection is none: the
    library sends the head of some of its refusals twice (docs/design/http.md)."""
    got = []
    try:
        while reply := c.reply():
            if reply.status != 100:
                got.append(reply)
            if reply["Connection"] == "close":
                return got, "close"
        return got, "end"
    except TimeoutError:
        return got, "silence"
    except ConnectionError:
        return got, "reset"


# ---- streams ----

ASKED = ("GET /v2/a/tags/list", "POST /v2/a/tags/list", "PUT /v2/a/manifests/no",
         "DELETE /v2/a/blobs/uploads/none", "PATCH /v2/a/blobs/uploads/none")
PUT_IN = (b"\r", b"\n", b"\r\n", b"\0", b"\t", b" ", b";", b":", b",", b"0", b"1", b"-", b"+", b"x",
          b"\xff", b"\x0b", b"\x7f", b"\r\n ", b"\r\n\t", b"\n\n")


LAST = b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

LINES = (b"Content-Length: 0", b"Content-Length: 5", b"content-length:5", b"Transfer-Encoding: chunked",
         b"transfer-encoding:identity", b"Transfer-Encoding: gzip", b"Host: y")


def message(chance, tag):
    """A right one, the canary in its body."""
    body = canary(tag)
    head = f"{chance.choice(ASKED)} HTTP/1.1\r\nHost: x\r\nAccept: a/b\r\n"
    way = chance.randrange(4)
    if way == 0:
        return f"{head}\r\n".encode()
    if way == 1:
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    cut = chance.randrange(1, len(body))
    pieces = [body[:cut], body[cut:]]
    chunks = b"".join(b"%x%s\r\n%s\r\n" % (len(p), chance.choice((b"", b";a=b", b";x")), p)
                      for p in pieces)
    trailer = chance.choice((b"", b"T: r\r\n", b"Content-Length: 5\r\n"))
    return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n" + trailer + b"\r\n"


def changed(chance, data):
    """Near a place where something ends; or one line more."""
    if chance.random() < 0.2:
        return data.replace(b"\r\n", b"\r\n" + chance.choice(LINES) + b"\r\n", 1)
    at = chance.choice([i for i, byte in enumerate(data) if byte in b"\r\n:; ,"])
    at = min(len(data), max(0, at + chance.randrange(-2, 3)))
    how = chance.randrange(3)
    return data[:at] + (chance.choice(PUT_IN) if how < 2 else b"") + data[at + (how > 0):]


def stream(number):
    chance = random.Random(f"{SEED} {number}")
    parts = [message(chance, f"s{number}x{n}") for n in range(chance.randrange(1, 4))]
    for _ in range(chance.choice((0, 1, 1, 1, 2))):
        at = chance.randrange(len(parts))
        parts[at] = changed(chance, parts[at])
    data = b"".join(parts) + LAST
    return data[:chance.randrange(1, len(data))] if chance.random() < 0.07 else data


def whole(data):
    """A client may wait for all the answers, and the end behind them."""
    return strict.read(data)[1] == strict.DONE and data.endswith(LAST)


def played(number):
    """(answers, how it ended); the bytes at once, or in pieces.  A client that closes its side early
    need not be answered, so this is for streams alone that would have the host wait for more."""
    data, chance = stream(number), random.Random(f"{SEED} pieces {number}")
    cuts = sorted(chance.randrange(len(data)) for _ in range(chance.choice((0, 0, 1, 3))))
    with raw.Connection(server, timeout=60) as c:
        c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for begin, end in zip([0, *cuts], [*cuts, len(data)]):
                c.send(data[begin:end])
                if end < len(data):
                    time.sleep(0.003)
            if not whole(data):
                c.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return answers(c)


def fault(reading, waits, got, how):
    """What is wrong with these answers to that reading, or None; waits: the client does, and has not
    closed its side."""
    requests, end = reading
    more = len(got) - len(requests)
    if how == "silence":
        return "neither an answer nor an end"
    if more > (0 if end == strict.DONE else 1):
        return "more answers than requests"
    if more == 1 and got[-1].status < 400:
        return "what is broken is taken"
    # of a line that is not plain the library ends the connection
    if waits and more < 0 and requests[len(got)].plain and (
            how != "close" or got[-1].status < 400):
        return "fewer answers than requests"
    return None


def shown(data):
    return data.replace(MANIFEST, b"{manifest}")


@tap.test
def a_canary_in_the_open_sings():
    with raw.Connection(server) as c:
        tap.equal(c.send(canary("open")).reply().status, 201)
    tap.equal(tags(), {"open", "t"})


@tap.test
def what_the_reader_sees():
    get = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n"
    for data, strictly, loosely in (
            (get + b"\r\n", (1, "done"), (1, "done")),
            (get + b"\r\n\r\n" + get + b"\r\n", (2, "done"), (2, "done")),
            (get + b"Content-Length: 3\r\n\r\nabc", (1, "done"), (1, "done")),
            (get + b"Content-Length: 3\r\n\r\nab", (0, "partial"), (0, "partial")),
            (get + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", (0, "broken"), (0, "broken")),
            (get + b"Content-Length:\r\n 3\r\n\r\nabc", (0, "broken"), (0, "broken")),
            (get + b"Content-Length : 3\r\n\r\nabc", (0, "broken"), (0, "broken")),
            (get + b"Content-Length: 0\0\r\n\r\n", (0, "broken"), (0, "broken")),
            (get + b"Transfer-Encoding: chunked\r\n\r\n3;a\r\nabc\r\n0\r\nT: r\r\n\r\n", (1, "done"),
             (1, "done")),
            (get + b"Transfer-Encoding: chunked\r\n\r\n3;a\nabc\r\n0\r\n\r\n", (0, "broken"), (1, "done")),
            (get + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", (0, "broken"),
             (0, "broken")),
            (get + b"Transfer-Encoding: chunked\r\n\r\n0\r\nT\r\n\r\n", (0, "broken"), (1, "done"))):
        for loose, want in ((False, strictly), (True, loosely)):
            requests, end = strict.read(data, loose)
            tap.equal((len(requests), end), want, f"{data!r} {loose}")


@tap.test
def streams_are_read_as_they_should_be():
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        plays = list(pool.map(played, range(STREAMS)))
    faults, loosely, ends, may = [], 0, {}, {"open", "t"}
    for number, (got, how) in enumerate(plays):
        data = stream(number)
        readings = strict.read(data), strict.read(data, True)
        wrong = [fault(reading, whole(data), got, how) for reading in readings]
        loosely += wrong[0] is not None and wrong[1] is None
        ends[readings[0][1]] = ends.get(readings[0][1], 0) + 1
        if all(wrong):
            faults.append((number, wrong, how, [r.status for r in got], shown(data)))
        # where a change has brought one into the open
        may |= {found.group(1).decode() for reading in readings for r in reading[0]
                if r.method == b"PUT" and (found := HIDDEN.search(r.target))}
    print(f"# {ends}, {loosely} of them read loosely")
    tap.equal([shown(stream(int(t[1:].split("x")[0]))) for t in tags() - may], [], "a canary has sung")
    tap.equal(faults[:5], [], f"{len(faults)} streams")
    tap.ok(min(ends.values()) > STREAMS / 50, "streams of all kinds")


# ---- what is left ----

@tap.test
def nothing_is_left():
    tap.until(lambda: open_files() <= FILES)
    client.push_blob("after", b"still here")
    tap.equal(client.blob("after", images.digest(b"still here")).body, b"still here")
    tap.equal(server.stop(), 0, server.log()[-2000:])


if __name__ == "__main__":
    tap.main()
