"""An exported workflow comes back as it was, and no hostile file is believed or does harm."""

from __future__ import annotations

import gzip
import io
import tarfile
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.artifacts import JSON, Lock
from contracts.cloudevents import to_structured
from contracts.events import Data, Ref, StageCompleted, WorkflowSubmitted, event
from contracts.topology import LIFECYCLE
from tests.kit.stores.test_recording import entry
from workers.kit.capsule.archive import pack
from workers.kit.capsule.reader import read as unpacked
from workers.kit.exported import BadExport, Exported, missing_events, read, write
from workers.kit.ports import Unresolvable
from workers.kit.recorded import RecordedRegistry, difference
from workers.kit.stage import Permanent
from workers.kit.stores.drops import DropRow, WorkflowRow
from workers.kit.stores.recording import Recording

NAME = "01J00000000000000000000000"
TIME = "2026-01-01T00:00:00.000000Z"
BODY = b'{"a":1}'
DIGEST = sha256(BODY).hexdigest()


def ref(digest: str = DIGEST) -> Ref:
    return Ref(key=f"artifacts/default/{digest[:2]}/{digest}", offset=0, length=len(BODY), sha256=digest)


def told(data: Data, stage: str, outcome: str, time: str = TIME) -> bytes:
    return to_structured(event(data, stage=stage, outcome=outcome, revision=1, time=time))


def exported(**changes: object) -> Exported:
    completed = StageCompleted(
        tenant="default", workflow=NAME, drop="d", stage="frd_generation", revision=1, artifact=ref(), media_type=JSON
    )
    submitted = WorkflowSubmitted(tenant="default", workflow=NAME, prompt_sha256="0" * 64)
    drop = DropRow(
        id="d", workflow=NAME, stage="frd_generation", revision=1, state="completed", attempts=1,
        created_at=TIME, updated_at=TIME, artifact=ref(), media_type=JSON,
    )  # fmt: skip
    row = WorkflowRow(
        id=NAME, tenant="default", state="completed", prompt="p", language="python", created_at=TIME, deadline=TIME
    )
    fields: dict[str, object] = {
        "workflow": row,
        "events": (told(submitted, LIFECYCLE, "submitted"), told(completed, "frd_generation", "completed")),
        "drops": (drop,),
        "artifacts": {DIGEST: BODY},
        "ledger": Recording(workflow=NAME, entries=(entry(),)),
    }
    return Exported(**(fields | changes))  # type: ignore[arg-type]


def repacked(files: dict[str, bytes], *, folder: str = NAME, sealed: bool = True) -> bytes:
    """The archive of these files; `sealed` writes the manifest anew, as a clever forger would."""
    if sealed:
        hashes = {path: sha256(body).hexdigest() for path, body in files.items() if path != "manifest.json"}
        manifest = {"form": "quantumlayer-export", "version": 1, "workflow": folder, "files": hashes}
        files = files | {"manifest.json": msgspec.json.encode(manifest)}
    return pack(folder, files)


def test_it_comes_back_as_it_was_and_always_in_the_same_bytes() -> None:
    assert read(write(exported())) == exported()
    assert write(read(write(exported()))) == write(exported())


@given(st.data())
def test_no_changed_byte_of_any_file_goes_unnoticed(data: st.DataObject) -> None:
    _, files = unpacked(write(exported()))
    path = data.draw(st.sampled_from(sorted(files)))
    place = data.draw(st.integers(0, len(files[path]) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != files[path][place]))
    changed = files[path][:place] + bytes([other]) + files[path][place + 1 :]
    try:
        found = read(repacked(files | {path: changed}, sealed=False))
    except BadExport:
        return
    assert found == exported()  # a blank in the manifest, for example


@given(st.binary(max_size=400), st.integers(0, 10_000))
def test_bytes_of_any_kind_are_refused_in_a_sentence(noise: bytes, cut: int) -> None:
    whole = write(exported())
    for body in (noise, gzip.compress(noise), whole[: cut % len(whole)], whole + noise):
        if body != whole:
            with pytest.raises(BadExport):
                read(body)


OTHER = b'{"b":2}'


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({f"artifacts/{DIGEST}": OTHER}, "was changed"),
        ({f"artifacts/{sha256(OTHER).hexdigest()}x": OTHER}, "was changed"),
        ({"more.txt": b"x"}, "no part"),
        ({"events.ndjson": b"{}\n"}, "CloudEvent"),
        ({"drops.json": b"[1]"}, "can't be read"),
        ({"ledger.ndjson": b"{}\n"}, "ledger.ndjson"),
        ({"workflow.json": b"[" * 100_000}, "can't be read"),
    ],
)
def test_what_a_forger_seals_anew_is_still_refused(files: dict[str, bytes], said: str) -> None:
    _, before = unpacked(write(exported()))
    with pytest.raises(BadExport, match=said):
        read(repacked(before | files))


def test_another_workflows_event_a_missing_artifact_and_a_time_that_is_none_are_refused() -> None:
    strange = WorkflowSubmitted(tenant="default", workflow="01J11111111111111111111111", prompt_sha256="0" * 64)
    mine = WorkflowSubmitted(tenant="default", workflow=NAME, prompt_sha256="0" * 64)
    for changes, said in (
        ({"events": (told(strange, LIFECYCLE, "submitted"),)}, "another workflow"),
        ({"events": (told(mine, LIFECYCLE, "submitted", "yesterday"),)}, "no moment"),
        ({"artifacts": {}}, "is missing"),
    ):
        with pytest.raises(BadExport, match=said):
            read(write(exported(**changes)))
    assert missing_events(exported(events=exported().events[:1]).told(), exported().drops) == ["frd_generation 1"]


def test_a_path_out_of_the_folder_and_a_bomb_are_refused() -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        entry_ = tarfile.TarInfo(f"{NAME}/../../evil")
        entry_.size = 1
        tar.addfile(entry_, io.BytesIO(b"x"))
    with pytest.raises(BadExport):
        read(raw.getvalue())
    with pytest.raises(BadExport, match="unpacks to more"):
        read(gzip.compress(bytes(80 << 20)))


async def test_the_index_answers_as_it_did_and_is_asked_nothing_new() -> None:
    lock = Lock(python="3.11", requirements="r", requirements_dev="d", wheels="w")
    assert (await RecordedRegistry([lock]).lock([], [], python="3.11")).wheels == "w"
    with pytest.raises(Permanent, match="requests"):
        await RecordedRegistry([lock]).lock(["requests"], [], python="3.11")
    gone = {"rule": "unresolvable", "message": "no such package"}
    broken = msgspec.convert(
        {"python": "3.11", "requirements": "", "requirements_dev": "", "wheels": "", "findings": [gone]}, Lock
    )
    with pytest.raises(Unresolvable, match="no such package"):
        await RecordedRegistry([broken]).lock(["x"], [], python="3.11")


def test_a_difference_names_the_lines_and_no_terminal_obeys_it() -> None:
    said = difference(b'{"a":1,"b":"\\u001b[2J"}', b'{"a":2,"b":"\\u001b[2J"}')
    assert '- "a": 1' in said
    assert '+ "a": 2' in said
    assert "\x1b" not in said
    assert "sha256" in difference(b"\x1f\x8b", b"\x1f\x8c")
