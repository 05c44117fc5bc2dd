"""Writes a wheel that holds one program, and prints its path: `cargo xtask dist` runs it. The same input gives the same bytes."""

import argparse
import base64
import hashlib
import os
import pathlib
import stat
import time
import zipfile

_NAME = "magicproxy"


def main():
    given = _arguments()
    parts = f"{_NAME}-{given.version}"
    tag = f"py3-none-{given.platform}"
    info = f"{parts}.dist-info"
    entries = [(f"{parts}.data/scripts/{_NAME}", given.program.read_bytes(), 0o755)]
    entries += [(f"{info}/licenses/{licence.name}", licence.read_bytes(), 0o644) for licence in given.licence]
    entries.append((f"{info}/METADATA", _metadata(given), 0o644))
    entries.append((f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: magicproxy\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(), 0o644))
    record = "".join(f"{name},{_digest(content)},{len(content)}\n" for name, content, _ in entries) + f"{info}/RECORD,,\n"
    entries.append((f"{info}/RECORD", record.encode(), 0o644))
    path = given.folder / f"{parts}-{tag}.whl"
    moment = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as wheel:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name, moment)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, whose modes follow.
            entry.external_attr = (stat.S_IFREG | mode) << 16
            wheel.writestr(entry, content)
    print(path)


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--platform", required=True, help="the last part of the wheel's name")
    for name in ("--program", "--folder", "--metadata", "--description"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    parser.add_argument("--licence", type=pathlib.Path, action="append", required=True)
    return parser.parse_args()


def _metadata(given):
    head = given.metadata.read_text().replace("@VERSION@", given.version)
    licences = "".join(f"License-File: {licence.name}\n" for licence in given.licence)
    return f"{head}{licences}\n{given.description.read_text()}".encode()


def _digest(content):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


if __name__ == "__main__":
    main()
