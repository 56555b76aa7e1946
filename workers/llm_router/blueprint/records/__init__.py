"""Records as dataclasses that check themselves: what command line tools and libraries have in common."""
