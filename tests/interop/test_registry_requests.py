#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many S3 requests the same steps cost Distribution with Stowage's driver and with its own one,
with the same size of parts: no step may cost more, in all or of the dear kind, but those of MORE.

Both run behind the same proxy, which counts, on buckets of one MinIO."""

import functools
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import clients
import distribution
import images
import proxy
import registry
import stowage
import tap

MIB = 1 << 20
# the second beside Distribution's own driver; SUBJECT=upstream counts that one twice
SUBJECT = os.environ.get("SUBJECT", distribution.STOWAGE)
SHORT = {"PutObject": "put", "GetObject": "get", "HeadObject": "head", "ListObjectsV2": "list",
         "DeleteObject": "delete", "DeleteObjects": "delete-many", "CopyObject": "copy",
         "CreateMultipartUpload": "create", "UploadPart": "part", "UploadPartCopy": "part-copy",
         "CompleteMultipartUpload": "complete", "AbortMultipartUpload": "abort",
         "ListParts": "list-parts", "ListMultipartUploads": "list-uploads"}
# what stores ask ten times the price of a GET for; deletes are free
CHEAP = ("GetObject", "HeadObject", "DeleteObject", "DeleteObjects", "AbortMultipartUpload")

# step: (by how many requests it may cost more in all, why); never of the dear kind
MORE = {
    "64 MiB: PUT, known elsewhere": (1, "the record of the upload, a DELETE, which costs nothing"),
    "PUT, digest is wrong": (3, "takes away what Distribution's own driver leaves for ever"),
}


@functools.lru_cache(None)
def minio():
    return stowage.Minio().start()


@functools.lru_cache(None)
def image(sizes):
    return images.layout(os.path.join(stowage.temporary("image"), "layout"), "count", sizes)


class Counted:
    """A registry behind a counting proxy, and the counts of the steps so far."""

    def __init__(self, kind, cache):
        self.proxy = proxy.Proxy(minio()).start()
        self.srv = distribution.Registry(kind, self.proxy, cache=cache).start()
        tap.defer(self.srv.kill)
        tap.defer(self.proxy.stop)
        self.client = registry.Client(self.srv)
        self.steps, self.calls = {}, {}
        self.proxy.settle()

    def step(self, name, function, *args, **named):
        self.proxy.settle().reset()
        result = function(*args, **named)
        self.steps[name] = self.proxy.settle().counts()
        self.calls[name] = self.proxy.calls()
        failed = [c for c in self.calls[name] if c.status is None or
                  (c.status >= 400 and c.status != 404)]
        tap.equal(failed, [], f"{self.srv.name}: {name}: requests that failed")
        return result


def dear(counts):
    return sum(n for operation, n in counts.items() if operation not in CHEAP)


def show(counts):
    return " ".join(f"{SHORT.get(k, k)}:{n}" for k, n in sorted(counts.items())) or "-"


def compare(steps, cache=False):
    """Runs steps(Counted) on both; prints the table and fails where ours costs more."""
    theirs, ours = (Counted(kind, cache) for kind in (distribution.UPSTREAM, SUBJECT))
    for one in (theirs, ours):
        steps(one)
    more = []
    print(f"{'step':<34} {'all':>8} {'dear':>8}  (Distribution's own driver -> Stowage's)")
    for name, other in theirs.steps.items():
        mine = ours.steps[name]
        print(f"{name:<34} {sum(other.values()):>3} -> {sum(mine.values()):>2} "
              f"{dear(other):>3} -> {dear(mine):>2}")
        print(f"    own      {show(other)}")
        print(f"    Stowage  {show(mine)}")
        may, why = MORE.get(name, (0, None))
        over = sum(mine.values()) - sum(other.values())
        if over > 0 and why:
            print(f"    {over} more: {why}")
        if over > may or dear(mine) > dear(other):
            more.append(f"{name}: {show(mine)}, not more than {show(other)}:\n" +
                        "\n".join(f"  {c!r}" for c in ours.calls[name]))
    total = [sum(sum(c.values()) for c in one.steps.values()) for one in (theirs, ours)]
    print(f"{'in all':<34} {total[0]:>3} -> {total[1]}")
    tap.ok(not more, "steps that cost more:\n" + "\n".join(more))


def random_bytes(seed, size):
    return random.Random(seed).randbytes(size)


def uploads(one, name, data):
    """As crane and docker do it, POST, PATCH, PUT; and as containerd and oras do, POST, PUT."""
    client = one.client
    digest = images.digest(data)
    one.step(f"{name}: HEAD, not there", client.request, "HEAD", f"/v2/a/blobs/{digest}",
             expect=404)
    location = one.step(f"{name}: POST", client.begin_upload, "a").headers["Location"]
    location = one.step(f"{name}: PATCH", client.patch, location, data).headers["Location"]
    one.step(f"{name}: PUT", client.close_upload, location, digest)
    one.step(f"{name}: HEAD", client.request, "HEAD", f"/v2/a/blobs/{digest}", expect=200)
    got = one.step(f"{name}: GET", client.blob, "a", digest)
    tap.ok(got.body == data, "bytes")
    part = one.step(f"{name}: GET of a range", client.request, "GET", f"/v2/a/blobs/{digest}",
                    headers={"Range": "bytes=10-19"}, expect=206)
    tap.equal(part.body, data[10:20])
    location = client.begin_upload("b").headers["Location"]
    one.step(f"{name}: PUT, known elsewhere", client.close_upload, location, digest, data)
    whole = data[::-1]
    location = client.begin_upload("a").headers["Location"]
    one.step(f"{name}: PUT with all of it", client.close_upload, location, images.digest(whole),
             whole)
    one.step(f"{name}: mount", client.request, "POST",
             f"/v2/c/blobs/uploads/?mount={digest}&from=a", b"", expect=201)
    one.step(f"{name}: DELETE of the blob", client.request, "DELETE", f"/v2/b/blobs/{digest}",
             expect=202)


@tap.cases(no_cache=False, cache=True)
def blob_of_100_kb(cache):
    compare(lambda one: uploads(one, "100 KB", random_bytes("small", 100_000)), cache)


@tap.test
def blob_of_64_mib():
    compare(lambda one: uploads(one, "64 MiB", random_bytes("large", 64 * MIB)))


@tap.test
def empty_blob():
    def steps(one):
        client = one.client
        location = client.begin_upload("a").headers["Location"]
        one.step("empty: PUT", client.close_upload, location, images.digest(b""))
        one.step("empty: GET", client.blob, "a", images.digest(b""))

    compare(steps)


@tap.test
def upload_in_pieces():
    """Later PATCHes, of pieces below the smallest part and above a whole one, and what does not
    end well."""

    def steps(one):
        client, at = one.client, 0
        data = random_bytes("pieces", 34 * MIB)
        location = client.begin_upload("a").headers["Location"]
        for size in (MIB, 1, 9 * MIB, 12 * MIB, 2 * MIB):
            what = f"{size // MIB} MiB" if size >= MIB else f"{size} byte"
            location = one.step(f"PATCH at {at}, {what}", client.patch, location,
                                data[at:at + size], at).headers["Location"]
            at += size
        location = one.step("upload status", client.request, "GET", location,
                            expect=204).headers["Location"]
        one.step(f"PUT at {at}, {len(data) - at} bytes", client.close_upload, location,
                 images.digest(data), data[at:])
        location = client.begin_upload("a").headers["Location"]
        one.step("cancel, nothing sent", client.request, "DELETE", location, expect=204)
        location = client.begin_upload("a").headers["Location"]
        location = client.patch(location, data[:MIB]).headers["Location"]
        one.step("cancel after 1 MiB", client.request, "DELETE", location, expect=204)
        location = client.begin_upload("a").headers["Location"]
        location = client.patch(location, data[:12 * MIB]).headers["Location"]
        one.step("cancel after 12 MiB", client.request, "DELETE", location, expect=204)
        location = client.begin_upload("a").headers["Location"]
        location = client.patch(location, data[:MIB]).headers["Location"]
        one.step("PUT, digest is wrong", client.close_upload, location, images.digest(b"x"),
                 expect=400)

    compare(steps)


def manifests(one):
    client, wanted = one.client, image((100_000, 200_000))
    for data in wanted.blobs.values():
        client.push_blob("a", data)
    manifest = wanted.contents[wanted.digest]
    put = [client.put_manifest, "a"], [manifest, wanted.media_type]
    one.step("PUT of a manifest by tag", *put[0], "v1", *put[1])
    one.step("again, another tag", *put[0], "v2", *put[1])
    one.step("again, by digest", *put[0], wanted.digest, *put[1])
    accept = {"Accept": registry.ACCEPT}
    for method in ("HEAD", "GET"):
        one.step(f"{method} by tag", client.request, method, "/v2/a/manifests/v1", headers=accept,
                 expect=200)
        one.step(f"{method} by digest", client.request, method,
                 f"/v2/a/manifests/{wanted.digest}", headers=accept, expect=200)
    one.step("GET of an unknown tag", client.manifest, "a", "v9", expect=404)
    one.step("tags", client.request, "GET", "/v2/a/tags/list", expect=200)
    one.step("tags, one", client.request, "GET", "/v2/a/tags/list?n=1", expect=200)
    one.step("catalog", client.request, "GET", "/v2/_catalog", expect=200)
    one.step("DELETE of a tag", client.request, "DELETE", "/v2/a/manifests/v2", expect=202)
    one.step("DELETE by digest, one tag", client.request, "DELETE",
             f"/v2/a/manifests/{wanted.digest}", expect=202)


@tap.cases(no_cache=False, cache=True)
def manifest(cache):
    compare(manifests, cache)


def clients_steps(one):
    small, large = image((100_000, 200_000)), image((64 * MIB,))
    host = one.srv.host
    one.step("crane push, config and 2 layers", clients.crane_push, small, f"{host}/a:v1")
    one.step("crane push, nothing is new", clients.crane_push, small, f"{host}/a:v1")
    one.step("crane pull by tag", clients.crane_pull, f"{host}/a:v1")
    one.step("skopeo copy out", clients.skopeo_pull, f"{host}/a:v1")
    one.step("crane push, layer of 64 MiB", clients.crane_push, large, f"{host}/b:v1")
    one.step("crane pull, layer of 64 MiB", clients.crane_pull, f"{host}/b:v1")
    one.step("skopeo copy in, known elsewhere", clients.skopeo_push, large, f"{host}/c:v1")
    one.step("crane ls", clients.crane, "ls", f"{host}/a")
    one.step("crane delete", clients.crane, "delete", f"{host}/a@{small.digest}")


@tap.test
def crane_and_skopeo():
    compare(clients_steps)


@tap.test
def parts_have_the_same_size():
    """Else the counts would not tell."""
    for kind in (distribution.UPSTREAM, SUBJECT):
        one = Counted(kind, False)
        data = random_bytes("parts", 25 * MIB)
        location = one.client.begin_upload("a").headers["Location"]
        one.step("PUT", one.client.close_upload, location, images.digest(data), data)
        found = sorted(c.sent for c in one.calls["PUT"] if c.operation == "UploadPart")
        tap.equal(found, [5 * MIB, 10 * MIB, 10 * MIB], one.srv.name)


if __name__ == "__main__":
    tap.main()
