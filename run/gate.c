/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/gate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/door.h"
#include "run/place.h"

struct gate {
    struct serve *serve;
    struct door *door;
    int lock;
    char dir[80];
};

static struct gate *fail(struct gate *g, const char *what, int err) {
    fprintf(stderr, "weir: %s: %s\n", what, strerror(-err));
    if (g->serve)
        serve_destroy(g->serve);
    if (g->lock >= 0) {
        place_remove(g->dir);
        close(g->lock);
    }
    free(g);
    return NULL;
}

struct gate *gate_open(struct net *net) {
    struct gate *g = calloc(1, sizeof(*g));
    if (!g)
        return NULL;
    g->lock = -1;
    int err = place_of(net->name, g->dir, sizeof(g->dir));
    if (err)
        return fail(g, "no directory for the network", err);
    g->lock = place_take(g->dir);
    if (g->lock == -EBUSY) {
        fprintf(stderr,
                "weir: a network '%s' is up already; try: weir down %s\n",
                net->name, net->name);
        free(g);
        return NULL;
    }
    if (g->lock < 0)
        return fail(g, g->dir, g->lock);
    g->serve = serve_create(net, g->dir);
    if (!g->serve)
        return fail(g, "no door", -errno);
    char path[108];
    snprintf(path, sizeof(path), "%s/door.sock", g->dir);
    g->door = door_open(net->loop, g->serve, path);
    return g->door ? g : fail(g, path, -errno);
}

struct serve *gate_serve(struct gate *g) {
    return g->serve;
}

const char *gate_dir(const struct gate *g) {
    return g->dir;
}

void gate_close(struct gate *g) {
    door_close(g->door);
    serve_destroy(g->serve);
    place_remove(g->dir);
    close(g->lock);
    free(g);
}
