#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The API as clients use it: uploads in every form, blobs and their ranges, manifests, lists,
deletes, the headers that clients rely on."""

import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import raw
import registry
import stowage
import tap

server = stowage.Server(env={"STOWAGE_DELETE_ENABLED": "yes"}).start()
client = registry.Client(server)
BLOB = bytes(i * 7 % 251 for i in range(1000))
DIGEST = images.digest(BLOB)
EMPTY = images.digest(b"")
BIG = os.urandom(1 << 20) * 5 + b"tail"


def ask(method, path, body=None, *headers, expect=None):
    reply = raw.ask(server, method, path, body, *headers)
    if expect is not None:
        tap.equal(reply.status, expect, repr(reply))
    if path.startswith("/v2"):
        tap.equal(reply["Docker-Distribution-Api-Version"], "registry/2.0")
    tap.ok(reply["X-Request-Id"], "a request id")
    return reply


def begin(name="a/b", query=""):
    return ask("POST", f"/v2/{name}/blobs/uploads/{query}", b"", expect=202)


def finish(location, data, body=b"", *headers):
    return ask("PUT", f"{raw.target(location)}&digest={images.digest(data)}", body, *headers)


def manifest(*layers, **more):
    return images.dump({
        "schemaVersion": 2, "mediaType": images.MANIFEST,
        "config": {"mediaType": images.CONFIG, "digest": DIGEST, "size": len(BLOB)},
        "layers": list(layers), **more})


@tap.test
def base():
    for path in ("/v2/", "/v2"):
        reply = ask("GET", path, expect=200)
        tap.equal(json.loads(reply.body), {})
        tap.equal(reply["Content-Type"], "application/json")
        tap.equal(ask("HEAD", path, expect=200)["Content-Length"], "2")
    tap.equal(ask("GET", "/", expect=200).body, b"")


@tap.test
def upload_post_patch_put():
    reply = begin()
    uuid = reply["Docker-Upload-UUID"]
    tap.equal((reply["Range"], reply["Content-Length"]), ("0-0", "0"))
    tap.ok(reply["Location"].startswith(f"http://registry.test/v2/a/b/blobs/uploads/{uuid}?"),
           reply["Location"])
    reply = ask("PATCH", raw.target(reply["Location"]), BLOB[:1], expect=202)
    tap.equal((reply["Range"], reply["Docker-Upload-UUID"]), ("0-0", uuid))
    tap.equal(reply["Content-Length"], "0")
    location = raw.target(reply["Location"])
    reply = ask("PATCH", location, BLOB[1:900], "Content-Range: 1-899", expect=202)
    tap.equal(reply["Range"], "0-899")
    location = raw.target(reply["Location"])
    for method in ("GET", "HEAD"):
        status = ask(method, location, expect=204)
        tap.equal((status["Range"], status["Docker-Upload-UUID"]), ("0-899", uuid))
        tap.equal(raw.target(status["Location"]), location)
    reply = finish(location, BLOB, BLOB[900:], "Content-Range: 900-999")
    tap.equal(reply.status, 201, repr(reply))
    tap.equal(reply["Docker-Content-Digest"], DIGEST)
    tap.equal(reply["Location"], f"http://registry.test/v2/a/b/blobs/{DIGEST}")
    tap.equal(ask("GET", f"/v2/a/b/blobs/{DIGEST}", expect=200).body, BLOB)


@tap.test
def upload_as_docker_does():
    location = raw.target(begin("docker")["Location"])
    with raw.Connection(server) as c:
        c.head("PATCH", location, "Transfer-Encoding: chunked")
        for at in range(0, len(BIG), 700000):
            piece = BIG[at:at + 700000]
            c.send(b"%x\r\n" % len(piece) + piece + b"\r\n")
        reply = c.send(b"0\r\n\r\n").reply()
        tap.equal((reply.status, reply["Range"]), (202, f"0-{len(BIG) - 1}"))
        c.head("PUT", f"{raw.target(reply['Location'])}&digest={images.digest(BIG)}",
               "Content-Length: 0")
        tap.equal(c.reply().status, 201)
    tap.equal(client.blob("docker", images.digest(BIG)).body, BIG)


@tap.test
def upload_of_empty_chunks():
    location = raw.target(begin()["Location"])
    for headers in ((), ("Content-Range: 0-0",)):
        reply = ask("PATCH", location, b"x" if headers else b"", *headers, expect=202)
        tap.equal(reply["Range"], "0-0")
        location = raw.target(reply["Location"])
    tap.equal(finish(location, b"x").status, 201)
    tap.equal(finish(begin()["Location"], b"").status, 201)
    reply = ask("GET", f"/v2/a/b/blobs/{EMPTY}", expect=200)
    tap.equal((reply.body, reply["Content-Length"]), (b"", "0"))
    tap.equal(ask("HEAD", f"/v2/a/b/blobs/{EMPTY}", expect=200)["Content-Length"], "0")


@tap.test
def upload_in_one_put_or_post():
    tap.equal(finish(begin("one")["Location"], BIG, BIG).status, 201)
    tap.equal(client.blob("one", images.digest(BIG)).body, BIG)
    reply = ask("POST", f"/v2/two/blobs/uploads/?digest={DIGEST}", BLOB, expect=201)
    tap.equal(reply["Docker-Content-Digest"], DIGEST)
    ask("POST", f"/v2/two/blobs/uploads/?digest={EMPTY}", b"", expect=201)
    tap.equal(client.blob("two", DIGEST).body, BLOB)
    with raw.Connection(server) as c:
        c.head("POST", f"/v2/three/blobs/uploads/?digest={DIGEST}", "Transfer-Encoding: chunked")
        c.send(b"3e8\r\n" + BLOB + b"\r\n0\r\n\r\n")
        tap.equal(c.reply().status, 201)
    tap.equal(client.blob("three", DIGEST).body, BLOB)


@tap.test
def upload_under_other_algorithms():
    for name in ("sha512", "sha384"):
        digest = f"{name}:{hashlib.new(name, BLOB).hexdigest()}"
        ask("POST", f"/v2/alg/blobs/uploads/?digest={digest}", BLOB, expect=201)
        tap.equal(client.blob("alg", digest).body, BLOB)
        location = raw.target(begin("alg/p", f"?digest-algorithm={name}")["Location"])
        location = raw.target(ask("PATCH", location, BLOB, expect=202)["Location"])
        reply = ask("PUT", f"{location}&digest={digest}", b"", expect=201)
        tap.equal(reply["Docker-Content-Digest"], digest)
        tap.equal(client.blob("alg/p", digest).body, BLOB)


@tap.test
def upload_is_cancelled():
    before = raw.tree(server.data)
    location = raw.target(begin()["Location"])
    location = raw.target(ask("PATCH", location, BLOB, expect=202)["Location"])
    ask("DELETE", location, expect=204)
    ask("GET", location, expect=404)
    tap.equal(raw.tree(server.data), before)


@tap.test
def anonymous_mount():
    """From any repository, where that is on; a digest that nobody has begins an upload."""
    allowing = stowage.Server(env={"STOWAGE_UPLOADS_ANONYMOUSMOUNT": "yes"}).start()
    tap.defer(allowing.stop)
    other = registry.Client(allowing)
    other.push_blob("m/from", BLOB)
    reply = other.request("POST", f"/v2/m/to/blobs/uploads/?mount={DIGEST}", b"", expect=201)
    tap.equal(reply.headers["Docker-Content-Digest"], DIGEST)
    tap.equal(other.blob("m/to", DIGEST).body, BLOB)
    other.request("POST", f"/v2/m/to/blobs/uploads/?mount={EMPTY}", b"", expect=202)


@tap.test
def mount():
    client.push_blob("m/from", BLOB)
    reply = ask("POST", f"/v2/m/to/blobs/uploads/?mount={DIGEST}&from=m%2Ffrom", b"", expect=201)
    tap.equal(reply["Docker-Content-Digest"], DIGEST)
    tap.ok(reply["Location"].endswith(f"/v2/m/to/blobs/{DIGEST}"), reply["Location"])
    tap.equal(client.blob("m/to", DIGEST).body, BLOB)
    reply = begin("m/to", f"?mount={DIGEST}")
    tap.ok("/blobs/uploads/" in reply["Location"], "without from: an upload")


@tap.test
def blob_headers():
    client.push_blob("a/b", BLOB)
    for method in ("GET", "HEAD"):
        for version in ("1.1", "1.0"):
            with raw.Connection(server) as c:
                reply = c.head(method, f"/v2/a/b/blobs/{DIGEST}", version=version).reply(method)
            tap.equal(reply.status, 200)
            tap.equal(reply["Content-Length"], "1000")
            tap.equal(reply["Docker-Content-Digest"], DIGEST)
            tap.equal(reply["ETag"], f'"{DIGEST}"')
            tap.equal(reply["Content-Type"], "application/octet-stream")
            tap.equal(reply["Accept-Ranges"], "bytes")
            tap.equal(reply["Cache-Control"], "max-age=31536000")
            tap.equal(reply["Transfer-Encoding"], None)
    tap.equal(ask("GET", f"/v2/a/b/blobs/sha256:{'0' * 64}", expect=404).codes, ["BLOB_UNKNOWN"])
    tap.equal(ask("HEAD", f"/v2/a/b/blobs/sha256:{'0' * 64}", expect=404).body, b"")
    tap.equal(ask("GET", f"/v2/not/here/blobs/{DIGEST}", expect=404).codes, ["BLOB_UNKNOWN"])


@tap.test
def ranges():
    client.push_blob("a/b", BLOB)
    path = f"/v2/a/b/blobs/{DIGEST}"
    for text, first, last in (("0-99", 0, 99), ("100-199", 100, 199), ("990-", 990, 999),
                              ("0-", 0, 999), ("-1", 999, 999), ("-10", 990, 999),
                              ("-1000", 0, 999), ("-99999999999999999999", 0, 999),
                              ("999-999", 999, 999), ("500-99999999999999999999", 500, 999)):
        reply = ask("GET", path, None, f"Range: bytes={text}", expect=206)
        tap.equal(reply.body, BLOB[first:last + 1], text)
        tap.equal(reply["Content-Range"], f"bytes {first}-{last}/1000")
        tap.equal(reply["Docker-Content-Digest"], DIGEST)
    for text in ("1000-", "5000-6000", "-0", "99999999999999999999-", "1001-1002", "5-4",
                 "99999999999999999999-0"):
        reply = ask("GET", path, None, f"Range: bytes={text}", expect=416)
        tap.equal((reply["Content-Range"], reply.codes), ("bytes */1000", ["RANGE_INVALID"]))
    for text in ("bytes=abc", "items=0-1", "bytes=0-1,5-6", "bytes=5-4x", "bytes=", "x"):
        tap.equal(ask("GET", path, None, f"Range: {text}", expect=200).body, BLOB)
    for text in ("0-1", "5-4"):
        reply = ask("HEAD", path, None, f"Range: bytes={text}", expect=200)
        tap.equal(reply["Content-Length"], "1000")
    missing = f"/v2/a/b/blobs/sha256:{'0' * 64}"
    tap.equal(ask("GET", missing, None, "Range: bytes=5-4", expect=404).codes, ["BLOB_UNKNOWN"])
    client.push_blob("a/b", b"")
    for text in ("0-", "0-0", "-1", "-0", "1-0"):
        reply = ask("GET", f"/v2/a/b/blobs/{EMPTY}", None, f"Range: bytes={text}", expect=416)
        tap.equal(reply["Content-Range"], "bytes */0")


@tap.test
def ranges_of_a_big_blob():
    digest = images.digest(BIG)
    client.push_blob("a/b", BIG)
    for first, last in ((1 << 20, (3 << 20) + 5), (len(BIG) - 100, len(BIG) - 1),
                        (131071, 131073)):
        reply = ask("GET", f"/v2/a/b/blobs/{digest}", None, f"Range: bytes={first}-{last}",
                    expect=206)
        tap.ok(reply.body == BIG[first:last + 1], f"{first}-{last}")


@tap.test
def conditions():
    client.push_blob("a/b", BLOB)
    data = manifest()
    client.put_manifest("a/b", "cond", data, images.MANIFEST)
    for path, digest in ((f"/v2/a/b/blobs/{DIGEST}", DIGEST),
                         ("/v2/a/b/manifests/cond", images.digest(data)),
                         (f"/v2/a/b/manifests/{images.digest(data)}", images.digest(data))):
        for value in (f'"{digest}"', f'W/"{digest}"', f'"x", "{digest}"', "*", digest):
            for method in ("GET", "HEAD"):
                reply = ask(method, path, None, f"If-None-Match: {value}", expect=304)
                tap.equal((reply["ETag"], reply.body), (f'"{digest}"', b""))
                size = len(BLOB if "blobs" in path else data)
                tap.ok(reply["Content-Length"] in (None, str(size)), "not that of another answer")
        ask("GET", path, None, 'If-None-Match: "x"', f'If-None-Match: "{digest}"', expect=304)
        ask("GET", path, None, 'If-None-Match: "x"', expect=200)
        ask("GET", path, None, f'If-None-Match: "{digest}', expect=200)
    ask("GET", f"/v2/a/b/blobs/sha256:{'0' * 64}", None, "If-None-Match: *", expect=404)
    path = f"/v2/a/b/blobs/{DIGEST}"
    for value, status in ((f'"{DIGEST}"', 206), ('"x"', 200), (f'W/"{DIGEST}"', 200),
                          ("Sun, 06 Nov 1994 08:49:37 GMT", 200)):
        ask("GET", path, None, "Range: bytes=0-1", f"If-Range: {value}", expect=status)
    client.put_manifest("a/b", "cond", manifest(annotations={"a": "b"}), images.MANIFEST)
    ask("GET", "/v2/a/b/manifests/cond", None, f'If-None-Match: "{images.digest(data)}"',
        expect=200)


@tap.test
def manifests():
    client.push_blob("m/x", BLOB)
    data = manifest()
    digest = images.digest(data)
    for reference in ("tag", digest):
        reply = ask("PUT", f"/v2/m/x/manifests/{reference}", data,
                    f"Content-Type: {images.MANIFEST}", expect=201)
        tap.equal(reply["Docker-Content-Digest"], digest)
        tap.equal(reply["Location"], f"http://registry.test/v2/m/x/manifests/{digest}")
        for accept in ((), ("Accept: */*",), (f"Accept: {images.MANIFEST}",),
                       ("Accept: application/vnd.docker.distribution.manifest.v1+json",),
                       ("Accept: " + "x" * 8000,), ("Accept: a/b", "Accept: c/d;q=0.5")):
            reply = ask("GET", f"/v2/m/x/manifests/{reference}", None, *accept, expect=200)
            tap.equal(reply.body, data)
            tap.equal(reply["Content-Type"], images.MANIFEST)
            tap.equal(reply["Docker-Content-Digest"], digest)
            tap.equal(reply["ETag"], f'"{digest}"')
        reply = ask("HEAD", f"/v2/m/x/manifests/{reference}", expect=200)
        tap.equal(reply["Content-Length"], str(len(data)))
        tap.equal(reply["Docker-Content-Digest"], digest)
    ask("PUT", "/v2/m/x/manifests/param", data, f"Content-Type: {images.MANIFEST}; charset=utf-8",
        expect=201)
    for reference in ("none", "sha256:" + "0" * 64):
        reply = ask("GET", f"/v2/m/x/manifests/{reference}", expect=404)
        tap.equal(reply.codes, ["MANIFEST_UNKNOWN"])
        ask("HEAD", f"/v2/m/x/manifests/{reference}", expect=404)


@tap.test
def multi_arch_image():
    image = images.multi(os.path.join(server.folder, "layout"))
    client.push("img/multi", image, "v1")
    found = client.pull("img/multi", "v1")
    tap.equal({d: len(b) for d, b in found.items()},
              {d: len(b) for d, b in image.contents.items()})
    tap.ok(found == image.contents, "byte for byte")


@tap.test
def tags_in_pages():
    client.push_blob("t/x", BLOB)
    names = ["A", "a", "B", "b", "1", "10", "2", "_x", "v1-a", "v1.a"]
    for name in names:
        client.put_manifest("t/x", name, manifest(), images.MANIFEST)
    reply = ask("GET", "/v2/t/x/tags/list", expect=200)
    tap.equal(json.loads(reply.body), {"name": "t/x", "tags": sorted(names)})
    tap.equal(reply["Link"], None)
    path, found, pages = "/v2/t/x/tags/list?n=3", [], 0
    while path:
        reply = ask("GET", path, expect=200)
        found += json.loads(reply.body)["tags"]
        pages += 1
        path = reply["Link"] and reply["Link"].split(">")[0][1:]
    tap.equal((found, pages), (sorted(names), 4))
    reply = ask("GET", "/v2/t/x/tags/list?n=3&last=b", expect=200)
    tap.equal(json.loads(reply.body)["tags"], ["v1-a", "v1.a"])
    reply = ask("GET", "/v2/t/x/tags/list?last=zzz", expect=200)
    tap.equal(json.loads(reply.body)["tags"], [])
    reply = ask("GET", "/v2/t/x/tags/list?n=10", expect=200)
    tap.equal((len(json.loads(reply.body)["tags"]), reply["Link"]), (10, None))
    ask("GET", "/v2/t/x/tags/list?last=%2F%20+%C3%A9&n=2", expect=200)
    ask("GET", "/v2/t/x/tags/list?n=10000000", expect=200)


@tap.test
def catalog_in_pages():
    for name in ("cat/b", "cat/a", "cat/a-x", "cat/a/x"):
        client.push_blob(name, BLOB)
        client.put_manifest(name, "t", manifest(), images.MANIFEST)
    whole = json.loads(ask("GET", "/v2/_catalog", expect=200).body)["repositories"]
    tap.equal(whole, sorted(whole))
    tap.equal([n for n in whole if n.startswith("cat/")],
              ["cat/a", "cat/a-x", "cat/a/x", "cat/b"])
    path, found = "/v2/_catalog?n=1", []
    while path:
        reply = ask("GET", path, expect=200)
        found += json.loads(reply.body)["repositories"]
        path = reply["Link"] and reply["Link"].split(">")[0][1:]
    tap.equal(found, whole)


@tap.test
def deletes():
    client.push_blob("d/x", BLOB)
    data = manifest()
    for tag in ("one", "two", "three"):
        client.put_manifest("d/x", tag, data, images.MANIFEST)
    ask("DELETE", "/v2/d/x/manifests/one", expect=202)
    ask("GET", "/v2/d/x/manifests/one", expect=404)
    ask("GET", "/v2/d/x/manifests/two", expect=200)
    ask("DELETE", "/v2/d/x/manifests/one", expect=404)
    ask("DELETE", f"/v2/d/x/manifests/{images.digest(data)}", expect=202)
    ask("GET", "/v2/d/x/manifests/two", expect=404)
    # no manifest is left: not in the catalog, and not known to a list of tags, as with Distribution
    tap.equal(ask("GET", "/v2/d/x/tags/list", expect=404).codes, ["NAME_UNKNOWN"])
    ask("DELETE", f"/v2/d/x/blobs/{DIGEST}", expect=202)
    ask("GET", f"/v2/d/x/blobs/{DIGEST}", expect=404)
    tap.equal(ask("DELETE", f"/v2/d/x/blobs/{DIGEST}", expect=404).codes, ["BLOB_UNKNOWN"])


@tap.test
def deletes_are_off_by_default():
    quiet = stowage.Server().start()
    tap.defer(quiet.stop)
    other = registry.Client(quiet)
    other.push_blob("d/x", BLOB)
    other.put_manifest("d/x", "t", manifest(), images.MANIFEST)
    for path in (f"/v2/d/x/blobs/{DIGEST}", "/v2/d/x/manifests/t",
                 f"/v2/d/x/manifests/{images.digest(manifest())}"):
        reply = raw.ask(quiet, "DELETE", path)
        tap.equal((reply.status, reply.codes), (405, ["UNSUPPORTED"]))
        tap.ok(reply["Allow"], "Allow")
    other.blob("d/x", DIGEST)


@tap.test
def locations():
    with raw.Connection(server) as c:
        for host, want in (("registry.test:99", "http://registry.test:99/v2/"),
                           ("[::1]:5000", "http://[::1]:5000/v2/"), ("a b", "/v2/"),
                           ("x/y", "/v2/"), ("<script>", "/v2/")):
            c.send(f"POST /v2/a/b/blobs/uploads/ HTTP/1.1\r\nHost: {host}\r\n"
                   "Content-Length: 0\r\n\r\n")
            reply = c.reply()
            tap.ok(reply["Location"].startswith(want), f"{host}: {reply['Location']}")
    relative = stowage.Server(env={"STOWAGE_HTTP_RELATIVEURLS": "yes"}).start()
    tap.defer(relative.stop)
    reply = raw.ask(relative, "POST", "/v2/a/b/blobs/uploads/", b"")
    tap.ok(reply["Location"].startswith("/v2/a/b/blobs/uploads/"), reply["Location"])


if __name__ == "__main__":
    tap.main()
