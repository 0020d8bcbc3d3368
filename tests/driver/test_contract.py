#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The driver contract over memory, filesystem, and s3 on three servers."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import s3servers
import stowage
import tap
from contract import contract


def folder_is_clean(folder):
    """Nothing but the folder for what is unfinished, and that is empty."""
    left = [os.path.join(top, name) for top, folders, files in os.walk(folder)
            for name in folders + files]
    tap.equal(left, [os.path.join(folder, ".stowage-tmp")], "left behind")


@tap.test
def memory():
    contract("memory")


@tap.test
def filesystem():
    folder = os.path.join(stowage.temporary("contract"), "root")
    contract("filesystem", f"rootdirectory={folder}", "fsync=no")
    folder_is_clean(folder)


@tap.test
def filesystem_synced():
    folder = os.path.join(stowage.temporary("contract"), "root")
    contract("filesystem", f"rootdirectory={folder}")
    folder_is_clean(folder)


def on_server(name, *options):
    """What a server does not do is left out by the driver's own probe, and said."""
    server = s3servers.ALL[name]().start()
    contract("s3", "--loose-keys", f"bucket={server.new_bucket()}", "region=us-east-1",
             f"regionendpoint={server.endpoint}", f"accesskey={server.accesskey}",
             f"secretkey={server.secretkey}", *options)


@tap.test
def s3():
    on_server("minio")


@tap.test
def s3_on_little():
    """Memory for four parts, and fewer connections than readers."""
    on_server("minio", "--only", "read", "memory=40M", "maxconnections=2", "iothreads=1",
              "maxretries=0")


@tap.test
def s3_versity():
    on_server("versity")


@tap.test
def s3_moto():
    on_server("moto")


if __name__ == "__main__":
    tap.main()
