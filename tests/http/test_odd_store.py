#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server whose store refuses or loses what it is given: clients are told, and nothing is left that
looks like success; one that asks to slow down, for longer than there is patience."""

import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake-s3")]

import images
import raw
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
        self.server = stowage.Server("s3", minio=self.fake, bucket=self.bucket,
                                     env=self.env).start()
        tap.defer(self.server.kill)
        self.client = registry.Client(self.server)
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


# ---- a store that asks to slow down ----

SLOW = {"status": 503, "code": "SlowDown", "message": "Please reduce your request rate."}
MANIFEST = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "config": {
    "mediaType": images.CONFIG, "digest": images.digest(SMALL), "size": len(SMALL)},
    "layers": []})


class Slow(Store):
    """One that has a blob and a tag, and asks to slow down from now on."""

    def __init__(self, operation="*", key="*", headers=None, **env):
        super().__init__(**env)
        self.serve()
        self.client.push_blob("a", SMALL)
        self.client.put_manifest("a", "t", MANIFEST, images.MANIFEST)
        self.location = raw.target(self.client.begin_upload("a").headers["Location"])
        self.fake.clear()
        self.fake.fault(operation=operation, key=key, times=None, headers=headers, **SLOW)

    def refused(self, method, path, body=None, after="1"):
        """It is told to come again, soon; the log says why, of which object."""
        headers = [f"Content-Type: {images.MANIFEST}"] if body == MANIFEST else []
        began, before = time.monotonic(), len(self.fake.calls())
        reply = raw.ask(self.server, method, path, body, *headers)
        took = time.monotonic() - began
        what = f"{method} {path}: {reply!r}"
        tap.equal((reply.status, reply["Retry-After"]), (503, after), what)
        tap.ok(reply["Connection"] != "close", what)
        if method != "HEAD":
            tap.equal(reply.codes, ["UNAVAILABLE"], what)
        for private in (b"SlowDown", b"reduce", b"bucket", b"docker", b"FAKE"):
            tap.ok(private not in reply.body, what)
        tap.ok(took < 12, f"{what}: {took:.1f} s")
        calls = [call for call in self.fake.calls()[before:] if call.fault]
        self.line(reply["X-Request-Id"], calls, what)
        return len(calls)

    def line(self, trace, calls, what):
        found = [line for line in self.server.log().splitlines()
                 if f"request={trace} msg=" in line]
        tap.equal(len(found), 1, what)
        # a list has a prefix and no key; of a HEAD the store says no code
        causes = [(f"bucket {self.bucket}, key {call.key}: HTTP 503" +
                   (" SlowDown: Please" if call.method != "HEAD" else "")) if call.key else
                  f"bucket {self.bucket}, prefix docker/registry/v2/repositories/"
                  for call in calls]
        tap.ok(any(cause in found[0] for cause in causes), f"none of {causes} is in {found[0]}")
        for word in ("level=warning component=s3.", "HTTP 503", "(store request FAKE"):
            tap.ok(word in found[0], f"{word} is not in {found[0]}")

    def well_again(self):
        self.fake.clear()
        digest = images.digest(SMALL)
        tap.equal(self.client.manifest("a", "t").body, MANIFEST)
        tap.equal(self.client.blob("a", digest).body, SMALL)
        tap.equal(self.client.request("HEAD", f"/v2/a/blobs/{digest}").status, 200)
        # the upload stands where it stood
        location = self.client.patch(self.location, LARGE, start=0).headers["Location"]
        self.client.close_upload(location, images.digest(LARGE))
        tap.ok(self.client.blob("a", images.digest(LARGE)).body == LARGE, "what came then")
        self.client.put_manifest("a", "u", MANIFEST, images.MANIFEST)
        listed = self.client.request("GET", "/v2/a/tags/list", expect=200).body
        tap.equal(json.loads(listed)["tags"], ["t", "u"])


def requests(location):
    """What is asked of a registry: (method, path, body)."""
    small, large, manifest = (images.digest(data) for data in (SMALL, LARGE, MANIFEST))
    return (("GET", "/v2/a/manifests/t", None), ("HEAD", "/v2/a/manifests/t", None),
            ("GET", f"/v2/a/manifests/{manifest}", None),
            ("GET", f"/v2/a/blobs/{small}", None), ("HEAD", f"/v2/a/blobs/{small}", None),
            ("PUT", "/v2/a/manifests/u", MANIFEST),
            ("POST", f"/v2/a/blobs/uploads/?digest={small}", SMALL),
            ("POST", f"/v2/a/blobs/uploads/?digest={large}", LARGE),
            ("POST", f"/v2/b/blobs/uploads/?mount={small}&from=a", b""),
            ("PATCH", location, SMALL), ("PATCH", location, LARGE),
            ("PUT", f"{location}&digest={small}", SMALL),
            ("PUT", f"{location}&digest={large}", LARGE),
            ("GET", "/v2/a/tags/list", None), ("GET", "/v2/_catalog", None),
            ("GET", f"/v2/a/referrers/{manifest}", None))


@tap.test
def slow_down_without_patience():
    """A failed request costs nobody anything but its own answer."""
    store = Slow(STOWAGE_S3_MAXRETRIES="0")
    for request in requests(store.location):
        store.refused(*request)
    store.well_again()


@tap.test
def slow_down_longer_than_a_request_may_take():
    """The store is asked again for as long as the request has, and then named as the cause."""
    time_of_all = "2s" if stowage.SAN else "1s"
    store = Slow(STOWAGE_S3_MAXRETRIES="2", STOWAGE_HTTP_REQUESTTIMEOUT=time_of_all,
                 STOWAGE_HTTP_COMMITTIMEOUT=time_of_all)
    for request in requests(store.location):
        tap.ok(store.refused(*request) > 1, f"{request[:2]}: asked once")
    store.well_again()


@tap.test
def slow_down_for_as_long_as_the_store_says():
    """The client is told so; who has less time than that does not ask again in vain."""
    store = Slow(headers={"Retry-After": "7"}, STOWAGE_S3_MAXRETRIES="3",
                 STOWAGE_HTTP_REQUESTTIMEOUT="5s")
    for method in ("GET", "HEAD"):
        tap.equal(store.refused(method, "/v2/a/manifests/t", after="7"), 1, "requests")
    store.well_again()


@tap.cases(data=("GetObject", "*/blobs/sha256/*", "GET", "blobs/{small}", None),
           stat=("HeadObject", "*", "HEAD", "blobs/{small}", None),
           tag=("PutObject", "*/tags/*", "PUT", "manifests/u", MANIFEST),
           revision=("PutObject", "*/blobs/sha256/*", "PUT", "manifests/u", MANIFEST + b" "),
           begin=("CreateMultipartUpload", "*", "POST", "blobs/uploads/?digest={large}", LARGE),
           part=("UploadPart", "*", "POST", "blobs/uploads/?digest={large}", LARGE),
           complete=("CompleteMultipartUpload", "*", "POST", "blobs/uploads/?digest={large}",
                     LARGE),
           part_of_a_chunk=("UploadPart", "*", "PATCH", None, LARGE))
def slow_down_in_the_midst(operation, key, method, path, body):
    store = Slow(operation, key, STOWAGE_S3_MAXRETRIES="0")
    path = path and "/v2/a/" + path.format(small=images.digest(SMALL), large=images.digest(LARGE))
    store.refused(method, path or store.location, body)
    # others of the same kind go beside it
    tap.ok(503 in [call.status for call in store.fake.calls(operation)], "it was not in the midst")
    store.well_again()


if __name__ == "__main__":
    tap.main()
