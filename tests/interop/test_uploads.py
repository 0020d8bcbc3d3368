#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Uploads as docker does them, PATCH by PATCH, that go on after the registry was killed: with the
Location of the last answer, on filesystem and on MinIO."""

import functools
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import registry
import stowage
import tap

MIB = 1 << 20


@functools.lru_cache(None)
def minio():
    return stowage.Minio().start()


def server(driver):
    srv = stowage.Server(driver, minio=minio() if driver == "s3" else None).start()
    tap.defer(srv.kill)
    return srv


def random_bytes(seed, size):
    return random.Random(seed).randbytes(size)


def kill(srv):
    srv.kill()
    srv.start()


@tap.cases(filesystem="filesystem", s3="s3")
def goes_on_after_each_kill(driver):
    srv = server(driver)
    client = registry.Client(srv)
    data = random_bytes("a", 17 * MIB + 4321)
    location = client.begin_upload("a/b").headers["Location"]
    kill(srv)
    at = 0
    for size in (1, 3 * MIB, 6 * MIB, 100, 7 * MIB):
        answer = client.patch(location, data[at:at + size], at)
        at += size
        tap.equal(answer.headers["Range"], f"0-{at - 1}")
        location = answer.headers["Location"]
        kill(srv)
        status = client.request("GET", location, expect=204)
        tap.equal(status.headers["Range"], f"0-{at - 1}", "status after the kill")
    digest = images.digest(data)
    answer = client.close_upload(location, digest, data[at:])
    tap.equal(answer.headers["Docker-Content-Digest"], digest)
    kill(srv)
    tap.ok(client.blob("a/b", digest).body == data, "bytes")
    tap.equal(client.request("HEAD", f"/v2/a/b/blobs/{digest}", expect=200)
              .headers["Content-Length"], str(len(data)))


@tap.cases(filesystem="filesystem", s3="s3")
def killed_in_the_middle_of_a_patch(driver):
    """What was acknowledged holds; the bytes under way are gone and nothing of them is seen."""
    srv = server(driver)
    client = registry.Client(srv)
    data = random_bytes("b", 14 * MIB)
    location = client.begin_upload("c").headers["Location"]
    location = client.patch(location, data[:6 * MIB], 0).headers["Location"]
    path = location.split(srv.host, 1)[-1]
    connection = client.open()
    connection.putrequest("PATCH", path)
    connection.putheader("Content-Type", "application/octet-stream")
    connection.putheader("Content-Length", str(8 * MIB))
    connection.endheaders()
    connection.send(data[6 * MIB:10 * MIB])
    kill(srv)
    connection.close()
    status = client.request("GET", location, expect=204)
    tap.equal(status.headers["Range"], f"0-{6 * MIB - 1}")
    location = client.patch(location, data[6 * MIB:], 6 * MIB).headers["Location"]
    client.close_upload(location, images.digest(data))
    tap.ok(client.blob("c", images.digest(data)).body == data, "bytes")


@tap.cases(filesystem="filesystem", s3="s3")
def client_gone_in_the_middle(driver):
    srv = server(driver)
    client = registry.Client(srv)
    data = random_bytes("c", 9 * MIB)
    location = client.begin_upload("d").headers["Location"]
    location = client.patch(location, data[:MIB], 0).headers["Location"]
    for method in ("PATCH", "PUT"):
        path = location.split(srv.host, 1)[-1]
        if method == "PUT":
            path += ("&" if "?" in path else "?") + "digest=" + images.digest(data)
        connection = client.open()
        connection.putrequest(method, path)
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(8 * MIB))
        connection.endheaders()
        connection.send(data[MIB:6 * MIB])
        connection.close()
        status = client.request("GET", location, expect=204)
        tap.equal(status.headers["Range"], f"0-{MIB - 1}", f"after half a {method}")
        client.blob("d", images.digest(data), expect=404)
    client.close_upload(location, images.digest(data), data[MIB:])
    tap.ok(client.blob("d", images.digest(data)).body == data, "bytes")


@tap.cases(filesystem="filesystem", s3="s3")
def acknowledged_blob_and_manifest_survive(driver):
    srv = server(driver)
    client = registry.Client(srv)
    wanted = images.multi(os.path.join(stowage.temporary("image"), "layout"))
    client.push("e/f", wanted, "t")
    kill(srv)
    tap.ok(client.pull("e/f", "t") == wanted.contents, "the image after the kill")


if __name__ == "__main__":
    tap.main()
