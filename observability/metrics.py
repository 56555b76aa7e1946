"""Every metric, by name. Work is counted as plain numbers, which are read when it is time to export them; where no
collector is set, nobody reads them.

Labels are a stage, an outcome, a reason or who answered: never an id, a tenant or a subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A number that only grows, of `unit`s. `label` tells what of it was counted, beside the stage."""

    name: str
    unit: str
    meaning: str
    label: str = ""


ATTEMPTS = Metric(name="ql.attempts", unit="{attempt}", meaning="How work at a claim ended", label="outcome")
IDLE = Metric(name="ql.idle", unit="{message}", meaning="Messages that left a stage nothing to do", label="reason")
MODEL_CALLS = Metric(
    name="ql.model.calls", unit="{question}", meaning="Questions of stages that were answered", label="by"
)
COUNTED = {
    "claimed": Metric(name="ql.claims", unit="{claim}", meaning="Claims that were worked at"),
    "handed": Metric(name="ql.handed_over", unit="{claim}", meaning="Claims that came with the commit before them"),
    "reused": Metric(name="ql.reused", unit="{drop}", meaning="Drops that a fork took from the memo"),
    "events": Metric(name="ql.events", unit="{event}", meaning="Events that were published"),
    "relayed": Metric(name="ql.events.relayed", unit="{event}", meaning="Events that were published by a sweeper only"),
    "wakes": Metric(name="ql.wakes", unit="{wake}", meaning="Wakes that sweepers sent: without faults none"),
    "dead": Metric(name="ql.dead_letters", unit="{letter}", meaning="Dead letters that were kept"),
}
ALL = (*COUNTED.values(), ATTEMPTS, IDLE, MODEL_CALLS)
_IDLE = "idle."

Counted = Mapping[tuple[str, str], int]
"""How often, by what the runner calls it and by stage ('' where it is no stage's)."""


def watch(counted: Counted) -> None:
    """Have these counts, which go on growing, read at every export."""
    for metric in (*COUNTED.values(), ATTEMPTS, IDLE):
        metrics.get_meter("quantumlayer").create_observable_counter(
            metric.name, [_reader(metric, counted)], unit=metric.unit, description=metric.meaning
        )


def _reader(metric: Metric, counted: Counted) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_: CallbackOptions) -> Iterable[Observation]:
        for (name, stage), number in tuple(counted.items()):
            of, what = _metric_of(name)
            if of is metric:
                labels = {"stage": stage, metric.label: what}
                yield Observation(number, {label: value for label, value in labels.items() if label and value})

    return read


def _metric_of(name: str) -> tuple[Metric, str]:
    """Of which metric it is, and what it says there."""
    if name in COUNTED:
        return COUNTED[name], ""
    return (IDLE, name.removeprefix(_IDLE)) if name.startswith(_IDLE) else (ATTEMPTS, name)


_model_calls = metrics.get_meter("quantumlayer").create_counter(
    MODEL_CALLS.name, unit=MODEL_CALLS.unit, description=MODEL_CALLS.meaning
)


def model_call(stage: str, by: str) -> None:
    """A stage's question was answered `by` a model, or by the ledger."""
    _model_calls.add(1, {"stage": stage, MODEL_CALLS.label: by})
