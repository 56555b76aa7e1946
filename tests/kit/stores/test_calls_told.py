"""What the models did for a drop stands in the event that tells of it."""

from __future__ import annotations

from contracts.events import ModelCalls, StageCompleted, StageRejected
from tests.kit.stores.world import World, data_of, ref
from workers.kit.stores.drops import Completed, Rejected

CALLS = (ModelCalls(role="programmer", model="b/y", calls=2, known=1, cost=0.5, tried=("a/x",), instead="too dear"),)


async def test_events_tell_the_calls(world: World) -> None:
    workflow = await world.submit()
    done = await world.commit("plan", workflow, Completed(artifact=ref("p"), media_type="x/y", calls=CALLS))
    told = data_of(done.events[0])
    assert isinstance(told, StageCompleted)
    assert told.calls == CALLS
    await world.complete(workflow, "code", "suite")
    report = Rejected(artifact=ref("r"), media_type="x/y", target="code", findings=1, calls=CALLS)
    told = data_of((await world.commit("check", workflow, report)).events[0])
    assert isinstance(told, StageRejected)
    assert told.calls == CALLS
