# SPDX-License-Identifier: BSD-2-Clause
"""tap.py TESTLOG: meson's log of a test run as one TAP stream."""
import json
import sys

for line in open(sys.argv[1], encoding="utf-8"):
    run = json.loads(line)
    name, result = run["name"], run["result"]
    rows = [r for r in (run.get("stdout") or "").splitlines()
            if r.startswith(("ok ", "not ok "))]
    for row in rows:
        print(row.replace(" - ", f" - {name}: ", 1) if " - " in row else row)
    if result == "SKIP" and not rows:
        print(f"ok 1 - {name} # SKIP")
    bad = any(r.startswith("not ok") for r in rows)
    if result not in ("OK", "SKIP", "EXPECTEDFAIL") and not bad:
        print(f"not ok 1 - {name} ({result})")
    elif not rows and result == "OK":
        print(f"ok 1 - {name}")
    if result not in ("OK", "SKIP"):
        for text in ((run.get("stdout") or "") + (run.get("stderr") or "")).splitlines()[-25:]:
            print("#", text)
