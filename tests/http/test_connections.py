#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Connections as they come: kept alive, pipelined, framed wrongly, slow, gone in the middle; the
end by a signal; what the log says of it all."""

import json
import os
import resource
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import raw
import registry
import stowage
import tap

server = stowage.Server().start()
client = registry.Client(server)
BIG = os.urandom(1 << 20) * 24
DIGEST = images.digest(BIG)
OTHER = "sha256:" + "0" * 64


def begin(of=server):
    return raw.target(registry.Client(of).begin_upload("a/b").headers["Location"])


def unfinished(of=server):
    """What is under the folder beside finished content."""
    return [p for p in raw.tree(of.data) if "_stowage/uploads" in p or "tmp" in p]


# ---- one connection, many requests ----


@tap.test
def keep_alive():
    client.push_blob("a/b", BIG[:100])
    small = images.digest(BIG[:100])
    with raw.Connection(server) as c:
        for _ in range(3):
            for method, path, status in (
                    ("GET", "/v2/", 200), ("HEAD", "/v2/", 200), ("GET", "/v2/nothing", 404),
                    ("HEAD", f"/v2/a/b/blobs/{OTHER}", 404), ("PUT", "/v2/", 405),
                    ("GET", f"/v2/a/b/blobs/{small}", 200), ("GET", "/v2/A/tags/list", 400),
                    ("HEAD", f"/v2/a/b/blobs/{small}", 200), ("POST", "/v2/a/b/blobs/uploads/", 202),
                    ("DELETE", f"/v2/a/b/blobs/{small}", 405)):
                reply = c.head(method, path, "Content-Length: 0").reply(method)
                tap.equal((method, path, reply.status), (method, path, status))
                tap.ok(reply["Connection"] != "close", repr(reply))


@tap.test
def refused_bodies_are_read_and_the_connection_goes_on():
    with raw.Connection(server) as c:
        for method, path, status in (("PATCH", "/v2/a/b/blobs/uploads/u?_state=x", 404),
                                     ("PUT", "/v2/A/manifests/x", 400),
                                     ("POST", "/v2/", 405), ("GET", "/v2/", 200),
                                     ("PATCH", begin() + "x", 404)):
            c.head(method, path, "Content-Length: 2000000").send(b"x" * 2000000)
            tap.equal((path, c.reply().status), (path, status))
        c.head("PATCH", "/v2/a/b/blobs/uploads/u?_state=x", "Transfer-Encoding: chunked")
        c.send(b"5\r\nabcde\r\n0\r\n\r\n")
        tap.equal(c.reply().status, 404)
        tap.equal(c.head("GET", "/v2/").reply().status, 200)


@tap.test
def pipelined():
    client.push_blob("a/b", BIG[:300000])
    path = f"/v2/a/b/blobs/{images.digest(BIG[:300000])}"
    with raw.Connection(server) as c:
        for _ in range(5):
            c.head("GET", path).head("GET", "/v2/nothing").head("POST", "/v2/a/b/blobs/uploads/",
                                                                 "Content-Length: 0")
        for _ in range(5):
            tap.ok(c.reply().body == BIG[:300000], "the blob")
            tap.equal(c.reply().status, 404)
            tap.equal(c.reply().status, 202)


@tap.test
def http_1_0():
    with raw.Connection(server) as c:
        tap.equal(c.send("GET /v2/ HTTP/1.0\r\n\r\n").reply().body, b"{}")
        tap.ok(c.ended(), "closed")


# ---- framing ----


@tap.test
def ambiguous_framing_is_refused_and_closed():
    # what would be a request of its own if the framing were taken the other way
    hidden = "GET /v2/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    for method in ("PATCH", "PUT", "POST", "GET", "DELETE"):
        for headers in (["Content-Length: 5", "Content-Length: 5"],
                        ["Content-Length: 5", "Content-Length: 40"],
                        ["Content-Length: 5", "Transfer-Encoding: chunked"],
                        ["Transfer-Encoding: chunked", "Content-Length: 5"],
                        ["Transfer-Encoding: gzip"], ["Transfer-Encoding: gzip, chunked"],
                        ["Transfer-Encoding: identity"],
                        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
                        ["Content-Length : 40"], ["Transfer-Encoding : chunked"],
                        ["Content-Length\x0b: 40"], ["Host: other"]):
            with raw.Connection(server, timeout=10) as c:
                c.head(method, "/v2/a/b/manifests/x", *headers)
                c.send("0\r\n\r\n" + hidden)
                reply = c.reply()
                tap.equal((method, headers, reply.status), (method, headers, 400))
                tap.equal(reply["Connection"], "close")
                if "json" in (reply["Content-Type"] or ""):
                    tap.equal(reply.codes, ["UNSUPPORTED"])
                tap.ok(c.ended(), f"closed: {method} {headers}")
    tap.ok("/v2/hidden" not in server.log(), "nothing hidden was taken for a request")


@tap.test
def heads_that_the_library_shows_otherwise_than_they_came():
    """Folded, or with a NUL: others see a length that it does not see, or the other way round."""
    hidden = "GET /v2/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    size = len(hidden)
    for lines in (f"Content-Length:\r\n {size}", f"Content-Length: 0\r\n\t{size}",
                  f"Content-Le: {size}\r\n ngth", f"X: a\r\n b\r\nContent-Length: {size}",
                  f"X: a\r\n \r\nContent-Length: {size}", f"Content-Length: 0\0{size}",
                  f"Content-Length: {size}\0", f"X: \0\r\nContent-Length: {size}",
                  "Transfer-Encoding:\r\n chunked", "Transfer-Encoding: chunked\0x"):
        for method in ("GET", "PUT"):
            with raw.Connection(server, timeout=10) as c:
                c.head(method, "/v2/a/b/manifests/x", *lines.split("\r\n"))
                reply = c.send(hidden).reply()
                tap.equal((method, lines, reply.status), (method, lines, 400))
                tap.equal((reply.codes, reply["Connection"]), (["UNSUPPORTED"], "close"))
                tap.ok(c.ended(), f"closed: {method} {lines!r}")
    reply = raw.ask(server, "GET", "/v2/\0hidden")
    tap.equal((reply.status, reply.codes), (400, ["UNSUPPORTED"]))
    tap.ok("/v2/hidden" not in server.log(), "nothing hidden was taken for a request")
    with raw.Connection(server) as c:  # odd, and well-formed
        for line in ("X:", "X: ", "X:\t a \t", "X:a", "Cookie: a=b; c=d", "X: " + "a" * 20000):
            tap.equal(c.head("GET", "/v2/?a=b&c+d&=&", line, "Y: z").reply().status, 200)
        tap.equal(c.send("GET /v2/ HTTP/1.1\nHost: x\nX: a\n\n").reply().status, 200)


@tap.test
def broken_requests_do_not_hurt():
    for data in (b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 100,
                 b"GET /v2/ HTTP/1.1\r\n\r\n", b"GET " + b"/" * 60000 + b" HTTP/1.1\r\n\r\n",
                 b"PATCH /v2/a/b/blobs/uploads/u HTTP/1.1\r\nHost: x\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                 b"PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                 b"PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
                 b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 60000 + b"\r\n\r\n"):
        with raw.Connection(server, timeout=0.5) as c:
            try:
                c.send(data)
                c.socket.recv(65536)
            except OSError:
                pass
    tap.equal(raw.ask(server, "GET", "/v2/").status, 200)


# ---- Expect ----


@tap.test
def expect_continue():
    location = begin()
    with raw.Connection(server) as c:
        began = time.monotonic()
        c.head("PATCH", location, "Content-Length: 5", "Expect: 100-continue")
        tap.equal(c.reply().status, 100)
        tap.ok(time.monotonic() - began < 0.5, "at once")
        reply = c.send(b"abcde").reply()
        tap.equal((reply.status, reply["Range"]), (202, "0-4"))


@tap.test
def other_expectations_are_passed_over():
    """The answer is as without them, and none comes before the body; the connection goes on."""
    for expect in (("Expect: something-else",), ("Expect: 100-continue, x",), ("Expect: x=1;y",),
                   ("Expect: 200-ok, 100-continue",), ("Expect:",), ("Expect: 100-continued",),
                   ("Expect: x", "Expect: y"), ("Expect: " + "x" * 2000,)):
        location = begin()
        for method, path, status in (("PATCH", location, 202), ("PUT", "/v2/A/manifests/x", 400)):
            with raw.Connection(server) as c:
                c.head(method, path, "Content-Length: 5", *expect)
                c.socket.settimeout(0.1)
                try:
                    raise AssertionError(f"{expect}: {c.reply()!r} before the body")
                except TimeoutError:
                    c.socket.settimeout(30)
                reply = c.send(b"abcde").reply()
                tap.equal((reply.status, reply["Connection"]), (status, None), f"{expect}")
                tap.equal(c.head("GET", "/v2/", *expect).reply().status, 200, "without a body")
                tap.equal(c.head("GET", "/v2/nothing").reply().status, 404, "and goes on")


@tap.test
def expect_continue_refused_before_the_body():
    for method, path, length, status in (
            ("PATCH", "/v2/a/b/blobs/uploads/u", 1 << 40, 404),
            ("PUT", "/v2/a/b/manifests/x", (4 << 20) + 1, 413),
            ("PUT", "/v2/A/manifests/x", 5, 400)):
        with raw.Connection(server, timeout=5) as c:
            c.head(method, path, f"Content-Length: {length}", "Expect: 100-continue")
            tap.equal((path, c.reply().status), (path, status))
            tap.ok(c.ended(), "closed")


@tap.test
def a_body_too_long_to_read_is_refused_at_once():
    for method, path in (("PATCH", "uploads/u"), ("PUT", "uploads/u"), ("POST", "uploads/"),
                         ("DELETE", "uploads/u"), ("GET", DIGEST)):
        with raw.Connection(server, timeout=5) as c:
            c.head(method, f"/v2/A/blobs/{path}", "Content-Length: 1000000000000")
            reply = c.reply()
            tap.equal((method, reply.status, reply["Connection"]), (method, 400, "close"))
            tap.ok(c.ended(), f"closed: {method}")


@tap.test
def what_the_store_knows_comes_before_a_long_body():
    location = begin()
    path, state = location.split("?_state=")
    for where, status, code, *headers in (
            (f"{path}?_state={state[:-1]}", 404, "BLOB_UPLOAD_UNKNOWN",
             "Content-Length: 1000000000"),
            (location, 416, "RANGE_INVALID", "Content-Length: 1000000000",
             "Content-Range: 1-1000000000"),
            (location, 416, "RANGE_INVALID", "Content-Length: 5", "Content-Range: 1-5",
             "Expect: 100-continue")):
        for method, query in (("PATCH", ""), ("PUT", f"&digest={OTHER}")):
            with raw.Connection(server, timeout=5) as c:
                c.head(method, where + query, *headers)
                reply = c.reply()
                tap.equal((method, headers, reply.status), (method, headers, status))
                tap.equal((reply.codes, reply["Connection"]), ([code], "close"))
                tap.ok(c.ended(), "closed")
    tap.equal(raw.ask(server, "PATCH", location, b"abc", "Content-Range: 0-2").status, 202)


# ---- slow clients ----


@tap.test
def slow_clients_do_not_hold_workers():
    few = stowage.Server(env={"STOWAGE_HTTP_WORKERS": "4"}).start()
    tap.defer(few.stop)
    registry.Client(few).push_blob("a/b", BIG)
    slow = []
    for i in range(40):
        c = raw.Connection(few)
        slow.append(c)
        if i % 2:
            c.head("GET", f"/v2/a/b/blobs/{DIGEST}")
            c.socket.recv(10)
        else:
            c.head("PATCH", begin(few), "Content-Length: 1000000").send(b"x" * 300000)
    began = time.monotonic()
    for _ in range(20):
        tap.equal(raw.ask(few, "GET", f"/v2/a/b/blobs/{OTHER}").status, 404)
    tap.ok(registry.Client(few).blob("a/b", DIGEST).body == BIG, "another one's pull")
    registry.Client(few).push_blob("a/c", BIG[:5000000])
    tap.ok(time.monotonic() - began < 10, "others are served")
    for c in slow:
        c.close()
    tap.until(lambda: not unfinished(few))


@tap.test
def a_body_that_trickles():
    location = begin()
    with raw.Connection(server) as c:
        c.head("PATCH", location, "Content-Length: 30")
        for i in range(30):
            c.send(bytes([65 + i]))
            time.sleep(0.01)
        tap.equal(c.reply()["Range"], "0-29")
    with raw.Connection(server) as c:
        for byte in b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n":
            c.send(bytes([byte]))
        tap.equal(c.reply().status, 200)


@tap.test
def a_client_that_stops_is_dropped():
    impatient = stowage.Server(env={"STOWAGE_HTTP_IDLETIMEOUT": "1s"}).start()
    tap.defer(impatient.stop)
    before = raw.tree(impatient.data)
    location = begin(impatient)
    with raw.Connection(impatient) as c:
        c.head("PATCH", location, "Content-Length: 1000000").send(b"x" * 500000)
        began = time.monotonic()
        tap.ok(c.ended(), "closed")
        tap.ok(0.5 < time.monotonic() - began < 6, "when its time was over")
    tap.until(lambda: not unfinished(impatient))
    left = set(raw.tree(impatient.data)) - set(before)
    tap.ok(left <= {"docker/registry/v2/_stowage/secret"}, left)


# ---- gone in the middle ----


@tap.test
def clients_gone_in_mid_upload():
    for body, headers in ((b"x" * 3000000, ("Content-Length: 9000000",)),
                          (b"2dc6c0\r\n" + b"x" * 3000000 + b"\r\n",
                           ("Transfer-Encoding: chunked",))):
        location = begin()
        before, since = raw.tree(server.data), server.log().count("status=0")
        for _ in range(20):
            with raw.Connection(server) as c:
                c.head("PATCH", location, *headers).send(body)
        for digest in (OTHER, DIGEST):
            with raw.Connection(server) as c:
                c.head("PUT", f"{location}&digest={digest}", *headers).send(body)
        tap.until(lambda: server.log().count("status=0") == since + 22)
        tap.until(lambda: raw.tree(server.data) == before)
        reply = raw.ask(server, "PATCH", location, b"abc")
        tap.equal((reply.status, reply["Range"]), (202, "0-2"))
        raw.ask(server, "DELETE", raw.target(reply["Location"]))
    tap.equal(raw.ask(server, "GET", f"/v2/a/b/blobs/{OTHER}").status, 404)


@tap.test
def requests_cut_at_every_byte():
    """Gone after each byte of the head and of a chunked body: nothing is stored."""
    location = begin()
    before = raw.tree(server.data)
    for request in (f"PATCH {location} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "5;a=b\r\nabcde\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\n",
                    f"PUT {location}&digest={OTHER} HTTP/1.1\r\nHost: x\r\n"
                    "Content-Length: 5\r\n\r\nabcde"):
        for end in range(1, len(request)):
            with raw.Connection(server) as c:
                c.send(request[:end])
    tap.until(lambda: raw.tree(server.data) == before)
    reply = raw.ask(server, "PATCH", location, b"abc")
    tap.equal((reply.status, reply["Range"]), (202, "0-2"))
    raw.ask(server, "DELETE", raw.target(reply["Location"]))


@tap.test
def clients_gone_in_mid_download():
    client.push_blob("a/b", BIG)
    for _ in range(20):
        with raw.Connection(server) as c:
            c.head("GET", f"/v2/a/b/blobs/{DIGEST}")
            c.socket.recv(100000)
    tap.ok(client.blob("a/b", DIGEST).body == BIG, "still served")


@tap.test
def clients_that_end_with_their_request():
    """Their end makes no edge of its own; what stays open is not left to idletimeout."""
    own = stowage.Server(env={"STOWAGE_HTTP_IDLETIMEOUT": "120s"}).start()
    tap.defer(own.stop)
    files = len(os.listdir(f"/proc/{own.pid}/fd"))
    for _ in range(40):
        with raw.Connection(own) as c:
            c.head("GET", "/v2/").socket.shutdown(socket.SHUT_WR)
            tap.equal(c.reply().status, 200)
    tap.until(lambda: len(os.listdir(f"/proc/{own.pid}/fd")) <= files, 30)


@tap.test
def a_download_that_breaks_off_never_ends_cleanly():
    client.push_blob("cut", BIG)
    data = os.path.join(server.data, "docker/registry/v2/blobs/sha256", DIGEST[7:9], DIGEST[7:],
                        "data")
    with raw.Connection(server) as c:
        c.socket.setsockopt(1, 8, 65536)
        c.head("GET", f"/v2/cut/blobs/{DIGEST}")
        c.socket.recv(1000)
        os.truncate(data, 2 << 20)
        try:
            c.reply()
            raise RuntimeError("a whole answer")
        except (AssertionError, ConnectionError):
            pass
    with open(data, "wb") as f:
        f.write(BIG)
    tap.until(lambda: "answer cut at byte" in server.log())
    tap.until(lambda: "broken=yes" in server.log())


@tap.test
def many_at_once():
    tap.equal(registry.side_by_side(registry.Client, server, 60), [])


@tap.test
def too_many_requests_are_told_to_wait():
    small = stowage.Server(env={"STOWAGE_HTTP_MAXREQUESTS": "3"}).start()
    tap.defer(small.stop)
    held = []
    for _ in range(3):
        c = raw.Connection(small)
        held.append(c)
        c.head("PATCH", "/v2/a/b/blobs/uploads/u?_state=x", "Content-Length: 10")
    time.sleep(0.2)
    reply = raw.ask(small, "GET", "/v2/")
    tap.equal((reply.status, reply.codes, reply["Retry-After"]), (503, ["UNAVAILABLE"], "1"))
    for c in held:
        c.close()
    tap.until(lambda: raw.ask(small, "GET", "/v2/").status == 200)


@tap.test
def more_connections_than_files():
    own = stowage.Server()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, limits[1]))
    own.start()
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    tap.defer(own.stop)
    tap.equal(resource.prlimit(own.pid, resource.RLIMIT_NOFILE)[0], limits[1],
              "takes what the system allows")
    own.stop()
    command = own.command
    own.command = lambda: ["prlimit", "--nofile=300:300", *command()]
    own.start()
    tap.ok("the limit of open files" in own.log(), own.log())
    idle = [raw.Connection(own) for _ in range(250)]
    time.sleep(0.2)
    tap.ok(len(os.listdir(f"/proc/{own.pid}/fd")) < 200, "files are left for the store")
    for c in idle[:200]:  # the rest were waiting to be accepted
        c.close()
    registry.Client(own).push_blob("a/b", BIG)
    tap.ok(registry.Client(own).blob("a/b", DIGEST).body == BIG, "served again")
    for c in idle[200:]:
        c.close()


# ---- the end ----


@tap.test
def sigterm_lets_requests_finish():
    own = stowage.Server().start()
    registry.Client(own).push_blob("a/b", BIG)
    location = begin(own)
    down, up, idle = (raw.Connection(own) for _ in range(3))
    tap.equal(idle.head("GET", "/v2/").reply().status, 200)
    down.head("GET", f"/v2/a/b/blobs/{DIGEST}")
    up.head("PATCH", location, "Content-Length: 3000000").send(b"x" * 1000000)
    time.sleep(0.2)
    own.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    try:
        raw.Connection(own)
        raise RuntimeError("a new connection was taken")
    except OSError:
        pass
    up.send(b"x" * 2000000)
    reply = up.reply()
    tap.equal((reply.status, reply["Connection"]), (202, "close"))
    tap.ok(down.reply().body == BIG, "the download is whole")
    tap.equal(own.process.wait(10), 0)
    own._gone()


@tap.test
def sigterm_gives_up_after_its_time():
    own = stowage.Server(env={"STOWAGE_HTTP_DRAINTIME": "1s"}).start()
    location = begin(own)
    c = raw.Connection(own).head("PATCH", location, "Content-Length: 3000000")
    c.send(b"x" * 1000000)
    time.sleep(0.2)
    began = time.monotonic()
    tap.equal(own.stop(), 0)
    tap.ok(0.8 < time.monotonic() - began < 5, "after a second")
    tap.ok(c.ended(), "closed")
    tap.equal(unfinished(own), [])


@tap.test
def a_second_signal_ends_at_once():
    own = stowage.Server().start()
    c = raw.Connection(own).head("PATCH", begin(own), "Content-Length: 3000000")
    time.sleep(0.2)
    own.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    own.process.send_signal(signal.SIGINT)
    tap.equal(own.process.wait(5), 1)
    own._gone()
    c.close()


@tap.test
def idle_connections_do_not_hold_up_the_end():
    own = stowage.Server().start()
    idle = [raw.Connection(own) for _ in range(5)]
    idle[0].head("GET", "/v2/").reply()
    idle[1].send("GET /v2/ HT")
    began = time.monotonic()
    own.process.send_signal(signal.SIGINT)
    tap.equal(own.process.wait(10), 0)
    own._gone()
    tap.ok(time.monotonic() - began < 3, "at once")


# ---- the log ----


@tap.test
def access_log():
    own = stowage.Server(env={"STOWAGE_LOG_FORMAT": "json"}).start()
    tap.defer(own.stop)
    registry.Client(own).push_blob("a/b", BIG[:1000])
    reply = raw.ask(own, "GET", f"/v2/a/b/blobs/{images.digest(BIG[:1000])}", None,
                    'User-Agent: te"st\x01\xff')
    tap.until(lambda: "te\\\"st" in own.log())
    lines = [json.loads(x) for x in own.log().splitlines() if x.startswith("{")]
    got = [x for x in lines if x.get("method") == "GET"][-1]
    tap.equal((got["status"], got["sent"], got["request"]), (200, 1000, reply["X-Request-Id"]))
    tap.ok(got["remote"].startswith("127.0.0.1:") and got["duration_us"] > 0, got)
    patch = [x for x in lines if x.get("method") == "PATCH"][0]
    tap.equal((patch["received"], patch["status"]), (1000, 202))
    tap.ok("_state=***" in patch["path"], patch["path"])
    tap.equal([x for x in lines if "_state=" in x.get("path", "") and "***" not in x["path"]], [])


@tap.test
def access_log_off():
    own = stowage.Server(env={"STOWAGE_LOG_ACCESSLOG": "off"}).start()
    raw.ask(own, "GET", "/v2/")
    own.stop()
    tap.ok("method=GET" not in own.log(), own.log())


if __name__ == "__main__":
    tap.main()
