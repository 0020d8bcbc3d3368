# SPDX-License-Identifier: Apache-2.0
"""The program build/tests/driver/contract as one test: a driver, its options and flags."""

import os
import subprocess

import stowage
import tap


def contract(driver, *args):
    """What did not hold is printed, passed cases are not."""
    program = os.path.join(stowage.BUILD, "tests/driver/contract")
    plugin = os.path.join(stowage.BUILD, "drivers", f"{driver}.so")
    for path in (program, plugin):
        tap.ok(os.path.exists(path), f"{path} is not there")
    run = subprocess.run(stowage.sanitized([program, plugin, *args]), stdin=subprocess.DEVNULL,
                         timeout=540, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, errors="replace")
    lines = run.stdout.splitlines()
    cases = [line for line in lines if line.startswith(("ok ", "not ok "))]
    for line in lines:
        if not line.startswith("ok ") or " # SKIP " in line:
            print(line.replace("# ", "", 1) if line.startswith("# ") else line)
    tap.ok(lines and lines[-1] == f"1..{len(cases)}",
           f"the program ended with {run.returncode} after {cases[-1:]}")
    bad = sum(line.startswith("not ok ") for line in cases)
    tap.equal((bad, run.returncode), (0, 0), "cases that failed, exit status")


def on_fake(fake, *more, endpoint=None):
    """The contract over s3 on a started scripted store, with more options; it leaves nothing there."""
    bucket = fake.new_bucket()
    contract("s3", f"bucket={bucket}", f"region={fake.region}",
             f"regionendpoint={endpoint or fake.endpoint}", f"accesskey={fake.accesskey}",
             f"secretkey={fake.secretkey}", *more)
    tap.equal(fake.objects(bucket), {}, "objects left")
    tap.equal(list(fake.bucket(bucket).uploads), [], "uploads left")
