#!/usr/bin/python3
"""Reads one OpenMetrics page from standard input with the strict parser of Python's prometheus_client.

Prints how many families and samples the page has. Exit status 1, with the parser's complaint, when it is not valid, and
when a series stands on it twice (at the same time, where samples have times), which the parser lets pass. It needs Debian's
python3-prometheus-client.
"""

import re
import sys

from prometheus_client.openmetrics import parser
from prometheus_client.samples import Timestamp

# Its own takes 1.9 for later than 2.1: it holds the nanoseconds against each other whatever the seconds are.
Timestamp.__gt__ = lambda one, other: (one.sec, one.nsec) > (other.sec, other.nsec)

check_histogram = parser._check_histogram
# Series, value, and time, if there is one.
SAMPLE = re.compile(r"([^#\s{]+(?:\{.*\})?) (\S+)(?: (\d+\.\d+))?")


def read(page):
    """The families and samples of a page."""
    found = list(parser.text_string_to_metric_families(page))
    return len(found), sum(len(family.samples) for family in found)


def main():
    page = sys.stdin.read()
    lines = page.splitlines()
    samples = [sample.groups() for sample in map(SAMPLE.fullmatch, lines) if sample]
    times = dict.fromkeys(time for _, _, time in samples)
    seen = set()
    try:
        for series, _, time in samples:
            if (series, time) in seen:
                raise ValueError(f"series twice: {series} {time or ''}")
            seen.add((series, time))
        if len(times) > 1:
            # Of a histogram's second point the parser drops what the first has, and misses it then: so points are also
            # looked at one by one.
            parser._check_histogram = lambda samples, name: None
        found = read(page)
        parser._check_histogram = check_histogram
        for moment in times if len(times) > 1 else []:
            of_it = [line for line in lines if line.startswith("#") or line.endswith(f" {moment}")]
            read("\n".join(of_it) + "\n")
    except ValueError as error:
        sys.exit(str(error))
    print(found[0], "families,", found[1], "samples")


if __name__ == "__main__":
    main()
