"""Functions on plane shapes and solids."""

from __future__ import annotations

import math

from workers.llm_router.blueprint.functions import Sample


def circle_area(radius: float) -> float:
    """Return the area of a circle. Raises ValueError when the radius is negative."""
    if radius < 0:
        raise ValueError("radius must not be negative")
    return math.pi * radius**2


def circle_circumference(radius: float) -> float:
    """Return the circumference of a circle. Raises ValueError when the radius is negative."""
    if radius < 0:
        raise ValueError("radius must not be negative")
    return 2 * math.pi * radius


def rectangle_area(width: float, height: float) -> float:
    """Return the area of a rectangle. Raises ValueError when a side is negative."""
    if width < 0 or height < 0:
        raise ValueError("sides must not be negative")
    return width * height


def rectangle_perimeter(width: float, height: float) -> float:
    """Return the perimeter of a rectangle. Raises ValueError when a side is negative."""
    if width < 0 or height < 0:
        raise ValueError("sides must not be negative")
    return 2 * (width + height)


def triangle_area(first: float, second: float, third: float) -> float:
    """Return the area of a triangle with these sides. Raises ValueError when they form no triangle."""
    if min(first, second, third) <= 0 or 2 * max(first, second, third) >= first + second + third:
        raise ValueError("these sides form no triangle")
    half = (first + second + third) / 2
    return math.sqrt(half * (half - first) * (half - second) * (half - third))


def hypotenuse(first: float, second: float) -> float:
    """Return the longest side of a right triangle. Raises ValueError when a side is negative."""
    if first < 0 or second < 0:
        raise ValueError("sides must not be negative")
    return math.sqrt(first**2 + second**2)


def point_distance(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the straight distance between two points of the plane."""
    return math.sqrt((first[0] - second[0]) ** 2 + (first[1] - second[1]) ** 2)


def sphere_volume(radius: float) -> float:
    """Return the volume of a sphere. Raises ValueError when the radius is negative."""
    if radius < 0:
        raise ValueError("radius must not be negative")
    return 4 / 3 * math.pi * radius**3


def cylinder_volume(radius: float, height: float) -> float:
    """Return the volume of a cylinder. Raises ValueError when radius or height is negative."""
    if radius < 0 or height < 0:
        raise ValueError("radius and height must not be negative")
    return math.pi * radius**2 * height


def great_circle_distance(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the kilometres between two places (latitude, longitude in degrees) on a sphere of radius 6371 km.

    Raises ValueError when a latitude is outside -90 to 90.
    """
    if not (-90 <= first[0] <= 90 and -90 <= second[0] <= 90):
        raise ValueError("latitude must be between -90 and 90")
    latitude, other = math.radians(first[0]), math.radians(second[0])
    turned = math.radians(second[1] - first[1])
    part = math.sin((other - latitude) / 2) ** 2 + math.cos(latitude) * math.cos(other) * math.sin(turned / 2) ** 2
    return round(2 * 6371 * math.asin(math.sqrt(part)), 3)


_NEGATIVE = (((-1.0,), "ValueError"),)
_NEGATIVE_PAIR = (((-1.0, 2.0), "ValueError"),)

SAMPLES = {
    circle_area: Sample(
        phrases=("area of circle",), examples=(((1.0,), math.pi), ((0.0,), 0.0)), error_examples=_NEGATIVE
    ),
    circle_circumference: Sample(
        phrases=("circumference", "circle perimeter", "perimeter of circle"),
        examples=(((0.5,), math.pi),),
        error_examples=_NEGATIVE,
    ),
    rectangle_area: Sample(
        phrases=("area of rectangle",), examples=(((2.0, 3.0), 6.0),), error_examples=_NEGATIVE_PAIR
    ),
    rectangle_perimeter: Sample(
        phrases=("perimeter of rectangle",), examples=(((2.0, 3.0), 10.0),), error_examples=_NEGATIVE_PAIR
    ),
    triangle_area: Sample(
        phrases=("area of triangle", "heron"),
        examples=(((3.0, 4.0, 5.0), 6.0),),
        error_examples=(((1.0, 1.0, 5.0), "ValueError"), ((0.0, 1.0, 1.0), "ValueError")),
    ),
    hypotenuse: Sample(
        phrases=("pythagoras", "pythagorean"), examples=(((3.0, 4.0), 5.0),), error_examples=_NEGATIVE_PAIR
    ),
    point_distance: Sample(
        phrases=("distance between point", "distance between two point", "euclidean distance", "distance of two point"),
        examples=((((0.0, 0.0), (3.0, 4.0)), 5.0),),
    ),
    sphere_volume: Sample(
        phrases=("volume of sphere",), examples=(((0.0,), 0.0), ((3.0,), 36 * math.pi)), error_examples=_NEGATIVE
    ),
    cylinder_volume: Sample(
        phrases=("volume of cylinder",), examples=(((1.0, 2.0), 2 * math.pi),), error_examples=_NEGATIVE_PAIR
    ),
    great_circle_distance: Sample(
        phrases=(
            "haversine",
            "distance between coordinate",
            "distance between two coordinate",
            "gps distance",
            "distance between city",
        ),
        examples=((((0.0, 0.0), (0.0, 0.0)), 0.0), (((0.0, 0.0), (0.0, 180.0)), 20015.087)),
        error_examples=((((91.0, 0.0), (0.0, 0.0)), "ValueError"),),
    ),
}
