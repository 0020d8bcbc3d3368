# SPDX-License-Identifier: Apache-2.0
"""crane and skopeo as an operator types them, against servers without TLS."""

import os
import subprocess

import stowage

_home = None


def _run(command):
    global _home
    if not _home:  # what they keep must not outlive the test
        _home = stowage.temporary("client")
    env = dict(os.environ, HOME=_home, XDG_RUNTIME_DIR=_home, XDG_DATA_HOME=_home)
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
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
