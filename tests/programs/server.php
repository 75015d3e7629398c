<?php
// SPDX-License-Identifier: BSD-2-Clause
// The notes' server: one client, read 128, write "hi".
$server = socket_create(AF_INET, SOCK_STREAM, 0);
socket_bind($server, "0.0.0.0", (int)$argv[1]);
if (socket_listen($server, 5)) {
    fprintf(STDOUT, "listen ok\n");
}
$connfd = socket_accept($server);
echo "recv: " . socket_read($connfd, 128) . "\n";
echo "write len: " . socket_write($connfd, "hi", 2) . "\n";
socket_close($server);
socket_close($connfd);
