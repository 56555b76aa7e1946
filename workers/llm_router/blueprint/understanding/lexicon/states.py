"""States of things: which names mean the same, what comes before, and which undo each other."""

STATE_FIELDS = ("status", "state", "stage", "phase", "condition", "progress")

# Where an enum lists a state of its own for the same thing, it is meant.
STATE_SYNONYMS = (
    frozenset({"done", "completed", "complete", "finished", "is_done", "is_completed", "closed"}),
    frozenset({"borrowed", "checked_out", "on_loan", "lent", "loaned", "issued", "out", "rented"}),
    frozenset({"returned", "available", "checked_in", "in", "free", "in_stock", "in_stores"}),
    frozenset({"open", "reopened", "active", "todo", "pending", "new"}),
    frozenset({"cancelled", "canceled", "called_off"}),
    frozenset({"in_progress", "started", "running", "doing", "ongoing", "active"}),
    frozenset({"sold", "sold_out"}),
    frozenset({"paid", "settled", "is_paid"}),
    frozenset({"rejected", "declined", "denied", "refused"}),
    frozenset({"approved", "accepted", "confirmed"}),
    frozenset({"shipped", "sent", "dispatched"}),
    frozenset({"inactive", "disabled", "deactivated"}),
    frozenset({"enabled", "active", "activated"}),
    frozenset({"resolved", "fixed", "solved"}),
    frozenset({"draft", "unpublished"}),
    frozenset({"finished", "read", "watched"}),
)


# The state before the first change, where it is not said.
BEGINNINGS = {
    "borrowed": "available", "lent": "available", "checked_out": "available", "rented": "available",
    "reserved": "available", "sold": "available", "published": "draft", "sent": "draft", "approved": "pending",
    "rejected": "pending", "accepted": "pending", "confirmed": "pending", "paid": "unpaid", "archived": "active",
    "inactive": "active", "suspended": "active", "retired": "active", "banned": "active", "returned": "borrowed",
    "shipped": "pending", "delivered": "pending", "paused": "active", "active": "inactive", "locked": "unlocked",
    "enabled": "disabled", "disabled": "enabled", "declined": "pending", "verified": "unverified", "blocked": "active",
    "checked_in": "booked", "started": "planned", "cancelled": "active", "refunded": "paid", "expired": "active",
}
RETURNS = frozenset({"returned", "checked_in", "available", "free"})
OPPOSITES = {
    "returned": {"borrowed", "lent", "on_loan", "checked_out", "rented"}, "open": {"closed", "done", "completed"},
    "inactive": {"active", "enabled"}, "disabled": {"enabled", "active"}, "draft": {"published"},
    "active": {"archived", "suspended", "blocked", "paused", "inactive"}, "undone": {"done"}, "unlocked": {"locked"},
    "borrowed": {"available", "availability", "in_stock"}, "lent": {"available", "availability"},
    "checked_out": {"available"}, "rented": {"available"}, "sold": {"available"}, "unread": {"read"},
    "incomplete": {"completed", "complete", "done"}, "unpaid": {"paid"}, "not_done": {"done"}, "unpinned": {"pinned"},
    "retired": {"active"}, "suspended": {"active"}, "archived": {"active"}, "reserved": {"available"},
}
