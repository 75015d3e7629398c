# SPDX-License-Identifier: BSD-2-Clause
# Captures: tshark opens what `weir up -w` writes without a warning, and each
# frame says its direction, its event's id and the process that sent it.

@test "a capture opens in tshark without a warning" {
    command -v tshark >/dev/null || skip "no tshark"
    "$WEIR" up --quiet -w "$BATS_TEST_TMPDIR/c.pcapng" examples/rows/S17.weir.yaml
    tshark -r "$BATS_TEST_TMPDIR/c.pcapng" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
    grep -v "Running as user" "$BATS_TEST_TMPDIR/err" >"$BATS_TEST_TMPDIR/warnings" || true
    cat "$BATS_TEST_TMPDIR/warnings"
    [ ! -s "$BATS_TEST_TMPDIR/warnings" ]
    grep -q "SYN, ACK" "$BATS_TEST_TMPDIR/out"
    grep -q "FIN, ACK" "$BATS_TEST_TMPDIR/out"
}

@test "each frame says its direction, its id and who sent it" {
    "$WEIR" up --quiet -w "$BATS_TEST_TMPDIR/c.pcapng" examples/rows/S17.weir.yaml
    python3 - "$BATS_TEST_TMPDIR/c.pcapng" <<'PY'
import struct, sys
data, at, frames, whose = open(sys.argv[1], "rb").read(), 0, 0, 0
while at < len(data):
    kind, size = struct.unpack_from("<II", data, at)
    block = data[at + 8:at + size - 4]
    assert struct.unpack_from("<I", data, at + size - 4)[0] == size
    at += size
    if kind != 6:
        continue
    captured, length = struct.unpack_from("<II", block, 12)
    frame, options, p = block[20:20 + captured], {}, 20 + (captured + 3 & ~3)
    while p < len(block):
        code, n = struct.unpack_from("<HH", block, p)
        options[code] = block[p + 4:p + 4 + n]
        p += 4 + (n + 3 & ~3)
    frames += 1
    assert captured == length and 2 in options, options
    assert struct.unpack("<I", options[2])[0] & 3 in (1, 2)
    if frame[12:14] == b"\x08\x00":
        assert struct.unpack("<Q", options[5])[0] > 0
        ihl = (frame[14] & 15) * 4
        if len(frame) - 14 - ihl - (frame[14 + ihl + 12] >> 4) * 4 > 0:  # data
            assert struct.unpack("<II", options[8])[0] > 1, options
            whose += 1
assert frames > 10 and whose >= 2, (frames, whose)
PY
}
