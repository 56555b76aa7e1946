"""One example of everything that goes in or out over HTTP, for the OpenAPI document: a workflow that was asked for a
small service, made by the models themselves, so that what can't be sent or answered can't stand here."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

from gateway import asked, hooks, models
from gateway.routes import foreign, forks, health, history, stages, subscriptions

WORKFLOW = "01JD4Z3N8W1V9T0M6K5Q2R7XAB"
FORK = "01JD50A1B2C3D4E5F6G7H8J9K0"
HOOK = "01JD4YPX7Q2M3N4R5S6T7V8W9Z"
SHA256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
PROMPT = "A REST API for a library: books with a title, an ISBN that must be unique and a status."
BEGAN, THEN, ENDED = (f"2026-01-31T12:00:{second}Z" for second in ("00.000000", "07.250000", "41.500000"))
MODEL = "openai/gpt-4o-mini"
AT = f"/v1/workflows/{WORKFLOW}"
M = TypeVar("M", bound=BaseModel)


def _of(kind: type[M], /, **fields: Any) -> M:
    """Its constructor, for what mypy takes for required there and is not."""
    return kind.model_validate(fields)


_artifact = _of(
    models.Artifact, sha256=SHA256, size=3481, media_type="application/json", address=f"/v1/artifacts/{SHA256}"
)
_calls = _of(
    models.Calls, role="frd_generation", model=MODEL, calls=1, known=0, tokens_in=1804, tokens_out=912, cost=0.000818
)
_drop = _of(
    models.Drop,
    id=f"{WORKFLOW}.frd_generation.1",
    stage="frd_generation",
    revision=1,
    state="completed",
    attempts=1,
    created_at=BEGAN,
    updated_at=THEN,
    artifact=_artifact,
    calls=[_calls],
)
_workflow = _of(
    models.Workflow,
    id=WORKFLOW,
    state="completed",
    prompt=PROMPT,
    language="python",
    created_at=BEGAN,
    deadline="2026-01-31T13:00:00.000000Z",
    ended_at=ENDED,
)
_letter = _of(
    models.Letter,
    id="code_generation.81234",
    kind="message",
    workflow=WORKFLOW,
    stage="code_generation",
    reason="the body is no JSON",
    created_at=THEN,
)
_call = _of(
    asked.Call,
    id="4711",
    created_at=THEN,
    workflow=WORKFLOW,
    stage="frd_generation",
    revision=1,
    task="frd_generation",
    role="frd_generation",
    question=SHA256,
    outcome="answered",
    model=MODEL,
    provider="openai",
    tokens_in=1804,
    tokens_out=912,
    cost=0.000818,
    latency_ms=5200,
)
_role = _of(
    asked.Role, role="frd_generation", calls=240, success=0.99, repairs=0.04, cost=0.2, p50_ms=4800, p95_ms=9100
)
_arm = _of(asked.Arm, arm="examples", workflows=90, told=71, failed=2, grade=3.6, repairs=0.4, cost=0.021)
_month = _of(asked.Budget, scope="month", limit=50.0, spent=3.218, held=0.04)
_switch = _of(asked.Switch, tenant="default", provider="openai", reason="its answers are slow today", created_at=BEGAN)
_hook = _of(hooks.Hook, id=HOOK, url="https://example.com/hook", types=["workflow.completed"], created_at=BEGAN)
_delivery = _of(
    hooks.Delivery,
    id=f"{WORKFLOW}:workflow:completed:1",
    type="dev.quantumlayer.workflow.completed.v1",
    state="delivered",
    attempts=1,
    created_at=ENDED,
    tried_at=ENDED,
    status=204,
)
_subscription = _of(
    subscriptions.Subscription,
    name="billing",
    stream="QL",
    durable="default_billing",
    filters=["ql.evt.default.*.packaging.*.*"],
    created=BEGAN,
    waiting=0,
    unacknowledged=1,
    acknowledged=5120,
)
_stage = _of(stages.Stage, name="frd_generation", needs=["prompt_enhancement"], pending=3, working=1)
_plan = _of(
    forks.ForkPlan,
    stage="code_generation",
    reused=["prompt_enhancement", "frd_generation"],
    runs=["code_generation"],
    unchanged=["test_plan_generation"],
    calls=14,
    cost=0.0121,
)
_step = _of(
    history.Step,
    stage="frd_generation",
    revision=1,
    outcome="completed",
    ready_s=0.9,
    waited_s=0.1,
    work_s=5.3,
    ended_s=7.25,
    attempts=1,
    reused=False,
    note="",
    sha256=SHA256,
    calls=[_calls],
)

EXAMPLES: tuple[BaseModel, ...] = (
    _of(models.Submit, prompt=PROMPT, language="python", budget=2.5, deadline_s=1800),
    _of(models.Cancel, reason="The prompt was the wrong one."),
    _of(models.Accepted, id=WORKFLOW, address=AT, events=f"{AT}/events"),
    _workflow,
    _of(
        models.WorkflowDetail,
        **_workflow.model_dump(),
        drops=[_drop],
        forks=[FORK],
        budget=_of(models.Spent, spent=0.0173),
    ),
    _of(models.Page, items=[_workflow], next=WORKFLOW),
    _artifact,
    _drop,
    _of(models.Drops, items=[_drop]),
    _letter,
    _of(
        models.LetterDetail,
        **_letter.model_dump(),
        subject=f"ql.evt.default.{WORKFLOW}.frd_generation.completed.1",
        headers='{"ce-specversion":"1.0"}',
        body="{",
        encoding="text",
        size=1,
        sha256="021fb596db81e6d02bf3d2586ee3981fe519f275c0ac9ca76bbcf2ebb4097d96",
    ),
    _of(models.Letters, items=[_letter]),
    _of(models.Resent, workflow=WORKFLOW, address=AT),
    _of(asked.Ask, prompt="Name three uses of a message bus."),
    _of(
        asked.Answered,
        text="Telling, asking, and keeping what was told.",
        model=MODEL,
        question=SHA256,
        workflow=WORKFLOW,
        finish="stop",
        tokens_in=12,
        tokens_out=9,
        cost=0.0000072,
        known=False,
    ),
    _call,
    _of(asked.CallDetail, **_call.model_dump(), asked='{"model":"gpt-4o-mini"}', answer='{"requirements":[]}'),
    _of(asked.CallPage, items=[_call]),
    _of(
        asked.Models,
        default=[MODEL, "blueprint/default"],
        models=[
            _of(
                asked.Model,
                name=MODEL,
                provider="openai",
                groups=["default"],
                state="closed",
                error="",
                again_s=0.0,
                cost_in=0.00000015,
                cost_out=0.0000006,
                context=128_000,
            )
        ],
    ),
    _role,
    _of(asked.Roles, items=[_role]),
    _arm,
    _of(asked.Arms, items=[_arm]),
    _of(
        asked.Usage,
        items=[
            _of(
                asked.Sum,
                by={"model": MODEL},
                calls=240,
                known=31,
                failed=2,
                stand_ins=0,
                tokens_in=402_118,
                tokens_out=190_021,
                cost=0.174,
            )
        ],
        budgets=[_month],
    ),
    _of(asked.Month, limit=50.0),
    _of(asked.Budgets, budgets=[_month]),
    _of(asked.Off, reason="its answers are slow today"),
    _switch,
    _of(asked.Switches, items=[_switch]),
    _of(asked.Imported, workflow=WORKFLOW, entries=31, new=31),
    _of(hooks.Add, url="https://example.com/hook", types=["workflow.completed"]),
    _of(hooks.Added, **_hook.model_dump(), secret="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),  # noqa: S106  nobody's
    _hook,
    _of(hooks.Hooks, items=[_hook]),
    _of(hooks.Rotate, keep_hours=24.0),
    _of(hooks.Rotated, secret="whsec_plJ3nmyCDGBKInavdOK15jsl0Y1vJqYB"),  # noqa: S106  nobody's
    _delivery,
    _of(hooks.Deliveries, items=[_delivery]),
    _of(subscriptions.NewSubscription, name="billing", start="all", stages=["packaging"]),
    _subscription,
    _of(subscriptions.Subscriptions, items=[_subscription]),
    _of(stages.Why, reason="The sandbox's machine is being replaced."),
    _stage,
    _of(stages.Stages, items=[_stage]),
    _of(forks.ForkRequest, stage="code_generation", dry_run=True),
    _of(
        forks.Forked,
        parent=WORKFLOW,
        plan=_plan,
        id=FORK,
        state="active",
        address=f"/v1/workflows/{FORK}",
        events=f"/v1/workflows/{FORK}/events",
    ),
    _of(
        foreign.NewDrop,
        stage="x_licence_header_check",
        revision=1,
        artifact=_of(foreign.Text, text='{"checked": 12, "missing": []}', media_type="application/json"),
        inputs=[_of(foreign.MadeFrom, stage="code_generation", revision=1, sha256=SHA256)],
    ),
    _of(
        history.Timeline,
        workflow=WORKFLOW,
        state="completed",
        began=BEGAN,
        seconds=41.5,
        steps=[_step],
        marks=[_of(history.Mark, outcome="submitted", at_s=0.0, note="")],
        totals=_of(
            history.Totals,
            waited_s=1.4,
            work_s=38.2,
            retries=0,
            repairs=1,
            reused=0,
            calls=22,
            known=0,
            tokens_in=40_112,
            tokens_out=18_240,
            cost=0.0173,
        ),
    ),
    _of(health.Health),
)


def by_name() -> dict[str, Any]:
    """The examples as JSON, by the name of their schema; what is as it is without being said is left out of what comes
    in."""
    return {
        type(one).__name__: one.model_dump(mode="json", by_alias=True, exclude_unset=isinstance(one, models.Sent))
        for one in EXAMPLES
    }
