"""Answers as models really give them: every form below was seen in the wild, and each is either read or refused."""

from __future__ import annotations

import pytest

from workers.kit.llm.reading import FilesForm, JsonForm
from workers.kit.llm.wire import Answer
from workers.kit.stage import Unfit

from .asking import Pair

APP = "app/main.py"
CODE = 'import sys\n\n\ndef main() -> int:\n    print("plums")\n    return 0\n'
README = "# Plums\n\n## Usage\n\n```sh\nplums add\n```\n\nDone.\n"


def answer(text: str) -> Answer:
    return Answer(text=text, model="m", question="q")


def fence(info: str, body: str = CODE, run: str = "```") -> str:
    return f"{run}{info}\n{body}{run}"


FILES = {
    "as asked": fence(f"python {APP}"),
    "chat": f"Sure! Here's the complete file:\n\n{fence(f'python {APP}')}\n\nLet me know if you need anything else! 😊",
    "language only": f"Here's the implementation:\n\n{fence('python')}",
    "capital language": fence("Python"),
    "no language": f"Here it is.\n\n{fence('')}",
    "no fence at all": CODE,
    "colon": fence(f"python:{APP}"),
    "title": fence(f'python title="{APP}"'),
    "filename": fence(f"python filename={APP}"),
    "pandoc": fence(f'{{.python filename="{APP}"}}'),
    "path alone": fence(APP),
    "heading": f"## {APP}\n\n{fence('python')}",
    "numbered heading": f"### 1. `{APP}`\n{fence('python')}",
    "bold": f"**{APP}**\n\n{fence('python')}",
    "bold with label": f"**File: `{APP}`**\n{fence('python')}",
    "sentence": f"Below is the content of `{APP}`:\n\n{fence('python')}",
    "comment": fence("python", f"# {APP}\n{CODE}"),
    "comment with label": fence("python", f"# File: ./{APP}\n{CODE}"),
    "tildes": fence(f"python {APP}", run="~~~"),
    "five backticks": fence(f"python {APP}", run="`````"),
    "windows": fence(f"python {APP}").replace("\n", "\r\n"),
    "byte order mark": f"\ufeff{fence(f'python {APP}')}",
    "in a list": "1. The file:\n\n" + "\n".join(f"   {line}" for line in fence(f"python {APP}").split("\n")),
    "thoughts": f"<think>\nThe user wants\n```python\nx\n```\n</think>\n\n{fence(f'python {APP}')}",
    "usage below": f"{fence(f'python {APP}')}\n\nRun it with:\n\n```bash\npython {APP}\n```\n",
    "usage below, nameless": f"{fence('python')}\n\nRun it with:\n\n```bash\npython {APP}\n```\n",
    "usage above": f"First:\n```\npip install plums\n```\nThen `{APP}`:\n{fence('python')}",
    "explained": f"{fence(f'python {APP}')}\n\n### Explanation\n\n- `main`: prints ```plums``` and returns 0.\n",
    "old code quoted": f"Your `{APP}` was wrong.\n\n```diff\n-x\n+y\n```\n\n{fence(f'python {APP}')}",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_a_file_is_read(text: str) -> None:
    (file,) = FilesForm([APP], 1).read(answer(text))
    assert file.text == CODE


@pytest.mark.parametrize(
    "text",
    [
        f"{fence('markdown README.md', README)}\n\n{fence(f'python {APP}')}",
        f"{fence('markdown README.md', README, '````')}\n\n{fence(f'python {APP}')}",
        f"**README.md**\n{fence('markdown', README)}\n\n**{APP}**\n{fence('python')}",
        f"### README.md\n\n{fence('md', README)}\n\n### {APP}\n\n{fence('py')}\n\nThat's both.",
        f"{fence(f'python {APP}')}\n{fence('markdown README.md', README.replace('```sh', '```'))}",
    ],
    ids=["same fences", "longer fence", "bold", "headings", "nameless fence inside"],
)
def test_two_files_are_read(text: str) -> None:
    readme, app = FilesForm(["README.md", APP], 1).read(answer(text))
    assert readme.text.replace("```\nplums", "```sh\nplums") == README
    assert app.text == CODE


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("I'm sorry, but I can't help with that.", "holds no file"),
        ("Sorry", "holds no file"),
        (fence("python main.py"), "holds 'main.py', which nobody asked for"),
        (fence("python ../app/main.py"), "which nobody asked for"),
        (fence(f"python:{APP}:1-6"), "which nobody asked for"),
        (f"{fence('python')}\n{fence('python')}", "holds no file"),
        (f"{fence(f'python {APP}')}\n{fence(f'python {APP}')}", "holds one file twice"),
        (fence("bash", f"cat > {APP} <<EOF\n{CODE}EOF\n"), "holds no file"),
        (fence("", f"$ python {APP}\nplums\n"), "holds no file"),
        (f"```python {APP}\n{CODE}", f"ends inside {APP}"),
    ],
    ids=["refusal", "word", "other", "up", "lines", "two", "twice", "shell", "output", "cut"],
)
def test_what_nobody_can_be_sure_of_is_no_file(text: str, sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        FilesForm([APP], 1).read(answer(text))


PAIR = '{"left": 1, "right": "a \\"}\\" b"}'


@pytest.mark.parametrize(
    "text",
    [
        PAIR,
        f"```json\n{PAIR}\n```",
        f"```JSON\n{PAIR}\n```",
        f"```\n{PAIR}\n```",
        f"~~~json\n{PAIR}\n~~~",
        f"Here is the JSON you asked for:\n\n```json\n{PAIR}\n```\n\nLet me know!",
        f"Here you are: {PAIR} I hope it's what you meant.",
        f"\ufeff{PAIR}\r\n".replace(", ", ",\r\n"),
        f'<think>Maybe {{"left": 2}}? No.</think>\n{PAIR}',
        f"For {{name}} it is:\n{PAIR}",
        f'First {{"other": 1}}, then\n{PAIR}',
        f"{PAIR}\n\n{PAIR}",
    ],
    ids=[
        "bare",
        "fence",
        "capitals",
        "nameless fence",
        "tildes",
        "chat and fence",
        "chat",
        "windows",
        "thoughts",
        "brace",
        "another object",
        "twice",
    ],
)
def test_an_object_is_read(text: str) -> None:
    assert JsonForm(Pair).read(answer(text)) == Pair(left=1, right='a "}" b')


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"left": 1,}', "trailing comma"),
        ("{'left': 1}", "JSON is malformed"),
        ('{"left": 1 // one\n}', "JSON is malformed"),
        ("{left: 1}", "JSON is malformed"),
        ('{"left": True}', "JSON is malformed"),
        ('{"left": "1"}', "Expected `int`, got `str` - at `\\$.left`"),
        ('Sure: {"left": null}', "Expected `int`, got `null` - at `\\$.left`"),
        ('{"Pair": {"left": 1}}', "missing required field `left`"),
        ('[{"left": 1}, {"left": 2}]', "2 different Pair objects"),
        ('{"left": 1}\n{"left": 2}', "2 different Pair objects"),
        ("I can't.", "is not the JSON of a Pair"),
        ('{"left": ' * 3000, "is not the JSON of a Pair"),
    ],
)
def test_what_is_wrong_inside_is_told_and_not_mended(text: str, sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        JsonForm(Pair).read(answer(text))
