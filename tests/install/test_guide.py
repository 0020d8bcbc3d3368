#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/writing-a-driver.md: the driver that the text shows compiles as the text says, against the
installed headers, and keeps the contract."""

import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import installed
import stowage
import tap

GUIDE = os.path.join(stowage.ROOT, "docs/writing-a-driver.md")
CONTRACT = os.path.join(stowage.BUILD, "tests/driver/contract")
OPTIONAL = r"the driver (does not offer (check|copy|remove_many|batch|write_park|purge_writes|presign)" \
           r"|counts no requests)"
_built = None


def blocks(language):
    with open(GUIDE, encoding="utf-8") as f:
        return re.findall(rf"^```{language}\n(.*?)^```$", f.read(), re.M | re.S)


def built():
    """(the installation, the folder with shelf.c and shelf.so in it)"""
    global _built
    if not _built:
        one = installed.Installed()
        folder = stowage.temporary("guide")
        with open(os.path.join(folder, "shelf.c"), "w", encoding="utf-8") as f:
            f.write("\n".join(blocks("c")))
        commands = blocks("sh")
        tap.equal(len(commands), 1, "the command that builds it")
        one.must(commands[0], cwd=folder)
        _built = one, folder
    return _built


def contract(folder, one):
    return one.must([CONTRACT, os.path.join(folder, "shelf.so"), "objects=10000"])


@tap.test
def keeps_the_contract():
    one, folder = built()
    for case in installed.no_failures(contract(folder, one)):
        tap.ok(re.search(rf"# SKIP {OPTIONAL}$", case), f"skipped, and not for an optional call: "
                                                        f"{case}")


@tap.cases(address="address,undefined", thread="thread")
def holds_under_a_sanitizer(sanitizer):
    """The text says to run it so; a program that is instrumented loads it."""
    one, folder = built()
    folder = stowage.temporary("guide")
    with open(os.path.join(folder, "shelf.c"), "w", encoding="utf-8") as f:
        f.write("\n".join(blocks("c")))
    flags = f"-fsanitize={sanitizer} -fno-sanitize-recover=all "
    one.must(blocks("sh")[0].replace("-shared", flags + "-shared", 1), cwd=folder)
    program = os.path.join(folder, "contract")
    root = stowage.ROOT
    one.must(f"cc -std=c11 -D_GNU_SOURCE -g -O1 {flags} -I{root}/include -I{root} -pthread "
             f"-o {program} {root}/tests/driver/contract*.c "
             f"$(ls {root}/common/*.c | grep -v -e http-client -e http-request -e jws) -ldl -lcrypto")
    command = [program, os.path.join(folder, "shelf.so")]
    if sanitizer == "thread" and shutil.which("setarch"):
        command = ["setarch", os.uname().machine, "-R", *command]
    text = one.must(command)
    installed.no_failures(text)
    tap.ok("Sanitizer" not in text and "runtime error" not in text, text)


@tap.test
def runs_a_server():
    """As the text says: plugin.conf names it, `stowage config` knows its option."""
    one, folder = built()
    with open(os.path.join(folder, "plugin.conf"), "w", encoding="utf-8") as f:
        f.write("".join(blocks("ini")))
    env = {"STOWAGE_DRIVER_PATH": folder}
    program = one.path("bin/stowage")
    text = one.must([program, "config", "-c", os.path.join(folder, "plugin.conf")], env=env)
    tap.ok(re.search(r"\[shelf\]\n(.*\n)*?objects = 50000", text), text)
    status, text = one.run([program, "config", "-c", os.path.join(folder, "plugin.conf")],
                           env=dict(env, STOWAGE_SHELF_OBJECTS="many"))
    tap.equal(status, 1, text)
    tap.ok("objects" in text and "many" in text, text)
    server = stowage.Server(driver="shelf", env=env).start()
    tap.equal(server.stop(), 0, server.log())


@tap.test
def must_be_able_to_fail():
    """A driver that lists one key too few does not pass."""
    one, folder = built()
    text = "\n".join(blocks("c"))
    broken = text.replace("if (list->past && is_at(s, i, list->cursor))", "if (list->past)", 1)
    tap.ok(broken != text, "the text has changed: break another line")
    folder = stowage.temporary("guide")
    with open(os.path.join(folder, "shelf.c"), "w", encoding="utf-8") as f:
        f.write(broken)
    one.must(blocks("sh")[0], cwd=folder)
    status, out = one.run([CONTRACT, os.path.join(folder, "shelf.so")])
    tap.equal(status, 1, out)
    tap.ok("\nnot ok " in out, out)


if __name__ == "__main__":
    tap.main()
