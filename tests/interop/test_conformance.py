#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The conformance program of the OCI distribution-spec against `stowage serve`: nothing fails, nothing
is skipped or disabled but what a case names.  Each of the program's tests that fails is named."""

import functools
import os
import re
import subprocess
import sys
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import stowage
import tap

CONFIG = os.path.join(stowage.ROOT, "tests/interop/conformance.conf")
# version 1.1 leaves them out unless they are asked for
NOT_IN_1_1 = {"Blob upload cancel", "Manifest put with tag params", "Sparse Manifests", "Tag Param",
              "Tag Param sha512"}
ASKED_FOR = {"OCI_API_BLOBS_UPLOAD_CANCEL": "true", "OCI_API_BLOBS_DIGEST_HEADER": "true",
             "OCI_API_MANIFESTS_DIGEST_HEADER": "true", "OCI_API_MANIFESTS_TAG_PARAM": "true",
             "OCI_DATA_SPARSE": "true"}
DRAFT = {"OCI_VERSION": "dev", "OCI_DATA_SPARSE": "true"}
PATIENCE = 400


@functools.lru_cache(None)
def minio():
    return stowage.Minio().start()


def server(driver, **named):
    srv = stowage.Server(driver, minio=minio() if driver == "s3" else None, **named).start()
    tap.defer(srv.stop)
    return srv


def run(srv, env):
    """(folder of the results, exit status)"""
    program = stowage.tool("conformance")
    folder = stowage.temporary("conformance")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OCI_")}
    done = subprocess.run([program], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False,
                          env=dict(inherited, OCI_REGISTRY=srv.host, OCI_TLS="disabled",
                                   OCI_LOG="error", OCI_RESULTS_DIR=folder, **env))
    if not os.path.exists(os.path.join(folder, "junit.xml")):
        raise AssertionError(f"no report, exit status {done.returncode}:\n{done.stdout[-4000:]}")
    return folder, done.returncode


def not_passed(suite):
    """{name: why} of its tests."""
    return {case.get("name"): (case.findtext("system-out") or "").strip()
            for case in suite.iter("testcase") if case.get("status") != "passed"}


def sections(folder):
    """{API or kind of data: status}"""
    with open(os.path.join(folder, "results.yaml"), encoding="utf-8") as f:
        results = f.read()
    found = {}
    for name in ("apis", "data"):
        part = re.search(rf"^{name}:\n((?:  .*\n)+)", results, re.M).group(1)
        found.update(re.findall(r"^  ([^:]+): (\w+)$", part, re.M))
    return found


def check(srv, env, least, disabled=(), skipped=()):
    """skipped and disabled are APIs and kinds of data; of the other tests each has passed."""
    folder, status = run(srv, env)
    suite = xml.etree.ElementTree.parse(os.path.join(folder, "junit.xml")).find("testsuite")
    counts = {k: int(suite.get(k, 0)) for k in ("tests", "failures", "errors", "skipped", "disabled")}
    print(" ".join(f"{k}={v}" for k, v in counts.items()))
    found, failed = sections(folder), not_passed(suite)
    named = "\n".join(f"  {name}: {why}" for name, why in failed.items())
    tap.equal((counts["failures"], counts["errors"]), (0, 0), f"failed:\n{named}\n")
    tap.equal({k for k, v in found.items() if v == "Disabled"}, set(disabled),
              f"disabled:\n{named}\n")
    tap.equal({k for k, v in found.items() if v == "Skip"}, set(skipped), f"skipped:\n{named}\n")
    tap.equal({v for k, v in found.items() if k not in disabled and k not in skipped}, {"Pass"})
    if not disabled:
        tap.equal(counts["disabled"], 0, named)
    if not skipped:
        tap.equal(counts["skipped"], 0, named)
    tap.equal(len(failed), counts["skipped"] + counts["disabled"], named)
    tap.ok(counts["tests"] >= least, f"{counts['tests']} tests, want {least} at least")
    tap.equal(status, 0, "exit status")
    tap.ok(" status=5" not in srv.log(), f"a fault of the server:\n{srv.log()[-4000:]}")


@tap.cases(memory="memory", filesystem="filesystem")
def version_1_1(driver):
    check(server(driver, config=CONFIG), {"OCI_VERSION": "1.1"}, 850, disabled=NOT_IN_1_1)


@tap.cases(memory="memory")
def version_1_1_with_all_that_can_be_asked_for(driver):
    check(server(driver, config=CONFIG), {"OCI_VERSION": "1.1", **ASKED_FOR}, 1000)


@tap.cases(filesystem="filesystem", s3="s3")
def draft_with_sparse_data(driver):
    check(server(driver, config=CONFIG), DRAFT, 1000)


@tap.cases(filesystem="filesystem", s3="s3")
def version_1_1_with_nothing_but_deletes(driver):
    """A mount without `from` begins an upload, which is no failure."""
    check(server(driver, env={"STOWAGE_DELETE_ENABLED": "yes"}), {"OCI_VERSION": "1.1"}, 850,
          disabled=NOT_IN_1_1, skipped={"Blob anonymous mount"})


@tap.test
def the_configuration_is_documented():
    with open(CONFIG, encoding="utf-8") as f:
        lines = "".join("    " + line if line.strip() else "\n" for line in f)
    with open(os.path.join(stowage.ROOT, "docs/conformance.md"), encoding="utf-8") as f:
        tap.ok(lines in f.read(), f"docs/conformance.md lacks:\n{lines}")


if __name__ == "__main__":
    tap.main()
