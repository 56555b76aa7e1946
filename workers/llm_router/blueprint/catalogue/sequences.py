"""Functions on lists, matrices and lines of a log."""

from __future__ import annotations

import re
from collections import Counter

from workers.llm_router.blueprint.functions import Sample


def flatten(nested: list[list[float]]) -> list[float]:
    """Return the values of the inner lists in one list."""
    return [value for inner in nested for value in inner]


def chunk(values: list[float], size: int) -> list[list[float]]:
    """Return the values in lists of size, the last one perhaps shorter. Raises ValueError when size is below 1."""
    if size < 1:
        raise ValueError("size must be at least 1")
    return [values[start : start + size] for start in range(0, len(values), size)]


def remove_duplicates(values: list[str]) -> list[str]:
    """Return each value once, in the order of first appearance."""
    return list(dict.fromkeys(values))


def rotate(values: list[float], steps: int) -> list[float]:
    """Return the values moved to the left by steps (to the right when negative); what falls out comes in again."""
    if not values:
        return []
    start = steps % len(values)
    return values[start:] + values[:start]


def binary_search(values: list[float], wanted: float) -> int:
    """Return the place of a value in a sorted list, or -1 when it is not there."""
    low, high = 0, len(values) - 1
    while low <= high:
        middle = (low + high) // 2
        if values[middle] == wanted:
            return middle
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle - 1
    return -1


def bubble_sort(values: list[float]) -> list[float]:
    """Return the values in ascending order, sorted by exchanging neighbours."""
    ordered = list(values)
    for end in range(len(ordered) - 1, 0, -1):
        for place in range(end):
            if ordered[place] > ordered[place + 1]:
                ordered[place], ordered[place + 1] = ordered[place + 1], ordered[place]
    return ordered


def add_matrices(first: list[list[float]], second: list[list[float]]) -> list[list[float]]:
    """Return the sum of two matrices. Raises ValueError when their sizes differ."""
    if len(first) != len(second) or any(len(left) != len(right) for left, right in zip(first, second, strict=False)):
        raise ValueError("both matrices must have the same size")
    return [
        [left + right for left, right in zip(upper, lower, strict=True)]
        for upper, lower in zip(first, second, strict=True)
    ]


def multiply_matrices(first: list[list[float]], second: list[list[float]]) -> list[list[float]]:
    """Return the product of two matrices. Raises ValueError when their sizes don't fit or one is empty."""
    if not first or not second or any(len(row) != len(second) for row in first):
        raise ValueError("columns of the first must be as many as rows of the second")
    if any(len(row) != len(second[0]) for row in second):
        raise ValueError("all rows must have the same length")
    columns = list(zip(*second, strict=True))
    return [[sum(left * right for left, right in zip(row, column, strict=True)) for column in columns] for row in first]


def transpose(matrix: list[list[float]]) -> list[list[float]]:
    """Return the matrix with rows and columns exchanged. Raises ValueError when its rows differ in length."""
    if any(len(row) != len(matrix[0]) for row in matrix):
        raise ValueError("all rows must have the same length")
    return [list(column) for column in zip(*matrix, strict=True)]


def determinant(matrix: list[list[float]]) -> float:
    """Return the determinant of a square matrix. Raises ValueError when it is not square or is empty."""
    size = len(matrix)
    if size == 0 or any(len(row) != size for row in matrix):
        raise ValueError("the matrix must be square")
    rows = [list(row) for row in matrix]
    result = 1.0
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(rows[row][column]))
        if rows[pivot][column] == 0:
            return 0.0
        if pivot != column:
            rows[column], rows[pivot] = rows[pivot], rows[column]
            result = -result
        result *= rows[column][column]
        for row in range(column + 1, size):
            factor = rows[row][column] / rows[column][column]
            rows[row] = [left - factor * right for left, right in zip(rows[row], rows[column], strict=True)]
    return round(result, 9)


def dot_product(first: list[float], second: list[float]) -> float:
    """Return the sum of the products of both vectors' parts. Raises ValueError when their lengths differ."""
    if len(first) != len(second):
        raise ValueError("both vectors must have the same length")
    return sum(left * right for left, right in zip(first, second, strict=True))


def count_levels(lines: list[str]) -> dict[str, int]:
    """Return how many lines of a log name each of the levels DEBUG, INFO, WARNING, ERROR and CRITICAL."""
    counts: dict[str, int] = {}
    for line in lines:
        found = re.search(r"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b", line)
        if found:
            counts[found.group(1)] = counts.get(found.group(1), 0) + 1
    return counts


def most_common_errors(lines: list[str], limit: int) -> list[tuple[str, int]]:
    """Return the messages of a log's ERROR lines with how often they occur, the most common first, at most limit.

    Raises ValueError when limit is below 1.
    """
    if limit < 1:
        raise ValueError("limit must be at least 1")
    messages = [line.partition("ERROR")[2].strip(" :-]") for line in lines if "ERROR" in line]
    return Counter(messages).most_common(limit)


_LOG = ["10:00 INFO started", "10:01 ERROR disk full", "10:02 ERROR: disk full", "10:03 ERROR no route", "no level"]

SAMPLES = {
    flatten: Sample(
        phrases=("flatten list", "flatten nested", "flatten a list"),
        examples=((([[1.0], [], [2.0, 3.0]],), [1.0, 2.0, 3.0]),),
    ),
    chunk: Sample(
        phrases=("chunk list", "split list into chunk", "chunk of size", "batch list", "split a list"),
        examples=((([1.0, 2.0, 3.0], 2), [[1.0, 2.0], [3.0]]), (([], 2), [])),
        error_examples=((([1.0], 0), "ValueError"),),
    ),
    remove_duplicates: Sample(
        phrases=(
            "deduplicate",
            "unique value of list",
            "remove duplicate value",
            "dedupe",
            "remove the duplicate",
            "without duplicate",
        ),
        examples=(((["b", "a", "b"],), ["b", "a"]), (([],), [])),
    ),
    rotate: Sample(
        phrases=("rotate list", "list rotation", "rotate a list", "rotate array"),
        examples=((([1.0, 2.0, 3.0], 1), [2.0, 3.0, 1.0]), (([1.0, 2.0, 3.0], -1), [3.0, 1.0, 2.0]), (([], 3), [])),
    ),
    binary_search: Sample(
        phrases=("search sorted list",),
        examples=((([1.0, 3.0, 5.0, 7.0], 5.0), 2), (([1.0, 3.0], 2.0), -1), (([], 1.0), -1)),
    ),
    bubble_sort: Sample(phrases=("bubblesort",), examples=((([3.0, 1.0, 2.0],), [1.0, 2.0, 3.0]), (([],), []))),
    add_matrices: Sample(
        phrases=("add two matrix", "matrix addition", "add matrix", "sum of matrix", "sum of two matrix"),
        examples=((([[1.0, 2.0]], [[3.0, 4.0]]), [[4.0, 6.0]]),),
        error_examples=((([[1.0]], [[1.0, 2.0]]), "ValueError"),),
    ),
    multiply_matrices: Sample(
        phrases=(
            "multiply two matrix",
            "matrix multiplication",
            "matrix product",
            "product of two matrix",
            "multiply matrix",
        ),
        examples=((([[1.0, 2.0], [3.0, 4.0]], [[5.0], [6.0]]), [[17.0], [39.0]]),),
        error_examples=((([[1.0, 2.0]], [[1.0]]), "ValueError"), (([], []), "ValueError")),
    ),
    transpose: Sample(
        phrases=("transpose matrix", "transpose a matrix", "matrix transposition"),
        examples=((([[1.0, 2.0], [3.0, 4.0]],), [[1.0, 3.0], [2.0, 4.0]]), (([],), [])),
        error_examples=((([[1.0], [1.0, 2.0]],), "ValueError"),),
    ),
    determinant: Sample(
        phrases=("determinants", "determinant of matrix"),
        examples=((([[1.0, 2.0], [3.0, 4.0]],), -2.0), (([[1.0, 2.0], [2.0, 4.0]],), 0.0)),
        error_examples=((([[1.0, 2.0]],), "ValueError"), (([],), "ValueError")),
    ),
    dot_product: Sample(
        phrases=("scalar product", "inner product"),
        examples=((([1.0, 2.0], [3.0, 4.0]), 11.0),),
        error_examples=((([1.0], []), "ValueError"),),
    ),
    count_levels: Sample(
        phrases=(
            "line per level",
            "count line per level",
            "log level count",
            "count log level",
            "line by level",
            "entry per level",
            "message per level",
        ),
        examples=(((_LOG,), {"INFO": 1, "ERROR": 3}), (([],), {})),
    ),
    most_common_errors: Sample(
        phrases=(
            "most common error",
            "most frequent error",
            "top error",
            "common error message",
            "most common error message",
        ),
        examples=(((_LOG, 1), [("disk full", 2)]), (([], 3), [])),
        error_examples=((([], 0), "ValueError"),),
    ),
}
