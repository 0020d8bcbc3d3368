#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drivers that are broken, and files that are none: the start ends with one clear line.  Drivers that
talk nonsense: requests fail, the server lives.  Their sources are tests/abi/broken."""

import os
import re
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import registry
import stowage
import tap

BROKEN = os.path.join(stowage.BUILD, "tests/abi/broken")
MEMORY = os.path.join(stowage.BUILD, "drivers/memory.so")
DIGEST = "sha256:" + "0" * 64

MISSING = {
    "open": "there is no way to an instance",
    "close": "an instance could never end",
    "stat": "nobody could tell whether an object is there",
    "get": "no small object could be read",
    "put": "no small object could be written",
    "remove": "no object could be taken away",
    "read_open": "no big object could be read",
    "read": "a reader would give nothing",
    "read_close": "a reader could never end",
    "write_open": "no big object could be written",
    "write": "a writer would take nothing",
    "write_commit": "nothing written would become visible",
    "write_close": "a writer could never end",
    "list_open": "no keys could be listed",
    "list_next": "a listing would give nothing",
    "list_close": "a listing could never end",
}
NAME = "does not say its name in lower-case letters, digits and '-'"
TEXTS = "does not say its version and summary, a line each"
REFUSED = {
    "wrong-major": r"is built for driver ABI 2\.1, this libstowage takes 1\.x",
    "wrong-name": "calls itself \"righty\", a driver's file is named like it",
    "bad-name": NAME,
    "no-name": NAME,
    "no-version": TEXTS,
    "long-summary": TEXTS,
    "no-entry": r"is no driver of major 1: it has no stow_driver_v1\(\)",
    "null-entry": r"stow_driver_v1\(\) gave no table",
    "half-table": r"its table has \d+ bytes, which ends inside of a call",
    "short-table": r"its table has \d+ bytes, ABI 1 begins with \d+",
    "no-size": r"its table has 0 bytes, ABI 1 begins with \d+",
    "no-options": "has no option table",
    "option-name": "option 0 has a name other than lower-case letters and digits",
    "option-twice": "option a is there twice",
    "option-type": "option a has the type 99, known are 1 to 5",
    "option-help": "option a has no help of one line",
    "option-default": 'the default "big" of option a is not a size such as 8M',
    "option-endless": "the option table has no end",
}


NOBODY = 65534


def become_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def run(command, driver, folder, prepare=None):
    """stowage COMMAND with that driver from that folder; (status, stdout, stderr)."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("STOWAGE_")}
    env.update(STOWAGE_STORAGE_DRIVER=driver, STOWAGE_DRIVER_PATH=folder,
               STOWAGE_HTTP_LISTEN="127.0.0.1:0")
    done = subprocess.run(stowage.sanitized([os.path.join(stowage.BUILD, "stowage"), command]),
                          env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                          preexec_fn=prepare, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "replace")


def refused(driver, folder, pattern, prepare=None):
    """Both commands end with status 1 and that one line."""
    for command in ("serve", "config"):
        status, out, err = run(command, driver, folder, prepare)
        tap.equal((status, out, err.count("\n")), (1, "", 1), f"{command}: {err}")
        tap.ok(re.fullmatch(rf"stowage: (\S+: \[storage\] driver: )?{pattern}\n", err),
               f"{command}: {err!r} is not {pattern!r}")


def path_of(folder, driver):
    return re.escape(os.path.join(folder, driver + ".so"))


def all_broken():
    return sorted(f[:-3] for f in os.listdir(BROKEN) if f.endswith(".so"))


@tap.test
def every_one_is_tried():
    known = {*REFUSED, *NONSENSE, *("missing-" + c.replace("_", "-") for c in MISSING)}
    tap.equal(set(all_broken()), known)


@tap.cases(**{n.replace("-", "_"): (n, t) for n, t in REFUSED.items()})
def broken_table(name, text):
    refused(name, BROKEN, f"{path_of(BROKEN, name)}: {text}")


@tap.cases(**{c: (c, t) for c, t in MISSING.items()})
def without(call, why):
    name = "missing-" + call.replace("_", "-")
    refused(name, BROKEN, f"{path_of(BROKEN, name)}: has no {call}: {why}")


# ---- files that are no driver ----

def in_folder(data, name="memory"):
    folder = stowage.temporary("no-driver")
    with open(os.path.join(folder, name + ".so"), "wb") as f:
        f.write(data)
    return folder


def memory():
    with open(MEMORY, "rb") as f:
        return f.read()


@tap.test
def missing():
    folder = stowage.temporary("no-driver")
    refused("tape", folder, rf'no driver "tape" in {folder}, .*')


@tap.cases(empty=b"", text=b"not a driver\n" * 50, short=b"\x7fEL", script=b"#!/bin/sh\nexit 0\n")
def junk(data):
    folder = in_folder(data)
    refused("memory", folder, f"{path_of(folder, 'memory')}: is no shared object")


@tap.test
def truncated():
    """Not loaded as far as it goes: that would end the process with SIGBUS."""
    whole = memory()
    for length in (4, 16, 63, 64, 65, 120, 400, 4095, 4096, 4097, 8192, len(whole) // 2,
                   len(whole) * 9 // 10, len(whole) - 64, len(whole) - 1):
        folder = in_folder(whole[:length])
        refused("memory", folder, f"{path_of(folder, 'memory')}: is cut short: its headers speak of "
                                  f"more than its {length} bytes")


@tap.test
def truncated_without_sections():
    """Stripped of its section headers, it is the segments that tell."""
    whole = bytearray(memory())
    whole[0x28:0x30] = bytes(8)  # e_shoff
    whole[0x3c:0x40] = bytes(4)  # e_shnum, e_shstrndx
    end = max(offset + size for _, offset, size in segments(whole))
    for length in (end - 1, end // 2, 4096):
        folder = in_folder(whole[:length])
        refused("memory", folder, f"{path_of(folder, 'memory')}: is cut short: .*")
    status, _, err = run("config", "memory", in_folder(whole[:end]))
    tap.equal(status, 0, err)


def segments(data):
    """[(type, offset, bytes in the file)] of a 64-bit ELF."""
    at, size, count = struct.unpack_from("<Q", data, 0x20)[0], *struct.unpack_from("<HH", data, 0x36)
    found = []
    for i in range(count):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", data, at + i * size)
        found.append((kind, offset, length))
    return found


@tap.cases(machine=(0x12, b"\x08\x00"), elf_class=(4, b"\x01"))
def of_another_machine(at, value):
    data = bytearray(memory())
    data[at:at + len(value)] = value
    folder = in_folder(data)
    refused("memory", folder, f"{path_of(folder, 'memory')}: is built for another machine "
                              r"\(ELF class \d, machine \d+\)")


@tap.cases(no_segments=(0x38, b"\0\0", "is no shared object: it has 0 segments of 56 bytes"),
           many_segments=(0x38, b"\xff\xff", "is no shared object: it has 65535 segments of 56 "
                                             "bytes"),
           segment_size=(0x36, b"\1\0", r"is no shared object: it has \d+ segments of 1 bytes"),
           far_segments=(0x20, b"\xff" * 8, "is cut short: .*"),
           far_sections=(0x28, b"\xff" * 8, "is cut short: .*"),
           an_object=(0x10, b"\1\0", "is no shared object"),
           order=(5, b"\2", "cannot be loaded: .*"),
           version=(6, b"\7", "cannot be loaded: .*"))
def bad_header(at, value, text):
    data = bytearray(memory())
    data[at:at + len(value)] = value
    folder = in_folder(data)
    refused("memory", folder, f"{path_of(folder, 'memory')}: {text}")


@tap.test
def another_library():
    """A shared object like any other is no driver."""
    folder = stowage.temporary("no-driver")
    shutil.copy(os.path.join(stowage.BUILD, "libstowage.so.0"), os.path.join(folder, "tape.so"))
    refused("tape", folder, rf"{path_of(folder, 'tape')}: is no driver of major 1: "
                            r"it has no stow_driver_v1\(\)")


@tap.cases(folder=os.mkdir, fifo=os.mkfifo)
def not_a_file(make):
    folder = stowage.temporary("no-driver")
    make(os.path.join(folder, "tape.so"))
    refused("tape", folder, rf'no driver "tape" in {folder}, .*')


@tap.test
def unreadable():
    folder = in_folder(memory())
    os.chmod(folder, 0o755)
    os.chmod(os.path.join(folder, "memory.so"), 0)
    prepare = None
    if os.geteuid() == 0:  # root may read all
        prepare = become_nobody
        try:
            run("version", "memory", folder, prepare)
        except OSError:
            tap.skip("nobody but root may run what was built")
    refused("memory", folder, f"{path_of(folder, 'memory')}: cannot be read: Permission denied",
            prepare)


@tap.test
def dangling():
    folder = stowage.temporary("no-driver")
    os.symlink("/no/such/driver.so", os.path.join(folder, "tape.so"))
    refused("tape", folder, rf'no driver "tape" in {folder}, .*')


# ---- nonsense ----

# What the log says once something has met it; None where it does no harm.
NONSENSE = {
    "nonsense-positive": r"driver nonsense-positive answered 7, which is no status",
    "nonsense-status": r"driver nonsense-status answered -99, which is no status",
    "nonsense-silent": r"input/output, and driver nonsense-silent gives no reason",
    "nonsense-text": r"A{100}",
    "nonsense-size": r"answered a size below 0|a key or size that cannot be",
    "nonsense-length": r"bytes into a room of \d+",
    "nonsense-order": r"out of order",
    "nonsense-repeat": r"out of order",
    "nonsense-prefix": r"is not below",
    "nonsense-key": r"a key or size that cannot be",
    "nonsense-null": r"listed no key",
    "nonsense-folder": r"the folder .* without a slash",
    "nonsense-offset": r"answered an offset below 0",
    "nonsense-self": None,
}


def ask(server):
    """One of each kind of request; their statuses."""
    client = registry.Client(server, timeout=30)
    seen = []
    for method, path, body in (
            ("GET", "/v2/_catalog", None), ("GET", "/v2/a/tags/list", None),
            ("GET", f"/v2/a/manifests/{DIGEST}", None), ("GET", "/v2/a/manifests/t", None),
            ("HEAD", f"/v2/a/blobs/{DIGEST}", None), ("GET", f"/v2/a/blobs/{DIGEST}", None),
            ("PUT", "/v2/a/manifests/t", b"{}"),
            ("POST", "/v2/a/blobs/uploads/?digest=" + EMPTY, b"")):
        seen.append((method, path, client.request(method, path, body).status))
    upload = client.request("POST", "/v2/a/blobs/uploads/", b"")
    seen.append(("POST", "uploads", upload.status))
    if upload.status == 202:
        # more than is kept in memory, so that it goes through a writer
        data = b"x" * (6 << 20)
        answer = client.request("PATCH", upload.headers["Location"], data,
                                {"Content-Type": "application/octet-stream"})
        seen.append(("PATCH", "uploads", answer.status))
    return seen


EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@tap.cases(**{n.split("-")[1]: (n, t) for n, t in NONSENSE.items()})
def nonsense(name, text):
    server = stowage.Server(driver=name, env={"STOWAGE_DRIVER_PATH": BROKEN,
                                              "STOWAGE_HTTP_SECRET": "0123456789abcdef0123456789"})
    try:
        server.start()
    except OSError as e:  # the check at the start met it: then with a line that says so
        tap.ok(text and re.search(text, str(e)) and " ended with 1 " in str(e), str(e))
        return
    seen = ask(server)
    tap.equal(any(status >= 500 for _, _, status in seen), text is not None, f"failed: {seen}")
    tap.equal(registry.Client(server).request("GET", "/v2/").status, 200, "lives on")
    log = server.log()
    tap.ok(text is None or re.search(text, log), f"{text!r} is not in the log:\n{log}")
    tap.equal(server.stop(), 0, log)


if __name__ == "__main__":
    tap.main()
