/* SPDX-License-Identifier: BSD-2-Clause */
/* weir timeline: the ladder of a recording. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/cmd.h"
#include "tools/open.h"
#include "trace/json.h"
#include "trace/ladder.h"

static const char usage[] =
    "usage: weir timeline [-v] [--json] [--ascii] [--color=auto|always|never]\n"
    "                     [--width N] [RECORDING]\n"
    "The last recording, or the one named. -v shows everything.\n";

static unsigned terminal_width(void) {
    struct winsize ws;
    const char *columns = getenv("COLUMNS");
    if (columns && atoi(columns) > 0)
        return (unsigned)atoi(columns);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col)
        return ws.ws_col;
    return 140;
}

int cmd_timeline(int argc, char **argv) {
    static const struct option longs[] = {
        {"verbose", no_argument, NULL, 'v'},
        {"ascii", no_argument, NULL, 'a'},
        {"color", required_argument, NULL, 'c'},
        {"width", required_argument, NULL, 'w'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    struct ladder_options o = {.width = terminal_width(),
                               .color = isatty(STDOUT_FILENO) &&
                                        !getenv("NO_COLOR")};
    bool json = false;
    int c;
    while ((c = getopt_long(argc, argv, "vh", longs, NULL)) != -1) {
        if (c == 'v') {
            o.verbose = true;
        } else if (c == 'a') {
            o.ascii = true;
        } else if (c == 'c') {
            o.color = !strcmp(optarg, "always") ||
                      (!strcmp(optarg, "auto") && o.color);
        } else if (c == 'j') {
            json = true;
        } else if (c == 'w') {
            o.width = (unsigned)atoi(optarg);
        } else {
            fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : EXIT_WEIR;
        }
    }
    struct record r;
    struct story s;
    if (!open_story(&r, &s, argv[optind]))
        return EXIT_WEIR;
    if (json)
        json_story(stdout, &s);
    else
        ladder_print(stdout, &s, &o);
    close_story(&r, &s);
    return 0;
}
