<?php
// SPDX-License-Identifier: BSD-2-Clause
// The notes' client: five bytes of "client", then what the server says.
$client = socket_create(AF_INET, SOCK_STREAM, 0);
if (socket_connect($client, "127.0.0.1", (int)$argv[1])) {
    echo "write len: " . socket_write($client, "client", 5) . "\n";
    echo "recv from server: " . socket_read($client, 128) . "\n";
}
socket_close($client);
