#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stowage and CNCF Distribution, v3.1.2 and v2.8.2, on one folder and on one bucket: each serves
what the other wrote, what they lay for the same requests is the same, key by key and byte by byte,
and Distribution's collector takes nothing that is needed."""

import functools
import hashlib
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import clients
import images
import registry
import stowage
import tap

VERSIONS = {"v3": "registry", "v2": "registry-2.8"}


@functools.lru_cache(None)
def minio():
    return stowage.Minio().start()


@functools.lru_cache(None)
def image(kind):
    make = images.layout if kind == "single" else images.multi
    return make(os.path.join(stowage.temporary("image"), "layout"))


class Store:
    """A folder or a bucket, and a server of each kind on it.  version is Distribution's."""

    def __init__(self, kind, version, prefix=None):
        self.kind, self.version, self.prefix = kind, version, prefix
        self.folder = self.bucket = None
        if kind == "filesystem":
            self.folder = os.path.join(stowage.temporary("store"), "data")
        else:
            self.bucket = minio().new_bucket()

    def stowage(self, schema1=False):
        srv = stowage.Server(self.kind, folder=self.folder, bucket=self.bucket,
                             prefix=self.prefix, minio=minio() if self.bucket else None,
                             env={"STOWAGE_DELETE_ENABLED": "yes",
                                  "STOWAGE_MANIFESTS_SCHEMA1": "yes" if schema1 else "no"}).start()
        tap.defer(srv.kill)
        return srv

    def distribution(self, start=True):
        srv = stowage.Distribution(folder=self.folder, bucket=self.bucket, prefix=self.prefix,
                                   minio=minio() if self.bucket else None,
                                   program=VERSIONS[self.version])
        tap.defer(srv.kill)
        return srv.start() if start else srv

    def keys(self):
        if self.bucket:
            return {key: minio().s3.get(self.bucket, key)
                    for key in minio().s3.list(self.bucket)}
        found = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    found[os.path.relpath(path, self.folder)] = f.read()
        return found

    def remove(self, key):
        if self.bucket:
            minio().s3.delete(self.bucket, key)
        else:
            os.remove(os.path.join(self.folder, key))

    def modes(self):
        """{path: mode} of a folder's files and folders."""
        found = {}
        for folder, _, names in os.walk(self.folder):
            for path in [folder] + [os.path.join(folder, n) for n in names]:
                found[os.path.relpath(path, self.folder)] = oct(os.stat(path).st_mode)
        return found


def pull_all(srv, name, tag, wanted):
    for found in (registry.Client(srv).pull(name, tag),
                  images.read_layout(clients.crane_pull(f"{srv.host}/{name}:{tag}")),
                  images.read_layout(clients.skopeo_pull(f"{srv.host}/{name}:{tag}"))):
        tap.equal(sorted(found), sorted(wanted.contents), "digests")
        tap.ok(found == wanted.contents, "bytes")


def both_ways(store):
    ours, theirs = store.stowage(), store.distribution()
    for kind in ("single", "multi"):
        clients.crane_push(image(kind), f"{ours.host}/ours/{kind}:v1")
        clients.skopeo_push(image(kind), f"{theirs.host}/theirs/{kind}:v1")
        pull_all(theirs, f"ours/{kind}", "v1", image(kind))
        pull_all(ours, f"theirs/{kind}", "v1", image(kind))
    # a tag moved by the other, and new layers beside the other's
    clients.skopeo_push(image("multi"), f"{theirs.host}/ours/single:v1")
    clients.crane_push(image("single"), f"{ours.host}/theirs/multi:v1")
    pull_all(ours, "ours/single", "v1", image("multi"))
    pull_all(theirs, "theirs/multi", "v1", image("single"))
    wanted = ["ours/multi", "ours/single", "theirs/multi", "theirs/single"]
    for srv in (ours, theirs):
        tap.equal(sorted(clients.crane("catalog", srv.host).split()), wanted, srv.name)
        tap.equal(clients.crane("ls", f"{srv.host}/ours/single").split(), ["v1"], srv.name)


@tap.cases(**{f"{kind}_{version}": (kind, version)
              for kind in ("filesystem", "s3") for version in VERSIONS})
def both_ways_on_one(kind, version):
    both_ways(Store(kind, version))


@tap.test
def both_ways_under_a_prefix():
    both_ways(Store("s3", "v3", prefix="some/where"))


def fill(srv, empty=True):
    """The same requests to either: chunked and whole uploads, an empty blob, tags, a move."""
    client = registry.Client(srv)
    for kind in ("single", "multi"):
        client.push(f"team/app-{kind}", image(kind), "v1")
    client.push("team/app-single", image("multi"), "v1")
    client.push("team/app-single", image("single"), "a.b_c-D")
    if empty:
        client.push_blob("team/app-single", b"")
    big = images.tar_layer("big", 12_000_000)[1]
    location = client.begin_upload("big/one").headers["Location"]
    for start in range(0, len(big), 5_500_000):
        location = client.patch(location, big[start:start + 5_500_000],
                                start).headers["Location"]
    client.close_upload(location, images.digest(big))
    # mounted, and pushed once more
    client.request("POST", f"/v2/big/two/blobs/uploads/?mount={images.digest(big)}&from=big/one",
                   b"", expect=201)
    client.push_blob("big/three", big)
    # gone again, as far as a delete goes: their links
    for kind in ("single", "multi"):
        client.push("gone/all", image(kind), kind)
    layer = next(iter(image("single").blobs))
    client.request("DELETE", f"/v2/gone/all/blobs/{layer}", expect=202)
    client.request("DELETE", f"/v2/gone/all/manifests/{image('single').digest}", expect=202)


def finished(keys):
    return {k: v for k, v in keys.items() if "/_uploads/" not in k and "/_stowage/" not in k}


def laid_alike(kind, version):
    ours, theirs = Store(kind, version), Store(kind, version)
    for store, srv in ((ours, ours.stowage()), (theirs, theirs.distribution())):
        # an empty blob in a bucket is beyond v2.8.2 itself
        fill(srv, empty=(kind, version) != ("s3", "v2"))
        if store is ours:
            srv.stop()
    mine, other = ours.keys(), theirs.keys()
    left = [k for k in mine if "/_uploads/" in k or "/_stowage/uploads/" in k]
    tap.equal(left, [], "what finished uploads have left")
    mine, other = finished(mine), finished(other)
    tap.equal(sorted(mine), sorted(other), "keys")
    for key, data in other.items():
        tap.ok(mine[key] == data, f"{key}: {mine[key][:100]!r}, want {data[:100]!r}")
    print(f"{len(other)} keys")
    return ours, theirs


@tap.cases(**{version: (version,) for version in VERSIONS})
def laid_alike_in_a_folder(version):
    ours, theirs = laid_alike("filesystem", version)
    mine, other = finished(ours.modes()), finished(theirs.modes())
    for path, mode in other.items():
        if path in mine:
            tap.equal(mine[path], mode, f"mode of {path}")
    # no folder that neither needs; temporary files have one of their own, empty now
    extra = [p for p in set(mine) - set(other) if not p.endswith(("_stowage", ".stowage-tmp"))]
    tap.equal(extra, [], "paths of ours alone")


@tap.cases(**{version: (version,) for version in VERSIONS})
def laid_alike_in_a_bucket(version):
    ours, _ = laid_alike("s3", version)
    tap.equal(minio().s3.uploads(ours.bucket), [], "open multipart uploads")


@tap.cases(**{f"{kind}_{version}": (kind, version)
              for kind in ("filesystem", "s3") for version in VERSIONS})
def its_collector_on_what_we_wrote(kind, version):
    """Takes what nothing refers to, nothing else, and does not fail."""
    store = Store(kind, version)
    srv = store.stowage()
    fill(srv)
    client = registry.Client(srv)
    orphan = images.tar_layer("orphan", 100_000)[1]
    client.push_blob("big/one", orphan)
    before = store.keys()
    store.distribution(start=False).collect()
    after = store.keys()
    gone = sorted(key for key in before if key not in after)
    data = {f"docker/registry/v2/blobs/sha256/{h[:2]}/{h}/data"
            for h in (images.digest(d).partition(":")[2]
                      for d in (orphan, images.tar_layer("big", 12_000_000)[1]))}
    tap.ok(data <= set(gone), f"what nothing refers to is gone: {gone}")
    for key, content in after.items():
        tap.ok(before.get(key) == content, f"{key} is as it was")
    for name, tag, kind_of in (("team/app-single", "v1", "multi"),
                               ("team/app-single", "a.b_c-D", "single"),
                               ("team/app-multi", "v1", "multi"), ("gone/all", "multi", "multi")):
        tap.ok(client.pull(name, tag) == image(kind_of).contents, f"{name}:{tag}")


@tap.cases(**{f"{kind}_{version}": (kind, version)
              for kind in ("filesystem", "s3") for version in VERSIONS})
def longer_digests(kind, version):
    """Theirs lie under their sha256, and a link leads there; ours under their own."""
    store = Store(kind, version)
    ours, theirs = (registry.Client(s) for s in (store.stowage(), store.distribution()))
    data = {n: f"by {n} to {version}".encode() for n in ("ours", "theirs")}
    digest = {n: "sha512:" + hashlib.sha512(d).hexdigest() for n, d in data.items()}
    ours.push_blob("long", data["ours"], digest["ours"])
    theirs.push_blob("long", data["theirs"], digest["theirs"])
    for client in (ours, theirs):
        for name in data:
            tap.equal(client.blob("long", digest[name]).body, data[name], name)
    tap.equal(ours.blob("long", images.digest(data["theirs"])).body, data["theirs"])
    answer = ours.request("POST", f"/v2/mounted/blobs/uploads/?mount={digest['theirs']}&from=long",
                          b"", expect=201)
    tap.equal(answer.headers["Docker-Content-Digest"], digest["theirs"])
    tap.equal(theirs.blob("mounted", digest["theirs"]).body, data["theirs"])


@tap.cases(**{f"{kind}_{version}": (kind, version)
              for kind in ("filesystem", "s3") for version in VERSIONS})
def tags_of_a_push_by_digest(kind, version):
    store = Store(kind, version)
    ours, theirs = (registry.Client(s) for s in (store.stowage(), store.distribution()))
    ours.push_blob("tagged", b"{}")
    for number, algorithm in enumerate(("sha256", "sha512")):
        data = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "layers": [],
                            "annotations": {"by": algorithm},
                            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
                                       "digest": images.digest(b"{}")}})
        digest = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
        tags = [f"{algorithm}-{n}" for n in range(3)] + ["latest"]
        ours.put_manifest("tagged", digest + "?tag=" + "&tag=".join(tags), data, images.MANIFEST)
        for tag in tags:
            for client in (ours, theirs):
                answer = client.manifest("tagged", tag)
                tap.equal(answer.body, data, tag)
                tap.equal(answer.headers["Docker-Content-Digest"], digest, tag)
        for client in (ours, theirs):
            listed = json.loads(client.request("GET", "/v2/tagged/tags/list", expect=200).body)
            tap.equal(len(listed["tags"]), 4 + 3 * number, "tags")


VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../vectors/schema1")
PRETTY = "application/vnd.docker.distribution.manifest.v1+prettyjws"


@tap.cases(filesystem="filesystem", s3="s3")
def signed_manifests(kind):
    """2.8 signs them anew on each pull, and takes them where it is told to; it stores no signature,
    so here its own are refused with a reason."""
    store = Store(kind, "v2")
    ours = registry.Client(store.stowage(schema1=True))
    theirs = registry.Client(store.distribution())
    with open(f"{VECTORS}/vectors.json", encoding="utf-8") as f:
        vector, = (v for v in json.load(f)["vectors"] if v["id"] == "ok-two-ec")
    with open(f"{VECTORS}/layers.json", encoding="utf-8") as f:
        layers = json.load(f)
    with open(f"{VECTORS}/{vector['file']}", "rb") as f:
        file = f.read()
    name, tag = vector["repository"], vector["from_payload"]["tag"]
    for digest in vector["from_payload"]["layers"]:
        ours.push_blob(name, layers[digest].encode(), digest)
    ours.put_manifest(name, tag, file, PRETTY)
    tap.equal(ours.manifest(name, tag).body, file)
    for reference in (tag, vector["payload_sha256"]):
        answer = theirs.request("GET", f"/v2/{name}/manifests/{reference}",
                                headers={"Accept": PRETTY}, expect=200)
        tap.equal(answer.headers["Docker-Content-Digest"], vector["payload_sha256"])
        tap.equal(json.loads(answer.body)["fsLayers"], json.loads(file)["fsLayers"])
    for key in store.keys():
        if "/signatures/" in key:
            store.remove(key)
    answer = ours.request("GET", f"/v2/{name}/manifests/{tag}", expect=404)
    tap.ok("schema 1" in json.loads(answer.body)["errors"][0]["message"], answer.body)


@tap.cases(**{f"{kind}_{version}": (kind, version)
              for kind in ("filesystem", "s3") for version in VERSIONS})
def referrers_by_their_tag(kind, version):
    """Written before one goes back, the list is where clients of Distribution look for it."""
    store = Store(kind, version)
    srv = store.stowage()
    ours, theirs = registry.Client(srv), registry.Client(store.distribution())
    ours.push_blob("team/app", b"{}")
    subject = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "layers": [],
                           "config": {"mediaType": images.CONFIG, "digest": images.digest(b"{}"),
                                      "size": 2}})
    ours.put_manifest("team/app", "v1", subject, images.MANIFEST)
    about = images.dump({**json.loads(subject), "artifactType": "application/vnd.example.sbom",
                         "subject": {"mediaType": images.MANIFEST, "size": len(subject),
                                     "digest": images.digest(subject)}})
    ours.put_manifest("team/app", images.digest(about), about, images.MANIFEST)
    run = subprocess.run(stowage.sanitized([os.path.join(stowage.BUILD, "stowage"), "referrers",
                                            "--write-tags", "team/app"]),
                         env=dict(os.environ, **srv.environment()), capture_output=True, text=True,
                         timeout=60, check=False)
    tap.equal(run.returncode, 0, run.stderr)
    answer = theirs.request("GET", f"/v2/team/app/manifests/{images.digest(subject).replace(':', '-')}",
                            headers={"Accept": images.INDEX}, expect=200)
    tap.equal(json.loads(answer.body)["manifests"], [{
        "mediaType": images.MANIFEST, "digest": images.digest(about), "size": len(about),
        "artifactType": "application/vnd.example.sbom"}])
    tap.equal(theirs.request("GET", f"/v2/team/app/manifests/{images.digest(about)}",
                             headers={"Accept": images.MANIFEST}, expect=200).body, about)


if __name__ == "__main__":
    tap.main()
