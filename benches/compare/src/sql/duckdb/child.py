"""Keeps a DuckDB database open, and answers each line of JSON with one.

A request has "request" and "texts", statements of SQL: "load" executes them, "ask" gives the rows
of the last, "run" counts the rows of all and gives the processor time of this process. An answer
has "error" and "query" where a statement failed. The end of the input ends the process.
"""

import datetime
import decimal
import json
import os
import sys
import time

import duckdb


def plain(value):
    """A value that JSON does not know, as one that it does."""
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{value!r} is in an answer")


def answer(database, request, texts):
    """What a request gets."""
    rows, count, before = [], 0, time.process_time_ns()
    for text in texts:
        try:
            rows = database.execute(text).fetchall()
        except Exception as error:
            return {"error": str(error), "query": text}
        count += len(rows)
    used = time.process_time_ns() - before
    if request == "run":
        return {"rows": count, "cpu_ns": used}
    return {"rows": rows} if request == "ask" else {}


def main():
    path, memory = sys.argv[1:]
    # What the library prints, such as the progress of a long statement, is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    database = duckdb.connect(path, config={"threads": 1, "memory_limit": memory})
    database.execute("SET enable_progress_bar = false")
    for line in sys.stdin:
        text = json.dumps(answer(database, **json.loads(line)), default=plain)
        print(text, file=answers, flush=True)


main()
