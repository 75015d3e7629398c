#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tidy.sh TOP BUILD: the rules of the house, as TAP. What is not checked here is
# taste, not law.
top=$1 build=$2
cd "$top" || exit 1
n=0
# result TITLE OFFENDERS: passes where there are none.
result() {
    n=$((n + 1))
    if [ -z "$2" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        printf '%s\n' "$2" | sed 's/^/# /'
    fi
}
sources() { find core links host run trace tools include examples tests bench -name '*.[ch]' 2>/dev/null; }

# Who may include whom inside the core: a room sees those before it.
arrows() {
    below=
    for room in base pkt wire ip udp tcp sock; do
        case $room in
        udp | tcp) allowed="$below $room" ;;
        *) allowed="$below $room" ;;
        esac
        for f in core/$room/*.[ch]; do
            [ -e "$f" ] || continue
            sed -n 's/^#include "\([a-z_]*\)\/.*/\1/p' "$f" | sort -u | while read -r used; do
                [ "$used" = weir ] && continue
                case " $allowed " in
                *" $used "*) ;;
                *) echo "$f includes $used/" ;;
                esac
            done
        done
        # udp and tcp stand beside each other
        [ $room = udp ] || below="$below $room"
        [ $room = tcp ] && below="$below udp"
    done
}
outside() {
    for dir in links host run trace tools; do
        case $dir in
        links | trace) allowed="weir $dir" ;;
        host) allowed="weir host links" ;;
        run) allowed="weir run host trace links" ;;
        tools) allowed="weir tools run host trace links" ;;
        esac
        for f in $dir/*.[ch]; do
            [ -e "$f" ] || continue
            sed -n 's/^#include "\([a-z_]*\)\/.*/\1/p' "$f" | sort -u | while read -r used; do
                case " $allowed " in
                *" $used "*) ;;
                *) echo "$f includes $used/" ;;
                esac
            done
        done
    done
}
result "arrows inside the core point down" "$(arrows)"
result "everything else sees only what it may" "$(outside)"
result "files are at most 500 lines" \
    "$(sources | xargs wc -l | awk '$2 != "total" && $1 > 500 {print $2 ": " $1}')"
result "functions are at most 70 lines" "$(sources | grep '\.c$' | xargs awk '
    FNR == 1 {name = ""; open = 0}
    /^[A-Za-z_].*\(/ && !/;[ \t]*$/ {name = $0}
    /^\{/ || /^[A-Za-z_ ].*\)[ \t]*\{[ \t]*$/ {open = FNR}
    /^\}/ && open {if (FNR - open > 70) print FILENAME ": " FNR - open " lines: " name; open = 0}')"
result "the core includes no system header" "$(grep -rnE \
    '#include <(unistd|time|sys/|pthread|fcntl|poll|stdio|stdlib|arpa|netinet|signal|linux)' core |
    grep -vE 'sys/(types|queue|uio)')"
undefined=$(nm --undefined-only "$build"/core/libweircore.a 2>/dev/null |
    awk '$1 == "U" {print $2}' | sort -u)
defined=$(nm --defined-only "$build"/core/libweircore.a 2>/dev/null | awk 'NF == 3 {print $3}' | sort -u)
# (strlen: gcc makes it of a loop.)
result "the core calls nothing but memcpy and its family" "$(
    printf '%s\n' "$undefined" | grep -vxF "$defined" |
        grep -vE '^(mem(cpy|move|set|cmp)|strlen|bcmp|__assert_fail|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan)_.*|__mem(cpy|move|set)_chk)?$')"
# Constant tables that hold addresses lie in .data.rel.ro: constant all the same.
result "the core has no mutable globals" "$(
    objdump -t "$build"/core/libweircore.a 2>/dev/null |
        awk 'NF > 3 && $(NF-2) ~ /^\.(data|bss|tdata|tbss)/ && $(NF-2) !~ /rel\.ro/ && $NF !~ /^\./ {print $NF}' |
        grep -v '^__odr_asan')"
result "every file names its licence" "$(sources | xargs grep -L 'SPDX-License-Identifier: BSD-2-Clause')"
result "citations of RFCs have one form" "$(grep -rnE 'RFC ?-?[0-9]+ ?(§|sec|Sec|section)' core links host run trace tools include)"
result "every room stands in ARCHITECTURE.md" "$(for d in core/*/ links host run trace tools; do
    grep -q "${d%/}" ARCHITECTURE.md || echo "$d"; done)"
result "docs/options.md is what the table says" "$(
    "$build"/docs/gen_options | diff - docs/options.md | head -n 5)"
result "docs/rfc.md is what the code cites" "$(python3 docs/gen/rfc.py . | diff - docs/rfc.md | head -n 5)"
if command -v clang-format >/dev/null; then
    result "formatted" "$(sources | while read -r f; do
        clang-format "$f" | cmp -s - "$f" || echo "$f"; done)"
else
    n=$((n + 1)) && echo "ok $n - formatted # SKIP clang-format is not installed"
fi
echo "1..$n"
