#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Servers and clients from the distribution, unmodified.
bats_require_minimum_version 1.5.0
load lib

setup_file() {
    export PROGRAMS="$BATS_TEST_DIRNAME/../programs"
}

setup() {
    own_place
    cd "$BATS_TEST_TMPDIR"
}

# on_host SCRIPT: a line for the shell on a host of its own.
on_host() {
    timeout 30 "$WEIR" run --new -- bash -c "$1"
}

# Wait inside a host until the port $1 is listened on.
LISTENED='until ss -Hltn | grep -q ":$PORT "; do sleep 0.02; done'

@test "nginx, reloaded meanwhile, serves 10 MB to curl: 10 ms each way, 1 % loss" {
    need nginx curl
    mkdir -p "$BATS_TEST_TMPDIR/ng"
    DEMO="$BATS_TEST_TMPDIR/ng" run timeout 100 "$WEIR" up "$BATS_TEST_DIRNAME/../../examples/nginx.weir.yaml"
    echo "$output"
    [ "$status" = 0 ]
    echo "# $(echo "$output" | sed -n 's/.*| the same/nginx: the same/p')" >&3
    # At least half of what the formula allows.
    mbit=$(echo "$output" | sed -n 's/.*goodput \([0-9.]*\) Mbit.*/\1/p')
    awk -v got="$mbit" 'BEGIN { exit !(got > 3.5) }'
}

@test "redis-server, redis-benchmark -c 50" {
    need redis-server redis-benchmark
    run on_host 'redis-server --port 6379 --save "" --appendonly no >redis.log 2>&1 &
        server=$!; PORT=6379; '"$LISTENED"'
        head -c 200000 /dev/zero | tr "\0" x | redis-cli -x set key &&
        [ "$(redis-cli get key | wc -c)" = 200001 ] &&
        redis-benchmark -c 50 -n 5000 -t ping,set,get,lrange_100 --csv &&
        redis-benchmark -c 50 -n 5000 -P 16 -t incr --csv
        result=$?; redis-cli get counter:__rand_int__
        redis-cli shutdown nosave; wait $server || exit 9; exit $result'
    echo "$output"
    [ "$status" = 0 ]
    [ "${lines[0]}" = OK ]
    for what in PING_INLINE PING_MBULK SET GET 'LRANGE_100' INCR; do
        [[ "$output" == *"\"$what"* ]]
    done
    [ "${lines[-1]}" -ge 5000 ]
}

@test "node: http server, curl" {
    need node curl
    run on_host 'node -e "require(\"http\").createServer((q, r) => {
            let n = 0; q.on(\"data\", d => n += d.length);
            q.on(\"end\", () => r.end(q.method + \" \" + q.url + \" \" + n + \"\\n\"));
        }).listen(8000)" & server=$!; PORT=8000; '"$LISTENED"'
        curl -sS http://127.0.0.1:8000/a http://127.0.0.1:8000/b &&
        head -c 3000000 /dev/zero | curl -sS --data-binary @- http://localhost:8000/c
        result=$?; kill $server; wait $server 2>/dev/null; exit $result'
    echo "$output"
    [ "$status" = 0 ]
    [ "$output" = "GET /a 0
GET /b 0
POST /c 3000000" ]
}

@test "Python: asyncio, 50 clients at once" {
    run on_host "exec python3 $PROGRAMS/asyncio_echo.py"
    [ "$status" = 0 ]
    [ "$output" = "50 echoes right" ]
    run timeout 50 "$WEIR" run --trace --new -- python3 "$PROGRAMS/asyncio_echo.py"
    [ "$output" = "50 echoes right" ]
}

@test "Go: http server and client, static" {
    need go curl
    GOCACHE="$BATS_FILE_TMPDIR/go" CGO_ENABLED=0 go build -o http "$PROGRAMS/httpserver.go"
    run on_host './http server 8000 & server=$!; PORT=8000; '"$LISTENED"'
        ./http client http://127.0.0.1:8000 && curl -sS http://127.0.0.1:8000/curl
        result=$?; kill $server; wait $server 2>/dev/null; exit $result'
    echo "$output"
    [ "$status" = 0 ]
    [[ "$output" == *"20 answers right"*"/curl from Go"* ]]
}

@test "socat: 10 MB each way" {
    need socat
    head -c 10000000 /dev/urandom >sent
    run on_host 'socat TCP-LISTEN:8000 EXEC:cat & PORT=8000; '"$LISTENED"'
        socat -t 10 - TCP:127.0.0.1:8000 <sent >got; wait $!'
    echo "$output"
    [ "$status" = 0 ]
    cmp sent got
    run on_host 'socat UDP-RECVFROM:8000 EXEC:"tr a-z A-Z" & 
        until ss -Hlun | grep -q ":8000 "; do sleep 0.02; done
        echo datagram | socat -t 1 - UDP:127.0.0.1:8000; wait $!'
    [ "$output" = DATAGRAM ]
}

@test "ncat: 10 MB, one way" {
    need ncat
    head -c 10000000 /dev/urandom >sent
    run on_host 'ncat -l 127.0.0.1 8000 --recv-only >got & PORT=8000; '"$LISTENED"'
        ncat --send-only 127.0.0.1 8000 <sent && wait $!'
    echo "$output"
    [ "$status" = 0 ]
    cmp sent got
}

@test "nc: two shells, 10 MB" {
    need nc
    head -c 10000000 /dev/urandom >sent
    run on_host 'nc -l 8000 >got & PORT=8000; '"$LISTENED"'
        nc -N 127.0.0.1 8000 <sent && wait $!'
    [ "$status" = 0 ]
    cmp sent got
}
