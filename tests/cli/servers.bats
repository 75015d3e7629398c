# SPDX-License-Identifier: BSD-2-Clause
# Servers that nobody changed: nginx over a bad link, redis, node.

@test "nginx, reloaded meanwhile, serves 10 MB to curl: 10 ms each way, 1 % loss" {
    command -v nginx curl >/dev/null || skip "no nginx or curl"
    mkdir -p "$BATS_TEST_TMPDIR/ng"
    DEMO="$BATS_TEST_TMPDIR/ng" run timeout 100 "$WEIR" up examples/nginx.weir.yaml
    echo "$output"
    [ "$status" = 0 ]
    echo "# $(echo "$output" | sed -n 's/.*| the same/the same/p')" >&3
}

@test "redis-benchmark with 50 connections completes" {
    command -v redis-server redis-benchmark >/dev/null || skip "no redis"
    run timeout 60 "$WEIR" run --new -- sh -c '
        redis-server --port 6390 --save "" --bind 127.0.0.1 --dir "$0" >/dev/null &
        until redis-cli -p 6390 ping 2>/dev/null | grep -q PONG; do :; done
        redis-benchmark -p 6390 -c 50 -n 5000 -t set,get --csv
        redis-cli -p 6390 shutdown nosave
        wait' "$BATS_TEST_TMPDIR"
    echo "$output"
    [ "$status" = 0 ]
    [[ "$output" == *'"SET"'* && "$output" == *'"GET"'* ]]
}

@test "a Node HTTP server answers curl" {
    command -v node curl >/dev/null || skip "no node or curl"
    run timeout 60 "$WEIR" run --new -- sh -c '
        node -e "require(\"http\").createServer((q, r) => r.end(\"hello from node\n\")).listen(8090)" & server=$!
        until curl -s http://127.0.0.1:8090/; do :; done
        kill $server'
    echo "$output"
    [[ "$output" == *"hello from node"* ]]
}
