"""Which grammar reads which file, told by the name alone.

Lua is left out: the wheel's grammar refuses sound programs and never returns from some.
"""

from __future__ import annotations

from pathlib import PurePosixPath

_SUFFIXES = {
    "bash": "sh bash",
    "c": "c h",
    "c_sharp": "cs",
    "commonlisp": "lisp cl",
    "cpp": "cpp cc cxx hpp hh hxx",
    "css": "css",
    "dockerfile": "dockerfile",
    "dot": "dot gv",
    "elisp": "el",
    "elixir": "ex exs",
    "elm": "elm",
    "embedded_template": "erb ejs",
    "erlang": "erl hrl",
    "fortran": "f90 f95 f03",
    "go": "go",
    "hack": "hack",
    "haskell": "hs",
    "hcl": "hcl tf",
    "html": "html htm",
    "java": "java",
    "javascript": "js mjs cjs jsx",
    "json": "json",
    "julia": "jl",
    "kotlin": "kt kts",
    "make": "mk",
    "markdown": "md markdown",
    "objc": "m mm",
    "ocaml": "ml",
    "perl": "pl pm",
    "php": "php",
    "python": "py pyi",
    "ql": "ql",
    "r": "r",
    "rst": "rst",
    "ruby": "rb",
    "rust": "rs",
    "scala": "scala",
    "sql": "sql",
    "toml": "toml",
    "tsx": "tsx",
    "typescript": "ts mts cts",
    "yaml": "yaml yml",
}
_BY_SUFFIX = {f".{suffix}": language for language, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
_BY_NAME = {"dockerfile": "dockerfile", "makefile": "make", "go.mod": "gomod", "gemfile": "ruby", "rakefile": "ruby"}

LANGUAGES = frozenset({*_BY_SUFFIX.values(), *_BY_NAME.values()})


def language_of(path: str) -> str | None:
    """The grammar's name, or None where there is none."""
    name = PurePosixPath(path).name.lower()
    return _BY_NAME.get(name) or _BY_SUFFIX.get(PurePosixPath(name).suffix)
