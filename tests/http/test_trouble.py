#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A store in trouble: unreachable at the start or later, silent, a full disk, a read-only folder.
The client learns what it can use, the log has the cause, reads go on."""

import http.client
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import raw
import registry
import stowage
import tap

BLOB = os.urandom(1 << 20)
DIGEST = images.digest(BLOB)
MANIFEST = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "config": {
    "mediaType": images.CONFIG, "digest": DIGEST, "size": len(BLOB)}, "layers": []})


def away(**more):
    """A server whose bucket is at a port where nobody listens."""
    env = {"STOWAGE_S3_BUCKET": "bucket", "STOWAGE_S3_REGION": "us-east-1",
           "STOWAGE_S3_REGIONENDPOINT": f"http://127.0.0.1:{stowage.free_port()}",
           "STOWAGE_S3_ACCESSKEY": "key", "STOWAGE_S3_SECRETKEY": "very-secret",
           "STOWAGE_S3_MAXRETRIES": "1", "STOWAGE_DELETE_ENABLED": "yes"}
    return stowage.Server("s3", env=dict(env, **more))


@tap.test
def store_unreachable_at_the_start():
    server = away().start()
    tap.defer(server.stop)
    tap.ok("level=warning" in server.log(), server.log())
    tap.equal(raw.ask(server, "GET", "/v2/").status, 200)
    reply = raw.ask(server, "POST", "/v2/a/b/blobs/uploads/", b"")
    tap.equal(reply.status, 202, "no request to the store is needed")
    location = raw.target(reply["Location"])
    for method, path, body in (
            ("GET", f"/v2/a/b/blobs/{DIGEST}", None), ("HEAD", f"/v2/a/b/blobs/{DIGEST}", None),
            ("DELETE", f"/v2/a/b/blobs/{DIGEST}", None), ("GET", "/v2/a/b/manifests/x", None),
            ("PUT", "/v2/a/b/manifests/x", MANIFEST), ("DELETE", "/v2/a/b/manifests/x", None),
            ("GET", "/v2/a/b/tags/list", None), ("GET", "/v2/_catalog", None),
            ("PATCH", location, b"x" * 300000), ("PUT", f"{location}&digest={DIGEST}", BLOB),
            ("POST", f"/v2/a/b/blobs/uploads/?mount={DIGEST}&from=a/c", b""),
            ("POST", f"/v2/a/b/blobs/uploads/?digest={DIGEST}", BLOB)):
        reply = raw.ask(server, method, path, body)
        tap.equal((method, path, reply.status), (method, path, 503))
        tap.ok(1 <= int(reply["Retry-After"]) <= 60, repr(reply))
        if method != "HEAD":
            tap.equal(reply.codes, ["UNAVAILABLE"])
        for private in (b"127.0.0.1", b"bucket", b"very-secret", b"curl"):
            tap.ok(private not in reply.body, repr(reply))
        tap.ok(f"request={reply['X-Request-Id']} msg=" in server.log(), "the cause is in the log")
    tap.ok("very-secret" not in server.log(), "no secret in the log")


@tap.test
def store_goes_and_comes_back():
    minio = stowage.Minio().start()
    tap.defer(minio.stop)
    server = stowage.Server("s3", minio=minio, env={"STOWAGE_S3_MAXRETRIES": "1"}).start()
    tap.defer(server.stop)
    client = registry.Client(server)
    client.push_blob("a/b", BLOB)
    minio.stop()
    reply = raw.ask(server, "GET", f"/v2/a/b/blobs/{DIGEST}")
    tap.equal((reply.status, reply.codes), (503, ["UNAVAILABLE"]))
    minio.start()
    tap.ok(client.blob("a/b", DIGEST).body == BLOB, "served again")


def damaged(**more):
    """A server with a blob in a folder whose bytes rot: (server, path of the data)."""
    server = stowage.Server(env=more).start()
    tap.defer(server.stop)
    registry.Client(server).push_blob("a/b", BLOB)
    digits = DIGEST.partition(":")[2]
    path = os.path.join(server.data, "docker/registry/v2/blobs/sha256", digits[:2], digits, "data")
    with open(path, "r+b") as f:
        f.seek(500_000)
        f.write(bytes([BLOB[500_000] ^ 1]))
    return server


@tap.test
def rotten_data_breaks_the_connection():
    """The last bytes are not sent; a range of it is none the wiser."""
    server = damaged()
    try:
        answer = registry.Client(server).blob("a/b", DIGEST)
        raise AssertionError(f"served as if it were whole: {len(answer.body)} bytes")
    except http.client.IncompleteRead as e:
        tap.ok(len(e.partial) < len(BLOB), f"{len(e.partial)} bytes")
    tap.ok("its bytes are sha256:" in server.log(), server.log())
    registry.Client(server).request("GET", f"/v2/a/b/blobs/{DIGEST}", expect=206,
                                    headers={"Range": "bytes=0-99"})


@tap.test
def rotten_data_is_served_where_the_store_is_trusted():
    server = damaged(STOWAGE_CACHE_VERIFY="no")
    answer = registry.Client(server).blob("a/b", DIGEST)
    tap.equal((len(answer.body), answer.body == BLOB), (len(BLOB), False))


def stalling(**more):
    """A server, and its MinIO, which takes connections and answers nothing from now on."""
    minio = stowage.Minio().start()
    tap.defer(minio.stop)
    server = stowage.Server("s3", minio=minio, env=more).start()
    tap.defer(server.stop)
    os.kill(minio.pid, signal.SIGSTOP)
    tap.defer(os.kill, minio.pid, signal.SIGCONT)
    return server, minio


@tap.test
def store_takes_connections_and_does_not_answer():
    server, minio = stalling(STOWAGE_HTTP_WORKERS="4", STOWAGE_HTTP_REQUESTTIMEOUT="2s")
    began = time.monotonic()
    waiting = [raw.Connection(server).head("GET", path) for path in (
        "/v2/a/b/manifests/x", "/v2/a/b/tags/list", f"/v2/a/b/blobs/{DIGEST}") * 13]
    time.sleep(0.3)
    for path, status in (("/v2/", 200), ("/", 200), ("/v2/A/tags/list", 400), ("/v2/x", 404)):
        tap.equal(raw.ask(server, "GET", path).status, status)
    tap.ok(time.monotonic() - began < 1.5, "what needs no store is answered while all wait")
    for c in waiting:
        reply = c.reply()
        tap.equal((reply.status, reply.codes), (503, ["UNAVAILABLE"]))
        tap.ok(reply["Retry-After"], repr(reply))
        c.close()
    took = time.monotonic() - began
    tap.ok(took < 6, f"who waits for a worker waits no longer than who has one: {took:.1f} s")
    os.kill(minio.pid, signal.SIGCONT)
    tap.equal(raw.ask(server, "GET", "/v2/a/b/manifests/x").status, 404)


@tap.test
def the_end_does_not_wait_for_the_store():
    server, _ = stalling(STOWAGE_HTTP_DRAINTIME="1s")
    held = [raw.Connection(server).head("GET", "/v2/a/b/tags/list") for _ in range(20)]
    time.sleep(0.3)
    began = time.monotonic()
    tap.equal(server.stop(), 0)
    tap.ok(time.monotonic() - began < 5, "ended in time")
    for c in held:
        c.close()


def break_store(server, client, begin, end, what):
    """Writes fail while the store is broken; reads go on; afterwards all is well."""
    client.push_blob("a/b", BLOB)
    client.put_manifest("a/b", "t", MANIFEST, images.MANIFEST)
    location = raw.target(client.begin_upload("a/b").headers["Location"])
    begin()
    before = raw.tree(server.data)
    big = os.urandom(3 << 20)
    try:
        for method, path, body in (
                ("PATCH", location, big),
                ("PUT", f"{location}&digest={images.digest(big)}", big),
                ("POST", f"/v2/a/b/blobs/uploads/?digest={images.digest(big)}", big),
                ("PUT", "/v2/a/b/manifests/new", MANIFEST + b" " * 3000000)):
            reply = raw.ask(server, method, path, body,
                            f"Content-Type: {images.MANIFEST}" if "manifests" in path else "A: b")
            tap.equal((method, reply.status, reply.codes), (method, 500, ["UNKNOWN"]))
            tap.ok(what.encode() not in reply.body and b"/" not in reply.body, repr(reply))
            line = [x for x in server.log().splitlines()
                    if reply["X-Request-Id"] in x and "level=" in x]
            tap.ok(line and what in line[0], f"the cause is in the log: {line}")
        tap.equal(client.blob("a/b", DIGEST).body, BLOB)
        tap.equal(client.manifest("a/b", "t").body, MANIFEST)
        tap.equal(raw.ask(server, "GET", "/v2/a/b/manifests/new").status, 404)
        tap.equal(raw.ask(server, "GET", f"/v2/a/b/blobs/{images.digest(big)}").status, 404)
        tap.equal(raw.tree(server.data), before, "nothing half visible")
    finally:
        end()
    client.push_blob("a/b", big)
    client.put_manifest("a/b", "new", MANIFEST, images.MANIFEST)


def mount(folder, *options):
    os.makedirs(folder, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", *options, "stowage-test", folder],
                          capture_output=True, check=False)
    if done.returncode != 0:
        return False
    tap.defer(lambda: subprocess.run(["umount", "-l", folder], check=True))
    return True


@tap.test
def disk_full():
    folder = stowage.temporary()
    if not mount(folder, "-o", "size=8m"):
        tap.skip("mount is not allowed here")
    server = stowage.Server(folder=os.path.join(folder, "data")).start()
    tap.defer(server.stop)
    ballast = os.path.join(folder, "ballast")

    def begin():
        free = shutil.disk_usage(folder).free
        with open(ballast, "wb") as f:
            f.write(b"x" * (free - 500000))

    break_store(server, registry.Client(server), begin, lambda: os.remove(ballast),
                "No space left on device")


@tap.test
def folder_read_only():
    folder = stowage.temporary()
    if not mount(folder):
        tap.skip("mount is not allowed here")
    server = stowage.Server(folder=os.path.join(folder, "data")).start()
    tap.defer(server.stop)

    def remount(mode):
        subprocess.run(["mount", "-o", f"remount,{mode}", folder], check=True)

    break_store(server, registry.Client(server), lambda: remount("ro"), lambda: remount("rw"),
                "Read-only file system")


@tap.test
def file_size_limit():
    """Where nothing can be mounted, a limit of the process stands for the quota."""
    server = stowage.Server().start()
    tap.defer(server.stop)
    unlimited = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    limit = 2 << 20

    def begin():
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (limit, unlimited[1]))

    def end():
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, unlimited)

    break_store(server, registry.Client(server), begin, end, "File too large")


if __name__ == "__main__":
    tap.main()
