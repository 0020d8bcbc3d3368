#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input gets its own answer, and nothing is stored: the folder is compared before and after."""

import hashlib
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import raw
import registry
import stowage
import tap

server = stowage.Server(env={"STOWAGE_DELETE_ENABLED": "yes"})
client = registry.Client(server)
BLOB = bytes(range(256)) * 40
DIGEST = images.digest(BLOB)
OTHER = "sha256:" + "0" * 64
MIB4 = 4 << 20


def start():
    """Run once: a server with one image, whose state stays as it is from then on."""
    if server.process:
        return
    server.start()
    tap.after(server.stop)
    client.push_blob("a/b", BLOB)
    manifest = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST,
                            "config": descriptor(BLOB), "layers": []})
    client.put_manifest("a/b", "good", manifest, images.MANIFEST)


def descriptor(data, media_type=images.CONFIG):
    return {"mediaType": media_type, "digest": images.digest(data), "size": len(data)}


def same_store(before, unlinked=None):
    """unlinked: bytes that may lie there, though no link leads to them."""
    now = raw.tree(server.data)
    changed = sorted(p for p in {*now, *before} if now.get(p) != before.get(p))
    if unlinked is not None:
        hexadecimal = images.digest(unlinked).partition(":")[2]
        data = f"docker/registry/v2/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data"
        changed = [p for p in changed if p != data]
    tap.equal(changed, [], "what changed in the store")


def refused(status, code, method, path, body=None, *headers, count=1, unlinked=None):
    """The answer is that, and the store is as before."""
    start()
    before = raw.tree(server.data)
    reply = raw.ask(server, method, path, body, *headers)
    tap.equal(reply.status, status, f"{method} {path}: {reply!r}")
    if method != "HEAD":
        tap.equal(reply.codes, [code] * count)
    same_store(before, unlinked)
    return reply


def upload(data=b"", name="a/b"):
    start()
    location = client.begin_upload(name).headers["Location"]
    if data:
        location = client.patch(location, data).headers["Location"]
    return raw.target(location)


def offset(location):
    reply = raw.ask(server, "GET", location)
    tap.equal(reply.status, 204)
    return int(reply["Range"].split("-")[1])


def put_target(location, digest):
    return f"{location}&digest={digest}"


# ---- digests ----


@tap.test
def digest_of_a_commit_does_not_match():
    start()
    before = raw.tree(server.data)
    location = upload(b"something")
    reply = raw.ask(server, "PUT", put_target(location, OTHER), b"")
    tap.equal((reply.status, reply.codes), (400, ["DIGEST_INVALID"]))
    tap.equal(raw.tree(server.data), before, "its segments are gone")
    for method in ("GET", "PATCH", "DELETE"):
        reply = raw.ask(server, method, location, b"" if method == "PATCH" else None)
        tap.equal((method, reply.status), (method, 404))
        tap.equal(reply.codes, ["BLOB_UPLOAD_UNKNOWN"])
    reply = raw.ask(server, "PUT", put_target(location, images.digest(b"something")), b"")
    tap.equal((reply.status, reply.codes), (404, ["BLOB_UPLOAD_UNKNOWN"]))


@tap.test
def digest_of_a_body_does_not_match():
    location = upload()
    refused(400, "DIGEST_INVALID", "PUT", put_target(location, OTHER), b"something")
    refused(400, "DIGEST_INVALID", "POST", f"/v2/a/b/blobs/uploads/?digest={OTHER}", b"something")
    refused(400, "DIGEST_INVALID", "PUT", put_target(location, OTHER), b"x" * 3000000)


MALFORMED = ["sha256:", "sha256:abc", "sha256:" + "g" * 64, "sha256:" + "A" * 64,
             "SHA256:" + "a" * 64, "sha256:" + "a" * 65, "sha512:" + "a" * 64, "md5:" + "a" * 32,
             "sha1:" + "a" * 40, "sha256-" + "a" * 64 + ":", "sha256:" + "a" * 63 + "%20",
             "sha256:" + "a" * 64 + ":x", ":" + "a" * 64, "sha256:" + "a" * 63 + "%C3%A9",
             "sha224:" + "a" * 56]


@tap.test
def digests_malformed():
    location = upload()
    for bad in MALFORMED:
        for method in ("GET", "HEAD", "DELETE"):
            refused(400, "DIGEST_INVALID", method, f"/v2/a/b/blobs/{bad}")
            refused(400, "DIGEST_INVALID", method, f"/v2/a/b/manifests/{bad}")
        refused(400, "DIGEST_INVALID", "PUT", f"/v2/a/b/manifests/{bad}", b"{}")
        refused(400, "DIGEST_INVALID", "PUT", put_target(location, bad), b"")
        refused(400, "DIGEST_INVALID", "POST", f"/v2/a/b/blobs/uploads/?digest={bad}", b"x")
        refused(400, "DIGEST_INVALID", "POST", f"/v2/a/b/blobs/uploads/?mount={bad}&from=a/b", b"")
    refused(400, "DIGEST_INVALID", "PUT", location, b"")
    refused(400, "DIGEST_INVALID", "PUT", put_target(location, ""), b"")
    refused(400, "DIGEST_INVALID", "PUT", put_target(location, "%ZZ"), b"")
    refused(400, "DIGEST_INVALID", "POST", "/v2/a/b/blobs/uploads/?digest-algorithm=md5", b"")


# ---- uploads ----


@tap.test
def client_closes_before_content_length():
    location = upload(b"twelve bytes")
    before, since = raw.tree(server.data), broken_off()
    with raw.Connection(server) as c:
        c.head("PATCH", location, "Content-Length: 3000000").send(b"x" * 1500000)
    with raw.Connection(server) as c:
        c.head("PUT", put_target(location, OTHER), "Content-Length: 100").send(b"x" * 99)
    settle(before, 2, since)
    tap.equal(offset(location), 11)
    raw.ask(server, "DELETE", location)


@tap.test
def client_closes_before_the_last_chunk():
    location = upload(b"twelve bytes")
    before, since = raw.tree(server.data), broken_off()
    with raw.Connection(server) as c:
        c.head("PATCH", location, "Transfer-Encoding: chunked")
        c.send(b"f4240\r\n" + b"x" * 1000000 + b"\r\n")
    with raw.Connection(server) as c:  # a chunk cut in the middle
        c.head("PATCH", location, "Transfer-Encoding: chunked").send(b"10\r\nabc")
    settle(before, 2, since)
    tap.equal(offset(location), 11)
    raw.ask(server, "DELETE", location)


def broken_off():
    return server.log().count("status=0 broken=yes")


def settle(want, gone, since):
    """`gone` requests have broken off since there were `since`, and left nothing."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if broken_off() >= since + gone and raw.tree(server.data) == want:
            break
        time.sleep(0.02)
    tap.equal(broken_off(), since + gone, "requests that broke off")
    same_store(want)


@tap.test
def content_range_differs_from_the_body():
    location = upload(b"0123456789")
    for method, where in (("PATCH", location), ("PUT", put_target(location, OTHER))):
        for bad in ("10-15", "10-13", "10-5", "5", "-", "10-", "-14", "a-b", "bytes 10-14",
                    "10-14/15", "10-99999999999999999999", "", "10 - 14", "+10-14"):
            refused(400, "SIZE_INVALID", method, where, b"abcde", f"Content-Range: {bad}")
        refused(400, "SIZE_INVALID", method, where, b"abcde", "Content-Range: 10-14",
                "Content-Range: 10-14")
    refused(400, "SIZE_INVALID", "PUT", put_target(location, OTHER), b"", "Content-Range: 10-14")
    tap.equal(offset(location), 9)


@tap.test
def content_range_differs_from_a_chunked_body():
    location = upload(b"0123456789")
    start()
    before = raw.tree(server.data)
    for method, where in (("PATCH", location), ("PUT", put_target(location, OTHER))):
        for span in ("10-13", "10-15"):
            with raw.Connection(server) as c:
                c.head(method, where, "Transfer-Encoding: chunked", f"Content-Range: {span}")
                c.send(b"5\r\nabcde\r\n0\r\n\r\n")
                reply = c.reply()
            tap.equal((reply.status, reply.codes), (400, ["SIZE_INVALID"]))
    same_store(before)
    tap.equal(offset(location), 9)


@tap.test
def chunks_out_of_order():
    location = upload(b"0123456789")
    for method, where in (("PATCH", location), ("PUT", put_target(location, OTHER))):
        for span in ("11-15", "0-4", "5-9", "9-13", "9223372036854775800-9223372036854775804"):
            reply = refused(416, "RANGE_INVALID", method, where, b"abcde",
                            f"Content-Range: {span}")
            tap.equal(reply["Range"], "0-9")
            tap.equal(raw.target(reply["Location"]), location)
    reply = raw.ask(server, "PATCH", location, b"abcde", "Content-Range: 10-14")
    tap.equal((reply.status, reply["Range"]), (202, "0-14"))
    where = put_target(raw.target(reply["Location"]), images.digest(b"0123456789abcdefg"))
    reply = raw.ask(server, "PUT", where, b"fg", "Content-Range: 15-16")
    tap.equal(reply.status, 201, repr(reply))


@tap.test
def a_new_upload_wants_its_first_byte():
    location = upload()
    refused(416, "RANGE_INVALID", "PATCH", location, b"abc", "Content-Range: 3-5")
    reply = raw.ask(server, "PATCH", location, b"abc", "Content-Range: 0-2")
    tap.equal((reply.status, reply["Range"]), (202, "0-2"))


@tap.test
def uploads_unknown_or_forged():
    good = upload(b"0123456789")
    path, state = good.split("?_state=")
    uuid = path.rsplit("/", 1)[1]
    flipped = ("A" if state[0] != "A" else "B") + state[1:]
    bad = [path, f"{path}?_state=", f"{path}?_state={state[:-1]}", f"{path}?_state={state}A",
           f"{path}?_state={flipped}", f"{path}?_state={state[:43]}", f"{path}?_state=%00",
           f"{path}?_state={state}=", f"{path}?_state=" + "A" * 5000,
           f"/v2/a/c/blobs/uploads/{uuid}?_state={state}",
           f"/v2/a/b/blobs/uploads/{'0' * 8}{uuid[8:]}?_state={state}",
           f"/v2/a/b/blobs/uploads/no-uuid?_state={state}",
           f"/v2/a/b/blobs/uploads/..?_state={state}"]
    for where in bad:
        for method in ("GET", "HEAD", "PATCH", "DELETE"):
            refused(404, "BLOB_UPLOAD_UNKNOWN", method, where,
                    b"abc" if method == "PATCH" else None)
        mark = "&" if "?" in where else "?"
        refused(404, "BLOB_UPLOAD_UNKNOWN", "PUT", f"{where}{mark}digest={OTHER}", b"abc")
    tap.equal(offset(good), 9)


@tap.test
def an_upload_that_was_cancelled():
    location = upload(b"0123456789")
    tap.equal(raw.ask(server, "DELETE", location).status, 204)
    refused(404, "BLOB_UPLOAD_UNKNOWN", "PATCH", location, b"abc")
    refused(404, "BLOB_UPLOAD_UNKNOWN", "PATCH", location, b"abc", "Content-Range: 3-5")
    refused(404, "BLOB_UPLOAD_UNKNOWN", "GET", location)
    refused(404, "BLOB_UPLOAD_UNKNOWN", "DELETE", location)


# ---- manifests ----


def manifest(**more):
    start()
    value = {"schemaVersion": 2, "mediaType": images.MANIFEST, "config": descriptor(BLOB),
             "layers": [descriptor(BLOB, images.LAYER)]}
    value.update(more)
    return images.dump(value)


def put(status, code, data, media_type=images.MANIFEST, reference="bad", count=1):
    headers = [f"Content-Type: {media_type}"] if media_type is not None else []
    # its data goes out beside the questions whether what it refers to is there
    return refused(status, code, "PUT", f"/v2/a/b/manifests/{reference}", data, *headers,
                   count=count, unlinked=data if code == "MANIFEST_BLOB_UNKNOWN" else None)


@tap.test
def manifest_refers_to_unknown_blobs():
    unknown = [descriptor(b"one", images.LAYER), descriptor(b"two", images.LAYER)]
    reply = put(400, "MANIFEST_BLOB_UNKNOWN", manifest(layers=unknown), count=2)
    details = [str(e["detail"]) for e in json.loads(reply.body)["errors"]]
    for d in unknown:
        tap.ok(any(d["digest"] in text for text in details), d["digest"])
    index = images.dump({"schemaVersion": 2, "mediaType": images.INDEX,
                         "manifests": [descriptor(b"three", images.MANIFEST)]})
    put(400, "MANIFEST_BLOB_UNKNOWN", index, images.INDEX)


@tap.test
def manifest_is_at_the_limit_or_over():
    def padded(size):
        empty = manifest(annotations={"pad": ""})
        return manifest(annotations={"pad": "x" * (size - len(empty))})

    data = padded(MIB4)
    tap.equal(len(data), MIB4)
    headers = [f"Content-Type: {images.MANIFEST}"]
    reply = raw.ask(server, "PUT", "/v2/a/b/manifests/big", data, *headers)
    tap.equal(reply.status, 201, repr(reply))
    tap.equal(raw.ask(server, "GET", "/v2/a/b/manifests/big").body, data)
    put(413, "MANIFEST_INVALID", padded(MIB4 + 1))
    before = raw.tree(server.data)
    with raw.Connection(server) as c:  # the same, its length unknown
        data = padded(MIB4 + 1)
        c.head("PUT", "/v2/a/b/manifests/bad", "Transfer-Encoding: chunked", *headers)
        c.send(b"%x\r\n" % len(data) + data + b"\r\n0\r\n\r\n")
        reply = c.reply()
        tap.equal((reply.status, reply.codes), (413, ["MANIFEST_INVALID"]))
        c.head("GET", "/v2/")
        tap.equal(c.reply().status, 200, "the connection goes on")
    tap.equal(raw.tree(server.data), before)


@tap.test
def manifest_is_no_json():
    deep = b'{"a":' * 101 + b"1" + b"}" * 101
    for data in (b"", b"{", b"hello", b"[]", b"null", b'"x"', b"1", manifest() + b"x",
                 manifest() + b"{}", manifest()[:-1], b"\xff" + manifest(), deep,
                 b"[" * 200000, manifest(annotations=json.loads(deep))):
        put(400, "MANIFEST_INVALID", data)


@tap.test
def manifest_types():
    start()
    body = manifest()
    bare = images.dump({"schemaVersion": 2, "config": descriptor(BLOB), "layers": []})
    reply = raw.ask(server, "PUT", "/v2/a/b/manifests/typed", body)
    tap.equal(reply.status, 201, "Content-Type missing, the body knows: " + repr(reply))
    reply = raw.ask(server, "GET", "/v2/a/b/manifests/typed")
    tap.equal(reply["Content-Type"], images.MANIFEST)
    put(400, "MANIFEST_INVALID", bare, None)
    put(400, "MANIFEST_INVALID", body, "application/json")
    put(400, "MANIFEST_INVALID", body, "application/vnd.docker.distribution.manifest.v1+prettyjws")
    put(400, "MANIFEST_INVALID", body, images.DOCKER_MANIFEST)
    put(400, "MANIFEST_INVALID", body, images.INDEX)
    put(400, "MANIFEST_INVALID", manifest(mediaType="text/plain"), None)
    put(400, "MANIFEST_INVALID", body, "x" * 3000)


@tap.test
def manifest_is_not_its_digest():
    put(400, "DIGEST_INVALID", manifest(), reference=OTHER)


@tap.test
def tags_outside_the_grammar():
    for tag in (".a", "-a", "a%20b", "a%252Fb", "a" * 129, "", "%C3%A9", "a%25b", "a@b", "a+b",
                ".."):
        put(400, "TAG_INVALID", manifest(), reference=tag)
        for method in ("GET", "HEAD", "DELETE"):
            refused(404, "MANIFEST_UNKNOWN", method, f"/v2/a/b/manifests/{tag}")
    for method in ("GET", "HEAD", "DELETE"):
        refused(400, "NAME_INVALID", method, "/v2/a/b/manifests/a%2Fb")
    put(400, "NAME_INVALID", manifest(), reference="a%2Fb")
    reply = raw.ask(server, "PUT", "/v2/a/b/manifests/" + "a" * 128, manifest(),
                    f"Content-Type: {images.MANIFEST}")
    tap.equal(reply.status, 201)


# ---- names and routes ----

NAMES = ["A/b", "a/B", "Test/x", "-a", "a-", "a___b", "a-.b", "a/../b", "..", "a//b", "a/", "/a",
         "a/./b", "a%2Fb", "a%2fb", "a%00b", "%00", "a%", "a%4", "a%zz", "a/%2e%2e/b", "a%20b",
         "_catalog", "a/_layers/b", "a\\b", "a:b", "a@b", "%C3%A9", "a+b", "a" * 256,
         "a/" * 128 + "ab", "a;b", "a,b", ".a", "a."]


@tap.test
def names_outside_the_grammar():
    for name in NAMES:
        for method, path in (("GET", "tags/list"), ("GET", "manifests/x"), ("HEAD", "manifests/x"),
                             ("PUT", "manifests/x"), ("DELETE", "manifests/x"),
                             ("GET", f"blobs/{DIGEST}"), ("DELETE", f"blobs/{DIGEST}"),
                             ("POST", "blobs/uploads/"), ("PATCH", "blobs/uploads/u?_state=x"),
                             ("PUT", f"blobs/uploads/u?_state=x&digest={DIGEST}")):
            body = b"x" if method in ("PUT", "PATCH") else None
            refused(400, "NAME_INVALID", method, f"/v2/{name}/{path}", body)
    for name in ("A", "a//b", "..", "a%2F%2Fb", "%00"):
        refused(400, "NAME_INVALID", "POST",
                f"/v2/a/b/blobs/uploads/?mount={DIGEST}&from={name}", b"")


@tap.test
def no_call_to_the_store_for_a_bad_name():
    start()
    raw.ask(server, "GET", "/v2/BAD/tags/list")
    deadline = time.monotonic() + 5
    while "/v2/BAD/tags/list" not in server.log() and time.monotonic() < deadline:
        time.sleep(0.02)
    line = [x for x in server.log().splitlines() if "path=/v2/BAD/tags/list" in x][0]
    tap.ok("store_requests=0" in line, line)


@tap.test
def names_that_look_like_routes():
    for name in ("tags/list", "x/blobs/uploads", "manifests", "blobs/manifests/tags", "a__b",
                 "a--b", "0/1.2_3"):
        client.push_blob(name, BLOB)
        tap.equal(client.blob(name, DIGEST).body, BLOB)
        client.put_manifest(name, "t", b'{"schemaVersion":2,"manifests":[]}', images.INDEX)
        reply = raw.ask(server, "GET", f"/v2/{name}/tags/list")
        tap.equal((reply.status, json.loads(reply.body)["name"]), (200, name))


@tap.test
def encoded_colons_and_letters_are_decoded_once():
    start()
    encoded = DIGEST.replace(":", "%3A")
    tap.equal(raw.ask(server, "GET", f"/v2/%61/b/blobs/{encoded}").body, BLOB)
    refused(400, "NAME_INVALID", "GET", f"/v2/%2561/b/blobs/{encoded}")


@tap.test
def mount_from_where_it_is_not():
    start()
    before = raw.tree(server.data)
    for source in ("a/none", "a/b"):
        missing = OTHER if source == "a/b" else DIGEST
        reply = raw.ask(server, "POST",
                        f"/v2/c/d/blobs/uploads/?mount={missing}&from={source}", b"")
        tap.equal(reply.status, 202)
        tap.ok(reply["Location"] and reply["Docker-Upload-UUID"], repr(reply))
    tap.equal(raw.tree(server.data), before)


@tap.test
def unknown_routes():
    for method in ("GET", "PUT", "POST", "DELETE", "PATCH"):
        for path in ("/v1/", "/x", "/v2/a", "/v2/a/b", "/v2/a/tags", "/v2/a/tags/list/x",
                     "/v2/tags/list", "/v2/a/b/blobs", f"/v2/a/b/referrer/{DIGEST}", "//",
                     "/v2//", "/favicon.ico"):
            refused(404, "UNSUPPORTED", method, path)
    refused(404, "UNSUPPORTED", "HEAD", "/v2/a")


@tap.test
def unknown_methods():
    for path, bad, allow in (("/v2/", "PUT", "GET, HEAD"),
                             ("/v2/_catalog", "POST", "GET, HEAD"),
                             ("/v2/a/tags/list", "DELETE", "GET, HEAD"),
                             ("/v2/a/manifests/x", "POST", "GET, HEAD, PUT, DELETE"),
                             (f"/v2/a/blobs/{DIGEST}", "PUT", "GET, HEAD, DELETE"),
                             ("/v2/a/blobs/uploads/", "GET", "POST"),
                             ("/v2/a/blobs/uploads/u", "POST", "GET, HEAD, PUT, PATCH, DELETE")):
        for method in (bad, "OPTIONS", "PROPFIND", "get"):
            reply = refused(405, "UNSUPPORTED", method, path)
            tap.equal(reply["Allow"], allow)


@tap.test
def page_sizes():
    for bad in ("-1", "abc", "", "1.5", "+2", "99999999999999999999", "%00", "0x10"):
        for path in ("/v2/a/b/tags/list", "/v2/_catalog"):
            refused(400, "PAGINATION_NUMBER_INVALID", "GET", f"{path}?n={bad}")
    refused(404, "NAME_UNKNOWN", "GET", "/v2/no/such/tags/list")
    reply = raw.ask(server, "GET", "/v2/a/b/tags/list?n=0")
    tap.equal((reply.status, json.loads(reply.body)["tags"], reply["Link"]), (200, [], None))


@tap.test
def it_is_still_as_it_was():
    start()
    tap.equal(client.blob("a/b", DIGEST).body, BLOB)
    tap.equal(hashlib.sha256(client.manifest("a/b", "good").body).hexdigest(),
              client.manifest("a/b", "good").headers["Docker-Content-Digest"][7:])


if __name__ == "__main__":
    tap.main()
