# SPDX-License-Identifier: Apache-2.0
"""Images made here: OCI layouts whose bytes are the same on every run.

layout() writes a single-arch image (a config and two layers), multi() an index of two of them.
Both return the layout's Image: the digest of what the tag names and every blob by its digest.
"""

import gzip
import hashlib
import io
import json
import os
import random
import tarfile

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def dump(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Image:
    def __init__(self, folder):
        self.folder, self.tag = folder, "latest"
        self.digest, self.media_type = None, None
        self.blobs = {}  # configs and layers
        self.manifests = {}  # manifests and indexes

    @property
    def contents(self):
        return {**self.blobs, **self.manifests}

    def add(self, data, media_type, manifest=False):
        """The descriptor of data, now one of the image's."""
        (self.manifests if manifest else self.blobs)[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def write(self, descriptor):
        self.digest, self.media_type = descriptor["digest"], descriptor["mediaType"]
        folder = os.path.join(self.folder, "blobs/sha256")
        os.makedirs(folder)
        for name, data in self.contents.items():
            with open(os.path.join(folder, name.split(":")[1]), "wb") as f:
                f.write(data)
        index = dict(descriptor, annotations={"org.opencontainers.image.ref.name": self.tag})
        with open(os.path.join(self.folder, "index.json"), "wb") as f:
            f.write(dump({"schemaVersion": 2, "mediaType": INDEX, "manifests": [index]}))
        with open(os.path.join(self.folder, "oci-layout"), "wb") as f:
            f.write(b'{"imageLayoutVersion":"1.0.0"}')


def tar_layer(seed, size):
    """(tar, tar.gz) with one file of that many bytes that do not compress."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo(f"data/{seed}")
        entry.size = size
        tar.addfile(entry, io.BytesIO(random.Random(seed).randbytes(size)))
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0, filename="") as f:
        f.write(plain.getvalue())
    return plain.getvalue(), packed.getvalue()


def _manifest(image, seed, architecture, sizes):
    layers, diff_ids = [], []
    for i, size in enumerate(sizes):
        plain, packed = tar_layer(f"{seed}-{architecture}-{i}", size)
        layers.append(image.add(packed, LAYER))
        diff_ids.append(digest(plain))
    config = image.add(dump({
        "created": "2020-01-01T00:00:00Z", "architecture": architecture, "os": "linux",
        "config": {"Env": [f"SEED={seed}"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": "2020-01-01T00:00:00Z", "created_by": f"layer {i}"}
                    for i in range(len(sizes))],
    }), CONFIG)
    return image.add(dump({"schemaVersion": 2, "mediaType": MANIFEST, "config": config,
                           "layers": layers}), MANIFEST, manifest=True)


def layout(folder, seed="one", sizes=(300_000, 2_500_000)):
    image = Image(folder)
    image.write(_manifest(image, seed, "amd64", sizes))
    return image


def multi(folder, seed="many", sizes=(200_000, 900_000)):
    image = Image(folder)
    children = [dict(_manifest(image, seed, a, sizes), platform={"architecture": a, "os": "linux"})
                for a in ("amd64", "arm64")]
    image.write(image.add(dump({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}),
                          INDEX, manifest=True))
    return image


def read_layout(folder):
    """{digest: bytes} of all blobs of a layout that a client wrote."""
    found = {}
    for algorithm in os.listdir(os.path.join(folder, "blobs")):
        for name in os.listdir(os.path.join(folder, "blobs", algorithm)):
            with open(os.path.join(folder, "blobs", algorithm, name), "rb") as f:
                found[f"{algorithm}:{name}"] = f.read()
    return found
