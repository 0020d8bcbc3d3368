# SPDX-License-Identifier: Apache-2.0
"""CNCF Distribution on a bucket, with its own s3 driver or with Stowage's: the same configuration
but for the storage section, which has the same parameters."""

import os
import subprocess

import stowage
import tap

MIB = 1 << 20
UPSTREAM, STOWAGE = "upstream", "stowage"
KINDS = (UPSTREAM, STOWAGE)


def program(kind):
    if kind == UPSTREAM:
        return stowage.tool("registry")
    path = os.path.join(stowage.BUILD, "registry-stowage")
    if not os.access(path, os.X_OK):
        tap.skip("registry-stowage is not there; make registry-stowage brings it")
    return path


def environment(kind, folder):
    env = {"OTEL_TRACES_EXPORTER": "none", "HOME": folder}
    if kind == STOWAGE:
        env["STOWAGE_DRIVER_PATH"] = os.path.join(stowage.BUILD, "drivers")
    return env


class Registry(stowage.Distribution):
    """server is a started Minio, or a Proxy before one.  parameters adds to the driver's, or takes
    away what is None; more is text at the end of the configuration's storage section."""

    def __init__(self, kind, server, bucket=None, prefix=None, redirect=False, cache=False,
                 parameters=None, more=""):
        super().__init__(minio=server, bucket=bucket, prefix=prefix)
        self.kind, self.name, self.program = kind, f"registry ({kind})", program(kind)
        self.redirect, self.cache, self.more = redirect, cache, more
        self.parameters = parameters or {}

    def storage(self):
        """The storage section's lines."""
        own = {} if self.kind == UPSTREAM else {"driver": "s3"}
        own.update(accesskey=self.minio.accesskey, secretkey=self.minio.secretkey,
                   region="us-east-1", regionendpoint=self.minio.endpoint, bucket=self.bucket,
                   forcepathstyle="true", secure="false", chunksize=str(10 * MIB))
        if self.prefix:
            own["rootdirectory"] = self.prefix
        own.update(self.parameters)
        lines = ["s3:" if self.kind == UPSTREAM else "stowage:"]
        lines += [f"  {k}: {v}" for k, v in own.items() if v is not None]
        lines += ["delete:", "  enabled: true", "maintenance:", "  uploadpurging:",
                  "    enabled: false"]
        if not self.redirect:
            lines += ["redirect:", "  disable: true"]
        if self.cache:
            lines += ["cache:", "  blobdescriptor: inmemory"]
        return lines + self.more.splitlines()

    def command(self):
        text = "version: 0.1\nlog:\n  level: info\nstorage:\n"
        text += "".join(f"  {line}\n" for line in self.storage())
        text += f"http:\n  addr: 127.0.0.1:{self.port}\n  secret: stowage-tests\n"
        path = os.path.join(self.folder, "config.yml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return [self.program, "serve", path]

    def environment(self):
        return environment(self.kind, self.folder)

    def refused(self, env=None, seconds=20):
        """What it says where its configuration stops the start."""
        self.port = self.port or stowage.free_port()
        inherited = {k: v for k, v in os.environ.items()
                     if not k.startswith(("STOWAGE_", "REGISTRY_", "AWS_"))}
        inherited.update(self.environment(), **(env or {}))
        try:
            done = subprocess.run(self.command(), env=inherited, cwd=self.folder,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=seconds, check=False)
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f"it has started all the same:\n{e.stdout!r}") from None
        text = done.stdout.decode("utf-8", "replace")
        tap.ok(done.returncode > 0, f"exit status {done.returncode}:\n{text}")
        return text
