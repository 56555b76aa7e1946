"""Functions on lists of numbers."""

from __future__ import annotations

import math
from collections import Counter

from workers.llm_router.blueprint.functions import Sample


def mean(values: list[float]) -> float:
    """Return the arithmetic mean. Raises ValueError when there are no values."""
    if not values:
        raise ValueError("values must not be empty")
    return sum(values) / len(values)


def median(values: list[float]) -> float:
    """Return the middle value, or the mean of the two in the middle. Raises ValueError when there are no values."""
    if not values:
        raise ValueError("values must not be empty")
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def mode(values: list[float]) -> float:
    """Return the most frequent value, the smallest of several. Raises ValueError when there are no values."""
    if not values:
        raise ValueError("values must not be empty")
    counts = Counter(values)
    highest = max(counts.values())
    return min(value for value, count in counts.items() if count == highest)


def variance(values: list[float]) -> float:
    """Return the population variance. Raises ValueError when there are no values."""
    if not values:
        raise ValueError("values must not be empty")
    average = sum(values) / len(values)
    return sum((value - average) ** 2 for value in values) / len(values)


def standard_deviation(values: list[float]) -> float:
    """Return the population standard deviation. Raises ValueError when there are no values."""
    if not values:
        raise ValueError("values must not be empty")
    average = sum(values) / len(values)
    return math.sqrt(sum((value - average) ** 2 for value in values) / len(values))


def value_range(values: list[float]) -> float:
    """Return the difference between the largest and the smallest value. Raises ValueError when there are none."""
    if not values:
        raise ValueError("values must not be empty")
    return max(values) - min(values)


def percentile(values: list[float], percent: float) -> float:
    """Return the value below which that percentage of the values lies, interpolated between neighbours.

    Raises ValueError when there are no values or percent is outside 0 to 100.
    """
    if not values:
        raise ValueError("values must not be empty")
    if not 0 <= percent <= 100:
        raise ValueError("percent must be between 0 and 100")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = math.ceil(place)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def moving_average(values: list[float], size: int) -> list[float]:
    """Return the mean of each run of size neighbouring values. Raises ValueError when size is below 1."""
    if size < 1:
        raise ValueError("size must be at least 1")
    return [sum(values[start : start + size]) / size for start in range(len(values) - size + 1)]


def weighted_average(values: list[float], weights: list[float]) -> float:
    """Return the mean in which each value counts by its weight.

    Raises ValueError when the lengths differ or the weights sum up to 0.
    """
    if len(values) != len(weights):
        raise ValueError("values and weights must have the same length")
    total = sum(weights)
    if total == 0:
        raise ValueError("weights must not sum up to 0")
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / total


def correlation(first: list[float], second: list[float]) -> float:
    """Return Pearson's correlation coefficient.

    Raises ValueError when the lengths differ, there are fewer than two values, or one side does not vary.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError("both lists need the same length of at least 2")
    mean_first, mean_second = sum(first) / len(first), sum(second) / len(second)
    spread_first = sum((value - mean_first) ** 2 for value in first)
    spread_second = sum((value - mean_second) ** 2 for value in second)
    if spread_first == 0 or spread_second == 0:
        raise ValueError("values must vary")
    shared = sum((left - mean_first) * (right - mean_second) for left, right in zip(first, second, strict=True))
    return shared / math.sqrt(spread_first * spread_second)


_EMPTY: tuple[tuple[list[float]], str] = (([],), "ValueError")

SAMPLES = {
    mean: Sample(
        phrases=("average", "arithmetic mean", "average of number", "average of list"),
        examples=((([1.0, 2.0, 6.0],), 3.0),),
        error_examples=(_EMPTY,),
    ),
    median: Sample(
        phrases=("median value",),
        examples=((([3.0, 1.0, 2.0],), 2.0), (([4.0, 1.0, 3.0, 2.0],), 2.5)),
        error_examples=(_EMPTY,),
    ),
    mode: Sample(
        phrases=("modal value", "most frequent value", "most common value"),
        examples=((([1.0, 2.0, 2.0],), 2.0), (([3.0, 1.0],), 1.0)),
        error_examples=(_EMPTY,),
    ),
    variance: Sample(
        phrases=("population variance",),
        examples=((([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0],), 4.0),),
        error_examples=(_EMPTY,),
    ),
    standard_deviation: Sample(
        phrases=("stddev", "std dev", "std deviation", "stdev", "standard deviations"),
        examples=((([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0],), 2.0),),
        error_examples=(_EMPTY,),
    ),
    value_range: Sample(
        phrases=("range of value", "range of number", "spread of value", "statistical range", "min max range"),
        examples=((([4.0, 1.0, 9.0],), 8.0),),
        error_examples=(_EMPTY,),
    ),
    percentile: Sample(
        phrases=("percentiles", "quantile"),
        examples=((([1.0, 2.0, 3.0, 4.0, 5.0], 50.0), 3.0), (([1.0, 2.0], 75.0), 1.75)),
        error_examples=((([], 50.0), "ValueError"), (([1.0], 101.0), "ValueError")),
    ),
    moving_average: Sample(
        phrases=("rolling average", "running average", "rolling mean"),
        examples=((([1.0, 2.0, 3.0, 4.0], 2), [1.5, 2.5, 3.5]), (([1.0], 2), [])),
        error_examples=((([1.0], 0), "ValueError"),),
    ),
    weighted_average: Sample(
        phrases=("weighted mean",),
        examples=((([1.0, 3.0], [1.0, 3.0]), 2.5),),
        error_examples=((([1.0], [1.0, 2.0]), "ValueError"), (([1.0], [0.0]), "ValueError")),
    ),
    correlation: Sample(
        phrases=("correlation coefficient", "pearson"),
        examples=((([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]), 1.0), (([1.0, 2.0], [2.0, 1.0]), -1.0)),
        error_examples=((([1.0], [1.0]), "ValueError"), (([1.0, 1.0], [1.0, 2.0]), "ValueError")),
    ),
}
