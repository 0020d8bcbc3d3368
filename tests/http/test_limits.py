#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What there is too much of, or comes too slowly: each limit with the answer that belongs to it."""

import json
import os
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib")]

import images
import raw
import registry
import stowage
import tap

KIB = 1 << 10
BLOB = os.urandom(100 * KIB)
DIGEST = images.digest(BLOB)
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def serve(**env):
    server = stowage.Server(env={f"STOWAGE_{k}": v for k, v in env.items()}).start()
    tap.defer(server.kill)
    return server


def begin(server, name="a"):
    return raw.target(registry.Client(server).begin_upload(name).headers["Location"])


def too_large(answer):
    tap.equal((answer.status, answer.codes), (413, ["SIZE_INVALID"]), answer)


# ---- size of a blob ----

@tap.test
def blobs_of_the_largest_size_are_taken():
    server = serve(HTTP_MAXBLOB="100K")
    c = registry.Client(server)
    c.push_blob("a", BLOB)
    location = c.begin_upload("b").headers["Location"]
    location = c.patch(location, BLOB[:40 * KIB]).headers["Location"]
    location = c.patch(location, BLOB[40 * KIB:]).headers["Location"]
    c.close_upload(location, DIGEST)
    c.request("POST", f"/v2/c/blobs/uploads/?digest={DIGEST}", BLOB, expect=201)


@tap.test
def larger_ones_are_refused_before_they_come():
    server = serve(HTTP_MAXBLOB="99K")
    begin(server)  # makes the key of upload tokens
    before = raw.tree(server.data)
    for method, target in (("PATCH", begin(server)), ("PUT", begin(server) + f"&digest={DIGEST}"),
                           ("POST", f"/v2/a/blobs/uploads/?digest={DIGEST}")):
        with raw.Connection(server) as c:
            c.head(method, target, f"Content-Length: {len(BLOB)}", "Expect: 100-continue")
            too_large(c.reply())
    tap.equal(raw.tree(server.data), before)


@tap.cases(chunked=(True,), in_pieces=(False,))
def larger_ones_are_refused_as_they_come(chunked):
    server = serve(HTTP_MAXBLOB="99K")
    c = registry.Client(server)
    location = c.begin_upload("a").headers["Location"]
    if chunked:
        with raw.Connection(server) as one:
            one.head("PATCH", raw.target(location), "Transfer-Encoding: chunked")
            one.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(BLOB), BLOB))
            too_large(one.reply())
    else:
        location = c.patch(location, BLOB[:60 * KIB]).headers["Location"]
        answer = c.request("PATCH", location, BLOB[60 * KIB:])
        tap.equal((answer.status, answer.code), (413, "SIZE_INVALID"))
        answer = c.request("GET", location)
        tap.equal((answer.status, answer.headers["Range"]), (204, f"0-{60 * KIB - 1}"), "goes on")


# ---- connections, heads ----

@tap.test
def connections_of_one_address():
    """One more is closed; others go on, and there is room again when one ends."""
    server = serve(HTTP_MAXPERADDRESS="3", HTTP_THREADS="1")
    connections = [raw.Connection(server) for _ in range(3)]
    for c in connections:
        c.head("GET", "/v2/")
        tap.equal(c.reply().status, 200)
    with raw.Connection(server) as more:
        try:
            more.head("GET", "/v2/")
        except OSError:
            pass
        tap.ok(more.ended(), "one more")
    for c in connections:
        c.head("GET", "/v2/")
        tap.equal(c.reply().status, 200)
    connections.pop().close()
    end = time.monotonic() + 20
    while True:
        try:
            if raw.ask(server, "GET", "/v2/"):
                break
        except OSError:
            pass
        tap.ok(time.monotonic() < end, "no room again")
        time.sleep(0.05)
    for c in connections:
        c.close()


@tap.cases(header=("GET", "/v2/", "X-Long: " + "x" * 12000),
           many=("GET", "/v2/", "\r\n".join(f"X-{n}: y" for n in range(2000))),
           target=("GET", "/v2/?" + "x" * 12000))
def heads_that_do_not_fit(*head):
    """They are refused or closed, and cost nobody else a thing."""
    server = serve(HTTP_MAXHEADER="8K")
    with raw.Connection(server) as polite:
        with raw.Connection(server) as c:
            try:
                c.head(*head)
                answer = c.reply()
                tap.ok(answer is None or answer.status in (400, 413, 414, 431), answer)
            except OSError:
                pass
        polite.head("GET", "/v2/", "X-Long: " + "x" * 3000)
        tap.equal(polite.reply().status, 200)


@tap.test
def a_larger_head_where_it_may_be():
    server = serve(HTTP_MAXHEADER="64K")
    answer = raw.ask(server, "GET", "/v2/", None, "X-Long: " + "x" * 40000)
    tap.equal(answer.status, 200)


# ---- rates ----

@tap.test
def slow_senders_are_closed():
    server = serve(HTTP_MINRATE="1000", HTTP_MINRATETIME="2s")
    target = begin(server)
    with raw.Connection(server, timeout=60) as slow, raw.Connection(server, timeout=60) as fast:
        for c in (slow, fast):
            c.head("PATCH", target, f"Content-Length: {len(BLOB)}")
        at, end, closed = 0, time.monotonic() + 40, False
        while not closed and time.monotonic() < end:
            piece = BLOB[at:at + 300]
            if at + 300 < len(BLOB):
                fast.send(piece)
                at += 300
            try:
                slow.send(b"x")
            except OSError:
                closed = True
            time.sleep(0.05)
        tap.ok(closed, "the slow one goes on")
        fast.send(BLOB[at:])
        tap.equal(fast.reply().status, 202)
    tap.ok("slower than [http] minrate" in server.log(), server.log())


@tap.test
def manifests_that_trickle_are_closed():
    """Their body is collected, not streamed: what was held for it is free again."""
    manifest = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "config": {
        "mediaType": images.CONFIG, "digest": DIGEST, "size": len(BLOB)}, "layers": []})
    server = serve(HTTP_MINRATE="1000", HTTP_MINRATETIME="2s", HTTP_MANIFESTMEMORY="4M")
    c = registry.Client(server)
    c.push_blob("a", BLOB)
    for how in (f"Content-Length: {3 << 20}", "Transfer-Encoding: chunked"):
        told = server.log().count("slower than [http] minrate")
        with raw.Connection(server, timeout=60) as slow:
            slow.head("PUT", "/v2/a/manifests/t", f"Content-Type: {images.MANIFEST}", how)
            tap.ok(slow.is_cut_off(b"1\r\n \r\n" if "chunked" in how else b" "),
                   f"{how}: goes on")
        tap.equal(server.log().count("slower than [http] minrate"), told + 1, server.log())
    tap.equal(raw.ask(server, "GET", "/v2/a/manifests/t").status, 404)
    padded = manifest[:-1] + b" " * (3 << 20) + manifest[-1:]
    c.put_manifest("a", "t", padded, images.MANIFEST)
    tap.ok(c.manifest("a", "t").body == padded, "the next one")


@tap.test
def slow_takers_are_closed():
    server = serve(HTTP_MINRATE="100K", HTTP_MINRATETIME="2s")
    data = os.urandom(32 << 20)
    digest = images.digest(data)
    registry.Client(server).push_blob("a", data)
    with raw.Connection(server, timeout=60) as slow:
        slow.head("GET", f"/v2/a/blobs/{digest}")
        got, end = 0, time.monotonic() + 40
        try:
            while time.monotonic() < end:
                piece = slow.socket.recv(100 if "minrate" not in server.log() else 65536)
                if not piece:
                    break
                got += len(piece)
                if "minrate" not in server.log():
                    time.sleep(0.1)
        except OSError:
            pass
        tap.ok(got < len(data), f"{got} bytes")
    tap.ok("slower than [http] minrate" in server.log(), server.log())


@tap.test
def who_does_not_take_a_manifest_is_closed():
    server = serve(HTTP_MINRATE="1000", HTTP_MINRATETIME="2s")
    client = registry.Client(server)
    config = b"{}"
    client.push_blob("a", config)
    manifest = images.dump({
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": {"mediaType": "application/json", "digest": images.digest(config),
                   "size": len(config)},
        "annotations": {"long": "x" * (4000 << 10)}})
    client.put_manifest("a", "big", manifest, MANIFEST)
    with raw.Connection(server, timeout=60, receive=4096) as slow:
        slow.head("GET", "/v2/a/manifests/big")
        tap.until(lambda: "slower than [http] minrate" in server.log(), 40)
        got = b""
        try:
            while piece := slow.socket.recv(65536):
                got += piece
        except OSError:
            pass
        tap.ok(0 < len(got) < len(manifest), f"{len(got)} bytes")
    tap.ok(client.manifest("a", "big").body == manifest, "and who takes it has it")


# ---- memory of answers ----

def answers_at_once(server, path, body):
    """How many of forty are answered 200 while nobody takes more than the beginning."""
    takers = [raw.Connection(server, timeout=60, receive=4096) for _ in range(40)]
    for c in takers:
        c.head("GET", path)
    begins = [c.socket.recv(12) for c in takers]
    for c, begin in zip(takers, begins):
        c.rest = begin
        if begin.endswith(b" 503"):
            reply = c.reply()
            tap.equal((reply.codes, reply["Retry-After"]), (["UNAVAILABLE"], "1"))
    for c in takers:
        c.close()
    with raw.Connection(server, timeout=60) as c:
        tap.until(lambda: c.head("GET", path).reply().status == 200, 40)
        tap.equal(c.head("GET", path).reply().body, body)
    return len([b for b in begins if b.endswith(b" 200")])


@tap.test
def lists_share_the_memory_of_manifests():
    """They are counted until they are sent, and then no more."""
    server = stowage.Server("memory", env={"STOWAGE_HTTP_MANIFESTMEMORY": "4M"}).start()
    tap.defer(server.kill)
    client = registry.Client(server)
    client.push_blob("a", b"{}")
    manifest = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "config": {
        "mediaType": images.CONFIG, "digest": images.digest(b"{}"), "size": 2}, "layers": []})
    tags = [f"{n:0128}" for n in range(10000)]
    for at in range(0, len(tags), 64):
        query = "&".join(f"tag={tag}" for tag in tags[at:at + 64])
        client.put_manifest("a", f"{images.digest(manifest)}?{query}", manifest, images.MANIFEST)
    subject = {"mediaType": images.MANIFEST, "digest": images.digest(manifest),
               "size": len(manifest)}
    for n in range(300):
        referrer = json.loads(manifest) | {"subject": subject, "annotations": {
            "long": f"{n}" + "x" * 3300}}
        data = images.dump(referrer)
        client.put_manifest("a", images.digest(data), data, images.MANIFEST)
    for path in ("/v2/a/tags/list", f"/v2/a/referrers/{images.digest(manifest)}"):
        body = raw.ask(server, "GET", path).body
        tap.ok(len(body) > 900 * KIB, f"{path}: {len(body)} bytes")
        tap.ok(0 < answers_at_once(server, path, body) < 40, path)


# ---- heads ----

@tap.test
def a_head_that_trickles_is_closed():
    server = serve(HTTP_IDLETIMEOUT="3s", HTTP_MINRATE="0")
    with raw.Connection(server, timeout=60) as slow, raw.Connection(server, timeout=60) as fast:
        for c in (slow, fast):
            tap.equal(c.head("GET", "/v2/").reply().status, 200)
        slow.send("GET /v2/ HTTP/1.1\r\nHost: x\r\nLong: ")
        tap.ok(slow.is_cut_off(meanwhile=lambda: tap.equal(
            fast.head("GET", "/v2/").reply().status, 200)), "it goes on")
    tap.ok("the head of a request took longer" in server.log(), server.log())


@tap.test
def an_end_in_the_middle_of_a_head_is_noticed():
    server = serve(HTTP_IDLETIMEOUT="120s")
    folder = f"/proc/{server.pid}/fd"
    before = len(os.listdir(folder))
    halves = [raw.Connection(server) for _ in range(50)]
    for c in halves:
        c.send("GET /v2/ HTTP/1.1\r\nHost: x\r\nHalf").socket.shutdown(socket.SHUT_WR)
    tap.until(lambda: len(os.listdir(folder)) <= before, 40)
    for c in halves:
        c.close()


@tap.test
def the_stores_time_is_not_the_clients():
    """A client that waits for an answer is not slow."""
    server = serve(HTTP_MINRATE="1M", HTTP_MINRATETIME="1s")
    with raw.Connection(server) as c:
        for _ in range(3):
            c.head("GET", "/v2/")
            tap.equal(c.reply().status, 200)
            time.sleep(1.5)
    tap.ok("minrate" not in server.log(), server.log())


if __name__ == "__main__":
    tap.main()
