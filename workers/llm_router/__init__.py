"""The service that every stage asks: models behind one request-reply subject, and the ledger of what they answered."""
