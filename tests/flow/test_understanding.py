"""The labelled prompts are understood well enough, and those to be refused are refused."""

from contracts.artifacts.submission import Submission
from tests.flow import understanding
from workers.llm_router.blueprint.understanding import Refusal, understand


def test_f1_over_all_labelled_prompts() -> None:
    print(understanding.report())  # noqa: T201  the numbers of the held-out prompts, for whoever runs this with -s
    assert understanding.score(understanding.labelled())["all"].f1 >= 0.90


def test_what_must_be_refused_is_refused() -> None:
    served = [
        item["id"]
        for item in understanding.refused()
        if not isinstance(understand(Submission(prompt=item["prompt"])), Refusal)
    ]
    assert served == []


def test_a_wrong_answer_costs() -> None:
    label = understanding.labelled()[0]
    right = understand(Submission(prompt=label["prompt"]))
    other = understand(Submission(prompt="REST API. A whale has a weight."))
    for category in ("entity", "field"):
        assert understanding.compare(right, label, category)[0].right > 0
        assert understanding.compare(other, label, category)[0].right == 0
