"""The same work by Dragon's Python module: python3 dragon_module.py --rounds N pair"""

import json
import os
import statistics
import sys
import time

from dragon.managed_memory import MemoryPool

SIZE = 512
PAIRS = 20_000
POOL_SIZE = 256 << 20


def pair(pool):
    """Allocates and frees one block: ns per pair."""
    start = time.perf_counter_ns()
    for _ in range(PAIRS):
        pool.alloc(SIZE).free()
    return (time.perf_counter_ns() - start) / PAIRS


def main():
    if len(sys.argv) != 4 or sys.argv[1] != "--rounds" or sys.argv[3] != "pair":
        sys.exit("usage: dragon_module.py --rounds N pair")
    name = f"bench-dragon-python-{os.getpid()}"
    pool = MemoryPool(POOL_SIZE, name, os.getpid())
    try:
        pair(pool)  # warms up
        rounds = [pair(pool) for _ in range(int(sys.argv[2]))]
    finally:
        pool.destroy()
    result = {
        "measure": "pair",
        "unit": "ns",
        "median": statistics.median(rounds),
        "rounds": rounds,
    }
    print(json.dumps(result))


main()
