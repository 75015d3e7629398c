/* SPDX-License-Identifier: BSD-2-Clause */
/* weir up: the network a file describes, in the foreground or left running. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/cmd.h"
#include "tools/play.h"

static const char usage[] =
    "usage: weir up [-d] [--check] [--quiet] [--keep] [--spin] [-w FILE] "
    "SCENARIO\n"
    "\n"
    "  -d, --detach   leave it running (weir exec, ps, down)\n"
    "  --check        read the file, say what is wrong with it, run nothing\n"
    "  --quiet        do not show what the programs print\n"
    "  --fast         do not trace data calls (faster; \"call not seen\")\n"
    "  --spin[=USEC]  do not sleep within that time (50), where that pays\n"
    "  --keep         go on after the last program, until Ctrl-C\n"
    "  -w FILE        capture every link as pcapng (\"-\": standard output)\n"
    "\n"
    "Exits 0 when every expectation of the file holds, 1 when not, 124 when\n"
    "the file's timeout ends it, 125 when weir fails.\n";

/* The parent returns when the network is up; the child goes on in its own
 * session. The pipe tells which of the two it became. */
static int detach(void) {
    int up[2];
    if (pipe2(up, O_CLOEXEC))
        return -errno;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        setsid();
        close(up[0]);
        return up[1];
    }
    close(up[1]);
    char ok;
    int status = 0;
    if (read(up[0], &ok, 1) == 1)
        _exit(0);
    waitpid(pid, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_WEIR);
}

int cmd_up(int argc, char **argv) {
    static const struct option longs[] = {
        {"detach", no_argument, NULL, 'd'},
        {"check", no_argument, NULL, 'c'},
        {"quiet", no_argument, NULL, 'q'},
        {"keep", no_argument, NULL, 'k'},
        {"fast", no_argument, NULL, 'f'},
        {"spin", optional_argument, NULL, 's'},
        {"write", required_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    struct play_options o = {.up_fd = -1};
    bool check = false;
    int c;
    while ((c = getopt_long(argc, argv, "dw:h", longs, NULL)) != -1) {
        if (c == 'd') {
            o.detached = true;
        } else if (c == 'c') {
            check = true;
        } else if (c == 'q') {
            o.quiet = true;
        } else if (c == 'k') {
            o.keep = true;
        } else if (c == 'f') {
            o.fast = true;
        } else if (c == 's') {
            o.spin_ns = spin_option(optarg);
        } else if (c == 'w') {
            o.capture = optarg;
        } else {
            fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : EXIT_WEIR;
        }
    }
    if (optind + 1 != argc) {
        fputs(usage, stderr);
        return EXIT_WEIR;
    }
    char error[512];
    struct scenario *s = scenario_read(argv[optind], error);
    if (!s) {
        fprintf(stderr, "weir: %s\n", error);
        return EXIT_WEIR;
    }
    int status = 0;
    if (!check && o.detached && (o.up_fd = detach()) < 0)
        status = EXIT_WEIR;
    else if (!check)
        status = play(s, &o, argv);
    scenario_free(s);
    return status;
}
