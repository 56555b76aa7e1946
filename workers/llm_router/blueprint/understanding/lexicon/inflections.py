"""English forms that the rules of `inflect` do not give."""

IRREGULAR_PLURALS = {
    "person": "people", "child": "children", "man": "men", "woman": "women", "foot": "feet", "tooth": "teeth",
    "mouse": "mice", "goose": "geese", "ox": "oxen", "shelf": "shelves", "leaf": "leaves", "knife": "knives",
    "wife": "wives", "life": "lives", "wolf": "wolves", "half": "halves", "loaf": "loaves", "calf": "calves",
    "thief": "thieves", "elf": "elves", "self": "selves", "analysis": "analyses", "basis": "bases",
    "crisis": "crises", "diagnosis": "diagnoses", "thesis": "theses", "hypothesis": "hypotheses",
    "criterion": "criteria", "phenomenon": "phenomena", "medium": "media", "curriculum": "curricula",
    "index": "indexes", "matrix": "matrices", "vertex": "vertices", "appendix": "appendices", "quiz": "quizzes",
    "movie": "movies", "cookie": "cookies", "selfie": "selfies", "pie": "pies", "tie": "ties", "zombie": "zombies",
    "calorie": "calories", "hoodie": "hoodies", "smoothie": "smoothies", "lie": "lies", "die": "dice",
    "hero": "heroes", "potato": "potatoes", "tomato": "tomatoes", "echo": "echoes", "veto": "vetoes",
    "bus": "buses", "gas": "gases", "lens": "lenses", "canvas": "canvases", "atlas": "atlases", "alias": "aliases",
    "bias": "biases", "iris": "irises", "cactus": "cacti", "alumnus": "alumni", "staff member": "staff members",
    "axis": "axes", "todo": "todos", "photo": "photos", "cache": "caches", "ache": "aches", "niche": "niches",
    "passerby": "passersby", "datum": "data", "campus": "campuses", "cd": "cds", "api": "apis",
}  # fmt: skip

INVARIANT = frozenset({
    "series", "species", "news", "equipment", "information", "sheep", "fish", "deer", "aircraft", "feedback",
    "software", "hardware", "stock", "music", "luggage", "furniture", "clothing", "homework", "metadata", "data",
    "staff", "money", "inventory data", "means", "offspring", "salmon", "shrimp", "headquarters", "mathematics",
    "physics", "economics", "logistics", "gps", "sms", "dns", "css", "https", "os", "ios", "pos", "kudos",
})  # fmt: skip

SINGULAR_IN_S = frozenset({
    "status", "bus", "bonus", "virus", "campus", "census", "chorus", "focus", "genius", "lens", "canvas", "atlas",
    "gas", "alias", "bias", "iris", "analysis", "basis", "crisis", "diagnosis", "thesis", "hypothesis", "axis",
    "corpus", "syllabus", "nexus", "cactus", "surplus", "plus", "minus", "radius", "yes", "this", "its", "his",
    "is", "was", "has", "does", "tennis", "emphasis", "christmas", "previous", "various", "anonymous", "us", "as",
    "thus", "always", "perhaps", "besides", "overdues", "gross", "cosmos", "chaos", "apparatus", "consensus",
    "stimulus", "tonus", "venus", "octopus", "platypus", "abacus", "synopsis", "parenthesis", "oasis",
})  # fmt: skip

# Verbs that double their last consonant before -ed and -ing.
DOUBLING = frozenset({
    "drop", "ship", "plan", "set", "get", "put", "submit", "cancel", "label", "tag", "log", "ban", "stop", "scrap",
    "refer", "edit-in", "permit", "admit", "commit", "chat", "trim", "pin", "unpin", "flag", "unflag", "swap", "rid",
    "run", "begin", "cut", "skip", "dispel", "jot", "spot", "transfer", "enrol", "control", "unban", "zip", "mod",
})  # fmt: skip

IRREGULAR_PAST = {
    "find": "found", "get": "got", "see": "seen", "read": "read", "put": "put", "set": "set", "write": "written",
    "send": "sent", "pay": "paid", "sell": "sold", "buy": "bought", "lend": "lent", "take": "taken",
    "give": "given", "begin": "begun", "hold": "held", "keep": "kept", "make": "made", "let": "let",
    "withdraw": "withdrawn", "overdraw": "overdrawn", "win": "won", "lose": "lost", "freeze": "frozen",
    "unfreeze": "unfrozen", "leave": "left", "hide": "hidden", "show": "shown", "throw": "thrown",
    "undo": "undone", "do": "done", "bring": "brought", "break": "broken", "wear": "worn", "eat": "eaten",
    "quit": "quit", "cut": "cut", "run": "run", "build": "built", "rent": "rented", "withhold": "withheld",
    "feed": "fed", "plan": "planned", "mark": "marked", "teach": "taught", "hire": "hired",
}  # fmt: skip
