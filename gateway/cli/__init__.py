"""The command line `ql`: data to stdout, talk to stderr, exit statuses that scripts can use."""
