#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two registries on one store behind a balancer that knows nothing: each request goes to the next
one, and at random it is cut short and sent again, its answer is lost and it is sent again, or it is
sent twice at once.  Every blob must be what was sent, and nothing else may be there.

SEED chooses another run."""

import concurrent.futures
import functools
import http.client
import os
import random
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import stowage
import tap

SEED = int(os.environ.get("SEED", "20260701"))
UPLOADS, AT_ONCE = 60, 4


@functools.lru_cache(None)
def minio():
    return stowage.Minio().start()


class Balancer:
    """Requests to two servers by turns.  Each upload has its own, and its own random numbers."""

    def __init__(self, servers, seed):
        self.servers, self.random, self.turn = servers, random.Random(seed), seed
        self.trouble = {"cut": 0, "lost": 0, "twice": 0}

    def _host(self):
        self.turn += 1
        return self.servers[self.turn % len(self.servers)].host

    def once(self, method, path, body, headers):
        connection = http.client.HTTPConnection(self._host(), timeout=120)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            answer.body = answer.read()
            return answer
        finally:
            connection.close()

    def cut(self, method, path, body, headers):
        """Half of it, and then the connection is gone."""
        connection = http.client.HTTPConnection(self._host(), timeout=120)
        try:
            connection.putrequest(method, path)
            for name, value in {**headers, "Content-Length": str(len(body or b""))}.items():
                connection.putheader(name, value)
            connection.endheaders()
            if body:
                connection.send(body[:self.random.randrange(len(body))])
        finally:
            connection.close()

    def request(self, method, path, body=None, headers=None, want=200):
        headers = headers or {}
        kind = self.random.choice(["cut", "lost", "twice"] + 4 * [None])
        if kind:
            self.trouble[kind] += 1
        if kind == "cut":
            self.cut(method, path, body, headers)
        elif kind == "lost":
            self.once(method, path, body, headers)
        elif kind == "twice":
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                answers = list(pool.map(lambda _: self.once(method, path, body, headers), "ab"))
            answer = self.random.choice(answers)
            tap.equal([a.status for a in answers], [want, want], f"{method} {path}")
            return answer
        answer = self.once(method, path, body, headers)
        tap.equal(answer.status, want, f"{method} {path} after {kind}: {answer.body[:300]!r}")
        return answer


def target(location):
    parts = urllib.parse.urlsplit(location)
    return parts.path + ("?" + parts.query if parts.query else "")


def pieces(chance, data):
    """Cuts into up to five, of any size."""
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(5)))
    return [data[a:b] for a, b in zip([0] + cuts, cuts + [len(data)])]


def upload(balancer, name, data):
    """By one of the ways that clients have."""
    chance, digest = balancer.random, images.digest(data)
    way = chance.choice(["patches", "patches", "patches", "put", "post"])
    if way == "post":
        balancer.request("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", data, want=201)
        return digest
    answer = balancer.request("POST", f"/v2/{name}/blobs/uploads/", b"", want=202)
    location, at, last = target(answer.headers["Location"]), 0, data
    if way == "patches":
        *parts, last = pieces(chance, data)
        if chance.random() < 0.5:
            parts, last = parts + [last], b""
        for part in parts:
            headers = {}
            if part and chance.random() < 0.5:
                headers["Content-Range"] = f"{at}-{at + len(part) - 1}"
            answer = balancer.request("PATCH", location, part, headers, want=202)
            at += len(part)
            tap.equal(answer.headers["Range"], f"0-{max(at - 1, 0)}")
            location = target(answer.headers["Location"])
            if chance.random() < 0.2:
                answer = balancer.request("GET", location, want=204)
                tap.equal(answer.headers["Range"], f"0-{max(at - 1, 0)}")
    balancer.request("PUT", f"{location}&digest={digest}", last, want=201)
    return digest


def run(servers, number):
    balancer = Balancer(servers, SEED + number)
    chance = balancer.random
    size = chance.choice([0, 1, 300, 20_000, 1 << 20, 6 << 20, 11 << 20])
    data = chance.randbytes(size + chance.randrange(100))
    name = f"team/app{number % 3}"
    digest = upload(balancer, name, data)
    for server in servers:
        got = Balancer([server], 0).once("GET", f"/v2/{name}/blobs/{digest}", None, {})
        tap.equal(got.status, 200)
        tap.ok(got.body == data, f"{digest} is not what was sent, by {server.host}")
    return digest, balancer.trouble


def compare(servers, names):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(lambda n: run(servers, n), range(UPLOADS)))
    trouble = {kind: sum(t[kind] for _, t in done) for kind in done[0][1]}
    tap.note(f"SEED={SEED}: {UPLOADS} uploads, {trouble}")
    tap.ok(min(trouble.values()) > 10, trouble)
    data = {n for n in names() if n.endswith("/data")}
    tap.equal(data, {f"docker/registry/v2/blobs/sha256/{d[7:9]}/{d[7:]}/data" for d, _ in done},
              "blobs in the store")


@tap.test
def filesystem():
    env = {"STOWAGE_HTTP_SECRET": "of both"}
    first = stowage.Server(env=env).start()
    second = stowage.Server(env=env, folder=first.data).start()
    tap.defer(first.kill)
    tap.defer(second.kill)
    compare([first, second], lambda: [os.path.relpath(os.path.join(top, name), first.data)
                                      for top, _, found in os.walk(first.data) for name in found])


@tap.test
def s3():
    first = stowage.Server("s3", minio=minio()).start()
    second = stowage.Server("s3", minio=minio(), bucket=first.bucket).start()
    tap.defer(first.kill)
    tap.defer(second.kill)
    compare([first, second], lambda: minio().s3.list(first.bucket))


if __name__ == "__main__":
    tap.main()
