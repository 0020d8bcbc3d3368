#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Types the README's tour into a shell, and compares what it prints with what the README says."""

import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stowage  # noqa: E402
import tap  # noqa: E402

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "README.md")
MARK = "Now kill the server with `kill -9`"


def commands(text):
    """(command, expected output) of each console block, in order."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.S | re.M):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append([line[2:], []])
            elif line.startswith("> "):
                found[-1][0] += "\n" + line[2:]
            else:
                found[-1][1].append(line)
    return found


class Shell:
    """One bash that is typed into; a line of its own ends each answer."""

    def __init__(self, folder):
        self.bash = subprocess.Popen(
            ["bash"], cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=dict(os.environ, no_proxy="*"))

    def type(self, command):
        self.bash.stdin.write(command + "\nprintf '\\n-- end --\\n'\n")
        self.bash.stdin.flush()
        lines = []
        while True:
            line = self.bash.stdout.readline()
            if not line:
                raise AssertionError("the shell ended")
            if line.rstrip("\n") == "-- end --":
                break
            lines.append(line.rstrip("\n"))
        return [line for line in lines if line != ""]

    def end(self):
        self.bash.stdin.close()
        self.bash.wait(10)
        self.bash.stdout.close()


def type_all(shell, server, text):
    for command, expected in commands(text):
        got = shell.type(command.replace("127.0.0.1:5000", "127.0.0.1:%d" % server.port))
        assert got == expected, "%s\nprinted %r\nand not %r" % (command, got, expected)


@tap.test
def the_tour_prints_what_it_says():
    with open(README, encoding="utf-8") as f:
        text = f.read()
    assert text.count(MARK) == 1
    before, after = text.split(MARK)
    assert len(commands(before)) > 10 and len(commands(after)) > 3
    with tempfile.TemporaryDirectory() as folder:
        server = stowage.Server(driver="filesystem", folder=os.path.join(folder, "registry"))
        server.start()
        shell = Shell(folder)
        try:
            type_all(shell, server, before)
            server.kill()
            # the port of the first start: the tour's variables hold it
            server.env["STOWAGE_HTTP_LISTEN"] = "127.0.0.1:%d" % server.port
            server.start()
            type_all(shell, server, after)
        finally:
            shell.end()
            server.stop()


if __name__ == "__main__":
    tap.main()
