"""Certificates made for one test by the `openssl` command: a CA, and what it signs."""

import subprocess
from pathlib import Path

from support.bulk_listener import Tls


class Authority:
    """A CA in a folder of its own. Keys are private to their owner, as our programs demand."""

    def __init__(self, folder: Path, name: str = "CA") -> None:
        self._folder = folder
        self._name = name
        self._count = 0
        self.certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        _openssl(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            self._key,
            "-out",
            self.certificate,
            "-subj",
            f"/CN={name}",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip - one option and its value stand together

    def sign(
        self, *, names: str = "DNS:localhost", expired: bool = False, client_ca: Path | None = None
    ) -> Tls:
        """Return a new certificate for these names, with its key."""
        self._count += 1
        stem = self._folder / f"{self._name} {self._count}"
        key, request, certificate = (stem.with_suffix(one) for one in (".key", ".csr", ".pem"))
        extension = stem.with_suffix(".ext")
        extension.write_text(
            f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
            "keyUsage=critical,digitalSignature\n",
            encoding="ascii",
        )
        _openssl(
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            key,
            "-out",
            request,
            "-subj",
            "/CN=test",
        )  # fmt: skip - one option and its value stand together
        _openssl(
            "x509",
            "-req",
            "-in",
            request,
            "-CA",
            self.certificate,
            "-CAkey",
            self._key,
            "-CAcreateserial",
            "-out",
            certificate,
            "-extfile",
            extension,
            "-days",
            "-1" if expired else "2",
        )  # fmt: skip - one option and its value stand together
        key.chmod(0o600)
        return Tls(certificate, key, client_ca)


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
