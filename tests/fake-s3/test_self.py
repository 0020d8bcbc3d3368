#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The fake store itself: another signer's requests pass, each altered one is refused, and faults
and profiles do what they say."""

import datetime
import hashlib
import hmac
import http.client
import os
import sys
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]

import s3
import tap
from fake_s3 import FakeS3, Profile

SECRET = FakeS3.secretkey


def fake(profile=None, **named):
    store = FakeS3(profile, **named).start()
    tap.defer(store.stop)
    store.make_bucket("b")
    return store


def client(store):
    return s3.S3(store.endpoint, store.accesskey, store.secretkey)


def send(store, method, target, headers, body=b""):
    """(status, body) of a request just as it is said."""
    connection = http.client.HTTPConnection(store.host, timeout=10)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body:
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def signed(store, method, path, query="", body=b"", headers=None):
    """Headers of a request that tests/lib/s3.py signs."""
    return client(store)._sign(method, path, query, headers or {},
                               hashlib.sha256(body).hexdigest())


def refused(answer, code):
    tap.ok(answer[0] >= 400, f"it was let pass: {answer}")
    tap.ok(f"<Code>{code}</Code>".encode() in answer[1], f"not {code}: {answer}")


def presigned(store, path, date=None, expires=60, names="host", secret=SECRET, method="GET"):
    """A target whose query is signed."""
    date = date or datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{date[:8]}/us-east-1/s3/aws4_request"
    pairs = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Date": date, "X-Amz-Expires": expires,
             "X-Amz-Credential": f"{store.accesskey}/{scope}", "X-Amz-SignedHeaders": names}
    query = urllib.parse.urlencode(sorted(pairs.items()), quote_via=urllib.parse.quote)
    canonical = f"{method}\n{path}\n{query}\nhost:{store.host}\n\n{names}\nUNSIGNED-PAYLOAD"
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + secret.encode()
    for part in scope.split("/") + [text]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return f"{path}?{query}&X-Amz-Signature={key.hex()}"


# ---- signatures ----

@tap.test
def what_is_signed_rightly_passes():
    store = fake()
    c = client(store)
    for key in ("plain", "a b+c~*'()&=?#%41", "x//y", "x/./y", "\u00e9/\u4e2d"):
        c.put("b", key, b"bytes of " + key.encode())
        tap.equal(c.get("b", key), b"bytes of " + key.encode(), key)
        tap.ok(key in c.list("b"), f"{key} is listed")
        c.delete("b", key)
    tap.equal(store.objects("b"), {})
    tap.equal([call for call in store.calls() if call.status // 100 != 2], [])


@tap.test
def the_published_example_passes():
    """Of the Amazon S3 API Reference, GET of an object, by a request to the check itself."""
    import sigv4

    class Example:
        method, path, query, body = "GET", "/test.txt", "", b""
        headers = [("Host", "examplebucket.s3.amazonaws.com"), ("Range", "bytes=0-9"),
                   ("x-amz-content-sha256", hashlib.sha256().hexdigest()),
                   ("x-amz-date", "20130524T000000Z"),
                   ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"
                    "us-east-1/s3/aws4_request, SignedHeaders=host;range;x-amz-content-sha256;"
                    "x-amz-date, Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6"
                    "036bdb41")]

        def header(self, name):
            return next((v for n, v in self.headers if n.lower() == name), None)

    keys = [sigv4.Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")]
    sigv4.check(Example(), keys, "us-east-1", 1369353600)
    Example.path = "/test.txt2"
    try:
        sigv4.check(Example(), keys, "us-east-1", 1369353600)
    except sigv4.Refused as e:
        tap.equal(e.code, "SignatureDoesNotMatch")
    else:
        raise AssertionError("another path passes")


def altered(change, code, method="GET", body=b"", query="", headers=None):
    store = fake()
    store.put("b", "k", b"bytes")
    right = signed(store, method, "/b/k", query, body, headers)
    target = "/b/k" + ("?" + query if query else "")
    tap.ok(send(store, method, target, right, body)[0] < 300, "unaltered it passes")
    request = {"method": method, "target": target, "headers": dict(right), "body": body}
    before = store.objects("b")
    change(request)
    refused(send(store, **request), code)
    tap.equal(store.objects("b"), before, "what is stored")


def header(name, value):
    def change(request):
        tap.ok(value is None or request["headers"].get(name) != value, "nothing is altered")
        request["headers"][name] = value
        if value is None:
            del request["headers"][name]
    return change


def field(name, value):
    return lambda request: request.update({name: value})


def edit(name, old, new):
    def change(request):
        tap.ok(old in request["headers"][name], f"{old} is not in {name}")
        request["headers"][name] = request["headers"][name].replace(old, new)
    return change


MISMATCH = "SignatureDoesNotMatch"
_put = {"method": "PUT", "body": b"new"}


@tap.cases(
    path=(field("target", "/b/k2"), MISMATCH),
    path_not_normalised=(field("target", "/b/./k"), MISMATCH),
    path_double_slash=(field("target", "/b//k"), MISMATCH),
    path_encoded_otherwise=(field("target", "/b/%6b"), MISMATCH),
    query_added=(field("target", "/b/k?x=1"), MISMATCH),
    query_value=(field("target", "/b/k?x=2"), MISMATCH, {"query": "x=1"}),
    query_not_encoded=(field("target", "/b/k?x=a/b"), MISMATCH, {"query": "x=a%2Fb"}),
    method=(field("method", "DELETE"), MISMATCH),
    host=(header("host", "127.0.0.1"), MISMATCH),
    signed_header=(header("range", "bytes=1-2"), MISMATCH, {"headers": {"range": "bytes=0-1"}}),
    signed_header_missing=(header("range", None), MISMATCH, {"headers": {"range": "bytes=0-1"}}),
    unsigned_amz_header=(header("x-amz-acl", "public-read"), "AccessDenied"),
    unsigned_content_type=(header("content-type", "text/html"), "AccessDenied", _put),
    body=(field("body", b"old"), "XAmzContentSHA256Mismatch", _put),
    payload_hash=(header("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), MISMATCH, _put),
    payload_hash_missing=(header("x-amz-content-sha256", None), "InvalidRequest"),
    date=(header("x-amz-date", "20200101T000000Z"), "AuthorizationHeaderMalformed"),
    signature=(edit("authorization", "Signature=", "Signature=0"), "AuthorizationHeaderMalformed"),
    access_key=(edit("authorization", FakeS3.accesskey, "other"), "InvalidAccessKeyId"),
    region=(edit("authorization", "us-east-1", "eu-west-1"), "AuthorizationHeaderMalformed"),
    names_unsorted=(edit("authorization", "host;x-amz-content-sha256",
                         "x-amz-content-sha256;host"), MISMATCH),
    unsigned=(header("authorization", None), "AccessDenied"),
    foreign_token=(header("x-amz-security-token", "t"), "AccessDenied"),
)
def refuses_another(change, code, named=None):
    altered(change, code, **(named or {}))


@tap.test
def refuses_another_secret():
    store = fake()
    status, _, body = s3.S3(store.endpoint, store.accesskey, "guess").request("GET", "/b")
    refused((status, body), MISMATCH)


@tap.cases(ahead=(16 * 60,), behind=(-16 * 60,))
def refuses_a_skewed_clock(seconds):
    store = fake()
    store.advance(seconds)
    status, _, body = client(store).request("GET", "/b")
    refused((status, body), "RequestTimeTooSkewed")
    store.advance(-seconds + (14 * 60 if seconds > 0 else -14 * 60))
    tap.equal(client(store).request("GET", "/b")[0], 200, "within the window")


@tap.test
def session_token_is_demanded():
    store = fake(sessiontoken="the token")
    c = client(store)
    status, _, body = c.request("GET", "/b")
    refused((status, body), "InvalidToken")
    status, _, body = c.request("GET", "/b", headers={"x-amz-security-token": "another"})
    refused((status, body), "InvalidToken")
    tap.equal(c.request("GET", "/b", headers={"x-amz-security-token": "the token"})[0], 200)


@tap.test
def presigned_urls():
    store = fake()
    store.put("b", "k", b"bytes")
    host = {"host": store.host}
    target = presigned(store, "/b/k")
    tap.equal(send(store, "GET", target, host), (200, b"bytes"))
    refused(send(store, "HEAD", target, host)[:1] + (b"<Code>" + MISMATCH.encode() + b"</Code>",),
            MISMATCH)
    refused(send(store, "GET", target.replace("/b/k?", "/b/k2?"), host), MISMATCH)
    refused(send(store, "GET", target.replace("Expires=60", "Expires=61"), host), MISMATCH)
    refused(send(store, "GET", target + "&x=1", host), MISMATCH)
    refused(send(store, "GET", target, {"host": "localhost"}), MISMATCH)
    refused(send(store, "GET", presigned(store, "/b/k", secret="guess"), host), MISMATCH)
    refused(send(store, "GET", presigned(store, "/b/k", expires=604801), host),
            "AuthorizationQueryParametersError")
    store.advance(45)  # the clock itself goes on, too
    tap.equal(send(store, "GET", target, host)[0], 200, "before its end")
    store.advance(17)
    refused(send(store, "GET", target, host), "AccessDenied")
    store.advance(-62 - 16 * 60)
    refused(send(store, "GET", target, host), "AccessDenied")


@tap.test
def bucket_in_the_host():
    store = fake()
    store.put("b", "k", b"bytes")
    c = client(store)
    c.host = "b.s3.test"
    headers = c._sign("GET", "/k", "", {}, hashlib.sha256(b"").hexdigest())
    tap.equal(send(store, "GET", "/k", headers), (200, b"bytes"))


# ---- the log, the faults ----

@tap.test
def log_tells_what_came():
    store = fake()
    c = client(store)
    c.put("b", "x/k", b"12345")
    c.get("b", "x/k")
    put, get = store.calls()
    tap.equal((put.operation, put.bucket, put.key, put.status, put.body),
              ("PutObject", "b", "x/k", 200, b"12345"))
    tap.equal((get.operation, get.target, get.sent), ("GetObject", "/b/x/k", 5))
    tap.ok(get.connection != put.connection, "each came by its own connection")
    tap.equal(get.header("Host"), store.host)


@tap.test
def faults():
    store = fake()
    c = client(store)
    store.fault(operation="PutObject", key="x/*", nth=2, status=503, code="SlowDown")
    for key, status in (("x/1", 200), ("y/2", 200), ("x/2", 503), ("x/3", 200)):
        tap.equal(c.request("PUT", "/b/" + key, body=b"z")[0], status, key)
    tap.equal(sorted(store.objects("b")), ["x/1", "x/3", "y/2"])

    store.fault(operation="PutObject", close=True)
    store.fault(operation="PutObject", close=True, work=True)
    for key in ("lost/before", "lost/after"):
        try:
            c.put("b", key, b"z")
        except http.client.RemoteDisconnected:
            continue
        raise AssertionError("there was an answer")
    tap.equal([key for key in store.objects("b") if key.startswith("lost")], ["lost/after"])

    store.fault(operation="GetObject", cut=2, headers={"ETag": '"x"', "Last-Modified": None})
    store.put("b", "k", b"12345")
    try:
        c.get("b", "k")
    except http.client.IncompleteRead as e:
        tap.equal(e.partial, b"12")
    else:
        raise AssertionError("the body was not cut")
    store.fault(operation="CopyObject", status=200, code="InternalError")
    status, _, body = c.request("PUT", "/b/k2", headers={"x-amz-copy-source": "/b/k"})
    tap.ok(status == 200 and b"<Code>InternalError</Code>" in body, f"{status} {body}")
    tap.ok("k2" not in store.objects("b"), "and nothing was copied")
    store.fault(operation="ListObjectsV2", body=b"<what")
    tap.equal(c.request("GET", "/b", {"list-type": "2"})[::2], (200, b"<what"))
    store.fault(operation="GetObject", pieces=lambda body: [(0, b" "), (0.1, body), (0, b"end")])
    began = time.monotonic()
    status, headers, body = c.request("GET", "/b/k")
    tap.equal((status, headers.get("Content-Length"), body), (200, None, b" 12345end"))
    tap.ok(time.monotonic() - began >= 0.1, "it took its time")
    store.fault(operation="PutObject", forget=True)
    c.put("b", "k3", b"12345")
    tap.equal((store.calls()[-1].body, store.objects("b")["k3"]), (b"", b"12345"))


# ---- the store ----

@tap.test
def listings_in_pages():
    store = fake(Profile(page_size=2, token="a+b/c%2F=="))
    c = client(store)
    want = {f"p/{i}": 1 for i in range(7)}
    for key in want:
        store.put("b", key, b"z")
    tap.equal(c.list("b", "p/"), want)
    tap.equal(len(store.calls()), 4)
    tap.ok("continuation-token=a%2Bb%2Fc%252F%3D%3D0" in store.calls()[1].target,
           store.calls()[1].target)
    tap.equal(c.request("GET", "/b", {"list-type": "2", "continuation-token": "x"})[0], 400)


@tap.test
def multipart():
    store = fake(Profile(part_min=4))
    c = client(store)
    status, _, body = c.request("POST", "/b/k", {"uploads": ""})
    tap.equal(status, 200)
    upload = body.split(b"<UploadId>")[1].split(b"<")[0].decode()
    etags = [c.request("PUT", "/b/k", {"partNumber": str(n), "uploadId": upload},
                       body=data)[1]["ETag"] for n, data in ((1, b"1234"), (2, b"5"), (3, b"6"))]

    def complete(*numbers):
        xml = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etags[n - 1]}</ETag></Part>"
                      for n in numbers)
        return c.request("POST", "/b/k", {"uploadId": upload}, body=(
            "<CompleteMultipartUpload>" + xml + "</CompleteMultipartUpload>").encode())[::2]

    tap.equal(c.uploads("b"), ["k"])
    refused(complete(2, 1), "InvalidPartOrder")
    refused(complete(1, 2, 3), "EntityTooSmall")
    tap.ok(b"-2&quot;</ETag>" in complete(1, 2)[1], "the ETag counts the parts")
    tap.equal(store.objects("b"), {"k": b"12345"})
    refused(complete(1, 2), "NoSuchUpload")


@tap.test
def profiles():
    store = fake(Profile(list_permission=False, demand_md5=True, refuse_checksums=True))
    c = client(store)
    tap.equal(c.request("HEAD", "/b/absent")[0], 403)
    tap.equal(c.request("GET", "/b", {"list-type": "2"})[0], 403)
    tap.equal(c.request("POST", "/b", {"delete": ""}, body=b"<Delete/>")[0], 400)
    tap.equal(c.request("PUT", "/b/k", headers={"x-amz-checksum-crc32": "AAAAAA=="})[0], 400)


if __name__ == "__main__":
    tap.main()
