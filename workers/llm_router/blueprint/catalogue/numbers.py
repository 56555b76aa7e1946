"""Functions on whole numbers."""

from __future__ import annotations

import math

from workers.llm_router.blueprint.functions import Sample


def is_prime(number: int) -> bool:
    """Tell whether the number is a prime."""
    if number < 2:
        return False
    return all(number % divisor for divisor in range(2, math.isqrt(number) + 1))


def primes_up_to(limit: int) -> list[int]:
    """Return all primes up to and including limit, in order."""
    sieve = [True] * max(limit + 1, 2)
    for number in range(2, math.isqrt(max(limit, 0)) + 1):
        if sieve[number]:
            for multiple in range(number * number, limit + 1, number):
                sieve[multiple] = False
    return [number for number in range(2, limit + 1) if sieve[number]]


def prime_factors(number: int) -> list[int]:
    """Return the prime factors of the number, the smallest first, repeated where they divide it more than once.

    Raises ValueError when the number is below 1.
    """
    if number < 1:
        raise ValueError("number must be at least 1")
    factors = []
    divisor = 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return [*factors, number] if number > 1 else factors


def factorial(number: int) -> int:
    """Return the product of the whole numbers from 1 to number. Raises ValueError when number is negative."""
    if number < 0:
        raise ValueError("number must not be negative")
    product = 1
    for factor in range(2, number + 1):
        product *= factor
    return product


def fibonacci(count: int) -> list[int]:
    """Return the first count Fibonacci numbers, from 0 on. Raises ValueError when count is negative."""
    if count < 0:
        raise ValueError("count must not be negative")
    numbers = []
    current, following = 0, 1
    for _ in range(count):
        numbers.append(current)
        current, following = following, current + following
    return numbers


def greatest_common_divisor(first: int, second: int) -> int:
    """Return the greatest number that divides both; 0 when both are 0."""
    while second:
        first, second = second, first % second
    return abs(first)


def least_common_multiple(first: int, second: int) -> int:
    """Return the least positive number that both divide; 0 when one of them is 0."""
    if first == 0 or second == 0:
        return 0
    return abs(first * second) // math.gcd(first, second)


def to_roman(number: int) -> str:
    """Return a whole number as a Roman numeral. Raises ValueError outside 1 to 3999."""
    if not 1 <= number <= 3999:
        raise ValueError("number must be between 1 and 3999")
    steps = [
        (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"),
        (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
    ]  # fmt: skip
    numeral = ""
    for value, letters in steps:
        count, number = divmod(number, value)
        numeral += letters * count
    return numeral


def from_roman(numeral: str) -> int:
    """Return the value of a Roman numeral between I and MMMCMXCIX. Raises ValueError when it is not well formed."""
    values = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
    letters = numeral.upper()
    if not letters or any(letter not in values for letter in letters):
        raise ValueError("not a Roman numeral")
    total = 0
    for letter, following in zip(letters, [*letters[1:], ""], strict=True):
        value = values[letter]
        total += -value if value < values.get(following, 0) else value
    steps = [
        (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"),
        (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
    ]  # fmt: skip
    rest, canonical = total, ""
    for value, symbol in steps:
        count, rest = divmod(rest, value)
        canonical += symbol * count
    if canonical != letters or total > 3999:
        raise ValueError("not a Roman numeral")
    return total


def to_binary(number: int) -> str:
    """Return a whole number in binary digits. Raises ValueError when it is negative."""
    if number < 0:
        raise ValueError("number must not be negative")
    return format(number, "b")


def from_binary(digits: str) -> int:
    """Return the value of binary digits. Raises ValueError when there are others than 0 and 1, or none."""
    if not digits or set(digits) - {"0", "1"}:
        raise ValueError("digits must be 0 and 1")
    return int(digits, 2)


def to_hexadecimal(number: int) -> str:
    """Return a whole number in lower-case hexadecimal digits. Raises ValueError when it is negative."""
    if number < 0:
        raise ValueError("number must not be negative")
    return format(number, "x")


def digit_sum(number: int) -> int:
    """Return the sum of the decimal digits; the sign does not count."""
    return sum(int(digit) for digit in str(abs(number)))


def clamp(value: float, low: float, high: float) -> float:
    """Return the value, moved to the nearer bound when it is outside. Raises ValueError when low is above high."""
    if low > high:
        raise ValueError("low must not be above high")
    return max(low, min(value, high))


SAMPLES = {
    is_prime: Sample(
        phrases=("prime number", "prime check", "check prime", "primality"),
        examples=(((2,), True), ((91,), False), ((97,), True), ((1,), False), ((-7,), False)),
    ),
    primes_up_to: Sample(
        phrases=("list prime", "prime below", "sieve", "generate prime", "all prime", "prime less"),
        examples=(((10,), [2, 3, 5, 7]), ((1,), []), ((2,), [2])),
    ),
    prime_factors: Sample(
        phrases=("prime factor", "prime factorization", "factorize", "factorization"),
        examples=(((60,), [2, 2, 3, 5]), ((13,), [13]), ((1,), [])),
        error_examples=(((0,), "ValueError"),),
    ),
    factorial: Sample(
        phrases=("factorials",),
        examples=(((5,), 120), ((0,), 1)),
        error_examples=(((-1,), "ValueError"),),
    ),
    fibonacci: Sample(
        phrases=("fibonacci number", "fibonacci sequence"),
        examples=(((7,), [0, 1, 1, 2, 3, 5, 8]), ((0,), [])),
        error_examples=(((-1,), "ValueError"),),
    ),
    greatest_common_divisor: Sample(
        phrases=("gcd", "common divisor", "highest common factor", "greatest common factor"),
        examples=(((12, 18), 6), ((7, 0), 7), ((-4, 6), 2), ((0, 0), 0)),
    ),
    least_common_multiple: Sample(
        phrases=("lcm", "common multiple", "lowest common multiple", "smallest common multiple"),
        examples=(((4, 6), 12), ((0, 5), 0), ((-3, 7), 21)),
    ),
    to_roman: Sample(
        phrases=(
            "integer to roman",
            "number to roman",
            "roman numeral",
            "arabic to roman",
            "int to roman",
            "decimal to roman",
        ),
        examples=(((1994,), "MCMXCIV"), ((4,), "IV"), ((3999,), "MMMCMXCIX")),
        error_examples=(((0,), "ValueError"), ((4000,), "ValueError")),
    ),
    from_roman: Sample(
        phrases=(
            "roman to integer",
            "roman to number",
            "roman numeral to integer",
            "roman numeral to number",
            "roman to int",
            "roman to arabic",
            "parse roman",
            "roman to decimal",
            "roman numeral back",
            "roman numeral and back",
        ),
        examples=((("MCMXCIV",), 1994), (("iv",), 4)),
        error_examples=((("IIII",), "ValueError"), (("",), "ValueError"), (("ABC",), "ValueError")),
    ),
    to_binary: Sample(
        phrases=("decimal to binary", "integer to binary", "number to binary", "int to binary", "convert to binary"),
        examples=(((10,), "1010"), ((0,), "0")),
        error_examples=(((-1,), "ValueError"),),
    ),
    from_binary: Sample(
        phrases=("binary to decimal", "binary to integer", "binary to number", "binary to int", "parse binary"),
        examples=((("1010",), 10), (("0",), 0)),
        error_examples=((("102",), "ValueError"), (("",), "ValueError")),
    ),
    to_hexadecimal: Sample(
        phrases=(
            "to hex",
            "decimal to hex",
            "decimal to hexadecimal",
            "number to hexadecimal",
            "convert to hexadecimal",
        ),
        examples=(((255,), "ff"), ((0,), "0")),
        error_examples=(((-1,), "ValueError"),),
    ),
    digit_sum: Sample(
        phrases=("sum of digit", "digital sum", "sum the digit", "add up digit", "cross sum"),
        examples=(((1984,), 22), ((-12,), 3), ((0,), 0)),
    ),
    clamp: Sample(
        phrases=("clamp value", "clamp number", "limit value to range"),
        examples=(((5.0, 0.0, 3.0), 3.0), ((-1.0, 0.0, 3.0), 0.0), ((2.0, 0.0, 3.0), 2.0)),
        error_examples=(((1.0, 3.0, 0.0), "ValueError"),),
    ),
}
