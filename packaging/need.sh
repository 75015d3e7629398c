#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# need.sh PACKAGE...: install from Debian what is missing, where we may; else
# say the one line that does.
missing=
for p in "$@"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)
    [ "$status" = installed ] || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ]; then
    echo "weir needs packages that are not installed. Type:" >&2
    echo "    sudo apt-get install -y$missing" >&2
    exit 1
fi
echo "installing:$missing" >&2
apt-get update -qq >/dev/null 2>&1
log=$(mktemp)
# Packages with a service (nginx, redis) must not start it.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=1
fi
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    $missing >"$log" 2>&1
status=$?
[ -n "$made" ] && rm -f $policy
[ $status = 0 ] || tail -n 20 "$log" >&2
rm -f "$log"
exit $status
