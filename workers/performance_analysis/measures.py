"""lizard counts in every language it reads, radon adds Python's maintainability index; excess is told of."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import lizard
from radon.metrics import mi_visit

from contracts.artifacts import File, FileMeasure, Finding, FunctionMeasure, PerformanceReport, SourceTree

MAX_COMPLEXITY = 10
MAX_LOC = 80
MAX_PARAMETERS = 7
MAX_FILE_LOC = 400
MIN_MAINTAINABILITY = 20.0


def report(tree: SourceTree) -> PerformanceReport:
    """Files in no language that lizard reads are left out."""
    functions: list[FunctionMeasure] = []
    files: list[FileMeasure] = []
    findings: list[Finding] = []
    for file in sorted(tree.files, key=lambda file: file.path):
        if lizard.get_reader_for(file.path) is None:
            continue
        try:
            found, size = _measured(file)
        except Exception as error:  # noqa: BLE001 - hostile code may break a meter anywhere; it is told of
            findings.append(_warning("not-measured", f"could not be measured: {type(error).__name__}", file.path))
            continue
        functions += found
        files.append(size)
        findings += [warning for function in found for warning in _function_warnings(function)]
        findings += _file_warnings(size)
    return PerformanceReport(functions=tuple(functions), files=tuple(files), findings=tuple(findings))


def _measured(file: File) -> tuple[list[FunctionMeasure], FileMeasure]:
    told = lizard.analyze_file.analyze_source_code(file.path, file.text)
    functions = [
        FunctionMeasure(
            path=file.path,
            name=function.name,
            line=function.start_line,
            complexity=function.cyclomatic_complexity,
            loc=function.nloc,
            parameters=function.parameter_count,
        )
        for function in told.function_list
    ]
    return functions, FileMeasure(path=file.path, loc=told.nloc, maintainability=_maintainability(file))


def _maintainability(file: File) -> float:
    """radon knows Python only; -1 says that there is no index."""
    if not file.path.endswith(".py"):
        return -1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the code's own string escapes
        return round(float(mi_visit(file.text, multi=True)), 2)


def _function_warnings(function: FunctionMeasure) -> Iterator[Finding]:
    for what, value, limit in (
        ("complexity", function.complexity, MAX_COMPLEXITY),
        ("lines", function.loc, MAX_LOC),
        ("parameters", function.parameters, MAX_PARAMETERS),
    ):
        if value > limit:
            message = f"{function.name}: {what} {value}, more than {limit}"
            yield _warning(what, message, function.path, function.line)


def _file_warnings(size: FileMeasure) -> Iterator[Finding]:
    if size.loc > MAX_FILE_LOC:
        yield _warning("file-lines", f"{size.loc} lines of code, more than {MAX_FILE_LOC}", size.path)
    if 0 <= size.maintainability < MIN_MAINTAINABILITY:
        message = f"maintainability {size.maintainability}, less than {MIN_MAINTAINABILITY}"
        yield _warning("maintainability", message, size.path)


def _warning(rule: str, message: str, path: str, line: int = 0) -> Finding:
    return Finding(rule=rule, message=message, severity="warning", path=path, line=line)
