# SPDX-License-Identifier: Apache-2.0
"""`make install` into a folder of the test's own, and what it takes to build against it."""

import fcntl
import os
import subprocess

import stowage
import tap


def make(*args):
    """make as the build folder was made; its output."""
    with open(os.path.join(stowage.BUILD, "obj/flags"), encoding="utf-8") as f:
        compiler = f.read().split()[0]
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("STOWAGE_", "MAKE", "MFLAGS")) and k not in ("DESTDIR", "PREFIX")}
    command = ["make", "--no-print-directory", f"O={stowage.BUILD}", f"CC={compiler}", *args]
    with open(os.path.join(stowage.BUILD, "obj/installing"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would take each other's places
        done = subprocess.run(command, cwd=stowage.ROOT, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=500,
                              check=False)
    text = done.stdout.decode("utf-8", "replace")
    tap.equal(done.returncode, 0, f"make {' '.join(args)}:\n{text[-4000:]}\nexit status")
    return text


class Installed:
    """An installation with a PREFIX of its own."""

    def __init__(self):
        if stowage.SAN:
            tap.skip("what a sanitizer is in is not installed")
        self.prefix = os.path.join(stowage.temporary("installed"), "usr")
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith(("STOWAGE_", "PKG_CONFIG"))}
        self.env.pop("LD_LIBRARY_PATH", None)
        self.env["PKG_CONFIG_PATH"] = os.path.join(self.prefix, "lib/pkgconfig")
        make("install", f"PREFIX={self.prefix}")

    def path(self, *parts):
        return os.path.join(self.prefix, *parts)

    def run(self, command, cwd=None, env=None):
        """(exit status, output) of a shell's command line, or of a program with arguments."""
        done = subprocess.run(command, shell=isinstance(command, str), cwd=cwd or self.prefix,
                              env=dict(self.env, **(env or {})), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
                              check=False)
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def must(self, command, **named):
        status, text = self.run(command, **named)
        tap.equal(status, 0, f"{command}:\n{text}\nexit status")
        return text


def no_failures(tap_text):
    """The skipped cases of a program's TAP, in which nothing failed and nothing is missing."""
    lines = tap_text.splitlines()
    cases = [line for line in lines if line.startswith(("ok ", "not ok "))]
    tap.equal([c for c in cases if c.startswith("not ok ")], [], "cases that failed:\n" + tap_text)
    tap.equal(lines[-1:], [f"1..{len(cases)}"], "the last line")
    tap.ok(len(cases) > 40, f"{len(cases)} cases are too few")
    return [c for c in cases if " # SKIP " in c]
