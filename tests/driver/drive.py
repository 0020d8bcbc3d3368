# SPDX-License-Identifier: Apache-2.0
"""The Python side of the program tests/driver/drive: one driver, opened on a fake store, and its
calls one after the other.

    d = Drive(fake, bucket, rootdirectory="x")
    d("put", "key", "text").status    # "OK"
    d("get", "key").data              # b"text"
    d("list", "prefix/").all("key")   # ["prefix/..."]

Words are text, or bytes.  It must not know what a test expects.
"""

import os
import subprocess
import tempfile
import urllib.parse

import stowage
import tap


class Result:
    """A status and named fields, each of which may come more than once."""

    def __init__(self, line):
        self.status, *fields = line.rstrip("\n").split("\t")
        self.fields = [(name, urllib.parse.unquote_to_bytes(value))
                       for name, _, value in (field.partition("=") for field in fields)]

    def all(self, name):
        return [value.decode("utf-8", "surrogateescape") for n, value in self.fields if n == name]

    def __getitem__(self, name):
        values = self.all(name)
        tap.equal(len(values), 1, f"fields {name} of {self}")
        return values[0]

    @property
    def data(self):
        return next(value for name, value in self.fields if name == "data")

    @property
    def requests(self):
        return int(self["requests"])

    def __repr__(self):
        return f"{self.status} " + " ".join(f"{n}={v.decode('utf-8', 'replace')}"
                                            for n, v in self.fields)


class Drive:
    """The s3 driver on a fake; options as the driver names them, None takes one away.  environment:
    variables of the program alone."""

    def __init__(self, fake, bucket, environment=None, **options):
        given = {"bucket": bucket, "region": fake.region, "regionendpoint": fake.endpoint,
                 "accesskey": fake.accesskey, "secretkey": fake.secretkey,
                 "sessiontoken": fake.sessiontoken}
        given.update(options)
        program = os.path.join(stowage.BUILD, "tests/driver/drive")
        driver = os.path.join(stowage.BUILD, "drivers/s3.so")
        for path in (program, driver):
            tap.ok(os.path.exists(path), f"{path} is not there")
        pairs = [f"{name}={value}" for name, value in given.items() if value is not None]
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(stowage.sanitized([program, driver, *pairs]),
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=self._log,
                                         env={**os.environ, **(environment or {})})
        tap.defer(self.close)

    def close(self):
        """Ends the program; it must have found nothing to complain of."""
        if self._process.poll() is None:
            self._process.stdin.close()
        status = self._process.wait(60)
        self._process.stdout.close()
        tap.equal(status, 0, f"exit status of drive, whose log is:\n{self.log()}\n")
        self._log.close()

    def log(self):
        """What the driver has logged so far."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")

    def rss(self, peak=False):
        """Bytes that are resident in its memory, or were at most."""
        with open(f"/proc/{self._process.pid}/status", encoding="ascii") as f:
            lines = dict(line.split(":", 1) for line in f)
        return int(lines["VmHWM" if peak else "VmRSS"].split()[0]) << 10

    def __call__(self, command, *words):
        words = [urllib.parse.quote(word if isinstance(word, (bytes, str)) else str(word), safe="/")
                 for word in words]
        self._process.stdin.write((" ".join([command, *words]) + "\n").encode())
        self._process.stdin.flush()
        line = self._process.stdout.readline().decode("ascii")
        tap.ok(line.endswith("\n"), f"drive ended at {command}: {self.log()}")
        return Result(line)

    def must(self, command, *words):
        """The same, of a call that succeeds."""
        result = self(command, *words)
        tap.equal(result.status, "OK", f"{command} {words}: {result}")
        return result


def pattern(size):
    """What `write` writes."""
    block = bytes(range(251))
    return (block * (size // 251 + 1))[:size]
