#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The s3 driver where an answer tells how the request should have been: another region, another
clock, a hash that is wanted, another host; where a store asks for patience, or is down; and what
goes with objects by the options."""

import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake-s3")]

import base64
import hashlib
import http.client
import urllib.parse

import tap
from drive import Drive, pattern
from fake_s3 import FakeS3, Profile
from listener import Listener

MIB = 1 << 20


def setup(profile=None, fake=None, **options):
    fake = (fake or FakeS3(profile)).start()
    tap.defer(fake.stop)
    bucket = fake.new_bucket()
    return fake, bucket, Drive(fake, bucket, **options)


def statuses(result):
    return {s: result.all("status").count(s) for s in set(result.all("status"))}


# ---- region ----

@tap.cases(put=("put", "k", "text"), stat=("stat", "there"), get=("get", "there"),
           write=("write", "k", 12 * MIB, MIB), list=("list", ""), remove=("remove", "k"))
def wrong_region(*words):
    """Corrected by one round trip more, once, and remembered.  A HEAD needs the words of a GET."""
    fake, bucket, d = setup(region="eu-north-1")
    fake.put(bucket, "there", b"text")
    d.must(*words)
    refused = [c for c in fake.calls() if c.status == 400]
    tap.equal(len(refused), 2 if words[0] == "stat" else 1, "requests for the wrong region")
    before = len(fake.calls())
    for _ in range(10):
        d.must("stat", "there")
    tap.equal(len(fake.calls()) - before, 10, "remembered")
    tap.ok("is in region us-east-1, not eu-north-1" in d.log(), d.log())


@tap.cases(moved=(301,), for_now=(307,), head=(400,))
def wrong_region_by_a_header(status):
    fake, _, d = setup()

    def move(answer):
        fake.region = "af-south-1"
    fake.fault(status=status, body=b"", headers={"x-amz-bucket-region": "af-south-1"}, edit=move)
    tap.equal(d("stat", "absent").status, "ENOTFOUND")
    tap.equal([c.status for c in fake.calls()], [status, 404])


@tap.cases(permanent=(301,), temporary=(307,))
def wrong_region_that_is_not_named(status):
    """The start fails, with the region that was signed for and what it may mean."""
    fake, _, d = setup(region="eu-north-1")
    fake.region = "eu-north-1"
    fake.fault(times=None, status=status, code="PermanentRedirect")
    result = d("check")
    tap.equal((result.status, result["retryable"]), ("EIO", "0"))
    for word in (f"HTTP {status} PermanentRedirect", "is region eu-north-1 the bucket's?"):
        tap.ok(word in result["message"], result["message"])


@tap.test
def region_that_never_fits():
    fake, _, d = setup(maxretries=2)
    fake.fault(times=None, status=301, code="PermanentRedirect",
               headers={"x-amz-bucket-region": "moon-1"})
    fake.region = "moon-1"
    result = d("put", "k", "text")
    tap.equal(result.status, "EIO")
    tap.ok("PermanentRedirect" in result["message"], result["message"])
    tap.ok(len(fake.calls()) <= 3, f"{len(fake.calls())} requests")


@tap.test
def writes_that_are_redirected_to_nowhere_fail():
    fake, bucket, d = setup()
    for operation in ("PutObject", "CreateMultipartUpload", "UploadPart",
                      "CompleteMultipartUpload"):
        fake.clear()
        fake.fault(operation=operation, times=None, status=301, code="PermanentRedirect")
        words = ("put", "k", "text") if operation == "PutObject" else ("write", "k", 12 * MIB, MIB)
        tap.equal(d(*words).status, "EIO", operation)
        tap.equal(fake.objects(bucket), {}, operation)
    fake.clear()
    tap.equal(list(fake.bucket(bucket).uploads), [])


# ---- redirects ----

@tap.test
def a_redirect_to_another_host():
    """Signed anew for it, the whole body once more; only that one request."""
    fake, bucket, d = setup()
    other = FakeS3()
    other._buckets = fake._buckets
    other._operations.buckets = fake._buckets
    other.start()
    tap.defer(other.stop)
    fake.fault(operation="UploadPart", status=307, code="TemporaryRedirect",
               edit=lambda a: a.set_header("Location", other.endpoint + part_target()))

    def part_target():
        return f"/{bucket}/k"
    d.must("write", "k", 12 * MIB, MIB)
    tap.ok(fake.objects(bucket)["k"] == pattern(12 * MIB), "bytes")
    moved, = other.calls()
    tap.equal((moved.operation, moved.status, moved.header("host")),
              ("UploadPart", 200, other.host))
    before = len(other.calls())
    d.must("put", "k2", "text")
    tap.equal(len(other.calls()), before)


@tap.cases(foreign=("http://elsewhere.invalid/{path}",), other_key=("{host}/b/other",),
           no_url=("/relative",), loop=("{self}/{path}",))
def redirects_that_are_not_followed(location):
    fake, bucket, d = setup(maxretries=0)
    other = FakeS3().start()
    tap.defer(other.stop)
    where = location.format(path=f"{bucket}/k", host=other.endpoint, self=fake.endpoint)
    fake.fault(times=None, status=307, code="TemporaryRedirect", headers={"Location": where})
    tap.equal(d("put", "k", "text").status, "EIO")
    tap.equal(other.calls(), [])
    tap.ok(len(fake.calls()) <= 2, "hops")


# ---- clock ----

@tap.cases(slow=(-3600,), fast=(7200,))
def wrong_clock(seconds):
    fake, bucket, d = setup()
    d.must("clock", seconds)
    d.must("put", "k", "text")
    tap.equal([c.code for c in fake.calls()], ["RequestTimeTooSkewed", ""])
    d.must("stat", "k")
    d.must("write", "big", 12 * MIB, MIB)
    url = urllib.parse.urlsplit(d.must("presign", "k", "GET", 60)["url"])
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    connection.request("GET", f"{url.path}?{url.query}")
    tap.equal(connection.getresponse().status, 200, "a URL by the store's clock")
    connection.close()
    tap.equal(sum(c.code == "RequestTimeTooSkewed" for c in fake.calls()), 1)
    tap.ok("the clock of this machine is" in d.log(), d.log())


@tap.test
def wrong_clock_at_a_head():
    """It has no body, so its Date tells."""
    fake, bucket, d = setup()
    fake.put(bucket, "k", b"text")
    d.must("clock", 3600)
    d.must("stat", "k")
    tap.equal([c.status for c in fake.calls()], [403, 200])


@tap.test
def attempts_are_signed_anew():
    """A store that is busy for longer than a signature is good."""
    fake, _, d = setup(maxretries=8)
    fake.fault(times=3, status=503, code="ServiceUnavailable",
               edit=lambda a: fake.advance(10 * 60))
    d.must("put", "k", "text")
    dates = [c.header("x-amz-date") for c in fake.calls("PutObject")]
    tap.ok(len(dates) >= 4, f"{dates}")
    tap.equal(fake.calls()[-1].status, 200)


# ---- patience ----

@tap.test
def slow_down():
    """Three of four answers; all end well, and none is paid for with another."""
    fake, bucket, d = setup()
    fake.fault(operation="HeadObject", times=60, status=503, code="SlowDown")
    fake.put(bucket, "k", b"text")
    result = d.must("crowd", "k", 20)
    tap.equal(statuses(result), {"OK": 20})
    metrics = d.must("metrics")
    tap.equal(int(metrics["s3.throttles"]), 60)
    tap.ok(int(metrics["s3.retries"]) >= 60, "retries")
    tap.ok(len(fake.calls()) == 80, f"{len(fake.calls())} requests")


@tap.test
def retry_after():
    fake, _, d = setup()
    fake.fault(status=503, code="SlowDown", headers={"Retry-After": "2"})
    began = time.monotonic()
    d.must("put", "k", "text")
    tap.ok(time.monotonic() - began >= 2, "waited as long as asked")
    fake.fault(status=503, code="SlowDown", headers={"Retry-After": "60"})
    d.must("deadline", 1500)
    began = time.monotonic()
    result = d("put", "k", "text")
    tap.equal(result.status, "EBUSY")
    tap.ok(time.monotonic() - began < 1, "what cannot end in time is not waited for")


@tap.test
def a_store_that_is_down_is_not_hammered():
    fake, _, d = setup(maxretries=5, maxconnections=256)
    fake.fault(times=None, status=500, code="InternalError")
    for _ in range(3):
        d("crowd", "k", 300)
    calls = len(fake.calls())
    tap.ok(calls <= 900 + 110, f"{calls} requests of 900 calls")
    fake.clear()
    tap.equal(statuses(d("crowd", "k", 100)), {"ENOTFOUND": 100})


@tap.test
def rate_of_requests():
    fake, _, d = setup(requestrate=50)
    began = time.monotonic()
    d.must("crowd", "k", 60)
    took = time.monotonic() - began
    tap.ok(took >= 1, f"60 requests at 50 a second in {took:.2f} s")


class Forgetful(Listener):
    """Answers one request on each connection, and closes at the second without a word."""

    def serve(self, connection, number):
        def request():
            data = b""
            while b"\r\n\r\n" not in data:
                part = connection.recv(65536)
                if not part:
                    return None
                data += part
            head, _, body = data.partition(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n")
                           if line.lower().startswith(b"content-length:")), 0)
            while len(body) < length:
                body += connection.recv(65536)
            return data
        if request() is not None:
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "e"\r\n\r\n')
            request()


@tap.test
def a_kept_connection_that_is_dead():
    """One silent attempt more over a new one, even where no retries are allowed."""
    fake = FakeS3()
    forgetful = Forgetful().start()
    tap.defer(forgetful.stop)
    fake.start()
    tap.defer(fake.stop)
    d = Drive(fake, "b", regionendpoint=f"http://{forgetful.host}", maxretries=0)
    for n in range(4):
        d.must("put", "k", f"text {n}")
    # curl itself may have begun one that it then cannot use
    tap.ok(4 <= forgetful.connections <= 7, f"{forgetful.connections} connections")
    tap.equal(d.log(), "", "silent")


# ---- what is counted ----

@tap.test
def metrics():
    fake, bucket, d = setup()
    d.must("put", "k", "four")
    d.must("get", "k")
    d("get", "absent")
    d.must("write", "big", 12 * MIB, MIB)
    d.must("read", "big", 0, -1)
    fake.fault(operation="DeleteObject", status=503, code="SlowDown")
    d.must("remove", "k")
    d.must("list", "")
    d.must("remove_many", "big", "k")
    counted = {name: int(value) for name, value in d.must("metrics").fields}
    requests = {name: n for name, n in counted.items() if name.startswith("s3.requests.")}
    tap.equal(requests, {
        "s3.requests.PutObject.200": 1, "s3.requests.GetObject.200": 2,
        "s3.requests.GetObject.404": 1, "s3.requests.CreateMultipartUpload.200": 1,
        "s3.requests.UploadPart.200": 2, "s3.requests.CompleteMultipartUpload.200": 1,
        "s3.requests.DeleteObject.503": 1, "s3.requests.DeleteObject.204": 1,
        "s3.requests.ListObjectsV2.200": 1, "s3.requests.DeleteObjects.200": 1})
    tap.equal((counted["s3.retries"], counted["s3.throttles"]), (1, 1))
    tap.ok(counted["s3.bytes.sent"] >= 12 * MIB + 4, f"{counted}")
    tap.ok(counted["s3.bytes.received"] >= 12 * MIB + 4, f"{counted}")
    tap.ok(1 <= counted["s3.connections"] <= 4, f"{counted}")
    tap.ok(counted["s3.nanoseconds.UploadPart"] > 0, f"{counted}")


# ---- Content-MD5 ----

@tap.cases(auto=("auto",), on=("on",), off=("off",))
def bucket_with_object_lock(choice):
    fake, bucket, d = setup(Profile(object_lock=True), contentmd5=choice)
    if choice == "off":
        tap.equal(d("put", "k", "text").status, "EIO")
        tap.equal(fake.objects(bucket), {})
        return
    d.must("put", "k", "text")
    d.must("write", "big", 20 * MIB, MIB)
    d.must("park", "p", 12 * MIB, MIB)
    d.must("resume", "p", 20 * MIB, MIB, "newest")
    tap.equal(sum(c.status == 400 for c in fake.calls()), 1 if choice == "auto" else 0)
    put = fake.calls("PutObject")[-1]
    tap.equal(put.header("content-md5"),
              base64.b64encode(hashlib.md5(put.body).digest()).decode())


@tap.test
def no_md5_where_nobody_asks():
    fake, _, d = setup()
    d.must("put", "k", "text")
    d.must("write", "big", 12 * MIB, MIB)
    tap.ok(not any(c.header("content-md5") for c in fake.calls()), "Content-MD5")


# ---- what goes with objects ----

def made(d, fake, bucket):
    d.must("put", "k", "text")
    d.must("write", "big", 12 * MIB, MIB)
    d.must("copy", "k", "k2")
    d.must("copy", "big", "big2")
    stored = fake.bucket(bucket).objects
    return [stored[key].headers for key in (b"k", b"big", b"k2", b"big2")]


@tap.cases(nothing=({}, {}),
           sse_s3=({"encrypt": "yes"}, {"x-amz-server-side-encryption": "AES256"}),
           kms=({"encrypt": "yes", "keyid": "arn:aws:kms:x:1:key/k"},
                {"x-amz-server-side-encryption": "aws:kms",
                 "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:x:1:key/k"}),
           key_without_encrypt=({"keyid": "k"}, {}),
           classes=({"storageclass": "standard_ia"}, {"x-amz-storage-class": "STANDARD_IA"}),
           none=({"storageclass": "NONE"}, {}),
           acl=({"objectacl": "bucket-owner-full-control"},
                {"x-amz-acl": "bucket-owner-full-control"}))
def attributes(options, want):
    fake, bucket, d = setup(multipartcopythresholdsize="8M", **options)
    tap.equal(made(d, fake, bucket), [want] * 4)
    parts = fake.calls("UploadPart") + fake.calls("UploadPartCopy")
    tap.ok(parts and not any(c.header(name) for c in parts for name in want), "not with parts")


@tap.test
def customers_key():
    key = base64.b64encode(b"0123456789abcdefghijklmnopqrstuv").decode()
    fake, bucket, d = setup(ssecustomerkey=key, multipartcopythresholdsize="8M")
    tap.equal(made(d, fake, bucket), [{}] * 4)
    md5 = base64.b64encode(hashlib.md5(base64.b64decode(key)).digest()).decode()
    tap.equal({o.customer_key for o in fake.bucket(bucket).objects.values()}, {md5})
    tap.equal(d.must("get", "k2").data, b"text")
    tap.equal(d.must("read", "big2", 5 * MIB, -1)["read"], str(7 * MIB))
    d.must("stat", "big")
    d.must("park", "p", 12 * MIB, MIB)
    d.must("resume", "p", 20 * MIB, MIB, "newest")
    d.must("check")
    tap.equal(d("presign", "k", "GET", 60).status, "ENOTSUP")
    tap.ok(key not in d.log(), "in the log")
    other = Drive(fake, bucket)
    tap.equal(other("get", "k").status, "EIO", "without the key")


if __name__ == "__main__":
    tap.main()
