"""Reads a tar.gz from anywhere, in memory: files and folders only, every name and size checked before it is used.

Its own parser, for ustar with the long names of pax and GNU: what it does not know it refuses, and links are never
followed since there are none. `tarfile` would read much more than we ever write.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from contracts.paths import safe_path, safe_paths

from .archive import MAX_BYTES, MAX_RATIO, RATIO_FLOOR, BadArchive

_BLOCK = 512
_CHUNK = 1 << 16
_MAX_HEADER = 1 << 16
_FILE, _FOLDER, _PAX, _PAX_ALL, _GNU_NAME = (b"0", b"\0"), b"5", b"x", b"g", b"L"
_KINDS = {b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a pipe"}
# Tools add these; they change neither what a file is called nor what is in it.
_IDLE = frozenset(["mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment"])


def read(archive: bytes) -> tuple[str, dict[str, bytes]]:
    """The archive's one folder and the files in it; raises `BadArchive` or `UnsafePath`."""
    files: dict[str, bytes] = {}
    tops: set[str] = set()
    names: list[str] = []
    for name, body in _entries(_unzipped(archive)):
        top, _, path = safe_path(name).partition("/")
        tops.add(top)
        if body is None:
            continue
        if not path:
            raise BadArchive(f"{name!a} lies beside the folder, not in it")
        names.append(name)
        files[path] = body
    if len(tops) != 1:
        raise BadArchive("there must be one folder with everything in it")
    safe_paths(names)
    return tops.pop(), files


def _unzipped(archive: bytes) -> bytes:
    limit = min(MAX_BYTES, max(RATIO_FLOOR, len(archive) * MAX_RATIO)) + _BLOCK * 8
    stream = zlib.decompressobj(wbits=31)
    chunks, total = [], 0
    try:
        for place in range(0, len(archive), _CHUNK):
            rest = archive[place : place + _CHUNK]
            if stream.eof:
                raise BadArchive("something follows its end")
            while rest and not stream.eof:
                chunks.append(stream.decompress(rest, _CHUNK))
                rest = stream.unconsumed_tail
                total += len(chunks[-1])
                if total > limit:
                    raise BadArchive(f"it unpacks to more than {limit} bytes")
    except zlib.error as error:
        raise BadArchive(f"it can't be unpacked: {error}") from None
    if not stream.eof:
        raise BadArchive("it is cut off")
    if stream.unused_data:
        raise BadArchive("something follows its end")
    return b"".join(chunks)


def _entries(tar: bytes) -> Iterator[tuple[str, bytes | None]]:
    """(name, content), None for a folder."""
    place, long_name = 0, ""
    while True:
        header = tar[place : place + _BLOCK]
        if len(header) < _BLOCK:
            raise BadArchive("it is cut off")
        if not any(header):
            break
        name, kind, size = _header(header)
        name, long_name = long_name or name, ""
        place += _BLOCK
        body = tar[place : place + size]
        if len(body) < size:
            raise BadArchive(f"{name!a} is cut off")
        place += -(-size // _BLOCK) * _BLOCK
        if kind in {_PAX, _GNU_NAME}:
            long_name = _long_name(kind, body)
        elif kind in _FILE:
            yield name, body
        elif kind == _FOLDER and not size:
            yield name.removesuffix("/"), None
        elif kind != _PAX_ALL or _pax(body).keys() - _IDLE:
            raise BadArchive(f"{name!a} is {_KINDS.get(kind, 'of an unknown kind')}, neither file nor folder")
    if any(tar[place:]):
        raise BadArchive("something follows its end")


def _header(header: bytes) -> tuple[str, bytes, int]:
    """(name, kind, size)."""
    blank = header[:148] + b" " * 8 + header[156:]
    if _octal(header[148:156]) != sum(blank):
        raise BadArchive("a header's checksum is wrong")
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    size = _octal(header[124:136])
    if size > MAX_BYTES:
        raise BadArchive(f"{name!a} is too large")
    return f"{prefix}/{name}" if prefix else name, header[156:157], size


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise BadArchive("a header holds no number where one belongs")
    return int(digits, 8)


def _text(field: bytes) -> str:
    try:
        return field.split(b"\0", 1)[0].decode()
    except UnicodeDecodeError:
        raise BadArchive("a name is not UTF-8") from None


def _long_name(kind: bytes, body: bytes) -> str:
    if len(body) > _MAX_HEADER:
        raise BadArchive("a header is too large")
    if kind == _GNU_NAME:
        return _text(body)
    told = _pax(body)
    if unknown := told.keys() - _IDLE - {"path"}:
        raise BadArchive(f"a header says {min(unknown)!a}, which no entry of ours needs")
    return told.get("path", "")


def _pax(body: bytes) -> dict[str, str]:
    """Records of '<length> <key>=<value>\\n'."""
    found: dict[str, str] = {}
    while body:
        digits, _, _ = body[:10].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = body[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n") or len(record) + len(digits) + 1 != length:
            raise BadArchive("a header can't be read")
        found[_text(key)] = _text(value[:-1])
        body = body[length:]
    return found
