#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# whole.sh OUT INCLUDE FILE...: the core as one translation unit, where the
# compiler sees through every call between rooms. All but the functions that
# the public headers in INCLUDE declare may then be local to it.
set -e
out=$1 include=$2
shift 2
{
    for header in "$include"/weir/*.h; do
        echo "#include \"weir/$(basename "$header")\""
    done
    echo '#if defined(__GNUC__) && !defined(__clang__)'
    # Declarations begin their line; bodies of inline functions are left out.
    sed -e '/^static.*}$/d' -e '/^static/,/^}/d' -e '/^[#/ ]/d' "$include"/weir/*.h |
        grep -o '\bweir_[a-z0-9_]*(' | sort -u | tr -d '(' |
        sed 's/.*/extern __typeof__(&) & __attribute__((externally_visible));/'
    echo '#endif'
    for file in "$@"; do
        echo "#include \"$(realpath "$file")\""
    done
} >"$out"
