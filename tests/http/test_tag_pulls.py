#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many pulls of one tag at once: they share reads, hold no more than one worker while they wait, and
each has an answer of its own."""

import os
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake-s3")]

import images
import raw
import registry
import stowage
import tap
from fake_s3 import FakeS3

WORKERS = 4
CURRENT = "*/_manifests/tags/v1/current/link"


class Pulls:
    """A server with few workers on a store whose reads of a tag take their time."""

    def __init__(self, **env):
        self.fake = FakeS3().start()
        tap.defer(self.fake.stop)
        bucket = self.fake.new_bucket()
        self.server = stowage.Server("s3", minio=self.fake, bucket=bucket, env={
            "STOWAGE_HTTP_WORKERS": str(WORKERS), "STOWAGE_DELETE_ENABLED": "yes", **env}).start()
        tap.defer(self.server.kill)
        self.client = registry.Client(self.server)
        self.client.push_blob("a", b"{}")
        self.data = [self.put(n) for n in ("one", "two")]
        self.fake.clear()
        self.answers, self.threads = [], []

    def put(self, name, tag="v1"):
        data = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "layers": [],
                            "annotations": {"name": name}, "config": {
                                "mediaType": images.CONFIG, "digest": images.digest(b"{}"),
                                "size": 2}})
        self.client.put_manifest("a", tag, data, images.MANIFEST)
        return data

    def pull(self, count, method="GET", tag="v1"):
        def one():
            began = time.monotonic()
            answer = registry.Client(self.server).request(method, f"/v2/a/manifests/{tag}")
            self.answers.append((began, time.monotonic(), answer))

        for _ in range(count):
            thread = threading.Thread(target=one)
            thread.start()
            self.threads.append(thread)

    def wait(self):
        for thread in self.threads:
            thread.join()
        answers, self.answers, self.threads = self.answers, [], []
        return answers

    def reads(self):
        return len([c for c in self.fake.calls("GetObject") if c.key.endswith("/current/link")])


@tap.test
def they_share_reads_and_hold_one_worker():
    p = Pulls()
    p.fake.fault(operation="GetObject", key=CURRENT, times=None, delay=1.0)
    p.pull(1)
    time.sleep(0.2)
    p.pull(60)
    time.sleep(0.3)
    # all workers but one are free for others meanwhile
    began = time.monotonic()
    for _ in range(3):
        p.client.request("HEAD", f"/v2/a/blobs/{images.digest(b'{}')}", expect=200)
    tap.ok(time.monotonic() - began < 0.4, "others pass")
    answers = p.wait()
    tap.equal({a.status for _, _, a in answers}, {200})
    tap.equal({a.body for _, _, a in answers}, {p.data[1]})
    tap.ok(p.reads() <= 3, f"{p.reads()} reads for 61 pulls")
    p.pull(5, "HEAD")
    tap.equal({a.headers["Docker-Content-Digest"] for _, _, a in p.wait()},
              {images.digest(p.data[1])})


@tap.test
def an_answer_is_never_older_than_its_request():
    p = Pulls()
    p.fake.fault(operation="GetObject", key=CURRENT, times=None, delay=0.3)
    p.pull(10)
    time.sleep(0.1)
    moved = p.put("three")
    done = time.monotonic()
    p.pull(10)
    late = [a for began, _, a in p.wait() if began > done]
    tap.equal(len(late), 10)
    tap.equal({a.body for a in late}, {moved}, "those that came after the move")


@tap.test
def a_failure_is_everybodys():
    p = Pulls(STOWAGE_S3_MAXRETRIES="0")
    p.fake.fault(operation="GetObject", key=CURRENT, times=2, delay=0.5, status=403,
                 code="AccessDenied")
    p.pull(20)
    statuses = [a.status for _, _, a in p.wait()]
    tap.equal(set(statuses), {500})
    p.pull(20)
    tap.equal({a.status for _, _, a in p.wait()}, {200})
    p.pull(20, tag="none")
    tap.equal({a.status for _, _, a in p.wait()}, {404})


@tap.test
def who_leads_may_go():
    p = Pulls()
    p.fake.fault(operation="GetObject", key=CURRENT, times=1, delay=2.0)
    with raw.Connection(p.server) as first:
        first.head("GET", "/v2/a/manifests/v1")
        time.sleep(0.3)
        p.pull(10)
        time.sleep(0.3)
    answers = p.wait()  # the first one's connection is closed now
    tap.equal({a.status for _, _, a in answers}, {200})
    tap.ok(max(end - began for began, end, _ in answers) < 1.9, "they did not wait for its read")


@tap.test
def they_are_answered_when_the_server_ends():
    p = Pulls()
    p.fake.fault(operation="GetObject", key=CURRENT, times=None, delay=0.7)
    p.pull(1)
    time.sleep(0.2)
    p.pull(20)
    time.sleep(0.2)
    p.server.stop()
    tap.equal({a.status for _, _, a in p.wait()}, {200})


if __name__ == "__main__":
    tap.main()
