"""Verbs by the operation that they ask for."""

CREATE = (
    "add", "create", "register", "insert", "enter", "log", "submit", "post", "place", "record", "store", "enrol",
    "enroll", "schedule", "upload", "file", "make", "input", "capture", "save", "introduce", "sign up", "put in",
    "note down", "write down", "jot down", "raise", "set up", "onboard", "define", "book", "write", "report",
    "append", "key in", "type in", "add in",
)  # fmt: skip
READ = (
    "show", "view", "get", "read", "see", "display", "fetch", "retrieve", "inspect", "look at", "check", "pull up",
    "print", "consult", "open up", "look up", "access", "return",
)  # fmt: skip
LIST = ("list", "ls", "browse", "enumerate", "overview", "list out")
FILTER = ("filter", "narrow", "narrow down", "sort", "group", "restrict")
SEARCH = (
    "search",
    "find",
    "look for",
    "query",
    "lookup",
    "search for",
    "search through",
    "locate",
    "search in",
)
UPDATE = (
    "edit", "update", "change", "modify", "rename", "correct", "amend", "adjust", "revise", "alter", "fix", "rewrite",
    "reschedule", "set", "patch", "tweak", "replace",
)  # fmt: skip
DELETE = (
    "delete", "remove", "erase", "discard", "purge", "trash", "unregister", "drop", "get rid of", "throw away",
    "deregister", "rm", "del", "take out", "throw out", "clear out", "scrap", "wipe", "destroy", "take off",
)  # fmt: skip
MANAGE = ("manage", "maintain", "administer", "crud", "administrate", "look after")
TRACK = (
    "track",
    "keep track of",
    "keep",
    "organise",
    "organize",
    "handle",
    "catalogue",
    "catalog",
    "collect",
    "remember",
)
EXPORT = ("export", "download", "dump", "back up")

# Changes of state: the verb and the state that the thing is in afterwards.
TRANSITIONS = {
    "close": "closed", "reopen": "open", "re-open": "open", "open": "open", "resolve": "resolved",
    "approve": "approved", "reject": "rejected", "publish": "published", "unpublish": "draft",
    "archive": "archived", "unarchive": "active", "done": "done", "favorite": "favorite", "bill": "billed",
    "restore": "active", "activate": "active",
    "deactivate": "inactive", "enable": "enabled", "disable": "disabled", "cancel": "cancelled",
    "confirm": "confirmed", "borrow": "borrowed", "return": "returned", "lend": "lent", "lend out": "lent",
    "check out": "checked_out", "check in": "checked_in", "ship": "shipped", "deliver": "delivered", "pay": "paid",
    "send": "sent", "accept": "accepted", "decline": "declined", "start": "started", "stop": "stopped",
    "pause": "paused", "resume": "active", "lock": "locked", "unlock": "unlocked", "suspend": "suspended",
    "retire": "retired", "ban": "banned", "block": "blocked", "unblock": "active", "verify": "verified",
    "refund": "refunded", "void": "void", "hire": "hired", "complete": "completed", "finish": "finished",
    "tick off": "done", "check off": "done", "settle": "settled", "sell": "sold", "reserve": "reserved",
    "release": "released", "freeze": "frozen", "unfreeze": "active", "pin": "pinned", "unpin": "unpinned",
    "postpone": "postponed", "expire": "expired", "dispatch": "dispatched", "sign off": "signed_off",
    "withdraw": "withdrawn", "acknowledge": "acknowledged", "escalate": "escalated", "star": "starred",
    "deny": "denied", "rent out": "rented", "rent": "rented", "hand in": "handed_in", "promote": "promoted",
    "cross off": "done", "abandon": "abandoned", "retry": "pending", "check-in": "checked_in",
    "check-out": "checked_out", "launch": "launched", "dismiss": "dismissed", "terminate": "terminated",
    "favourite": "favourite", "revoke": "revoked", "waive": "waived", "mute": "muted", "fulfil": "fulfilled",
    "fulfill": "fulfilled", "renew": "active", "decommission": "decommissioned", "finalize": "finalized",
    "unreserve": "available", "vacate": "free", "occupy": "occupied", "assign": "assigned",
}  # fmt: skip

MARK = ("mark", "flag", "tag", "set", "move", "switch", "label", "toggle", "tick", "put", "change")

# What a verb makes, where the prompt speaks of such a thing: to book a boat is to make a booking.
RESULTS = {
    "book": ("booking",), "reserve": ("reservation", "booking"), "rent": ("rental",), "lend": ("loan", "lending"),
    "lend out": ("loan",), "borrow": ("loan", "borrowing"), "register": ("registration",),
    "enrol": ("enrolment", "enrollment"),
    "enroll": ("enrollment", "enrolment"), "sign up": ("signup", "sign_up", "registration"),
    "check out": ("loan", "checkout"),
    "sell": ("sale",), "order": ("order",), "pay": ("payment",), "deliver": ("delivery",), "submit": ("submission",),
}  # fmt: skip

# Nouns of an operation: 'deletion of tasks', 'a search'.
NOUNS = {
    "creation": "create", "deletion": "delete", "removal": "delete", "search": "search", "listing": "list",
    "export": "export", "modification": "update", "filtering": "list", "editing": "update", "registration": "create",
}  # fmt: skip
