# SPDX-License-Identifier: BSD-2-Clause
"""rfc.py TOP: docs/rfc.md, from the citations in the code.

A citation reads `RFC 9293 3.10.7.4 (MUST-10): why`; a deviation begins with
`Unlike RFC`. Each becomes a row: clause, place, what is said there.
"""
import pathlib
import re
import sys

top = pathlib.Path(sys.argv[1])
CITE = re.compile(r"(Unlike )?RFC (\d+)((?: [0-9A-Z][\w.]*)?)((?: \([A-Z]+-\d+\))?)(:?)\s*([^*\n]*)")
rows = {}
for path in sorted(list(top.glob("core/**/*.[ch]")) + list(top.glob("include/**/*.h"))):
    for line in path.read_text().splitlines():
        for unlike, rfc, clause, tag, colon, words in CITE.findall(line):
            place = str(path.relative_to(top))
            text = (("deviates: " if unlike else "") + (words.strip() if colon else "")).strip()
            clause = clause.strip() if re.match(r" \d|^ [A-Z]\.", clause) else ""
            rows.setdefault((int(rfc), clause), []).append((tag.strip(), place, text))

print("# RFCs\n\nMade from the citations in the code by `python3 docs/gen/rfc.py .`\n")
print("| RFC | clause | where | what |\n| --- | --- | --- | --- |")
for (rfc, clause), places in sorted(rows.items()):
    files = ", ".join(sorted({place for _, place, _ in places}))
    said = "; ".join(dict.fromkeys(f"{tag} {text}".strip().replace("|", "/")
                                   for tag, _, text in places if tag or text))
    print(f"| {rfc} | {clause} | {files} | {said} |")
