# SPDX-License-Identifier: Apache-2.0
"""Real clients as an operator types them, against servers without TLS.

crane, skopeo, oras, regctl, podman and buildah are commands; Containerd and Dockerd are daemons
that a test starts and ends, with the command that talks to them.  No container is run.  What they
keep is in temporary folders.
"""

import functools
import gzip
import json
import os
import re
import subprocess

import images
import registry
import stowage
import tap


# ---- what they talk to: one of each kind for a test program ----

@functools.lru_cache(None)
def minio():
    return stowage.Minio().start()


@functools.lru_cache(None)
def server(driver):
    return stowage.Server(driver, minio=minio() if driver == "s3" else None,
                          env={"STOWAGE_DELETE_ENABLED": "yes"}).start()


@functools.lru_cache(None)
def image(kind):
    """single or multi."""
    make = images.layout if kind == "single" else images.multi
    return make(os.path.join(stowage.temporary("image"), "layout"))


@functools.lru_cache(None)
def home():
    """What the clients keep must not outlive the test."""
    folder = stowage.temporary("client")
    settings = os.path.join(folder, ".config/containers")
    os.makedirs(settings)
    with open(os.path.join(settings, "policy.json"), "wb") as f:
        f.write(images.dump({"default": [{"type": "insecureAcceptAnything"}]}))
    with open(os.path.join(folder, "registries.conf"), "wb"):
        pass
    with open(os.path.join(folder, "containers.conf"), "w", encoding="utf-8") as f:
        f.write('[engine]\nlock_type = "file"\ncgroup_manager = "cgroupfs"\n'
                'events_logger = "none"\n'
                + "".join(f'{key} = "{folder}/{key}"\n'
                          for key in ("tmp_dir", "static_dir", "volume_path"))
                + f'[network]\nnetwork_config_dir = "{folder}/networks"\n')
    return folder


def _run(command, env=None, stdin=subprocess.DEVNULL):
    env = dict(os.environ, HOME=home(), XDG_RUNTIME_DIR=home(), XDG_DATA_HOME=home(), **env or {})
    done = subprocess.run(command, env=env, stdin=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300, check=False)
    # crane tries TLS first and says on stderr when a server without it just closed
    text = done.stdout.decode("utf-8", "replace")
    trouble = done.stderr.decode("utf-8", "replace")
    if done.returncode != 0:
        raise AssertionError(
            f"{' '.join(command)}: exit status {done.returncode}\n{text}{trouble}")
    return text


def crane(*args):
    return _run([stowage.tool("crane"), "--insecure", *args])


def skopeo(*args):
    return _run([stowage.tool("skopeo"), "--insecure-policy", *args])


def crane_push(image, reference):
    crane("push", image.folder, reference)


def crane_pull(reference):
    """The folder of an OCI layout."""
    folder = os.path.join(stowage.temporary("pulled"), "layout")
    crane("pull", "--format=oci", reference, folder)
    return folder


def skopeo_push(image, reference, *more):
    skopeo("copy", "--all", "--dest-tls-verify=false", *more,
           f"oci:{image.folder}:{image.tag}", f"docker://{reference}")


def skopeo_pull(reference):
    folder = os.path.join(stowage.temporary("pulled"), "layout")
    skopeo("copy", "--all", "--preserve-digests", "--src-tls-verify=false",
           f"docker://{reference}", f"oci:{folder}:latest")
    return folder


def oras(*args):
    return _run([stowage.tool("oras"), *args])


def regctl(host, *args, settings="", stdin=subprocess.DEVNULL):
    """settings are more of the host's, such as ",blobChunk=1048576"."""
    return _run([stowage.tool("regctl"), "--host", f"reg={host},tls=disabled{settings}", *args],
                stdin=stdin)


def need_root(name):
    if os.geteuid() != 0:
        tap.skip(f"{name} wants root, or user namespaces that are set up for it")


def _beside(program):
    """Where a Debian package was unpacked, and the variables with which it runs there."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(program))))
    folders = [os.path.join(root, "usr", name) for name in ("bin", "sbin")]
    libraries = os.path.join(root, "usr/lib", f"{os.uname().machine}-linux-gnu")
    return root, {"PATH": ":".join([*folders, os.environ["PATH"]]), "LD_LIBRARY_PATH": libraries}


def _storage(name, args):
    need_root(name)
    program = stowage.tool(name)
    root, env = _beside(program)
    command = [program, "--storage-driver", "vfs", "--root", os.path.join(home(), name, "root"),
               "--runroot", os.path.join(home(), name, "run")]
    if name == "podman":
        command += ["--conmon", os.path.join(root, "usr/bin/conmon")]
    env.update(CONTAINERS_CONF=os.path.join(home(), "containers.conf"),
               CONTAINERS_REGISTRIES_CONF=os.path.join(home(), "registries.conf"),
               TMPDIR=home())
    return _run(command + list(args), env)


def podman(*args):
    return _storage("podman", args)


def buildah(*args):
    return _storage("buildah", args)


class _Daemon(stowage.Process):
    """Skips, with the daemon's own words, where the kernel does not let it run."""

    patience = 90.0
    refusals = re.compile("not permitted|permission denied|not supported|no such device", re.I)

    def __init__(self):
        need_root(self.name)
        self.program = stowage.tool(self.name)
        super().__init__()
        self.root, self.variables = _beside(self.program)
        self.socket = os.path.join(self.folder, "socket")

    def environment(self):
        return dict(self.variables, HOME=self.folder, TMPDIR=self.folder)

    def start(self):
        try:
            return super().start()
        except OSError as trouble:
            last = self.log().strip().splitlines()[-1:]
            if last and self.refusals.search(last[0]):
                tap.skip(f"{self.name} does not run here: {last[0]}")
            raise trouble


class Containerd(_Daemon):
    name = "containerd"

    def command(self):
        config = os.path.join(self.folder, "config.toml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f'version = 2\nroot = "{self.folder}/root"\nstate = "{self.folder}/state"\n'
                    'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                    f'[grpc]\n  address = "{self.socket}"\n')
        return [self.program, "--config", config]

    def ready(self):
        return "containerd successfully booted" in self._log_now()

    def ctr(self, *args):
        return _run([os.path.join(self.root, "usr/bin/ctr"), "--address", self.socket, *args])

    def content(self, digest):
        """The bytes of what it has stored."""
        done = subprocess.run([os.path.join(self.root, "usr/bin/ctr"), "--address", self.socket,
                               "content", "get", digest], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, timeout=300, check=True)
        return done.stdout


class Dockerd(_Daemon):
    name = "dockerd"

    def command(self):
        return [self.program, "--storage-driver=vfs", "--iptables=false", "--ip6tables=false",
                "--bridge=none", f"--data-root={self.folder}/data",
                f"--exec-root={self.folder}/exec", f"--pidfile={self.folder}/pid",
                f"--host=unix://{self.socket}"]

    def ready(self):
        return "API listen on" in self._log_now()

    def docker(self, *args):
        return _run([os.path.join(self.root, "usr/bin/docker"), "--host", f"unix://{self.socket}",
                     *args])


def same(found, wanted):
    """Everything of the image, and nothing else."""
    tap.equal(sorted(found), sorted(wanted.contents), "digests")
    for digest, data in wanted.contents.items():
        tap.ok(found[digest] == data, f"{digest}: {len(found[digest])} bytes differ")


def plain_layers(found, manifest):
    """Digests of the layers of a manifest (its digest) as they are before they are packed."""
    layers = [found[layer["digest"]] for layer in json.loads(found[manifest])["layers"]]
    return [images.digest(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
            for data in layers]


def diff_ids(image, architecture="amd64"):
    for data in image.blobs.values():
        if data[:1] == b"{" and json.loads(data).get("architecture") == architecture:
            return json.loads(data)["rootfs"]["diff_ids"]
    raise AssertionError(f"no config of {architecture}")


def holds_layers(server, name, reference, wanted):
    """A client that packs layers again may push other bytes: the layers within are the same, each
    digest that the registry gives is that of its bytes.  Returns what was pulled."""
    client = registry.Client(server)
    found = client.pull(name, reference)
    for digest, data in found.items():
        tap.equal(images.digest(data), digest)
    top = client.manifest(name, reference).headers["Docker-Content-Digest"]
    tap.equal(plain_layers(found, top), wanted, f"layers of {name}:{reference}")
    return found
