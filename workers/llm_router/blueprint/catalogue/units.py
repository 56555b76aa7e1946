"""Conversions between units."""

from __future__ import annotations

from workers.llm_router.blueprint.functions import Sample


def celsius_to_fahrenheit(celsius: float) -> float:
    """Return degrees Celsius in degrees Fahrenheit. Raises ValueError below absolute zero."""
    if celsius < -273.15:
        raise ValueError("temperature is below absolute zero")
    return round(celsius * 9 / 5 + 32, 6)


def fahrenheit_to_celsius(fahrenheit: float) -> float:
    """Return degrees Fahrenheit in degrees Celsius. Raises ValueError below absolute zero."""
    if fahrenheit < -459.67:
        raise ValueError("temperature is below absolute zero")
    return round((fahrenheit - 32) * 5 / 9, 6)


def celsius_to_kelvin(celsius: float) -> float:
    """Return degrees Celsius in kelvin. Raises ValueError below absolute zero."""
    if celsius < -273.15:
        raise ValueError("temperature is below absolute zero")
    return round(celsius + 273.15, 6)


def kelvin_to_celsius(kelvin: float) -> float:
    """Return kelvin in degrees Celsius. Raises ValueError below absolute zero."""
    if kelvin < 0:
        raise ValueError("temperature is below absolute zero")
    return round(kelvin - 273.15, 6)


def kilometers_to_miles(kilometers: float) -> float:
    """Return kilometres in miles."""
    return round(kilometers / 1.609344, 6)


def miles_to_kilometers(miles: float) -> float:
    """Return miles in kilometres."""
    return round(miles * 1.609344, 6)


def kilograms_to_pounds(kilograms: float) -> float:
    """Return kilograms in pounds. Raises ValueError for a negative weight."""
    if kilograms < 0:
        raise ValueError("weight must not be negative")
    return round(kilograms / 0.45359237, 6)


def pounds_to_kilograms(pounds: float) -> float:
    """Return pounds in kilograms. Raises ValueError for a negative weight."""
    if pounds < 0:
        raise ValueError("weight must not be negative")
    return round(pounds * 0.45359237, 6)


def meters_to_feet(meters: float) -> float:
    """Return metres in feet."""
    return round(meters / 0.3048, 6)


def feet_to_meters(feet: float) -> float:
    """Return feet in metres."""
    return round(feet * 0.3048, 6)


def inches_to_centimeters(inches: float) -> float:
    """Return inches in centimetres."""
    return round(inches * 2.54, 6)


def centimeters_to_inches(centimeters: float) -> float:
    """Return centimetres in inches."""
    return round(centimeters / 2.54, 6)


def liters_to_gallons(liters: float) -> float:
    """Return litres in US gallons. Raises ValueError for a negative volume."""
    if liters < 0:
        raise ValueError("volume must not be negative")
    return round(liters / 3.785411784, 6)


def gallons_to_liters(gallons: float) -> float:
    """Return US gallons in litres. Raises ValueError for a negative volume."""
    if gallons < 0:
        raise ValueError("volume must not be negative")
    return round(gallons * 3.785411784, 6)


def format_bytes(size: int) -> str:
    """Return a number of bytes in the largest fitting unit (1024 to the next): '1.5 KiB'.

    Raises ValueError when size is negative.
    """
    if size < 0:
        raise ValueError("size must not be negative")
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.1f} {unit}" if unit != "B" else f"{size} B"
        value /= 1024
    return f"{size} B"


SAMPLES = {
    celsius_to_fahrenheit: Sample(
        phrases=("celsius into fahrenheit", "c to f", "celsius fahrenheit conversion", "celsius and fahrenheit"),
        examples=(((0.0,), 32.0), ((100.0,), 212.0), ((-40.0,), -40.0)),
        error_examples=(((-300.0,), "ValueError"),),
    ),
    fahrenheit_to_celsius: Sample(
        phrases=("fahrenheit into celsius", "f to c", "fahrenheit and celsius", "celsius and fahrenheit"),
        examples=(((32.0,), 0.0), ((212.0,), 100.0)),
        error_examples=(((-500.0,), "ValueError"),),
    ),
    celsius_to_kelvin: Sample(
        phrases=("c to k",), examples=(((0.0,), 273.15),), error_examples=(((-274.0,), "ValueError"),)
    ),
    kelvin_to_celsius: Sample(
        phrases=("k to c",), examples=(((273.15,), 0.0),), error_examples=(((-1.0,), "ValueError"),)
    ),
    kilometers_to_miles: Sample(
        phrases=("kilometre to mile", "km to mile", "kilometer and mile", "kilometre and mile", "km and mile"),
        examples=(((1.609344,), 1.0), ((0.0,), 0.0)),
    ),
    miles_to_kilometers: Sample(
        phrases=(
            "mile to kilometre",
            "mile to km",
            "mile and kilometer",
            "mile and kilometre",
            "mile and km",
            "kilometer and mile",
            "km and mile",
        ),
        examples=(((1.0,), 1.609344), ((0.0,), 0.0)),
    ),
    kilograms_to_pounds: Sample(
        phrases=("kg to lb", "kilo to pound", "kg to pound", "kilogram and pound", "pound and kilogram", "kg and lb"),
        examples=(((0.45359237,), 1.0), ((0.0,), 0.0)),
        error_examples=(((-1.0,), "ValueError"),),
    ),
    pounds_to_kilograms: Sample(
        phrases=("lb to kg", "pound to kilo", "pound to kg", "kilogram and pound", "pound and kilogram", "kg and lb"),
        examples=(((1.0,), 0.453592), ((0.0,), 0.0)),
        error_examples=(((-1.0,), "ValueError"),),
    ),
    meters_to_feet: Sample(
        phrases=("metre to foot", "meter to foot", "m to ft", "meter and foot", "metre and foot"),
        examples=(((0.3048,), 1.0),),
    ),
    feet_to_meters: Sample(
        phrases=("foot to metre", "foot to meter", "ft to m", "meter and foot", "metre and foot", "foot and meter"),
        examples=(((1.0,), 0.3048),),
    ),
    inches_to_centimeters: Sample(
        phrases=("inch to centimetre", "inch to cm", "inch and centimeter", "inch and cm"), examples=(((1.0,), 2.54),)
    ),
    centimeters_to_inches: Sample(
        phrases=("centimetre to inch", "cm to inch", "inch and centimeter", "cm and inch", "inch and cm"),
        examples=(((2.54,), 1.0),),
    ),
    liters_to_gallons: Sample(
        phrases=("litre to gallon", "l to gal", "liter and gallon", "litre and gallon"),
        examples=(((3.785411784,), 1.0),),
        error_examples=(((-1.0,), "ValueError"),),
    ),
    gallons_to_liters: Sample(
        phrases=("gallon to litre", "gal to l", "liter and gallon", "litre and gallon"),
        examples=(((1.0,), 3.785412),),
        error_examples=(((-1.0,), "ValueError"),),
    ),
    format_bytes: Sample(
        phrases=(
            "human readable size",
            "human readable file size",
            "byte to human readable",
            "file size formatting",
            "format file size",
            "humanize byte",
        ),
        examples=(((0,), "0 B"), ((1536,), "1.5 KiB"), ((1048576,), "1.0 MiB")),
        error_examples=(((-1,), "ValueError"),),
    ),
}
