# SPDX-License-Identifier: Apache-2.0
"""Files of users: bcrypt hashes as htpasswd -B makes them, by the C library."""

import base64
import ctypes

_library = ctypes.CDLL("libcrypt.so.1")
_library.crypt.restype = ctypes.c_char_p
_SALT = "abcdefghijklmnopqrstuu"


def bcrypt(password, cost=4):
    found = _library.crypt(password.encode(), f"$2b${cost:02}${_SALT}".encode())
    if not found or not found.startswith(b"$2b$"):
        raise OSError("the C library makes no bcrypt hash")
    return found.decode("ascii").replace("$2b$", "$2y$", 1)


def write(path, users, cost=4):
    """users: {name: password}."""
    with open(path, "w", encoding="utf-8") as f:
        for name, password in users.items():
            f.write(f"{name}:{bcrypt(password, cost)}\n")


def basic(user, password):
    """The header's value."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
