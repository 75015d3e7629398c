/* SPDX-License-Identifier: BSD-2-Clause */
#include "tools/open.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool open_story(struct record *r, struct story *s, const char *path) {
    int err = record_open(r, path);
    if (err == -ENOENT && !path)
        fprintf(stderr, "weir: there is no recording yet; try: weir run -- "
                        "CMD\n");
    else if (err == -EPROTO)
        fprintf(stderr, "weir: %s: not a recording of weir\n", r->path);
    else if (err == -EPROTONOSUPPORT)
        fprintf(stderr, "weir: %s: written by another version of weir\n",
                r->path);
    else if (err)
        fprintf(stderr, "weir: %s: %s\n", r->path, strerror(-err));
    if (err)
        return false;
    err = story_load(s, r);
    if (err) {
        fprintf(stderr, "weir: %s: %s\n", r->path, strerror(-err));
        record_close(r);
    }
    return !err;
}

void close_story(struct record *r, struct story *s) {
    story_free(s);
    record_close(r);
}
