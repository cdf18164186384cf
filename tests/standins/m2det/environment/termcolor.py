"""Stands in for termcolor before 2.0, which colours whatever it prints to."""

CODES = {"yellow": 33, "green": 32}


def cprint(text, color, attrs=()):
    bold = "\033[1m" if "bold" in attrs else ""
    print("{}\033[{}m{}\033[0m".format(bold, CODES[color], text))
