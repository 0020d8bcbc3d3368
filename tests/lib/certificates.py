# SPDX-License-Identifier: Apache-2.0
"""An authority of its own, and certificates of it, made by openssl when a test asks for them.

    ca = Authority()
    ca.file                              # what a client is to trust
    ca.context("DNS:localhost")          # for a server of that name
    ca.context("DNS:localhost", until="20200102")
    pem, key = ca.files("IP:127.0.0.1")  # the same as paths
    ca.files("URI:spiffe://x/y", subject="/O=no name", extra="extendedKeyUsage = clientAuth")
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
commonName = optional
organizationName = optional
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

    def files(self, names=None, since="20200101", until="20991231", subject=None, extra="",
              issuer=None):
        """Paths of certificate and key; names as subjectAltName has them, days as YYYYMMDD, extra
        in the words of openssl's extensions; issuer another such pair, whether or not it may."""
        self._made += 1
        name = f"server-{self._made}"
        alternatives = f"subjectAltName = {names}\n" if names else ""
        self._write(f"{name}.ext", f"basicConstraints = CA:FALSE\n{alternatives}{extra}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-utf8", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                      subject or f"/CN={name}")
        self._openssl("ca", "-batch", "-notext", "-utf8", "-config", "config", "-in",
                      f"{name}.csr", "-out", f"{name}.pem", "-extfile", f"{name}.ext", "-startdate",
                      f"{since}000000Z", "-enddate", f"{until}000000Z",
                      *(["-cert", issuer[0], "-keyfile", issuer[1]] if issuer else []))
        if issuer:
            with open(issuer[0], encoding="ascii") as f:
                chain = f.read()
            with open(os.path.join(self.folder, f"{name}.pem"), "a", encoding="ascii") as f:
                f.write(chain)
        return tuple(os.path.join(self.folder, f"{name}.{kind}") for kind in ("pem", "key"))

    def context(self, names, since="20200101", until="20991231"):
        """Of ssl, for a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.files(names, since, until))
        return context
