#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`make install` and `make uninstall`: what lies where, that it works from there, and that a program
of somebody else's builds against it with pkg-config alone."""

import hashlib
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import installed
import registry
import stowage
import tap

DRIVERS = ("filesystem", "memory", "s3")
EXAMPLE = os.path.join(stowage.ROOT, "examples/put-get.c")
_one = None


def one():
    """The installation that most tests look at; no test changes it."""
    global _one
    if not _one:
        _one = installed.Installed()
    return _one


def expected():
    """{path below the prefix: mode} of all that is installed."""
    files = {"bin/stowage": 0o755, "lib/libstowage.so.0": 0o755, "include/stowage.h": 0o644,
             "lib/pkgconfig/stowage.pc": 0o644, "share/man/man1/stowage.1": 0o644,
             "share/man/man5/plugin.conf.5": 0o644, "share/man/man5/stowage-s3.5": 0o644}
    files.update((f"lib/stowage/drivers/{d}.so", 0o755) for d in DRIVERS)
    files.update((f"include/stowage/{h}.h", 0o644)
                 for h in ("config", "driver", "registry", "store", "types"))
    return files


def files_below(folder):
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            mode = os.readlink(path) if os.path.islink(path) else os.stat(path).st_mode & 0o7777
            found[os.path.relpath(path, folder)] = mode
    return found


def readelf(path, *options):
    return subprocess.run(["readelf", "-W", *options, path], stdout=subprocess.PIPE,
                          check=True).stdout.decode()


@tap.test
def files_and_modes():
    want = dict(expected(), **{"lib/libstowage.so": "libstowage.so.0"})
    tap.equal(files_below(one().prefix), want)


@tap.test
def staged_and_uninstalled():
    """DESTDIR is where it is put, PREFIX what it believes; uninstall leaves what is not ours."""
    if stowage.SAN:
        tap.skip("what a sanitizer is in is not installed")
    stage = stowage.temporary("stage")
    places = (f"DESTDIR={stage}", "PREFIX=/opt/stowage", "LIBDIR=/opt/stowage/lib64",
              "MANDIR=/usr/man")
    installed.make("install", *places)
    want = {}
    for path, mode in dict(expected(), **{"lib/libstowage.so": "libstowage.so.0"}).items():
        path = re.sub("^lib/", "lib64/", path)
        want["usr/man/" + path[10:] if path.startswith("share/man/") else f"opt/stowage/{path}"] = mode
    tap.equal(files_below(stage), want)
    with open(os.path.join(stage, "opt/stowage/lib64/pkgconfig/stowage.pc"), encoding="utf-8") as f:
        text = f.read()
    tap.ok("prefix=/opt/stowage\nlibdir=${prefix}/lib64\n" in text and stage not in text, text)
    program = os.path.join(stage, "opt/stowage/bin/stowage")
    tap.ok("[/opt/stowage/lib64]" in readelf(program, "-d"), "the run path is the library's folder")
    with open(os.path.join(stage, "opt/stowage/lib64/libstowage.so.0"), "rb") as f:
        data = f.read()
    tap.ok(b"/opt/stowage/lib64" in data and stage.encode() not in data, "folder of drivers")
    other = os.path.join(stage, "opt/stowage/lib64/stowage/drivers/tape.so")
    with open(other, "wb"):
        pass
    installed.make("uninstall", *places)
    tap.equal(files_below(stage), {os.path.relpath(other, stage): 0o644}, "left over")
    os.unlink(other)
    installed.make("install", *places)
    installed.make("uninstall", *places)
    tap.ok(not os.path.exists(os.path.join(stage, "opt/stowage/lib64/stowage")),
           "a folder of ours is left")


@tap.test
def soname_and_symbols():
    library = one().path("lib/libstowage.so.0")
    tap.ok("Library soname: [libstowage.so.0]" in readelf(library, "-d"), "soname")
    text = subprocess.run(["objdump", "-T", library], stdout=subprocess.PIPE,
                          check=True).stdout.decode()
    symbols = re.findall(r"^[0-9a-f]+ g .*\s(\S+)\s+(\S+)$", text, re.M)
    functions = [s for v, s in symbols if s.startswith("stow_")]
    tap.ok(len(functions) > 30 and "stow_driver_load" in functions, f"functions: {functions}")
    tap.equal([(v, s) for v, s in symbols if v != "STOWAGE_0"], [], "without a version")
    tap.equal([s for _, s in symbols if not s.startswith("stow_") and s != "STOWAGE_0"], [],
              "not ours")
    tap.ok(re.search(r"libstowage\.so\.0.*\n.*STOWAGE_0", readelf(one().path("bin/stowage"), "-V")),
           "the program asks for the version")


@tap.test
def nothing_of_the_build_folder():
    for path in ("bin/stowage", "lib/libstowage.so.0",
                 *(f"lib/stowage/drivers/{d}.so" for d in DRIVERS)):
        path = one().path(path)
        paths = re.findall(r"(?:RPATH|RUNPATH).*\[(.*)\]", readelf(path, "-d"))
        tap.equal(paths, [one().path("lib")] if path.endswith("bin/stowage") else [], path)
        text = one().must(["ldd", path])
        tap.ok("not found" not in text and stowage.BUILD + "/" not in text, f"{path}: {text}")


@tap.test
def pkg_config():
    tap.equal(one().must("pkg-config --modversion stowage").strip(), version())
    prefix = one().prefix
    tap.equal(one().must("pkg-config --cflags --libs stowage").split(),
              [f"-I{prefix}/include", f"-L{prefix}/lib", "-lstowage"])
    tap.equal(one().must("pkg-config --variable=driverdir stowage").strip(),
              f"{prefix}/lib/stowage/drivers")
    # moved elsewhere
    tap.equal(one().must("pkg-config --define-variable=prefix=/else --cflags --libs stowage").split(),
              ["-I/else/include", "-L/else/lib", "-lstowage"])
    tap.equal(one().must("pkg-config --cflags --libs stowage",
                         env={"PKG_CONFIG_SYSROOT_DIR": "/root"}).split(),
              [f"-I/root{prefix}/include", f"-L/root{prefix}/lib", "-lstowage"])


def version():
    status, text = one().run([one().path("bin/stowage"), "version"])
    if status != 0:
        status, text = one().run([one().path("bin/stowage"), "--version"])
    tap.equal(status, 0, text)
    return re.search(r"\d+\.\d+\.\d+", text).group(0)


@tap.test
def manuals():
    for page in ("man1/stowage.1", "man5/plugin.conf.5", "man5/stowage-s3.5"):
        with open(one().path("share/man", page), encoding="utf-8") as f:
            tap.ok(".Sh NAME" in f.read(), page)
    with open(one().path("share/man/man5/stowage-s3.5"), encoding="utf-8") as f:
        tap.ok(".It Cm bucket No = Ar text\n" in f.read(), "the driver's options")


@tap.cases(filesystem="filesystem", memory="memory", s3="s3")
def finds_its_driver(driver):
    """Without a word about where drivers lie."""
    needed = {"filesystem": {"STOWAGE_FILESYSTEM_ROOTDIRECTORY": "/nowhere"}, "memory": {},
              "s3": {"STOWAGE_S3_BUCKET": "b", "STOWAGE_S3_REGION": "us-east-1",
                     "STOWAGE_S3_ACCESSKEY": "a", "STOWAGE_S3_SECRETKEY": "s"}}
    text = one().must([one().path("bin/stowage"), "config"],
                      env=dict(needed[driver], STOWAGE_STORAGE_DRIVER=driver))
    tap.ok(f"[{driver}]" in text, text)


class InstalledServer(stowage.Server):
    """The server from where it is installed, with nothing of the build folder in its way."""

    def command(self):
        return [one().path("bin/stowage"), "serve"]


@tap.test
def serves():
    server = InstalledServer(folder=os.path.join(stowage.temporary("served"), "data")).start()
    with open(f"/proc/{server.pid}/maps", encoding="utf-8") as f:
        text = f.read()
    tap.ok(one().path("lib/stowage/drivers/filesystem.so") in text, "the driver that is installed")
    tap.ok(stowage.BUILD + "/" not in text, "nothing of the build folder is loaded")
    client = registry.Client(server)
    data = b"one blob"
    client.push_blob("a/b", data)
    tap.equal(client.blob("a/b", "sha256:" + hashlib.sha256(data).hexdigest()).body, data)
    tap.equal(server.stop(), 0, server.log())


# ---- a program of somebody else's ----

_example = None


def example():
    """examples/put-get.c, built the way its first lines say."""
    global _example
    if not _example:
        folder = stowage.temporary("example")
        with open(EXAMPLE, encoding="utf-8") as f:
            command = re.search(r"^ \*   (cc .*)$", f.read(), re.M).group(1)
        tap.ok("$(pkg-config --cflags --libs stowage)" in command, command)
        os.symlink(EXAMPLE, os.path.join(folder, "put-get.c"))
        one().must(command.replace("cc ", "cc -Wall -Wextra -Werror ", 1), cwd=folder)
        _example = os.path.join(folder, "put-get")
    return _example


def put_get(*args, drivers=None):
    env = {"LD_LIBRARY_PATH": one().path("lib")}
    if drivers:
        env["STOWAGE_DRIVER_PATH"] = drivers
    return one().run([example(), *args], env=env)


def worked(result, driver):
    status, text = result
    tap.equal(status, 0, text)
    tap.ok(re.fullmatch(rf"driver {driver} \S+: .*\nput example/greeting: 20 bytes, etag .*\n"
                        r"got 20 bytes: Hello from a store\.\nremoved\n", text), text)


@tap.test
def example_in_memory():
    worked(put_get("memory"), "memory")


@tap.test
def example_in_a_folder():
    worked(put_get("filesystem", f"rootdirectory={stowage.temporary('put')}/data"), "filesystem")


@tap.test
def example_in_a_bucket():
    minio = stowage.Minio().start()
    bucket = minio.new_bucket()
    options = [f"bucket={bucket}", "region=us-east-1", f"regionendpoint={minio.endpoint}",
               f"accesskey={minio.accesskey}"]
    worked(put_get("s3", *options, f"secretkey={minio.secretkey}"), "s3")
    status, text = put_get("s3", *options, "secretkey=not-the-one")
    tap.equal(status, 1, text)
    tap.ok(re.match(r"put-get: s3\.put: .*" + bucket, text) and "not-the-one" not in text, text)


@tap.test
def example_tells_its_errors():
    tap.equal(put_get("filesystem", "rootdirectry=/x"),
              (1, 'put-get: filesystem.open: there is no option "rootdirectry", did you mean '
                  '"rootdirectory"?\n'))
    status, text = put_get("memori")
    tap.equal(status, 1, text)
    tap.ok(text.startswith('put-get: driver.load: no driver "memori", did you mean "memory"? looked '
                           f'in {one().path("lib/drivers")}, {one().path("lib/stowage/drivers")}'),
           text)


# ---- drivers of other minors ----

@tap.cases(older="older", newer="newer")
def driver_of_another_minor(name):
    """Compiled against the headers of 1.0, and one whose table is longer than ours."""
    drivers = os.path.join(stowage.BUILD, "tests/abi/drivers")
    worked(put_get(name, "objects=10", drivers=drivers), name)
    text = one().must([os.path.join(stowage.BUILD, "tests/driver/contract"),
                       os.path.join(drivers, name + ".so")])
    installed.no_failures(text)


@tap.cases(older="older", newer="newer")
def server_on_a_driver_of_another_minor(name):
    server = stowage.Server(driver=name, env={
        "STOWAGE_DRIVER_PATH": os.path.join(stowage.BUILD, "tests/abi/drivers")}).start()
    client = registry.Client(server)
    data = b"x" * 300000
    client.push_blob("a/b", data)
    tap.equal(client.blob("a/b", "sha256:" + hashlib.sha256(data).hexdigest()).body, data)
    tap.equal(server.stop(), 0, server.log())


if __name__ == "__main__":
    tap.main()
