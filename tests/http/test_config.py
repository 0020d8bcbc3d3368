#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Configuration as an operator meets it: mistakes stop the start with one line that names them,
`stowage config` shows what is in force, plugin.conf is the sample and holds."""

import json
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import stowage
import tap

PROGRAM = os.path.join(stowage.BUILD, "stowage")
SAMPLE = os.path.join(stowage.ROOT, "plugin.conf")


def run(*args, env=None, config=None):
    """stowage with that command line; (status, stdout, stderr)."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("STOWAGE_")}
    inherited.update(env or {})
    if config is not None:
        args += ("-c", write(config))
    done = subprocess.run(stowage.sanitized([PROGRAM, *args]), env=inherited, timeout=60,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def write(text, name="plugin.conf"):
    path = os.path.join(stowage.temporary("config"), name)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return path


def one_line(err, pattern):
    """All that was said is one line of ours, and it is that one."""
    tap.equal(err.count("\n"), 1, "lines on standard error: " + err)
    tap.ok(re.fullmatch("stowage: " + pattern + "\n", err), f"{err!r} is not {pattern!r}")


# ---- mistakes ----

@tap.cases(
    size=("[uploads]\nage = 8X\n",
          r'/\S+/plugin\.conf:2: \[uploads\] age: expected a time such as 30s, got "8X"'),
    key=("[storage]\n\ndriver = memory\n[delete]\nenable = yes\n",
         r'/\S+/plugin\.conf:5: \[delete\] has no key "enable", did you mean "enabled"\?'),
    section=("[storagex]\n", r'/\S+/plugin\.conf:1: there is no section \[storagex\], '
                           r'did you mean \[storage\]\?'),
    driver_section=("[filesystems]\nfsync = yes\n",
                    r'/\S+/plugin\.conf:1: there is no section \[filesystems\], '
                    r'did you mean \[filesystem\]\?'),
    driver=("[storage]\ndriver = memori\n",
            r'/\S+/plugin\.conf:2: \[storage\] driver: no driver "memori", '
            r'did you mean "memory"\? looked in \S+.*'),
    driver_path=("[storage]\ndriver = ../memory\n",
                 r'/\S+/plugin\.conf:2: \[storage\] driver: "\.\./memory" is no driver\'s name.*'),
    other_drivers_key=("[storage]\ndriver = memory\n[filesystem]\nfsync = perhaps\n",
                       r'/\S+/plugin\.conf:4: \[filesystem\] fsync: expected yes or no, '
                       r'got "perhaps"'),
    no_section=("driver = memory\n", r'/\S+/plugin\.conf:1: "driver" stands before any '
                                     r'\[section\]'),
    no_equals=("[storage]\ndriver\n", r'/\S+/plugin\.conf:2: expected "key = value", .*'),
    twice=("[storage]\ndriver = memory\ndriver = memory\n",
           r'/\S+/plugin\.conf:3: \[storage\] driver is in line 2 already'),
    nul=(b"[storage]\ndriver = mem\0ory\n", r'/\S+/plugin\.conf:2: control byte 0x00 in .*'),
    too_big=("#" * (1 << 20) + "\n", r'/\S+/plugin\.conf: is larger than 1024 KiB'),
    secret=("[http]\nsecret = @/no/such/file\n",
            r'/\S+/plugin\.conf:2: \[http\] secret: /no/such/file: cannot be opened: '
            r'No such file or directory'))
def mistake_in_file(text, pattern):
    status, out, err = run("serve", config=text)
    tap.equal((status, out), (1, ""), err)
    one_line(err, pattern)


S3 = {"STOWAGE_STORAGE_DRIVER": "s3", "STOWAGE_S3_BUCKET": "b", "STOWAGE_S3_REGION": "eu-west-1"}


@tap.cases(
    urlallow=("MANIFESTS_URLALLOW", "https://(", r"\[manifests\] urlallow: .*"),
    urldeny=("MANIFESTS_URLDENY", "[a", r"\[manifests\] urldeny: .*"),
    index=("MANIFESTS_INDEX", "some", r"\[manifests\] index is all, none or platforms, .*"),
    platforms=("MANIFESTS_PLATFORMS", "linux", r"\[manifests\] platforms: .*"),
    immutable=("MANIFESTS_IMMUTABLE_TAGS", "a:b:c", r"\[manifests\] immutable_tags: .*"),
    secret=("HTTP_SECRET", "x" * 5000, r"\[http\] secret: key 1 is longer than \d+ bytes"),
    listen=("HTTP_LISTEN", "nowhere", r"\[http\] listen = nowhere: .*"),
    workers=("HTTP_WORKERS", "1", r"\[http\] workers = 1: .*"),
    threshold=("HEALTH_THRESHOLD", "0", r"\[health\] threshold = 0: .*"),
    log=("LOG_LEVEL", "loud", r"\[log\] level.*"),
    access=("ACCESS_PULL", "a", r"\[access\] pull: .*"),
    braces=("ACCESS_PUSH", "a : u; home/{group}/** : *",
            r'\[access\] push: " home/\{group\}/\*\* : \*": in a pattern there are no braces .*'),
    folder=("FILESYSTEM_ROOTDIRECTORY", "", r"\[filesystem\]: .*rootdirectory is empty"),
    bucket=("S3_BUCKET", "a/b", r"\[s3\]: option bucket must be .*"),
    chunk=("S3_CHUNKSIZE", "1M", r"\[s3\]: option chunksize must be .*"),
    style=("S3_FORCEPATHSTYLE", "perhaps", r"\[s3\]: option forcepathstyle must be .*"),
    profile=("S3_SERVERPROFILE", "nobody's", r"\[s3\]: option serverprofile must be .*"),
    endpoint=("S3_REGIONENDPOINT", "ftp://a", r"\[s3\]: option regionendpoint must be .*"),
    cafile=("S3_CAFILE", "/no/such.pem", r"\[s3\]: option cafile: /no/such\.pem: No such file .*"))
def check_refuses_what_serve_refuses(key, value, pattern):
    """In the same words, and without a look at the store."""
    folder = os.path.join(stowage.temporary("untouched"), "data")
    env = {"STOWAGE_FILESYSTEM_ROOTDIRECTORY": folder, f"STOWAGE_{key}": value}
    if key == "MANIFESTS_PLATFORMS":
        env["STOWAGE_MANIFESTS_INDEX"] = "platforms"
    if key.startswith("S3_"):
        env = {**S3, **env}
    said = []
    for command in (("serve",), ("config", "--check")):
        status, out, err = run(*command, env=env)
        tap.equal((status, out), (1, ""), f"{command}: {err}")
        one_line(err, pattern)
        said.append(err)
    tap.equal(said[1], said[0])
    tap.ok(not os.path.exists(folder), "it was made")


@tap.test
def check_leaves_the_store_alone():
    """The folder is neither made nor swept, and nobody has to answer at an endpoint."""
    folder = os.path.join(stowage.temporary("untouched"), "data")
    env = {"STOWAGE_FILESYSTEM_ROOTDIRECTORY": folder}
    tap.equal(run("config", "--check", env=env), (0, "", ""))
    tap.ok(not os.path.exists(folder), "it was made")
    leftover = os.path.join(folder, ".stowage-tmp", "p-0123456789abcdef")
    os.makedirs(os.path.dirname(leftover))
    with open(leftover, "wb"):
        pass
    os.utime(leftover, (0, 0))
    tap.equal(run("config", "--check", env=env), (0, "", ""))
    tap.ok(os.path.exists(leftover), "it was swept")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        nobody.listen()
        nobody.setblocking(False)
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        tap.equal(run("config", "--check", env={**S3, "STOWAGE_S3_REGIONENDPOINT": endpoint}),
                  (0, "", ""))
        try:
            nobody.accept()
            tap.ok(False, "it was asked")
        except BlockingIOError:
            pass


@tap.test
def bucket_is_required():
    status, _, err = run("serve", env={"STOWAGE_STORAGE_DRIVER": "s3", "STOWAGE_S3_ACCESSKEY": "a",
                                       "STOWAGE_S3_SECRETKEY": "b"})
    tap.equal(status, 1)
    one_line(err, r"\[s3\] bucket must be set \(.*\), in the file or by STOWAGE_S3_BUCKET")


@tap.cases(
    key=({"STOWAGE_HTTP_LISTENN": "127.0.0.1:0"},
         r'STOWAGE_HTTP_LISTENN: \[http\] has no key "listenn", did you mean STOWAGE_HTTP_LISTEN\?'),
    value=({"STOWAGE_DELETE_ENABLED": "maybe"},
           r'STOWAGE_DELETE_ENABLED: \[delete\] enabled: expected yes or no, got "maybe"'),
    empty=({"STOWAGE_HTTP_WORKERS": ""},
           r'STOWAGE_HTTP_WORKERS: \[http\] workers: expected a whole number, got ""'),
    driver=({"STOWAGE_STORAGE_DRIVER": "s4"},
            r'STOWAGE_STORAGE_DRIVER: \[storage\] driver: no driver "s4", did you mean "s3"\? .*'),
    file=({"STOWAGE_CONFIG": "/no/such.conf"},
          r'STOWAGE_CONFIG: /no/such\.conf: cannot be opened: No such file or directory'))
def mistake_in_environment(env, pattern):
    status, _, err = run("serve", env=env)
    tap.equal(status, 1)
    one_line(err, pattern)


@tap.test
def file_not_there():
    status, _, err = run("serve", "-c", "/no/such.conf")
    tap.equal(status, 1)
    one_line(err, r"/no/such\.conf: cannot be opened: No such file or directory")


@tap.test
def broken_driver():
    folder = os.path.dirname(write("no ELF", "memory.so"))
    env = {"STOWAGE_STORAGE_DRIVER": "memory", "STOWAGE_DRIVER_PATH": folder}
    status, _, err = run("serve", env=env)
    tap.equal(status, 1)
    one_line(err, rf"STOWAGE_STORAGE_DRIVER: .*{folder}/memory\.so: is no shared object")


@tap.cases(
    none=((), 'usage: stowage COMMAND'),
    command=(("serv",), 'stowage: there is no command "serv", did you mean "serve"?'),
    far=(("elephant",), 'stowage: there is no command "elephant"; see stowage --help'),
    option=(("config", "--bogus"), "stowage: config: there is no option --bogus"),
    value=(("config", "-c"), "stowage: config: -c needs a value"),
    two=(("config", "--json", "--sample"), "stowage: config: only one of"),
    tables=(("config", "--sample", "--mdoc", "s3"), "stowage: config: only one of"),
    section=(("config", "--mdoc"), "stowage: config: --mdoc needs a value"),
    extra=(("config", "http", "more"), 'stowage: config: unexpected "more"'),
    no_key=(("config", "--explain", "more"), 'stowage: config: there is no key more'),
    serve=(("serve", "--bogus"), "stowage: serve: there is no option --bogus"),
    serve_value=(("serve", "-c"), "stowage: serve: -c needs a value"),
    serve_extra=(("serve", "more"), "stowage: serve "))
def usage_mistake(args, text):
    status, out, err = run(*args)
    tap.equal((status, out), (2, ""), err)
    tap.ok(err.startswith(text), err)


@tap.test
def help_and_version():
    for args in (("--help",), ("help",), ("config", "--help"), ("serve", "--help")):
        status, out, err = run(*args)
        tap.equal((status, err), (0, ""), " ".join(args))
        tap.ok(out.startswith("usage: stowage "), out)
    status, out, _ = run("--version")
    tap.equal(status, 0)
    tap.ok(re.fullmatch(r"stowage \d+\.\d+\.\d+\S*\n", out), out)


@tap.test
def full_disk():
    with open("/dev/full", "wb") as full:
        done = subprocess.run(stowage.sanitized([PROGRAM, "config"]), stdout=full, check=False,
                              stderr=subprocess.PIPE, timeout=60)
    tap.equal(done.returncode, 1)
    one_line(done.stderr.decode(), "standard output: No space left on device")


# ---- what is in force ----

@tap.test
def sample_is_plugin_conf():
    status, out, err = run("config", "--sample")
    tap.equal((status, err), (0, ""))
    with open(SAMPLE, encoding="utf-8") as f:
        tap.equal(out, f.read(), "plugin.conf against `stowage config --sample`")


@tap.test
def sample_has_every_key():
    _, out, _ = run("config", "--json")
    rows = json.loads(out)
    with open(SAMPLE, encoding="utf-8") as f:
        text = f.read()
    found, section = [], None
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line.startswith("#") and not line.startswith("# "):
            key, _, value = line[1:].partition("=")
            if key.strip():
                found.append((section, key.strip(), value.strip()))
    tap.equal(sorted(found), sorted((r["section"], r["key"], r["default"] or "") for r in rows))
    for section in ("storage", "uploads", "delete", "http", "log", "filesystem", "memory", "s3"):
        tap.ok(any(s == section for s, _, _ in found), section)


@tap.test
def sample_holds():
    """As it is, and with every default written out."""
    status, _, err = run("config", "--check", "-c", SAMPLE)
    tap.equal((status, err), (0, ""))
    with open(SAMPLE, encoding="utf-8") as f:
        text = re.sub(r"(?m)^#(\w+ = )", r"\1", f.read())
    status, out, err = run("config", "--json", config=text)
    tap.equal(status, 0, err)
    rows = json.loads(out)
    tap.ok(all(r["value"] == r["default"] for r in rows if r["default"]), out)
    tap.ok(all("plugin.conf:" in r["origin"] for r in rows if r["default"]), out)
    for line in err.splitlines():
        tap.ok(line.endswith("has no effect here"), line)


@tap.test
def explains():
    conf = write("[storage]\ndriver = memory\n[s3]\nbucket = mine\nsecretkey = hush-hush\n")
    env = {"STOWAGE_CONFIG": conf, "STOWAGE_S3_REGION": "here", "STOWAGE_HTTP_SECRET": "hush-too"}
    status, out, err = run("config", env=env)
    tap.equal((status, err), (0, ""))
    tap.ok("hush" not in out, out)
    tap.ok(re.search(rf"(?m)^bucket = mine\n\t.*\n\ttext, required; from {conf}:4$", out), out)
    tap.ok(re.search(rf"(?m)^secretkey = \*\*\*\n\t.*\n\ttext,.* secret; from {conf}:5$", out), out)
    tap.ok(re.search(r"(?m)^region = here\n\t.*\n\ttext.*; from STOWAGE_S3_REGION$", out), out)
    tap.ok(re.search(r"(?m)^driver = memory\n\t.*\n\ttext; default filesystem; from ", out), out)
    status, out, _ = run("config", "--json", env=env)
    tap.ok("hush" not in out, out)
    rows = {(r["section"], r["key"]): r for r in json.loads(out)}
    tap.equal(rows["s3", "secretkey"]["value"], "***")
    tap.equal(rows["s3", "bucket"]["origin"], f"{conf}:4")
    tap.equal(rows["http", "secret"]["origin"], "STOWAGE_HTTP_SECRET")
    tap.equal(rows["uploads", "age"]["value"], "7d")


@tap.test
def mdoc_is_of_the_table():
    """Whatever is in force, and wherever the file is."""
    env = {"STOWAGE_CONFIG": "/no/such.conf", "STOWAGE_S3_BUCKET": "mine"}
    status, out, err = run("config", "--mdoc", "s3", env=env)
    tap.equal((status, err), (0, ""))
    tap.ok("\n.It Cm bucket No = Ar text\n\\&name of the bucket" in out and "mine" not in out, out)
    rows = json.loads(run("config", "--json")[1])
    tap.equal(re.findall(r"(?m)^\.It Cm (\w+) No = ", out),
              [r["key"] for r in rows if r["section"] == "s3"])
    status, out, err = run("config", "--mdoc", "s4")
    tap.equal((status, out), (1, ""))
    one_line(err, r"config: there is no section \[s4\]")


@tap.test
def kubernetes_is_passed_over():
    env = {"STOWAGE_SERVICE_HOST": "10.0.0.1", "STOWAGE_PORT": "tcp://10.0.0.1:5000",
           "STOWAGE_HTTP_PORT_5000_TCP_ADDR": "10.0.0.1", "STOWAGE_HTTP_SERVICE_HOST": "10.0.0.1",
           "STOWAGE_NOBODY_KNOWS": "1"}
    status, out, err = run("config", "--check", env=env)
    tap.equal((status, out, err), (0, "", ""))


@tap.test
def file_and_environment_together():
    """The environment is stronger than the file, and -c than STOWAGE_CONFIG."""
    server = stowage.Server("memory", config=write("[storage]\ndriver = nonsense\n[log]\n"
                                                   "accesslog = off\n"),
                            env={"STOWAGE_CONFIG": "/no/such.conf"})
    server.start()
    tap.ok(server.answers("/v2/"), "/v2/")
    tap.equal(server.stop(), 0)


tap.main()
