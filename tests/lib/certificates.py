# SPDX-License-Identifier: Apache-2.0
"""An authority of its own, and certificates of it, made by openssl when a test asks for them.

    ca = Authority()
    ca.file                              # what a client is to trust
    ca.context("DNS:localhost")          # for a server of that name
    ca.context("DNS:localhost", until="20200102")
"""

import os
import ssl
import subprocess

import stowage

_CONFIG = """
[ca]
default_ca = authority
[authority]
dir = .
database = index
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
"""


class Authority:
    def __init__(self):
        self.folder = stowage.temporary("authority")
        self.file = os.path.join(self.folder, "ca.pem")
        self._made = 0
        self._write("config", _CONFIG)
        self._write("index", "")
        self._write("serial", "01\n")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "7", "-subj",
                      "/CN=an authority of the tests")

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="ascii") as f:
            f.write(text)

    def _openssl(self, *words):
        run = subprocess.run([stowage.tool("openssl"), *words], cwd=self.folder,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, check=False)
        if run.returncode:
            raise OSError(f"openssl {' '.join(words)}:\n{run.stdout}")

    def context(self, names, since="20200101", until="20991231"):
        """Of ssl, for a server; names as subjectAltName has them, days as YYYYMMDD."""
        self._made += 1
        name = f"server-{self._made}"
        self._write(f"{name}.ext", f"subjectAltName = {names}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        self._openssl("ca", "-batch", "-notext", "-config", "config", "-in", f"{name}.csr", "-out",
                      f"{name}.pem", "-extfile", f"{name}.ext", "-startdate", f"{since}000000Z",
                      "-enddate", f"{until}000000Z")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*(os.path.join(self.folder, f"{name}.{kind}")
                                  for kind in ("pem", "key")))
        return context
