#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""registry-stowage, CNCF Distribution with Stowage's s3 driver, on MinIO: crane and skopeo, what it
and Distribution with its own driver make of one bucket, uploads that go on elsewhere, redirects,
and a configuration that is wrong."""

import functools
import http.client
import os
import random
import re
import signal
import socket
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import clients
import distribution
import images
import registry
import stowage
import tap

MIB = 1 << 20
# SUBJECT=upstream runs all of this against Distribution's own driver: is the test right?
SUBJECT = os.environ.get("SUBJECT", distribution.STOWAGE)
SAMPLE = "host/distribution/config.yml"


@functools.lru_cache(None)
def minio():
    return stowage.Minio().start()


@functools.lru_cache(None)
def image(kind):
    make = images.layout if kind == "single" else images.multi
    return make(os.path.join(stowage.temporary("image"), "layout"))


def server(kind=SUBJECT, **named):
    srv = distribution.Registry(kind, minio(), **named).start()
    tap.defer(srv.kill)
    return srv


def random_bytes(seed, size):
    return random.Random(seed).randbytes(size)


def kill(srv):
    srv.kill()
    srv.start()


def pull_all(srv, name, tag, wanted):
    for found in (registry.Client(srv).pull(name, tag),
                  images.read_layout(clients.crane_pull(f"{srv.host}/{name}:{tag}")),
                  images.read_layout(clients.skopeo_pull(f"{srv.host}/{name}:{tag}"))):
        tap.equal(sorted(found), sorted(wanted.contents), "digests")
        tap.ok(found == wanted.contents, "bytes")


def parts_of_uploads(srv):
    """(keys of uploads, keys of open multipart uploads)."""
    keys = minio().s3.list(srv.bucket)
    return ([k for k in keys if "/_uploads/" in k or "stowage" in k],
            minio().s3.uploads(srv.bucket))


# ---- crane and skopeo ----

@tap.cases(crane=clients.crane_push, skopeo=clients.skopeo_push)
def push_and_pull(push):
    srv = server(prefix="some/where")
    for kind in ("single", "multi"):
        push(image(kind), f"{srv.host}/team/{kind}:v1")
        kill(srv)
        pull_all(srv, f"team/{kind}", "v1", image(kind))
    tap.equal(sorted(clients.crane("catalog", srv.host).split()), ["team/multi", "team/single"])
    tap.equal(parts_of_uploads(srv), ([], []), "left of uploads")


@tap.test
def crane_lists_deletes_and_mounts():
    srv = server()
    wanted = image("multi")
    for tag in ("v1", "v2", "a.b_c-D"):
        clients.crane_push(wanted, f"{srv.host}/app/one:{tag}")
    tap.equal(clients.crane("ls", f"{srv.host}/app/one").split(), ["a.b_c-D", "v1", "v2"])
    clients.crane("copy", f"{srv.host}/app/one:v1", f"{srv.host}/app/two:v1")
    clients.crane("delete", f"{srv.host}/app/one:v2")
    tap.equal(clients.crane("ls", f"{srv.host}/app/one").split(), ["a.b_c-D", "v1"])
    clients.crane("delete", f"{srv.host}/app/one@{wanted.digest}")
    client = registry.Client(srv)
    client.manifest("app/one", "v1", expect=404)
    client.manifest("app/one", wanted.digest, expect=404)
    pull_all(srv, "app/two", "v1", wanted)
    # what a client deletes is gone from the repository, and so is a blob
    digest = next(iter(wanted.blobs))
    client.request("DELETE", f"/v2/app/two/blobs/{digest}", expect=202)
    client.blob("app/two", digest, expect=404)


def fill(srv):
    """The same requests to either: chunked and whole uploads, an empty blob, tags, a mount."""
    client = registry.Client(srv)
    for kind in ("single", "multi"):
        client.push(f"team/{kind}", image(kind), "v1")
    client.push("team/single", image("multi"), "v1")
    client.push("team/single", image("single"), "a.b_c-D")
    client.push_blob("team/single", b"")
    big = random_bytes("fill", 12_000_000)
    location = client.begin_upload("big/one").headers["Location"]
    for start in range(0, len(big), 5_500_000):
        location = client.patch(location, big[start:start + 5_500_000], start).headers["Location"]
    client.close_upload(location, images.digest(big))
    client.request("POST", f"/v2/big/two/blobs/uploads/?mount={images.digest(big)}&from=big/one",
                   b"", expect=201)
    client.push_blob("big/three", big)


@tap.test
def one_bucket_with_distributions_own_driver():
    """Each serves what the other wrote, while both run; tags moved and blobs deleted by either."""
    ours = server()
    theirs = server(distribution.UPSTREAM, bucket=ours.bucket)
    for kind in ("single", "multi"):
        clients.crane_push(image(kind), f"{ours.host}/ours/{kind}:v1")
        clients.skopeo_push(image(kind), f"{theirs.host}/theirs/{kind}:v1")
        pull_all(theirs, f"ours/{kind}", "v1", image(kind))
        pull_all(ours, f"theirs/{kind}", "v1", image(kind))
    clients.skopeo_push(image("multi"), f"{theirs.host}/ours/single:v1")
    clients.crane_push(image("single"), f"{ours.host}/theirs/multi:v1")
    pull_all(ours, "ours/single", "v1", image("multi"))
    pull_all(theirs, "theirs/multi", "v1", image("single"))
    wanted = ["ours/multi", "ours/single", "theirs/multi", "theirs/single"]
    for srv in (ours, theirs):
        tap.equal(sorted(clients.crane("catalog", srv.host).split()), wanted, srv.name)
        tap.equal(clients.crane("ls", f"{srv.host}/ours/single").split(), ["v1"], srv.name)
    clients.crane("delete", f"{ours.host}/theirs/single@{image('single').digest}")
    registry.Client(theirs).manifest("theirs/single", "v1", expect=404)
    clients.crane("delete", f"{theirs.host}/ours/multi@{image('multi').digest}")
    registry.Client(ours).manifest("ours/multi", "v1", expect=404)


@tap.test
def laid_as_distributions_own_driver_lays_it():
    """Key by key and byte by byte."""
    found = []
    for kind in (SUBJECT, distribution.UPSTREAM):
        srv = server(kind)
        fill(srv)
        tap.equal(parts_of_uploads(srv), ([], []), f"left of uploads, {srv.name}")
        found.append({k: minio().s3.get(srv.bucket, k) for k in minio().s3.list(srv.bucket)})
    mine, other = found
    tap.equal(sorted(mine), sorted(other), "keys")
    for key, data in other.items():
        tap.ok(mine[key] == data, f"{key}: {mine[key][:100]!r}, want {data[:100]!r}")
    print(f"{len(other)} keys")


@tap.test
def layer_of_64_mib():
    srv = server()
    wanted = images.layout(os.path.join(stowage.temporary("image"), "layout"), "big", (64 * MIB,))
    clients.crane_push(wanted, f"{srv.host}/big:v1")
    tap.ok(images.read_layout(clients.crane_pull(f"{srv.host}/big:v1")) == wanted.contents, "bytes")
    tap.equal(parts_of_uploads(srv), ([], []), "left of uploads")


# ---- uploads ----

# odd ones, a byte, below and above the smallest part and a whole chunk
SIZES = (1, 32, 5 * MIB - 33, 1, 5 * MIB + 1, 11 * MIB + 7, 32, 3 * MIB, 4321)


def take_turns(servers, between, sizes):
    """Every request goes to the next of the servers."""
    data = random_bytes("turns", sum(sizes))
    turn, number = [registry.Client(s) for s in servers], 0
    location = turn[0].begin_upload("a/b").headers["Location"]
    at = 0
    for size in sizes:
        number += 1
        between(number)
        client = turn[number % len(turn)]
        answer = client.patch(location, data[at:at + size], at)
        at += size
        tap.equal(answer.headers["Range"], f"0-{at - 1}", f"after {size} bytes")
        location = answer.headers["Location"]
    number += 1
    between(number)
    client = turn[number % len(turn)]
    status = client.request("GET", location, expect=204)
    tap.equal(status.headers["Range"], f"0-{at - 1}", "status")
    digest = images.digest(data)
    answer = client.close_upload(location, digest)
    tap.equal(answer.headers["Docker-Content-Digest"], digest)
    for other in turn:
        tap.ok(other.blob("a/b", digest).body == data, "bytes")
    tap.equal(parts_of_uploads(servers[0]), ([], []), "left of the upload")


@tap.test
def upload_goes_on_after_each_kill():
    srv = server()
    take_turns([srv], lambda number: kill(srv), SIZES)


@tap.test
def two_replicas_take_turns():
    one = server()
    take_turns([one, server(bucket=one.bucket)], lambda number: None, SIZES)


@tap.test
def either_driver_can_read_what_a_finished_upload_left():
    """An upload goes on under the driver that it began with; the blob is everybody's."""
    one = server()
    data = random_bytes("shared", 6 * MIB + 5)
    registry.Client(one).push_blob("a", data)
    other = server(distribution.UPSTREAM, bucket=one.bucket)
    tap.ok(registry.Client(other).blob("a", images.digest(data)).body == data, "bytes")
    # mounted by the other
    registry.Client(other).request(
        "POST", f"/v2/b/blobs/uploads/?mount={images.digest(data)}&from=a", b"", expect=201)
    tap.ok(registry.Client(one).blob("b", images.digest(data)).body == data, "bytes")


@tap.cases(nothing=(), one_byte=(1,), small=(4321,), chunks=(12 * MIB, 3 * MIB))
def cancelled_upload_leaves_nothing(*sizes):
    srv = server()
    client = registry.Client(srv)
    location = client.begin_upload("a").headers["Location"]
    for size in sizes:
        location = client.patch(location, random_bytes("c", size)).headers["Location"]
    client.request("DELETE", location, expect=204)
    client.request("GET", location, expect=404)
    left, open_uploads = parts_of_uploads(srv)
    tap.equal(open_uploads, [], "open multipart uploads")
    # Distribution itself writes this one after it has removed the upload, over any driver
    left = [k for k in left if not k.endswith("/hashstates/sha256/0")]
    tap.equal(left, [], "objects")


@tap.test
def digest_that_is_wrong():
    srv = server()
    client = registry.Client(srv)
    data = random_bytes("wrong", 7 * MIB)
    location = client.begin_upload("a").headers["Location"]
    location = client.patch(location, data).headers["Location"]
    answer = client.close_upload(location, images.digest(b"other"), expect=400)
    tap.equal(answer.code, "DIGEST_INVALID")
    client.blob("a", images.digest(data), expect=404)
    left, open_uploads = parts_of_uploads(srv)
    tap.equal(open_uploads, [], "open multipart uploads")
    # Distribution leaves what is below _uploads/ to its own purge
    tap.equal([k for k in left if "/_uploads/" not in k], [], "objects")
    client.push_blob("a", data)
    tap.ok(client.blob("a", images.digest(data)).body == data, "bytes")


def hang_up(srv, location, announced, sent):
    """In the middle of a PATCH."""
    connection = registry.Client(srv).open()
    connection.putrequest("PATCH", location.split(srv.host, 1)[-1])
    connection.putheader("Content-Type", "application/octet-stream")
    connection.putheader("Content-Length", str(announced))
    connection.endheaders()
    connection.send(sent)
    connection.close()


@tap.test
def clients_that_hang_up_leave_room_for_others():
    """Distribution does not close the writer of a request that failed; its memory is given back."""
    srv = server(parameters={"memory": "64M"} if SUBJECT == distribution.STOWAGE else None)
    client = registry.Client(srv, timeout=60)
    data = random_bytes("room", 2 * MIB)
    for i in range(40):
        location = client.begin_upload(f"r/{i}").headers["Location"]
        hang_up(srv, location, 24 * MIB, data)
    whole = random_bytes("others", 25 * MIB)
    client.push_blob("others", whole)
    tap.ok(client.blob("others", images.digest(whole)).body == whole, "bytes")


@tap.test
def client_that_hangs_up():
    """What came of a PATCH before the client went is kept, and the upload goes on from there."""
    srv = server()
    client = registry.Client(srv)
    data = random_bytes("gone", 25 * MIB)
    location = client.begin_upload("d").headers["Location"]
    location = client.patch(location, data[:MIB], 0).headers["Location"]
    hang_up(srv, location, 24 * MIB, data[MIB:13 * MIB])
    before, deadline = None, time.monotonic() + 20
    while time.monotonic() < deadline:  # until the registry has seen it, too
        status = client.request("GET", location, expect=204)
        end = int(status.headers["Range"].split("-")[1]) + 1
        if end == before and end > MIB:
            break
        before = end
        time.sleep(0.5)
    tap.ok(MIB <= end <= 13 * MIB, f"{end} bytes are kept")
    print(f"{end} of {13 * MIB} bytes are kept")
    location = client.patch(status.headers["Location"], data[end:], end).headers["Location"]
    client.close_upload(location, images.digest(data))
    tap.ok(client.blob("d", images.digest(data)).body == data, "bytes")
    tap.equal(parts_of_uploads(srv), ([], []), "left of the upload")


@tap.test
def client_that_hangs_up_while_it_pulls():
    """Over and over: no connection to the store, no memory is kept for those who went."""
    srv = server()
    data = random_bytes("pull", 16 * MIB)
    client = registry.Client(srv)
    client.push_blob("p", data)
    path = f"/v2/p/blobs/{images.digest(data)}"
    for _ in range(100):  # more than the driver has connections
        with socket.create_connection(("127.0.0.1", srv.port), timeout=30) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: {srv.host}\r\n\r\n".encode())
            tap.ok(s.recv(1000).startswith(b"HTTP/1.1 200"), "answer")
    tap.ok(client.blob("p", images.digest(data)).body == data, "bytes")


# ---- redirects ----

def follow(method, location, headers=None):
    """As a client without any credentials does; (status, headers, body)."""
    parts = urllib.parse.urlsplit(location)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@tap.test
def blobs_are_redirected():
    srv = server(redirect=True, prefix="a/b")
    client = registry.Client(srv)
    data = random_bytes("redirect", 300_000)
    client.push_blob("r", data)
    path = f"/v2/r/blobs/{images.digest(data)}"
    location = client.request("GET", path, expect=307).headers["Location"]
    tap.ok(location.startswith(minio().endpoint + f"/{srv.bucket}/a/b/docker/"), location)
    tap.ok(minio().secretkey not in location, "no secret")
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)
    tap.equal(query["X-Amz-Expires"], ["1200"])
    tap.equal(query["X-Amz-SignedHeaders"], ["host"])
    status, _, body = follow("GET", location)
    tap.equal(status, 200, f"{body[:300]!r}: status")
    tap.ok(body == data, "bytes")
    status, headers, body = follow("GET", location, {"Range": "bytes=1000-1999"})
    tap.equal(status, 206, "of a range")
    tap.ok(body == data[1000:2000], "bytes of the range")
    location = client.request("HEAD", path, expect=307).headers["Location"]
    status, headers, _ = follow("HEAD", location)
    tap.equal((status, headers["Content-Length"]), (200, str(len(data))), "HEAD")
    # signed means signed: for this method, this key, as it is
    tap.equal(follow("DELETE", location)[0], 403, "another method")
    tap.equal(follow("HEAD", location[:-1] + ("0" if location[-1] != "0" else "1"))[0], 403,
              "another signature")
    client.request("GET", f"/v2/r/blobs/{images.digest(b'none')}", expect=404)
    wanted = image("multi")
    clients.skopeo_push(wanted, f"{srv.host}/r/multi:v1")
    for pull in (clients.crane_pull, clients.skopeo_pull):
        tap.ok(images.read_layout(pull(f"{srv.host}/r/multi:v1")) == wanted.contents, "the image")


@tap.test
def blobs_are_served_where_redirects_are_disabled():
    srv = server(redirect=False)
    client = registry.Client(srv)
    data = random_bytes("direct", 300_000)
    client.push_blob("r", data)
    path = f"/v2/r/blobs/{images.digest(data)}"
    tap.ok(client.request("GET", path, expect=200).body == data, "bytes")
    part = client.request("GET", path, headers={"Range": "bytes=299000-"}, expect=206)
    tap.ok(part.body == data[299000:], "bytes of the range")
    answer = client.request("HEAD", path, expect=200)
    tap.equal(answer.headers["Content-Length"], str(len(data)))


@tap.test
def redirects_lead_to_the_redirectendpoint():
    srv = server(redirect=True, parameters={"redirectendpoint": "https://cdn.example.com:8443"})
    client = registry.Client(srv)
    client.push_blob("r", b"some bytes")
    answer = client.request("GET", f"/v2/r/blobs/{images.digest(b'some bytes')}", expect=307)
    location = answer.headers["Location"]
    tap.ok(location.startswith(f"https://cdn.example.com:8443/{srv.bucket}/docker/"), location)


# ---- configuration ----

def refused(says, env=None, **named):
    """One line about it, without a secret, and nothing else that looks like trouble."""
    if SUBJECT == distribution.UPSTREAM:
        tap.skip("of Stowage's driver")
    srv = distribution.Registry(SUBJECT, minio(), **named)
    began = time.monotonic()
    text = srv.refused(env)
    tap.ok(time.monotonic() - began < 35, "it took too long")
    lines = [line for line in text.splitlines() if re.search(says, line)]
    tap.equal(len(lines), 1, f"lines that say {says}, in:\n{text}\n")
    tap.ok(minio().secretkey not in text, f"a secret is in:\n{text}")
    for trouble in ("goroutine ", "SIGSEGV", "SIGABRT", "fatal error:"):
        tap.ok(trouble not in text, text)
    print(lines[0])


@tap.cases(
    unknown_parameter=(r"regionendpont.*\bregionendpoint\b", {"regionendpont": "x"}),
    unknown_parameter_of_the_module=(r"driverpaht.*\bdriverpath\b", {"driverpaht": "/nowhere"}),
    missing_parameter=(r"\bbucket\b", {"bucket": None}),
    value_out_of_bounds=(r"\bchunksize\b", {"chunksize": "12"}),
    unknown_driver=(r"\bs4\b", {"driver": "s4"}),
    no_driver=(r"\bdriver\b", {"driver": None}),
    wrong_driverpath=(r"/nowhere/drivers", {"driverpath": "/nowhere/drivers"}),
    bucket_that_is_not_there=(r"no-such-bucket", {"bucket": "no-such-bucket"}),
    wrong_secret=(r"(?i)SignatureDoesNotMatch|signature|403", {"secretkey": "not-this-one"}))
def what_stops_the_start(says, parameters):
    refused(says, parameters=parameters)


@tap.test
def wrong_path_in_the_environment_stops_the_start():
    refused(r"/nowhere/drivers", env={"STOWAGE_DRIVER_PATH": "/nowhere/drivers"})


class Sample(distribution.Registry):
    """The sample config.yml as it is, with the values of this MinIO put in."""

    def storage(self):
        raise AssertionError("not from here")

    def command(self):
        with open(os.path.join(stowage.ROOT, SAMPLE), encoding="utf-8") as f:
            text = f.read()
        values = {"driverpath": os.path.join(stowage.BUILD, "drivers"), "bucket": self.bucket,
                  "region": "us-east-1", "regionendpoint": self.minio.endpoint,
                  "accesskey": self.minio.accesskey, "secretkey": self.minio.secretkey,
                  "addr": f"127.0.0.1:{self.port}"}
        for name, value in values.items():
            text, found = re.subn(rf"(?m)^(\s+)#? ?{name}:.*$", rf"\g<1>{name}: {value}", text)
            tap.equal(found, 1, f"{name} in the sample")
        path = os.path.join(self.folder, "config.yml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return [self.program, "serve", path]


@tap.test
def sample_configuration_works():
    if SUBJECT == distribution.UPSTREAM:
        tap.skip("of registry-stowage")
    srv = Sample(SUBJECT, minio()).start()
    tap.defer(srv.kill)
    clients.crane_push(image("multi"), f"{srv.host}/sample:v1")
    for pull in (clients.crane_pull, clients.skopeo_pull):  # by redirects
        found = images.read_layout(pull(f"{srv.host}/sample:v1"))
        tap.ok(found == image("multi").contents, "bytes")
    clients.crane("delete", f"{srv.host}/sample@{image('multi').digest}")
    registry.Client(srv).manifest("sample", "v1", expect=404)
    tap.ok(srv.stop() in (0, -signal.SIGTERM), "exit status after SIGTERM")
    tap.ok(minio().secretkey not in srv.log(), "no secret in the log")


if __name__ == "__main__":
    tap.main()
