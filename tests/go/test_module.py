#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""host/distribution, tested by Go's own tools; each Go test is a line of TAP.

Usage: test_module.py [short|long]
short: layout, vet, all tests with upstream's driver suite -short, again under the race detector and
with -asan.  long: the suite whole, with its stream of 5 GiB, over s3 and filesystem; it takes 2 GB of
memory and 6 GB in the folder for temporary files.
A MinIO is started for s3.  The Go tests need nothing else than the environment that is made here.
"""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stowage  # noqa: E402
import tap  # noqa: E402

MODULE = os.path.join(stowage.ROOT, "host", "distribution")
# What the suite may take.  Where bytes read are not those written, it makes a text of their
# difference: 0.7 GB for each of the 32 streams of 32 MiB that it compares side by side.
LONG_MEMORY = 4 << 30


class Count:
    """Lines of TAP as they come; how many there will be is known at the end."""

    number = failed = 0

    @classmethod
    def line(cls, ok, name, skipped=None, output=()):
        cls.number += 1
        cls.failed += not ok
        if not ok:
            for text in output:
                tap.note(text.rstrip("\n"))
        directive = f" # SKIP {skipped}" if skipped else ""
        print(f"{'ok' if ok else 'not ok'} {cls.number} - {name}{directive}", flush=True)


def environment():
    minio = stowage.Minio().start()
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("STOWAGE_", "REGISTRY_", "AWS_", "MINIO_"))}
    env.update(
        GOFLAGS="-mod=readonly", GOTOOLCHAIN="local", CGO_ENABLED="1", GODEBUG="cgocheck=1",
        CGO_CFLAGS=subprocess.run([os.path.join(MODULE, "cgo-flags")], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout.strip(),
        STOWAGE_DRIVER_PATH=os.path.join(stowage.BUILD, "drivers"),
        STOWAGE_BROKEN_DRIVERS=os.path.join(stowage.BUILD, "tests", "abi", "broken"),
        STOWAGE_S3_REGION="us-east-1", STOWAGE_S3_REGIONENDPOINT=minio.endpoint,
        STOWAGE_S3_BUCKET=minio.new_bucket(), STOWAGE_S3_ACCESSKEY=minio.accesskey,
        STOWAGE_S3_SECRETKEY=minio.secretkey)
    return env


def command(name, env, *args):
    """One command, one test; what it prints is shown where it fails, or where it may print
    nothing."""
    run = subprocess.run(args, cwd=MODULE, env=env, stdin=subprocess.DEVNULL, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    quiet = args[0] != "gofmt" or not run.stdout.strip()
    Count.line(run.returncode == 0 and quiet, name, output=run.stdout.splitlines())


def last_words(said):
    """Of a package that died, which test was under way and the first of the stacks, where the
    cause stands; else the end of what it said."""
    for at, text in enumerate(said):
        if text.startswith(("fatal error:", "panic:", "SIG")):
            return [t for t in said[:at] if t.startswith("=== RUN")][-1:] + said[at:at + 60]
    return said[-200:]


def go_tests(label, env, *flags):
    """Runs `go test -json`; a package that does not build or dies is a failed test, too."""
    # not the registry itself: all that it links would be built anew for each kind of instrument
    run = subprocess.Popen(["go", "test", "-json", "-count=1", *flags, ".", "./internal/..."],
                           cwd=MODULE, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, errors="replace")
    output, seen, other = {}, 0, []
    for line in run.stdout:
        try:
            event = json.loads(line)
        except ValueError:
            other.append(line)
            continue
        test, action = event.get("Test"), event.get("Action")
        key = (event.get("Package") or event.get("ImportPath"), test)
        if action in ("output", "build-output"):
            output.setdefault(key, []).append(event["Output"])
        elif action in ("pass", "fail", "skip") and test:
            seen += 1
            said = output.pop(key, [])
            why = next((t.strip() for t in said if not t.lstrip().startswith(("===", "---"))), "")
            Count.line(action != "fail", label + test, output=said,
                       skipped=(why or "no reason") if action == "skip" else None)
        elif action == "fail":  # a package
            said = [t for lines in output.values() for t in lines]
            Count.line(False, f"{label}package {key[0]}", output=last_words(said))
    run.wait()
    if not seen or (run.returncode and not Count.failed):
        Count.line(False, f"{label}go test", output=other + [f"exit status {run.returncode}"])


def address_flags(env):
    """-asan wants clang or a gcc whose run time Go knows; a leak check knows nothing of Go."""
    return dict(env, CC="clang-14", ASAN_OPTIONS="detect_leaks=0")


def main():
    what = sys.argv[1] if len(sys.argv) > 1 else "short"
    if what not in ("short", "long"):
        sys.exit(f"usage: {sys.argv[0]} [short|long]")
    if not shutil.which("go"):
        print("1..1")
        Count.line(False, "there is a go")
        sys.exit(1)
    env = environment()
    if what == "long":
        go_tests("long: ", dict(env, GOMEMLIMIT="2GiB"), "-timeout", "90m", "-run", "Suite",
                 "-exec", f"prlimit --data={LONG_MEMORY}")
    else:
        command("gofmt", env, "gofmt", "-l", ".")
        command("go vet", env, "go", "vet", "./...")
        go_tests("", env, "-short", "-timeout", "10m")
        go_tests("race: ", env, "-short", "-race", "-timeout", "15m")
        go_tests("asan: ", address_flags(env), "-short", "-asan", "-timeout", "15m")
    print(f"1..{Count.number}")
    sys.exit(1 if Count.failed else 0)


if __name__ == "__main__":
    main()
