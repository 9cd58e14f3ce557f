#!/usr/bin/python3
"""Reads one OpenMetrics page from standard input with the strict parser of Python's prometheus_client.

Prints how many families and samples the page has. Exit status 1, with the parser's complaint, when it is not valid, and
when a series stands on it twice, which the parser lets pass. It needs Debian's python3-prometheus-client.
"""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families


def main():
    families = samples = 0
    seen = set()
    try:
        for family in text_string_to_metric_families(sys.stdin.read()):
            families += 1
            for sample in family.samples:
                samples += 1
                series = (sample.name, tuple(sorted(sample.labels.items())))
                if series in seen:
                    raise ValueError(f"series twice: {series}")
                seen.add(series)
    except ValueError as error:
        sys.exit(str(error))
    print(families, "families,", samples, "samples")


if __name__ == "__main__":
    main()
