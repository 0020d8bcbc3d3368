#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The driver contract over memory, filesystem and s3 on MinIO.  Each test is one run of the program
build/tests/driver/contract; what did not hold comes out as its diagnostics."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import s3servers
import stowage
import tap


def contract(driver, *args):
    program = os.path.join(stowage.BUILD, "tests/driver/contract")
    plugin = os.path.join(stowage.BUILD, "drivers", f"{driver}.so")
    for path in (program, plugin):
        tap.ok(os.path.exists(path), f"{path} is not there")
    run = subprocess.run([program, plugin, *args], stdin=subprocess.DEVNULL, timeout=540,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors="replace")
    lines = run.stdout.splitlines()
    cases = [line for line in lines if line.startswith(("ok ", "not ok "))]
    for line in lines:
        # passed cases are many and say nothing
        if not line.startswith("ok ") or " # SKIP " in line:
            print(line.replace("# ", "", 1) if line.startswith("# ") else line)
    tap.ok(lines and lines[-1] == f"1..{len(cases)}",
           f"the program ended with {run.returncode} after {cases[-1:]}")
    bad = sum(line.startswith("not ok ") for line in cases)
    tap.equal((bad, run.returncode), (0, 0), "cases that failed, exit status")


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


def on_server(name):
    """What a server does not do is left out by the driver's own probe, and said."""
    server = s3servers.ALL[name]().start()
    contract("s3", "--loose-keys", f"bucket={server.new_bucket()}", "region=us-east-1",
             f"regionendpoint={server.endpoint}", f"accesskey={server.accesskey}",
             f"secretkey={server.secretkey}")


@tap.test
def s3():
    on_server("minio")


@tap.test
def s3_versity():
    on_server("versity")


@tap.test
def s3_moto():
    on_server("moto")


if __name__ == "__main__":
    tap.main()
