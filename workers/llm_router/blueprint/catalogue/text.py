"""Functions on text."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from workers.llm_router.blueprint.functions import Sample


def slugify(text: str) -> str:
    """Return text as a lower-case ASCII slug whose words are joined by hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return "-".join(re.findall(r"[a-z0-9]+", plain.lower()))


def word_count(text: str) -> int:
    """Return how many words the text has; words are separated by whitespace."""
    return len(text.split())


def character_count(text: str) -> int:
    """Return how many characters the text has, whitespace left out."""
    return sum(1 for character in text if not character.isspace())


def sentence_count(text: str) -> int:
    """Return how many sentences the text has: runs of text that end with '.', '!' or '?', or with the text."""
    return sum(1 for part in re.split(r"[.!?]+", text) if part.strip())


def vowel_count(text: str) -> int:
    """Return how many of the letters are vowels (a, e, i, o, u)."""
    return sum(1 for character in text.lower() if character in "aeiou")


def word_frequency(text: str) -> dict[str, int]:
    """Return how often each lower-cased word occurs, the most frequent first."""
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower())
    return dict(Counter(words).most_common())


def reverse_text(text: str) -> str:
    """Return the text with its characters in the opposite order."""
    return text[::-1]


def is_palindrome(text: str) -> bool:
    """Tell whether the letters and digits read the same both ways; case and punctuation don't count."""
    letters = [character.lower() for character in text if character.isalnum()]
    return letters == letters[::-1]


def is_anagram(first: str, second: str) -> bool:
    """Tell whether both texts use the same letters equally often; case and spaces don't count."""
    return Counter(first.lower().replace(" ", "")) == Counter(second.lower().replace(" ", ""))


def truncate(text: str, length: int) -> str:
    """Return at most length characters of the text; a cut text ends with an ellipsis character.

    Raises ValueError when length is below 1.
    """
    if length < 1:
        raise ValueError("length must be at least 1")
    if len(text) <= length:
        return text
    return text[: length - 1].rstrip() + "…"


def title_case(text: str) -> str:
    """Return the text with the first letter of each word in upper case and the others in lower case."""
    return " ".join(word[:1].upper() + word[1:].lower() for word in text.split())


def snake_case(text: str) -> str:
    """Return words, camelCase or kebab-case as snake_case."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    return "_".join(re.findall(r"[a-z0-9]+", spaced.lower()))


def camel_case(text: str) -> str:
    """Return words, snake_case or kebab-case as camelCase."""
    words: list[str] = re.findall(r"[A-Za-z0-9]+", text)
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    return joined[:1].lower() + joined[1:]


def strip_accents(text: str) -> str:
    """Return the text with accented letters replaced by plain ones."""
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def normalize_whitespace(text: str) -> str:
    """Return the text trimmed, with every run of whitespace replaced by one space."""
    return " ".join(text.split())


def caesar_cipher(text: str, shift: int) -> str:
    """Return the text with each ASCII letter moved by shift places in the alphabet; the rest is kept."""
    moved = []
    for character in text:
        if character.isascii() and character.isalpha():
            start = ord("A") if character.isupper() else ord("a")
            moved.append(chr((ord(character) - start + shift) % 26 + start))
        else:
            moved.append(character)
    return "".join(moved)


def levenshtein_distance(first: str, second: str) -> int:
    """Return the least number of single-character edits that turn one text into the other."""
    previous = list(range(len(second) + 1))
    for row, left in enumerate(first, start=1):
        current = [row]
        for column, right in enumerate(second, start=1):
            current.append(min(previous[column] + 1, current[column - 1] + 1, previous[column - 1] + (left != right)))
        previous = current
    return previous[-1]


def initials(name: str) -> str:
    """Return the first letter of each word of a name, in upper case."""
    return "".join(word[0].upper() for word in name.split())


def extract_emails(text: str) -> list[str]:
    """Return the e-mail addresses in the text, each once, in order of appearance."""
    found = re.findall(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", text)
    return list(dict.fromkeys(found))


def reading_time(text: str, words_per_minute: int) -> int:
    """Return the minutes that it takes to read the text, rounded up.

    Raises ValueError when words_per_minute is below 1.
    """
    if words_per_minute < 1:
        raise ValueError("words_per_minute must be at least 1")
    return -(-len(text.split()) // words_per_minute)


SAMPLES = {
    slugify: Sample(
        phrases=("slug", "make slug", "url friendly"),
        examples=((("Hello, World!",), "hello-world"), (("Crème brûlée",), "creme-brulee"), (("",), "")),
    ),
    word_count: Sample(
        phrases=("count word", "number of word", "how many word", "word counter", "count of word"),
        examples=((("two words",), 2), (("  spaced   out text ",), 3), (("",), 0)),
    ),
    character_count: Sample(
        phrases=("count character", "letter count", "count letter", "how many character"),
        examples=((("a b c",), 3), (("",), 0)),
    ),
    sentence_count: Sample(
        phrases=("count sentence", "number of sentence", "how many sentence"),
        examples=((("One. Two! Three?",), 3), (("No end",), 1), (("",), 0)),
    ),
    vowel_count: Sample(
        phrases=("count vowel", "number of vowel", "how many vowel"),
        examples=((("Education",), 5), (("rhythm",), 0)),
    ),
    word_frequency: Sample(
        phrases=("word frequencies", "frequency of word", "most common word", "most frequent word", "word occurrence"),
        examples=((("the cat and the hat",), {"the": 2, "cat": 1, "and": 1, "hat": 1}), (("",), {})),
    ),
    reverse_text: Sample(
        phrases=("reverse string", "reverse word", "string reversal", "reverse a text"),
        examples=((("abc",), "cba"), (("",), "")),
    ),
    is_palindrome: Sample(
        phrases=("palindrome",),
        examples=((("A man, a plan, a canal: Panama",), True), (("hello",), False), (("",), True)),
    ),
    is_anagram: Sample(phrases=("anagram",), examples=((("Dirty room", "dormitory"), True), (("abc", "abd"), False))),
    truncate: Sample(
        phrases=("truncate text", "shorten text", "shorten string", "ellipsis", "truncate string"),
        examples=((("a long sentence", 7), "a long…"), (("short", 10), "short")),
        error_examples=((("text", 0), "ValueError"),),
    ),
    title_case: Sample(
        phrases=("capitalize word", "capitalise word", "titlecase", "capitalize title"),
        examples=((("the gREAT escape",), "The Great Escape"), (("",), "")),
    ),
    snake_case: Sample(
        phrases=("snakecase", "camel to snake", "camelcase to snake case", "to snake"),
        examples=((("helloWorld",), "hello_world"), (("Some-Mixed words",), "some_mixed_words")),
    ),
    camel_case: Sample(
        phrases=("camelcase", "snake to camel", "snake case to camel case", "to camel"),
        examples=((("hello_world",), "helloWorld"), (("some mixed-words",), "someMixedWords"), (("",), "")),
    ),
    strip_accents: Sample(
        phrases=("remove accent", "remove diacritic", "strip diacritic", "unaccent"),
        examples=((("Ángström café",), "Angstrom cafe"), (("plain",), "plain")),
    ),
    normalize_whitespace: Sample(
        phrases=(
            "normalise whitespace",
            "collapse whitespace",
            "remove extra space",
            "collapse space",
            "trim whitespace",
        ),
        examples=((("  a \n b\t c ",), "a b c"), (("",), "")),
    ),
    caesar_cipher: Sample(
        phrases=("caesar", "rot13", "shift cipher"),
        examples=((("Hello, World!", 3), "Khoor, Zruog!"), (("Khoor", -3), "Hello")),
    ),
    levenshtein_distance: Sample(
        phrases=("levenshtein", "edit distance", "string distance", "string similarity"),
        examples=((("kitten", "sitting"), 3), (("", "abc"), 3), (("same", "same"), 0)),
    ),
    initials: Sample(
        phrases=("initial of", "name initial"),
        examples=((("Ada King Lovelace",), "AKL"), (("",), "")),
    ),
    extract_emails: Sample(
        phrases=("extract email", "find email", "email extraction", "pull email", "extract email address"),
        examples=((("Write to a@b.org or c@d.com, not a@b.org.",), ["a@b.org", "c@d.com"]), (("none",), [])),
    ),
    reading_time: Sample(
        phrases=("estimate reading time", "time to read"),
        examples=((("one two three", 2), 2), (("", 200), 0)),
        error_examples=((("text", 0), "ValueError"),),
    ),
}
