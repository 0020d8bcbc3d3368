#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server whose store refuses or loses what it is given: clients are told, and nothing is left that
looks like success."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake-s3")]

import images
import registry
import stowage
import tap
from fake_s3 import FakeS3, Profile

MIB = 1 << 20
SMALL, LARGE = b"a layer", os.urandom(20 * MIB)
PUSH = {"small": SMALL, "large": LARGE}
REDIRECT = {"status": 301, "code": "PermanentRedirect"}
INSIDE = {"status": 200, "code": "InternalError"}


class Store:
    def __init__(self, profile=None, **env):
        self.fake = FakeS3(profile).start()
        tap.defer(self.fake.stop)
        self.bucket = self.fake.new_bucket()
        self.env = {"STOWAGE_S3_MAXRETRIES": "1", **env}

    def serve(self):
        server = stowage.Server("s3", minio=self.fake, bucket=self.bucket, env=self.env).start()
        tap.defer(server.kill)
        self.client = registry.Client(server)
        return self

    def keys(self, word):
        return [key for key in self.fake.objects(self.bucket) if word in key]

    def push(self, data):
        """The status of the request that ends it, or of one that failed on the way."""
        answer = self.client.request("POST", "/v2/a/blobs/uploads/", b"")
        if answer.status != 202:
            return answer
        location = answer.headers["Location"]
        return self.client.request("PUT", location + ("&" if "?" in location else "?") +
                                   f"digest={images.digest(data)}", data)


@tap.cases(put=("small", "PutObject", REDIRECT), begin=("large", "CreateMultipartUpload", REDIRECT),
           part=("large", "UploadPart", REDIRECT),
           complete=("large", "CompleteMultipartUpload", REDIRECT),
           error_inside=("large", "CompleteMultipartUpload", INSIDE),
           nothing_inside=("large", "CompleteMultipartUpload", {"body": b""}),
           half_inside=("large", "CompleteMultipartUpload", {"body": b"<CompleteMultipartUpload"}))
def push_that_the_store_does_not_take(what, operation, fault):
    """No link, nothing that is found, and the same push works as soon as the store does."""
    store, data = Store().serve(), PUSH[what]
    store.fake.fault(operation=operation, times=None, **fault)
    answer = store.push(data)
    tap.ok(answer.status // 100 == 5, f"{answer}")
    tap.equal(store.keys("/_layers/"), [], "links")
    path = f"/v2/a/blobs/{images.digest(data)}"
    tap.equal(store.client.request("HEAD", path).status, 404)
    store.fake.clear()
    tap.equal(store.push(data).status, 201)
    tap.ok(store.client.request("GET", path).body == data, "bytes")


@tap.cases(small_error=("small", "CopyObject", INSIDE), small_nothing=("small", "CopyObject",
                                                                       {"body": b""}),
           large_error=("large", "UploadPartCopy", INSIDE),
           large_half=("large", "UploadPartCopy", {"body": b"<CopyPartResult><ETag>"}),
           large_end=("large", "CompleteMultipartUpload", INSIDE))
def copy_that_the_store_does_not_make(what, operation, fault):
    """What came by chunks outlasts an end that fails: the client ends it again."""
    store, data = Store().serve(), PUSH[what]
    location = store.client.begin_upload("a").headers["Location"]
    for piece in (data[:12 * MIB], data[12 * MIB:]):  # joined at the end, where there are two
        if piece:
            location = store.client.patch(location, piece).headers["Location"]
    store.fake.fault(operation=operation, key="*/blobs/sha256/*", times=None, **fault)
    digest = images.digest(data)
    answer = store.client.close_upload(location, digest, expect=None)
    tap.ok(answer.status // 100 == 5, f"{answer}")
    tap.equal((store.keys("/_layers/"), store.keys("/blobs/")), ([], []))
    tap.equal(store.client.request("HEAD", f"/v2/a/blobs/{digest}").status, 404)
    store.fake.clear()
    store.client.close_upload(location, digest)
    tap.ok(store.client.blob("a", digest).body == data, "bytes")


@tap.test
def denied_is_not_absent():
    """Rights that are taken away meanwhile make no blob vanish, nor is what was said then kept."""
    store = Store(STOWAGE_CACHE_SIZE="1M").serve()
    tap.equal(store.push(SMALL).status, 201)
    absent = f"/v2/a/blobs/{images.digest(b'absent')}"
    tap.equal(store.client.request("HEAD", absent).status, 404)
    for operation in ("HeadObject", "GetObject", "ListObjectsV2"):
        store.fake.fault(operation=operation, times=None, status=403, code="AccessDenied")
    for path in (absent, f"/v2/b/blobs/{images.digest(SMALL)}", "/v2/a/manifests/latest",
                 "/v2/a/tags/list"):
        for method in ("HEAD", "GET"):
            if method == "HEAD" and path.endswith("list"):
                continue
            answer = store.client.request(method, path)
            tap.ok(answer.status // 100 == 5, f"{method} {path}: {answer}")
    store.fake.clear()
    tap.equal(store.client.request("HEAD", absent).status, 404)
    tap.equal(store.client.request("GET", f"/v2/a/blobs/{images.digest(SMALL)}").body, SMALL)


@tap.test
def start_without_the_right_to_list():
    """It is named in what the server says at its end."""
    store = Store(Profile(list_permission=False))
    try:
        store.serve()
    except OSError as e:
        tap.ok("s3:ListBucket" in str(e) and store.bucket in str(e), str(e))
        return
    raise AssertionError("it serves")


if __name__ == "__main__":
    tap.main()
