# SPDX-License-Identifier: Apache-2.0
"""The S3 servers that the driver is tested on, beside MinIO: Versity Gateway on a folder and moto in
memory.  Each has the surface of stowage.Minio; ALL names the three."""

import os
import tempfile

import stowage


class Versity(stowage.Minio):
    """versitygw with its POSIX back end, which keeps what a file cannot hold in extended
    attributes."""

    name = "versitygw"
    tool = "versitygw"

    def __init__(self):
        super().__init__(_folder_with_attributes())

    def command(self):
        return [self.program, "--quiet", "--port", f"127.0.0.1:{self.port}", "posix", self.data]

    def environment(self):
        return {"ROOT_ACCESS_KEY": self.accesskey, "ROOT_SECRET_KEY": self.secretkey,
                "HOME": self.folder}

    def ready(self):
        return self.listens()


class Moto(stowage.Minio):
    """moto's server: it knows much of S3, and looks at no signature."""

    name = "moto"
    tool = "moto_server"
    patience = 60.0

    def command(self):
        return [self.program, "-H", "127.0.0.1", "-p", str(self.port)]

    def environment(self):
        return {"HOME": self.folder, "MOTO_S3_DEFAULT_MAX_KEYS": "1000"}

    def ready(self):
        return self.answers("/moto-api/data.json")


ALL = {"minio": stowage.Minio, "versity": Versity, "moto": Moto}


def _has_attributes(folder):
    try:
        os.setxattr(folder, "user.stowage", b"1")
        os.removexattr(folder, "user.stowage")
        return True
    except OSError:
        return False


def _folder_with_attributes():
    """Temporary folders may lie where there are none; then the build folder serves."""
    folder = stowage.temporary("versity")
    if _has_attributes(folder):
        return folder
    folder = tempfile.mkdtemp(prefix="versity-", dir=stowage.BUILD)
    stowage.remove_at_end(folder)
    if not _has_attributes(folder):
        raise OSError("neither the temporary nor the build folder has extended attributes")
    return folder
