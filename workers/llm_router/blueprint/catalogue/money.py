"""Functions on amounts of money; results are rounded to cents."""

from __future__ import annotations

from workers.llm_router.blueprint.functions import Sample


def monthly_payment(amount: float, yearly_interest: float, years: int) -> float:
    """Return the monthly payment of a loan that is paid back in equal parts; yearly_interest in percent.

    Raises ValueError when amount or interest is negative or years is below 1.
    """
    if amount < 0 or yearly_interest < 0 or years < 1:
        raise ValueError("amount and interest must not be negative, years must be at least 1")
    months = years * 12
    rate = yearly_interest / 100 / 12
    if rate == 0:
        return round(amount / months, 2)
    return round(amount * rate / (1 - (1 + rate) ** -months), 2)


def total_interest(amount: float, yearly_interest: float, years: int) -> float:
    """Return the interest paid over the whole term of a loan with equal monthly payments.

    Raises ValueError when amount or interest is negative or years is below 1.
    """
    if amount < 0 or yearly_interest < 0 or years < 1:
        raise ValueError("amount and interest must not be negative, years must be at least 1")
    months = years * 12
    rate = yearly_interest / 100 / 12
    if rate == 0:
        return 0.0
    return round(amount * rate / (1 - (1 + rate) ** -months) * months - amount, 2)


def compound_interest(principal: float, yearly_interest: float, years: int) -> float:
    """Return what a principal has grown to after so many years; interest in percent is added once a year.

    Raises ValueError when an argument is negative.
    """
    if principal < 0 or yearly_interest < 0 or years < 0:
        raise ValueError("arguments must not be negative")
    return round(principal * (1 + yearly_interest / 100) ** years, 2)


def simple_interest(principal: float, yearly_interest: float, years: float) -> float:
    """Return the interest alone, without interest on interest. Raises ValueError when an argument is negative."""
    if principal < 0 or yearly_interest < 0 or years < 0:
        raise ValueError("arguments must not be negative")
    return round(principal * yearly_interest / 100 * years, 2)


def add_tax(net: float, percent: float) -> float:
    """Return the gross price of a net price. Raises ValueError when an argument is negative."""
    if net < 0 or percent < 0:
        raise ValueError("net and percent must not be negative")
    return round(net * (1 + percent / 100), 2)


def remove_tax(gross: float, percent: float) -> float:
    """Return the net price of a gross price. Raises ValueError when an argument is negative."""
    if gross < 0 or percent < 0:
        raise ValueError("gross and percent must not be negative")
    return round(gross / (1 + percent / 100), 2)


def apply_discount(price: float, percent: float) -> float:
    """Return the price with a discount taken off. Raises ValueError when percent is outside 0 to 100."""
    if price < 0 or not 0 <= percent <= 100:
        raise ValueError("price must not be negative, percent must be between 0 and 100")
    return round(price * (1 - percent / 100), 2)


def tip_amount(bill: float, percent: float) -> float:
    """Return the tip on a bill. Raises ValueError when an argument is negative."""
    if bill < 0 or percent < 0:
        raise ValueError("bill and percent must not be negative")
    return round(bill * percent / 100, 2)


def split_bill(total: float, people: int) -> list[float]:
    """Return what each person pays, in cents as equal as can be, the larger parts first.

    Raises ValueError when there is nobody or total is negative.
    """
    if people < 1 or total < 0:
        raise ValueError("people must be at least 1, total must not be negative")
    cents = round(total * 100)
    share, rest = divmod(cents, people)
    return [(share + (place < rest)) / 100 for place in range(people)]


def percentage_change(old: float, new: float) -> float:
    """Return by how many percent new differs from old. Raises ValueError when old is 0."""
    if old == 0:
        raise ValueError("old must not be 0")
    return round((new - old) / abs(old) * 100, 2)


def format_currency(amount: float, symbol: str) -> str:
    """Return an amount with its symbol, thousands and two decimals: '-$1,234.50'."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{symbol}{abs(amount):,.2f}"


_LOAN_ERRORS = (((-1.0, 5.0, 10), "ValueError"), ((1000.0, 5.0, 0), "ValueError"))

SAMPLES = {
    monthly_payment: Sample(
        phrases=(
            "loan payment",
            "monthly instalment",
            "monthly installment",
            "mortgage payment",
            "monthly rate of loan",
            "loan calculator",
            "mortgage calculator",
            "annuity",
        ),
        examples=(((100000.0, 6.0, 30), 599.55), ((1200.0, 0.0, 1), 100.0)),
        error_examples=_LOAN_ERRORS,
    ),
    total_interest: Sample(
        phrases=("interest paid", "total interest paid", "overall interest", "total cost of loan"),
        examples=(((100000.0, 6.0, 30), 115838.19), ((1200.0, 0.0, 1), 0.0)),
        error_examples=_LOAN_ERRORS,
    ),
    compound_interest: Sample(
        phrases=("interest on interest", "compounded interest", "future value", "compound growth"),
        examples=(((1000.0, 5.0, 2), 1102.5), ((1000.0, 5.0, 0), 1000.0)),
        error_examples=(((-1.0, 5.0, 2), "ValueError"),),
    ),
    simple_interest: Sample(
        phrases=("plain interest",),
        examples=(((1000.0, 5.0, 2.0), 100.0),),
        error_examples=(((-1.0, 5.0, 2.0), "ValueError"),),
    ),
    add_tax: Sample(
        phrases=(
            "add vat",
            "sales tax",
            "gross price",
            "net to gross",
            "tax calculation",
            "vat calculation",
            "calculate tax",
            "calculate vat",
            "price with tax",
            "apply tax",
        ),
        examples=(((100.0, 19.0), 119.0),),
        error_examples=(((-1.0, 19.0), "ValueError"),),
    ),
    remove_tax: Sample(
        phrases=("net price", "gross to net", "remove vat", "price without tax", "subtract tax"),
        examples=(((119.0, 19.0), 100.0),),
        error_examples=(((-1.0, 19.0), "ValueError"),),
    ),
    apply_discount: Sample(
        phrases=(
            "discounted price",
            "discount price",
            "discount calculation",
            "calculate discount",
            "price after discount",
            "percentage discount",
        ),
        examples=(((80.0, 25.0), 60.0), ((80.0, 0.0), 80.0)),
        error_examples=(((80.0, 101.0), "ValueError"),),
    ),
    tip_amount: Sample(
        phrases=("tip calculator", "calculate tip", "tip for bill", "restaurant tip", "tip on bill", "compute tip"),
        examples=(((50.0, 10.0), 5.0),),
        error_examples=(((-1.0, 10.0), "ValueError"),),
    ),
    split_bill: Sample(
        phrases=(
            "split a bill",
            "divide bill",
            "share of bill",
            "split restaurant bill",
            "bill splitter",
            "bill split",
            "split amount",
        ),
        examples=(((10.0, 3), [3.34, 3.33, 3.33]), ((0.0, 1), [0.0])),
        error_examples=(((10.0, 0), "ValueError"),),
    ),
    percentage_change: Sample(
        phrases=("percent change", "relative change", "percentage difference", "growth rate"),
        examples=(((50.0, 75.0), 50.0), ((-50.0, -75.0), -50.0)),
        error_examples=(((0.0, 1.0), "ValueError"),),
    ),
    format_currency: Sample(
        phrases=("currency formatting", "format money", "format amount of money", "format price", "money formatting"),
        examples=(((1234.5, "$"), "$1,234.50"), ((-2.0, "€"), "-€2.00")),
    ),
}
