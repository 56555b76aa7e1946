"""Performance analysis with lizard and radon on functions whose numbers are known."""

from __future__ import annotations

from contracts.artifacts import File, SourceTree, encode
from tests.workers.semantic_validation.sample import tree
from workers.performance_analysis.stage import STAGE

BRANCHY = "def pick(a, b):\n" + "".join(f"    if a == {n}:\n        return b\n" for n in range(10)) + "    return a\n"
LONG = "def long():\n" + "    print(1)\n" * 80 + "    return 1\n"
GREEDY = "def greedy(a, b, c, d, e, f, g, h):\n    return a\n"


def trees(**files: str) -> SourceTree:
    return SourceTree(files=tuple(File(path=f"src/{name}.py", text=text) for name, text in files.items()))


async def test_known_functions_have_known_numbers() -> None:
    report = await STAGE()(tree())
    found = {(f.path, f.name, f.line): (f.complexity, f.loc, f.parameters) for f in report.functions}
    assert found["src/plums/models.py", "double", 16] == (2, 4, 1)
    assert found["src/plums/cli.py", "main", 11] == (2, 10, 1)
    assert {f.path for f in report.files} >= {"src/plums/cli.py", "src/plums/__main__.py"}
    assert all(20 < f.maintainability <= 100 for f in report.files)
    assert report.findings == ()
    assert encode(report) == encode(await STAGE()(tree()))


async def test_a_function_above_a_limit_is_a_warning_with_its_line() -> None:
    report = await STAGE()(trees(a=f"\n{BRANCHY}", b=LONG, c=GREEDY, d="x = 1\n" * 401))
    assert [(f.path, f.line, f.rule, f.severity) for f in report.findings] == [
        ("src/a.py", 2, "complexity", "warning"),
        ("src/b.py", 1, "lines", "warning"),
        ("src/c.py", 1, "parameters", "warning"),
        ("src/d.py", 0, "file-lines", "warning"),
    ]
    assert report.findings[0].message == "pick: complexity 11, more than 10"


async def test_other_languages_are_counted_without_an_index() -> None:
    text = "function pick(a) {\n  if (a) { return 1; }\n  return 2;\n}\n"
    report = await STAGE()(SourceTree(files=(File(path="web/a.js", text=text), File(path="LICENSE", text="free"))))
    assert [(f.name, f.complexity) for f in report.functions] == [("pick", 2)]
    assert [(f.path, f.maintainability) for f in report.files] == [("web/a.js", -1.0)]


async def test_what_can_not_be_measured_is_said() -> None:
    report = await STAGE()(trees(a="def f(:\n", b="x = " + "(" * 5000 + ")" * 5000, c="def g():\n    return 1\n"))
    assert {f.path for f in report.findings if f.rule == "not-measured"} == {"src/a.py", "src/b.py"}
    assert [f.path for f in report.files] == ["src/c.py"]
