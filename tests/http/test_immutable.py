#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Immutable tags over HTTP: what is refused and how, and two servers that push one tag at once."""

import json
import os
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake-s3")]

import images
import registry
import stowage
import tap
from fake_s3 import FakeS3

PATTERNS = {"STOWAGE_MANIFESTS_IMMUTABLE_TAGS": "v*, team/**:stable", "STOWAGE_DELETE_ENABLED": "yes"}
RACES = 20


def index(number):
    return images.dump({"schemaVersion": 2, "mediaType": images.INDEX, "manifests": [],
                        "annotations": {"number": str(number)}})


def put(client, name, tag, number, expect=201):
    return client.put_manifest(name, tag, index(number), images.INDEX, expect)


def stands(client, name, tag):
    return client.manifest(name, tag).headers["Docker-Content-Digest"]


def refused(answer, *words):
    tap.equal(answer.code, "DENIED")
    error = json.loads(answer.body)["errors"][0]
    tap.ok("immutable" in error["message"], error)
    for word in words:
        tap.equal(error.get("detail"), word)
    tap.ok(b"sha256:" not in answer.body, "says nothing of what stands there")


@tap.test
def a_tag_stays():
    server = stowage.Server(env=PATTERNS).start()
    tap.defer(server.kill)
    client = registry.Client(server)
    put(client, "app", "v1", 1)
    again = put(client, "app", "v1", 1)
    tap.equal(again.headers["Docker-Content-Digest"], images.digest(index(1)), "a push again")
    refused(put(client, "app", "v1", 2, 403), "v1")
    tap.equal(stands(client, "app", "v1"), images.digest(index(1)))
    client.manifest("app", images.digest(index(2)), 404)
    put(client, "app", "latest", 1)
    put(client, "app", "latest", 2)
    put(client, "app", "stable", 1)
    put(client, "app", "stable", 2)
    put(client, "team/x", "stable", 1)
    refused(put(client, "team/x", "stable", 2, 403), "stable")
    tap.ok("immutable" in server.log(), "the log says it")


@tap.test
def it_is_not_deleted():
    server = stowage.Server(env=PATTERNS).start()
    tap.defer(server.kill)
    client = registry.Client(server)
    put(client, "app", "v1", 1)
    put(client, "app", "latest", 1)
    put(client, "app", "next", 2)
    refused(client.request("DELETE", "/v2/app/manifests/v1", expect=403))
    refused(client.request("DELETE", f"/v2/app/manifests/{images.digest(index(1))}", expect=403))
    client.request("DELETE", "/v2/app/manifests/v7", expect=404)
    tags = json.loads(client.request("GET", "/v2/app/tags/list", expect=200).body)["tags"]
    tap.equal(tags, ["latest", "next", "v1"])
    client.request("DELETE", f"/v2/app/manifests/{images.digest(index(2))}", expect=202)
    client.request("DELETE", "/v2/app/manifests/latest", expect=202)
    tap.equal(stands(client, "app", "v1"), images.digest(index(1)))


@tap.test
def mistakes_end_the_start():
    server = stowage.Server(env={"STOWAGE_MANIFESTS_IMMUTABLE_TAGS": "v[0-9]"})
    tap.defer(server.kill)
    try:
        server.start()
    except Exception:  # pylint: disable=broad-except
        tap.ok('"v[0-9]"' in server.log(), server.log())
        return
    tap.ok(False, "it serves")


@tap.test
def of_two_servers_one_wins():
    fake = FakeS3().start()
    tap.defer(fake.stop)
    bucket = fake.new_bucket()
    servers = [stowage.Server("s3", minio=fake, bucket=bucket,
                              env=dict(PATTERNS, STOWAGE_S3_SERVERPROFILE="aws")).start()
               for _ in range(2)]
    for server in servers:
        tap.defer(server.kill)
    clients = [registry.Client(server) for server in servers]
    for race in range(RACES):
        answers, barrier = [None, None], threading.Barrier(2)

        def push(i, tag=f"v{race}", to=answers, start=barrier):
            start.wait()
            to[i] = put(clients[i], "app", tag, i, None)

        threads = [threading.Thread(target=push, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tap.equal(sorted(a.status for a in answers), [201, 403], answers)
        winner = [a.status for a in answers].index(201)
        for client in clients:
            tap.equal(stands(client, "app", f"v{race}"), images.digest(index(winner)))


@tap.test
def what_a_push_costs():
    fake = FakeS3().start()
    tap.defer(fake.stop)
    server = stowage.Server("s3", minio=fake, bucket=fake.new_bucket(),
                            env=dict(PATTERNS, STOWAGE_S3_SERVERPROFILE="aws")).start()
    tap.defer(server.kill)
    client = registry.Client(server)

    def cost(tag, number, expect=201):
        fake.script.clear()
        put(client, "app", tag, number, expect)
        return sorted(call.operation for call in fake.calls())

    put(client, "app", "first", 0)
    links = ["PutObject"] * 4
    tap.equal(cost("latest", 1), links, "data, revision, index, current")
    tap.equal(cost("latest", 2), links)
    tap.equal(cost("v1", 3), ["GetObject"] + links)
    tap.equal(cost("v1", 3), ["GetObject"] + links[:3])
    tap.equal(cost("v1", 4, 403), ["GetObject", "PutObject"], "the data lies there for collection")


if __name__ == "__main__":
    tap.main()
