"""Functions on dates, which come and go as ISO 8601 text (2024-02-29)."""

from __future__ import annotations

from datetime import date, timedelta

from workers.llm_router.blueprint.functions import Sample


def is_leap_year(year: int) -> bool:
    """Tell whether the Gregorian year has 366 days."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_between(start: str, end: str) -> int:
    """Return the days from start to end, negative when end is earlier. Raises ValueError when one is no date."""
    return (date.fromisoformat(end) - date.fromisoformat(start)).days


def add_days(start: str, days: int) -> str:
    """Return the date that many days after start (before it when negative). Raises ValueError when it is no date."""
    return (date.fromisoformat(start) + timedelta(days=days)).isoformat()


def age_on(birthday: str, day: str) -> int:
    """Return the age in whole years on a day. Raises ValueError when the day is before the birthday."""
    born, today = date.fromisoformat(birthday), date.fromisoformat(day)
    if today < born:
        raise ValueError("day must not be before the birthday")
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def day_of_week(day: str) -> str:
    """Return the English name of the weekday. Raises ValueError when it is no date."""
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    return names[date.fromisoformat(day).weekday()]


def is_weekend(day: str) -> bool:
    """Tell whether the day is a Saturday or a Sunday. Raises ValueError when it is no date."""
    return date.fromisoformat(day).weekday() >= 5


def working_days(start: str, end: str) -> int:
    """Return the days from Monday to Friday between both dates, both included; 0 when end is earlier.

    Raises ValueError when one of them is no date.
    """
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    days = ((last - first).days + 1) if last >= first else 0
    return sum((first + timedelta(days=offset)).weekday() < 5 for offset in range(days))


def days_in_month(year: int, month: int) -> int:
    """Return how many days the month has. Raises ValueError when month is not between 1 and 12."""
    if not 1 <= month <= 12:
        raise ValueError("month must be between 1 and 12")
    if month == 2:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return 29 if leap else 28
    return 30 if month in (4, 6, 9, 11) else 31


def format_duration(seconds: int) -> str:
    """Return seconds as hours, minutes and seconds: '1:02:05'. Raises ValueError when negative."""
    if seconds < 0:
        raise ValueError("seconds must not be negative")
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


_NO_DATE = "2024-02-30"

SAMPLES = {
    is_leap_year: Sample(
        phrases=("leap year",), examples=(((2024,), True), ((1900,), False), ((2000,), True), ((2023,), False))
    ),
    days_between: Sample(
        phrases=(
            "day between",
            "number of day between",
            "date difference",
            "difference between two date",
            "difference between date",
            "day from date to date",
            "how many day lie between",
        ),
        examples=(
            (("2024-02-28", "2024-03-01"), 2),
            (("2024-03-01", "2024-02-28"), -2),
            (("2024-01-01", "2024-01-01"), 0),
        ),
        error_examples=(((_NO_DATE, "2024-03-01"), "ValueError"),),
    ),
    add_days: Sample(
        phrases=("add day", "add number of day", "date plus day", "day after date", "add a number of day"),
        examples=((("2024-02-28", 2), "2024-03-01"), (("2024-03-01", -1), "2024-02-29")),
        error_examples=(((_NO_DATE, 1), "ValueError"),),
    ),
    age_on: Sample(
        phrases=(
            "calculate age",
            "age from birthday",
            "age from birth date",
            "age calculation",
            "compute age",
            "age calculator",
            "age in year",
            "age of person",
        ),
        examples=((("1990-06-15", "2024-06-14"), 33), (("1990-06-15", "2024-06-15"), 34)),
        error_examples=((("2024-01-02", "2024-01-01"), "ValueError"),),
    ),
    day_of_week: Sample(
        phrases=("weekday of date", "which weekday", "weekday name", "name of weekday", "weekday"),
        examples=((("2024-02-29",), "Thursday"), (("2024-03-03",), "Sunday")),
        error_examples=(((_NO_DATE,), "ValueError"),),
    ),
    is_weekend: Sample(
        phrases=("weekend check", "on weekend", "falls on weekend"),
        examples=((("2024-03-02",), True), (("2024-03-04",), False)),
        error_examples=(((_NO_DATE,), "ValueError"),),
    ),
    working_days: Sample(
        phrases=(
            "business day",
            "workday",
            "weekday between",
            "working day between",
            "working day count",
            "count working day",
        ),
        examples=(
            (("2024-03-01", "2024-03-04"), 2),
            (("2024-03-04", "2024-03-01"), 0),
            (("2024-03-02", "2024-03-03"), 0),
        ),
        error_examples=(((_NO_DATE, "2024-03-04"), "ValueError"),),
    ),
    days_in_month: Sample(
        phrases=("day of month count", "length of month", "number of day in month", "how many day month"),
        examples=(((2024, 2), 29), ((2023, 2), 28), ((2024, 4), 30), ((2024, 12), 31)),
        error_examples=(((2024, 13), "ValueError"),),
    ),
    format_duration: Sample(
        phrases=("second to hour", "second to hh:mm:ss", "duration formatting", "format second", "second into hour"),
        examples=(((3725,), "1:02:05"), ((59,), "0:00:59"), ((0,), "0:00:00")),
        error_examples=(((-1,), "ValueError"),),
    ),
}
