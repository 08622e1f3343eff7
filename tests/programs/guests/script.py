#!/usr/bin/python3
"""A bit of everything of the standard library."""

# ruff: noqa
import collections
import datetime
import decimal
import fractions
import hashlib
import itertools
import json
import math
import os
import random
import re
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import zlib

data = {
    "name": "bl\u00fcte",
    "numbers": [1, 2.5, -3e300, 1 / 3],
    "nested": {"none": None, "yes": True},
}
text = json.dumps(data, sort_keys=True, indent=1)
assert json.loads(text) == data
print(text)

words = re.findall(r"(?<=\b)(\w)(\w*?)(?=\W)", "the quick brown fox jumps over the lazy dog.")
print(collections.Counter("".join(pair) for pair in words).most_common(3))
print(re.sub(r"(?P<y>\d{4})-(?P<m>\d\d)", lambda m: m["m"] + "/" + m["y"], "2026-11 and 1999-01"))

out = subprocess.run(["sort", "-r"], input="b\na\nc\n", capture_output=True, text=True, check=True)
print(
    repr(out.stdout), subprocess.call(["sh", "-c", "exit 9"]), subprocess.getoutput("echo $((6*7))")
)
try:
    subprocess.run(["/nonexistent/program"])
except FileNotFoundError as error:
    print(error)
lines = subprocess.Popen(["seq", "100000"], stdout=subprocess.PIPE)
print(lines.stdout.readline(), lines.stdout.close(), lines.wait())

base = sqlite3.connect("test.db")
base.execute("create table t (a integer primary key, b text, c real)")
base.executemany(
    "insert into t values (?, ?, ?)", [(i, f"row {i % 7}", math.sin(i)) for i in range(500)]
)
base.commit()
print(base.execute("select b, count(*), round(sum(c), 9) from t group by b order by b").fetchall())
print(base.execute("select sqlite_version() is not null, max(a), upper('x') from t").fetchone())
base.close()

print(
    hashlib.sha256(b"x" * 10000).hexdigest(),
    zlib.crc32(b"abc" * 999),
    len(zlib.compress(b"ab" * 9999)),
)
print(math.sqrt(2), math.exp(1.5), math.lgamma(10.5), 2**0.5, 10**40 // 7, divmod(-7, 3), 1e16 + 1)
print(decimal.Decimal(1) / 7, fractions.Fraction(3, 9), random.Random(42).random(), float("1e-320"))
print(
    struct.pack("<dfqH", 1.1, 2.2, -3, 4).hex(),
    datetime.datetime(2026, 2, 28) + datetime.timedelta(2),
)
print(sorted(os.listdir(".")), os.path.getsize("test.db"), sys.argv, sys.executable, os.getcwd())
with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(folder, "f"), "w") as file:
        file.write("x" * 100000)
    print(os.stat(file.name).st_size, os.path.exists(folder))
print(os.path.exists(folder), list(itertools.islice(itertools.permutations("abc"), 4)))
start = time.monotonic()
time.sleep(0.01)
print(time.monotonic() - start >= 0.01)
sys.exit(5)
