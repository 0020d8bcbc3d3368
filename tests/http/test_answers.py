#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What each answer says beside its body: Content-Length, Docker-Content-Digest and the headers that
begin with OCI-, on every route; and tags that are pushed as parameters."""

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
BLOB = b"some bytes" * 100
DIGEST = images.digest(BLOB)
NOTHING = "sha256:" + "0" * 64
SHA512 = "sha512:" + hashlib.sha512(BLOB).hexdigest()
TYPE = f"Content-Type: {images.MANIFEST}"


def ask(method, path, body=None, *headers, expect=None):
    """Every answer has its length; one without a body that can have none says so, too."""
    reply = raw.ask(server, method, path, body, *headers)
    if expect is not None:
        tap.equal(reply.status, expect, f"{method} {path}: {reply!r}")
    if reply.status in (204, 304):
        tap.equal(reply.body, b"")
    else:
        length = reply["Content-Length"]
        tap.ok(length is not None and length.isdigit(), f"{method} {path}: {reply!r}")
        if method != "HEAD":
            tap.equal(int(length), len(reply.body))
    tap.equal(reply["Transfer-Encoding"], None)
    return reply


def manifest(**more):
    client.push_blob("a/b", b"{}")
    return images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "layers": [],
                        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
                                   "digest": images.digest(b"{}")}, **more})


def begin(query=""):
    return ask("POST", f"/v2/a/b/blobs/uploads/{query}", b"", expect=202)


def next_of(reply, digest=None):
    path = raw.target(reply["Location"])
    return path + ("&" if "?" in path else "?") + f"digest={digest}" if digest else path


@tap.test
def blobs():
    for digest, data in ((DIGEST, BLOB), (images.digest(b""), b""), (SHA512, BLOB)):
        reply = ask("PUT", next_of(begin(), digest), data, expect=201)
        tap.equal((reply["Docker-Content-Digest"], reply["Content-Length"]), (digest, "0"))
        tap.ok(reply["Location"].endswith(f"/v2/a/b/blobs/{digest}"), reply["Location"])
        reply = ask("POST", f"/v2/a/b/blobs/uploads/?digest={digest}", data, expect=201)
        tap.equal((reply["Docker-Content-Digest"], reply["Content-Length"]), (digest, "0"))
        reply = ask("POST", f"/v2/c/blobs/uploads/?mount={digest}&from=a%2Fb", b"", expect=201)
        tap.equal((reply["Docker-Content-Digest"], reply["Content-Length"]), (digest, "0"))
        for method in ("GET", "HEAD"):
            reply = ask(method, f"/v2/a/b/blobs/{digest}", expect=200)
            tap.equal((reply["Docker-Content-Digest"], reply["Content-Length"]),
                      (digest, str(len(data))))
            reply = ask(method, f"/v2/a/b/blobs/{digest}", None, f"If-None-Match: {digest}",
                        expect=304)
            tap.equal(reply["Docker-Content-Digest"], digest)
    reply = ask("GET", f"/v2/a/b/blobs/{DIGEST}", None, "Range: bytes=1-2", expect=206)
    tap.equal((reply["Docker-Content-Digest"], reply["Content-Length"]), (DIGEST, "2"))
    for method in ("GET", "HEAD", "DELETE"):
        ask(method, f"/v2/a/b/blobs/{NOTHING}", expect=404)
    ask("DELETE", f"/v2/c/blobs/{DIGEST}", expect=202)


@tap.test
def uploads():
    """The chunk that a client is told to send at least is one that costs no write more; smaller
    ones are taken as well."""
    at = begin()
    tap.equal(at["OCI-Chunk-Min-Length"], str(5 << 20))
    tap.equal((at["Content-Length"], at["Range"]), ("0", "0-0"))
    tap.equal(begin(f"?mount={NOTHING}&from=c")["OCI-Chunk-Min-Length"], str(5 << 20))
    at = ask("PATCH", next_of(at), b"abc", "Content-Range: 0-2", expect=202)
    tap.equal((at["Content-Length"], at["Range"]), ("0", "0-2"))
    status = ask("GET", next_of(at), expect=204)
    tap.equal(status["Range"], "0-2")
    for method, query in (("PATCH", None), ("PUT", images.digest(b"abcdef"))):
        for first in (0, 2, 4, 100):
            reply = ask(method, next_of(at, query), b"def", f"Content-Range: {first}-{first + 2}",
                        expect=416)
            tap.equal(reply.codes, ["RANGE_INVALID"])
            tap.equal(reply["Range"], "0-2")
            tap.ok(reply["Location"], "where it goes on")
    reply = ask("PUT", next_of(status, images.digest(b"abcdef")), b"def", "Content-Range: 3-5",
                expect=201)
    tap.equal(client.blob("a/b", images.digest(b"abcdef")).body, b"abcdef")
    ask("DELETE", next_of(begin()), b"", expect=204)
    ask("PUT", next_of(begin(), NOTHING), b"not it", expect=400)
    ask("PUT", next_of(begin(), "md5:00"), b"", expect=400)


@tap.test
def manifests():
    data = manifest()
    digest = images.digest(data)
    for reference in ("v1", digest):
        reply = ask("PUT", f"/v2/a/b/manifests/{reference}", data, TYPE, expect=201)
        tap.equal((reply["Docker-Content-Digest"], reply["Content-Length"]), (digest, "0"))
        tap.equal((reply["OCI-Tag"], reply["OCI-Subject"]), (None, None))
        for method in ("GET", "HEAD"):
            reply = ask(method, f"/v2/a/b/manifests/{reference}", expect=200)
            tap.equal((reply["Docker-Content-Digest"], reply["Content-Length"]),
                      (digest, str(len(data))))
    for method in ("GET", "HEAD", "DELETE"):
        ask(method, f"/v2/a/b/manifests/{NOTHING}", expect=404)
        ask(method, "/v2/a/b/manifests/none", expect=404)
    ask("DELETE", "/v2/a/b/manifests/v1", expect=202)
    ask("DELETE", f"/v2/a/b/manifests/{digest}", expect=202)


@tap.test
def lists_and_referrers():
    subject = manifest(annotations={"the": "subject"})
    data = manifest(artifactType="application/x", subject={
        "mediaType": images.MANIFEST, "size": len(subject), "digest": images.digest(subject)})
    reply = ask("PUT", "/v2/a/b/manifests/sbom", data, TYPE, expect=201)
    tap.equal(reply["OCI-Subject"], images.digest(subject))
    path = f"/v2/a/b/referrers/{images.digest(subject)}"
    tap.equal(ask("GET", path, expect=200)["OCI-Filters-Applied"], None)
    reply = ask("GET", path + "?artifactType=application/x", expect=200)
    tap.equal(reply["OCI-Filters-Applied"], "artifactType")
    for path in ("/", "/v2/", "/v2/_catalog", "/v2/a/b/tags/list", path):
        for method in ("GET", "HEAD"):
            ask(method, path, expect=200)
    for path in ("/v2/none/tags/list", "/v2/nothing", "/v2/A/tags/list", "/v2/%zz"):
        for method in ("GET", "HEAD", "PUT"):
            tap.ok(ask(method, path).status in (400, 404, 405), f"{method} {path}")


# ---- tags as parameters of a push by digest ----

def pushed(reply):
    return [v.strip() for n, value in reply.headers if n.lower() == "oci-tag"
            for v in value.split(",")]


def resolved(name, tag):
    return ask("HEAD", f"/v2/{name}/manifests/{tag}", expect=200)["Docker-Content-Digest"]


@tap.test
def tag_parameters():
    data = manifest(annotations={"n": "1"})
    for digest in (images.digest(data), "sha512:" + hashlib.sha512(data).hexdigest()):
        reply = ask("PUT", f"/v2/a/b/manifests/{digest}?tag=1.2.3&tag=1%2E2&tag=1&x=y&tag=latest",
                    data, TYPE, expect=201)
        tap.equal(pushed(reply), ["1.2.3", "1.2", "1", "latest"])
        tap.equal(reply["Docker-Content-Digest"], digest)
        for tag in ("1.2.3", "1.2", "1", "latest"):
            tap.equal(resolved("a/b", tag), digest, tag)
            tap.equal(ask("GET", f"/v2/a/b/manifests/{tag}").body, data)
    listed = json.loads(ask("GET", "/v2/a/b/tags/list").body)["tags"]
    tap.ok({"1.2.3", "1.2", "1", "latest"} <= set(listed), listed)
    # one that is given twice, and none
    reply = ask("PUT", f"/v2/a/b/manifests/{digest}?tag=z&tag=z", data, TYPE, expect=201)
    tap.equal(set(pushed(reply)), {"z"})
    tap.equal(pushed(ask("PUT", f"/v2/a/b/manifests/{digest}?tags=q", data, TYPE, expect=201)), [])
    # the tags go with the digest
    ask("DELETE", f"/v2/a/b/manifests/{digest}", expect=202)
    for tag in ("1.2.3", "latest", "z"):
        ask("GET", f"/v2/a/b/manifests/{tag}", expect=404)


@tap.test
def tag_parameters_that_are_refused():
    """Nothing is stored then: neither the manifest nor one of the tags."""
    data = manifest(annotations={"n": "2"})
    digest = images.digest(data)
    before = raw.tree(server.data)
    for query in ("tag=ok&tag=.bad", "tag=ok&tag=", "tag=ok&tag", "tag=%ZZ&tag=ok",
                  "tag=ok&tag=a%2Fb", "tag=ok&tag=sha256:00", "tag=ok&tag=" + "x" * 129):
        reply = ask("PUT", f"/v2/a/b/manifests/{digest}?{query}", data, TYPE, expect=400)
        tap.equal((reply.codes, pushed(reply)), (["TAG_INVALID"], []), query)
    reply = ask("PUT", f"/v2/a/b/manifests/{NOTHING}?tag=ok", data, TYPE, expect=400)
    tap.equal((reply.codes, pushed(reply)), (["DIGEST_INVALID"], []))
    many = "&".join(f"tag=v{i}" for i in range(65))
    reply = ask("PUT", f"/v2/a/b/manifests/{digest}?{many}", data, TYPE, expect=414)
    tap.equal(pushed(reply), [])
    tap.equal(raw.tree(server.data), before)
    # of a push by tag they mean nothing, and nothing is said to have been done
    reply = ask("PUT", "/v2/a/b/manifests/v1?tag=v2&tag=.bad", data, TYPE, expect=201)
    tap.equal(pushed(reply), [])
    ask("GET", "/v2/a/b/manifests/v2", expect=404)


@tap.test
def as_many_tags_as_are_taken():
    """64 of the longest."""
    data = manifest(annotations={"n": "3"})
    digest = images.digest(data)
    tags = [f"v{i}".ljust(128, "x") for i in range(64)]
    query = "&".join(f"tag={tag}" for tag in tags)
    reply = ask("PUT", f"/v2/a/many/manifests/{digest}?{query}", data, TYPE, expect=400)
    tap.equal((reply.codes, pushed(reply)), (["MANIFEST_BLOB_UNKNOWN"], []))
    client.push_blob("a/many", b"{}")
    reply = ask("PUT", f"/v2/a/many/manifests/{digest}?{query}", data, TYPE, expect=201)
    tap.equal(pushed(reply), tags)
    tap.equal(sorted(json.loads(ask("GET", "/v2/a/many/tags/list").body)["tags"]), sorted(tags))


if __name__ == "__main__":
    tap.main()
