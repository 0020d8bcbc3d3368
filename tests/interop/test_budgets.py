#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many S3 requests each operation costs `stowage serve`, counted by a proxy before a MinIO, and
the most that it may: one too many is a failure.  Prints the table."""

import functools
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import proxy
import registry
import stowage
import tap

MIB = 1 << 20
PART = 8 * MIB
NO_BLOB = images.digest(b"nobody has this")


@functools.lru_cache(None)
def minio():
    return stowage.Minio().start()


class Counted:
    """`stowage serve` behind a proxy that counts; each server is a process without a memory."""

    def __init__(self):
        self.proxy = proxy.Proxy(minio()).start()
        tap.defer(self.proxy.stop)
        self.bucket = minio().new_bucket()
        self.srv = None
        self.cold()

    def cold(self):
        """Begins anew: nothing is cached, nothing known."""
        if self.srv:
            self.srv.stop()
        self.srv = stowage.Server("s3", minio=self.proxy, bucket=self.bucket,
                                  env={"STOWAGE_DELETE_ENABLED": "yes",
                                       "STOWAGE_S3_CHUNKSIZE": str(PART)}).start()
        tap.defer(self.srv.kill)
        self.client = registry.Client(self.srv)
        # the connection, the secret and what else a process does once
        self.client.begin_upload("warm/up")
        self.client.request("HEAD", f"/v2/warm/up/blobs/{NO_BLOB}", expect=404)
        return self.client

    def count(self, what, most, function, *args, apart=0, **named):
        """apart: HEADs of a final key after a copy or a Complete, which are not counted."""
        self.proxy.settle().reset()
        result = function(*args, **named)
        counts = self.proxy.settle().counts()
        n = sum(counts.values()) - apart
        print(f"{what:<52} {n:>3} of {most:>3}  "
              f"{' '.join(f'{k}:{v}' for k, v in sorted(counts.items()))}")
        calls = "\n".join(f"  {call!r}" for call in self.proxy.calls())
        tap.ok(n <= most, f"{what}: {n} requests, at most {most}:\n{calls}")
        return result


def random_bytes(seed, size):
    return random.Random(seed).randbytes(size)


def push_in_steps(client, name, data):
    location = client.begin_upload(name).headers["Location"]
    location = client.patch(location, data).headers["Location"]
    client.close_upload(location, images.digest(data))


def push_whole(client, name, data):
    location = client.begin_upload(name).headers["Location"]
    client.close_upload(location, images.digest(data), data)


@tap.test
def blobs():
    one = Counted()
    client = one.client
    data = random_bytes("small", 20_000)
    digest = images.digest(data)
    one.count("blob HEAD, absent", 1, client.request, "HEAD", f"/v2/a/blobs/{NO_BLOB}", expect=404)
    one.count("push 20 kB: POST, PATCH, PUT", 4, push_in_steps, client, "a", data, apart=1)
    one.count("push 300 B: POST, PUT with body", 2, push_whole, client, "a",
              random_bytes("tiny", 300))
    client = one.cold()
    one.count("blob HEAD, cold", 2, client.request, "HEAD", f"/v2/a/blobs/{digest}", expect=200)
    one.count("blob HEAD, warm", 0, client.request, "HEAD", f"/v2/a/blobs/{digest}", expect=200)
    client = one.cold()
    one.count("blob GET of 20 kB, cold", 2, client.blob, "a", digest)
    one.count("blob GET of 20 kB, warm", 0, client.blob, "a", digest)
    client = one.cold()
    client.request("HEAD", f"/v2/a/blobs/{digest}", expect=200)
    one.count("blob GET of 20 kB after a HEAD", 1, client.blob, "a", digest)
    one.count("blob GET of 20 kB after that", 0, client.blob, "a", digest)
    client = one.cold()
    one.count("mount", 3, client.request, "POST",
              f"/v2/b/blobs/uploads/?mount={digest}&from=a", b"", expect=201)


@tap.test
def large_blobs():
    one = Counted()
    client = one.client
    data, other = random_bytes("large", 64 * MIB), random_bytes("other", 64 * MIB)
    digest = images.digest(data)
    parts = 64 * MIB // PART
    one.count("push 64 MiB: POST, PATCH, PUT", parts + parts + 7, push_in_steps, client, "a", data)
    one.count("push 64 MiB: POST, PUT with body", parts + 3, push_whole, client, "a", other)
    client = one.cold()
    one.count("blob GET of 64 MiB, cold", 2, client.blob, "a", digest)
    one.count("blob GET of 64 MiB, warm", 1, client.blob, "a", digest)


def small_image(client, name):
    """Blobs of an image of a config and two layers; (media type, bytes, digest)."""
    blobs = [random_bytes(f"{name} {i}", 1000 + i) for i in range(3)]
    for data in blobs:
        push_whole(client, name, data)
    descriptors = [{"mediaType": "application/octet-stream", "size": len(data),
                    "digest": images.digest(data)} for data in blobs]
    return {"schemaVersion": 2, "mediaType": images.MANIFEST,
            "config": dict(descriptors[0], mediaType="application/vnd.oci.image.config.v1+json"),
            "layers": descriptors[1:]}


@tap.test
def manifests():
    one = Counted()
    client = one.client
    value = small_image(client, "a")
    data = json.dumps(value).encode()
    digest = images.digest(data)
    one.count("manifest PUT by tag, config + 2 layers", 7, client.put_manifest, "a", "v1", data,
              images.MANIFEST)
    again = json.dumps(dict(value, annotations={"tags": "three"})).encode()
    one.count("manifest PUT by digest with 3 tags", 11, client.put_manifest, "a",
              f"{images.digest(again)}?tag=x&tag=y&tag=z", again, images.MANIFEST)
    with_subject = dict(value, subject={"mediaType": images.MANIFEST, "size": len(data),
                                        "digest": digest})
    one.count("the same with a subject", 8, client.put_manifest, "a", "v2",
              json.dumps(with_subject).encode(), images.MANIFEST)
    for method in ("GET", "HEAD"):
        for what, reference, cold, warm in (("tag", "v1", 3, 1), ("digest", digest, 2, 0)):
            client = one.cold()
            for state, most in (("cold", cold), ("warm", warm)):
                one.count(f"manifest {method} by {what}, {state}", most, client.request, method,
                          f"/v2/a/manifests/{reference}", headers={"Accept": images.MANIFEST},
                          expect=200)


@tap.test
def referrers():
    """One LIST, the tag's link, and two requests of one batch for each."""
    one = Counted()
    client = one.client
    value = small_image(client, "a")
    subject = json.dumps(value).encode()
    for i in range(5):
        client.put_manifest("a", f"r{i}", json.dumps(dict(value, annotations={"n": str(i)}, subject={
            "mediaType": images.MANIFEST, "size": len(subject),
            "digest": images.digest(subject)})).encode(), images.MANIFEST)
    client = one.cold()
    answer = one.count("referrers, 5 of them", 12, client.request, "GET",
                       f"/v2/a/referrers/{images.digest(subject)}", expect=200)
    tap.equal(len(json.loads(answer.body)["manifests"]), 5)


@tap.test
def tags_and_deletes():
    one = Counted()
    client = one.client
    data = json.dumps(small_image(client, "a")).encode()
    digest = images.digest(data)
    for i in range(41):
        client.put_manifest("a", f"v{i}", data, images.MANIFEST)
    client = one.cold()
    answer = one.count("tags/list, 41 tags", 1, client.request, "GET", "/v2/a/tags/list",
                       expect=200)
    tap.equal(len(json.loads(answer.body)["tags"]), 41)
    one.count("tag DELETE", 3, client.request, "DELETE", "/v2/a/manifests/v40", expect=202)
    one.count("manifest DELETE with 40 tags on it", 46, client.request, "DELETE",
              f"/v2/a/manifests/{digest}", expect=202)
    tap.equal(json.loads(client.request("GET", "/v2/a/tags/list").body).get("tags") or [], [])


if __name__ == "__main__":
    tap.main()
