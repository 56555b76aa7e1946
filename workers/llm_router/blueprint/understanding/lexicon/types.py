"""Types of fields: by the word that says it, and by what a name usually holds."""

from contracts.artifacts.model import FieldType

SAID: dict[str, FieldType] = {
    "text": "text", "string": "text", "str": "text", "varchar": "text", "char": "text", "textual": "text",
    "free-text": "text", "freetext": "text", "markdown": "text", "integer": "integer", "int": "integer",
    "whole": "integer", "float": "number", "decimal": "number", "number": "number", "numeric": "number",
    "double": "number", "real": "number", "money": "number", "monetary": "number", "boolean": "boolean",
    "bool": "boolean", "yes/no": "boolean", "true/false": "boolean", "checkbox": "boolean", "flag": "boolean",
    "date": "date", "datetime": "datetime", "timestamp": "datetime", "date-time": "datetime", "email": "email",
    "url": "url", "link": "url", "uri": "url", "enum": "enum", "enumeration": "enum", "choice": "enum",
    "float64": "number", "bigint": "integer", "smallint": "integer", "currency": "number", "percentage": "number",
}  # fmt: skip

# By the last word of the name.
LAST_WORD: dict[FieldType, frozenset[str]] = {
    "number": frozenset({
    "hours", "radius", "diameter", "coordinate", "x", "y", "z", "centre", "center", "circumference", "angle",
    "perimeter",
        "price", "amount", "cost", "estimate", "ph", "rain", "rainfall",
        "kilos", "sugar", "weight", "salary", "fee", "balance", "total", "subtotal", "discount", "tax",
        "wage", "budget", "height", "length", "width", "depth", "distance", "temperature", "latitude", "longitude",
        "percentage", "percent", "rate", "value", "income", "revenue", "profit", "area", "volume", "speed", "worth",
        "deposit", "rent", "payment", "credit", "dosage", "dose", "litres", "liters", "kilometres", "kilometers",
        "km", "kg", "hectares", "gpa", "ratio", "humidity", "pressure", "commission", "tip", "interest", "charge",
        "premium", "elevation", "altitude", "area_m2", "fare", "fine", "grams", "voltage", "lat", "lon", "lng",
        "abv", "spend", "wattage", "yield", "latitude/longitude", "bid", "size_m2", "odds", "cents", "money",
    }),
    "integer": frozenset({
        "quantity", "count", "age", "year", "rating", "stock", "pages", "seats", "capacity", "stars", "points",
        "calories", "copies", "reps", "sets", "rank", "level", "duration", "minutes", "seconds",
        "days", "servings", "floor", "semester", "likes", "views", "votes", "score", "players", "persons",
        "guests", "population", "bedrooms", "bathrooms", "rooms", "mileage", "episodes", "season", "episode", "units",
        "qty", "steps", "downloads", "grade", "credits", "priority_number", "attempts",
        "laps", "goals", "wins", "losses", "bpm", "heartbeats", "repetitions", "portions", "beds", "tickets", "size_mb",
        "wheels", "vintage", "strength", "feeling", "vintages", "followers", "employees", "students", "participants",
        "attendees", "people", "headcount", "streak",
        "difficulty_level", "odometer", "threshold", "round", "turns", "lives", "kilobytes", "bytes", "port",
    }),
    "boolean": frozenset({
        "active", "done", "completed", "complete", "finished", "enabled", "disabled", "archived", "published", "paid",
        "available", "verified", "public", "private", "visible", "deleted", "approved", "confirmed", "featured",
        "favorite", "favourite", "read", "watched", "sold", "resolved", "closed", "locked", "packed", "bought",
        "purchased", "vegetarian", "vegan", "cancelled", "urgent", "pinned", "starred", "flag", "returned",
        "availability", "subscribed", "watered", "attended", "delivered", "shipped", "open", "billable", "answered",
        "present", "fragile", "refundable", "taxable", "in_stock", "checked", "correct", "poisonous", "signed",
        "spicy", "vaccinated", "neutered", "remote", "recurring", "perishable", "accessible", "fulfilled", "owned",
    }),
    "date": frozenset({
        "arrival", "departure",
        "date", "birthday", "birthdate", "deadline", "dob", "birth", "due", "day", "expiry", "expiration", "expires",
        "anniversary",
    }),
    "datetime": frozenset({"time", "timestamp", "datetime", "moment"}),
    "email": frozenset({"email", "mail"}),
    "url": frozenset({"url", "website", "link", "homepage", "webpage", "uri", "site", "hyperlink"}),
}  # fmt: skip

FIRST_WORDS_BOOLEAN = ("is", "has", "can", "should", "was")

# Enums whose values everybody means, used only where the prompt lists none: no type is invented for them.
UNITS = frozenset({
    "weeks", "months", "years",
    "mg", "l", "km/h", "h", "m", "g", "oz", "lbs", "kwh", "kcal", "eur", "sqm", "hectares",
    "euro", "euros", "dollar", "dollars", "usd", "gbp", "pounds", "cents", "kg", "kilograms", "grams", "cm",
    "mm", "metres", "meters", "km", "kilometers", "kilometres", "minutes", "hours", "radius", "diameter",
    "coordinate", "x", "y", "z", "centre", "center", "circumference", "angle", "perimeter", "seconds", "days",
    "percent", "celsius", "litres", "liters", "ml", "inches", "miles", "pages", "stars", "words",
})  # fmt: skip
INTEGER_UNITS = frozenset(
    {
        "minutes",
        "hours",
        "radius",
        "diameter",
        "coordinate",
        "x",
        "y",
        "z",
        "centre",
        "center",
        "circumference",
        "angle",
        "perimeter",
        "seconds",
        "days",
        "pages",
        "stars",
    }
)
NUMBER_UNITS = UNITS - INTEGER_UNITS - {"words"}

CHOICE_NAMES = frozenset({
    "status", "state", "result", "type", "kind", "category", "priority", "level", "role", "colour", "color", "size",
    "gender", "stage", "phase", "severity", "genre", "difficulty", "mode", "species", "condition", "outcome", "method",
    "tier", "plan", "class", "format", "visibility", "frequency", "currency", "language", "season", "mood", "sex",
    "department", "diet", "fuel", "material", "channel", "position", "discipline", "medium", "unit", "importance",
    "urgency", "impact", "team", "group", "shift", "style", "source", "decision", "verdict", "surface", "section",
})  # fmt: skip
