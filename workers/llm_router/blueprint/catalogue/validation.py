"""Functions that check codes and other input."""

from __future__ import annotations

import re

from workers.llm_router.blueprint.functions import Sample


def is_valid_email(address: str) -> bool:
    """Tell whether the text has the form of an e-mail address; whether it exists is not checked."""
    local, separator, domain = address.partition("@")
    if not separator or ".." in address or len(address) > 254:
        return False
    return bool(
        re.fullmatch(r"[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{0,63}", local)
        and re.fullmatch(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}", domain)
    )


def luhn_check(number: str) -> bool:
    """Tell whether the digits pass the Luhn test that card numbers use; spaces and hyphens don't count."""
    digits = number.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit()):
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_valid_iban(iban: str) -> bool:
    """Tell whether an IBAN is well formed and its check digits are right; spaces don't count."""
    compact = iban.replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", compact):
        return False
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def is_valid_isbn(isbn: str) -> bool:
    """Tell whether an ISBN with 10 or 13 digits has a right check digit; spaces and hyphens don't count."""
    compact = isbn.replace("-", "").replace(" ", "").upper()
    if re.fullmatch(r"[0-9]{9}[0-9X]", compact):
        values = [10 if character == "X" else int(character) for character in compact]
        return sum(value * weight for value, weight in zip(values, range(10, 0, -1), strict=True)) % 11 == 0
    if re.fullmatch(r"[0-9]{13}", compact):
        return sum(int(character) * (3 if place % 2 else 1) for place, character in enumerate(compact)) % 10 == 0
    return False


def is_valid_ipv4(address: str) -> bool:
    """Tell whether the text is an IPv4 address of four numbers from 0 to 255, without leading zeros."""
    parts = address.split(".")
    return len(parts) == 4 and all(
        part.isascii() and part.isdigit() and int(part) <= 255 and str(int(part)) == part for part in parts
    )


def is_valid_hex_color(color: str) -> bool:
    """Tell whether the text is a colour such as #fff or #1a2b3c."""
    return bool(re.fullmatch(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})", color))


def password_strength(password: str) -> int:
    """Return a score from 0 to 5: one point each for 8 and for 12 characters, both cases, a digit, another mark."""
    rules = (
        len(password) >= 8,
        len(password) >= 12,
        any(character.islower() for character in password) and any(character.isupper() for character in password),
        any(character.isdigit() for character in password),
        any(not character.isalnum() for character in password),
    )
    return sum(rules)


def is_balanced(text: str) -> bool:
    """Tell whether round, square and curly brackets are closed in the right order; other characters don't count."""
    pairs = {")": "(", "]": "[", "}": "{"}
    opened: list[str] = []
    for character in text:
        if character in "([{":
            opened.append(character)
        elif character in pairs and (not opened or opened.pop() != pairs[character]):
            return False
    return not opened


SAMPLES = {
    is_valid_email: Sample(
        phrases=(
            "validate email",
            "email validation",
            "valid email",
            "check email",
            "validate email address",
            "email validator",
            "email address validation",
        ),
        examples=(
            (("ada@example.org",), True),
            (("no-at.example.org",), False),
            (("a..b@example.org",), False),
            (("a@b",), False),
        ),
    ),
    luhn_check: Sample(
        phrases=(
            "luhn",
            "credit card number",
            "card number validation",
            "validate credit card",
            "credit card validation",
            "card number check",
        ),
        examples=(
            (("4539 1488 0343 6467",), True),
            (("8273 1232 7352 0569",), False),
            (("abc",), False),
            (("",), False),
        ),
    ),
    is_valid_iban: Sample(
        phrases=("iban", "validate iban", "iban validation", "check iban"),
        examples=(
            (("GB82 WEST 1234 5698 7654 32",), True),
            (("GB82 WEST 1234 5698 7654 33",), False),
            (("XX",), False),
        ),
    ),
    is_valid_isbn: Sample(
        phrases=(
            "validate isbn",
            "isbn validation",
            "check isbn",
            "isbn check",
            "isbn checksum",
            "valid isbn",
            "isbn validator",
        ),
        examples=(
            (("0-306-40615-2",), True),
            (("978-0-306-40615-7",), True),
            (("978-0-306-40615-8",), False),
            (("080442957X",), True),
            (("12",), False),
        ),
    ),
    is_valid_ipv4: Sample(
        phrases=("validate ip", "ip address validation", "ipv4", "check ip address", "valid ip"),
        examples=((("192.168.0.1",), True), (("256.1.1.1",), False), (("01.1.1.1",), False), (("1.1.1",), False)),
    ),
    is_valid_hex_color: Sample(
        phrases=("hex color", "hex colour", "validate color", "validate colour", "color code validation"),
        examples=((("#1a2B3c",), True), (("#fff",), True), (("fff",), False), (("#ffff",), False)),
    ),
    password_strength: Sample(
        phrases=(
            "strength of password",
            "password check",
            "check password",
            "password score",
            "rate password",
            "password strength checker",
            "strong password",
        ),
        examples=((("abc",), 0), (("Abcdefg1",), 3), (("Correct-Horse-9",), 5)),
    ),
    is_balanced: Sample(
        phrases=(
            "balanced bracket",
            "balanced parenthesis",
            "bracket matching",
            "matching bracket",
            "check bracket",
            "balanced parentheses",
        ),
        examples=((("a(b[c]{d})",), True), (("(]",), False), ((")",), False), (("(",), False), (("",), True)),
    ),
}
