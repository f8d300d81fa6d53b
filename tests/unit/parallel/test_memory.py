from __future__ import annotations

import subprocess
import sys

FREE_AND_GIVE_BACK = """
import platform, resource
from lurge.parallel.memory import give_back

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20

blocks = [bytearray(100_000) for _ in range(500)]
# What lies behind them keeps the C library from giving them back.
last = bytearray(100_000)
del blocks
before = resident()
give_back()
print(platform.libc_ver()[0], before - resident())
"""


def test_free_memory_goes_back_to_the_system() -> None:
    command = [sys.executable, "-c", FREE_AND_GIVE_BACK]
    library, freed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert library == "glibc"
    assert int(freed) > 40
