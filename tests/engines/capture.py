#!/usr/bin/env python3
"""Writes the `/metrics` page of an unpacked vLLM or SGLang release: `capture.py vllm FOLDER > vllm-VERSION.prom`.

FOLDER holds the release as unpacked (the folder that contains `vllm/` or `sglang/`). README.md here says how to get one, and what the
page is.
"""

import argparse
import importlib
import sys
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engine", choices=["vllm", "sglang"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engines", type=int, default=1, help="vLLM: engines of a data-parallel server")
    parser.add_argument("--priorities", action="store_true", help="SGLang: with --enable-priority-scheduling")
    asked = parser.parse_args()
    module = importlib.import_module(f"{asked.engine}_page")
    option = asked.engines if asked.engine == "vllm" else asked.priorities
    sys.stdout.write(module.page(asked.folder.resolve(), option))


if __name__ == "__main__":
    main()
