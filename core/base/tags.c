/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries find their way; see the header. */
#include "base/tags.h"

#include <string.h>

static size_t tags_lines(unsigned s) {
    return s == 0 ? TAGS_FIRST : (size_t)TAGS_FIRST << (s - 1) / 8 >> 3;
}

static size_t tags_bytes(unsigned s) {
    return tags_lines(s) * sizeof(struct tag_line);
}

bool tags_init(struct tags *t, struct weir_arena *arena) {
    *t = (struct tags){.arena = arena};
    t->segment[0] = arena_zalloc(arena, tags_bytes(0));
    t->n = TAGS_FIRST;
    t->mask = TAGS_FIRST - 1;
    return t->segment[0] != NULL;
}

void tags_fini(struct tags *t) {
    for (unsigned i = 0; i < TAGS_SEGMENTS; i++)
        if (t->segment[i])
            arena_free(t->arena, t->segment[i], tags_bytes(i));
    *t = (struct tags){0};
}

static uint64_t tags_entry(const struct tags *t, const struct tag_node *node,
                           uint32_t hash) {
    uint64_t off = (uint64_t)((const char *)node - (const char *)t->arena);
    uint64_t ref = off / ARENA_GRAIN;
    assert(off % ARENA_GRAIN == 0 && ref < TAGS_MORE);
    return (uint64_t)hash << TAGS_HASH_SHIFT | ref;
}

/* An entry, which says nothing of others behind it, into a line. */
static void line_put(const struct tags *t, struct tag_line *line, uint64_t e) {
    unsigned i = 0;
    while (i < TAGS_LINE && line->e[i])
        i++;
    if (i < TAGS_LINE) {
        line->e[i] = e;
        tags_node(t, e)->link = 0;
        return;
    }
    tags_node(t, e)->link = line->e[TAGS_LINE - 1];
    line->e[TAGS_LINE - 1] = e | TAGS_MORE;
}

/* As line_put, where the node's link is known to be empty: it is not touched.
 */
static void line_put_again(const struct tags *t, struct tag_line *line,
                           uint64_t e) {
    unsigned i = 0;
    while (i < TAGS_LINE && line->e[i])
        i++;
    if (i < TAGS_LINE)
        line->e[i] = e;
    else
        line_put(t, line, e);
}

/* The line to open next; NULL: no memory. */
static struct tag_line *tags_open(struct tags *t) {
    size_t i = t->n;
    unsigned top = 63 - (unsigned)__builtin_clzll(i);
    unsigned s = 1 + (top - TAGS_FIRST_BITS) * 8 + (i >> (top - 3) & 7);
    if (s >= TAGS_SEGMENTS || top >= TAGS_HASH_BITS)
        return NULL;
    if (!t->segment[s])
        t->segment[s] = arena_alloc(t->arena, tags_bytes(s));
    if (!t->segment[s])
        return NULL;
    struct tag_line *line = tags_line(t, i);
    memset(line, 0, sizeof(*line));
    return line;
}

/* One more line, for a part of the nodes of another. */
static void tags_grow(struct tags *t) {
    size_t bit = t->mask + 1;
    struct tag_line *to = tags_open(t), *from = tags_line(t, t->n - bit);
    if (!to)
        return;
    if (++t->n == 2 * bit)
        t->mask = 2 * bit - 1;
    struct tag_line was = *from;
    memset(from, 0, sizeof(*from));
    for (unsigned i = 0; i < TAGS_LINE && was.e[i]; i++) {
        uint64_t e = was.e[i];
        while (e) {
            bool more = (e & TAGS_MORE) != 0;
            uint64_t next = more ? tags_node(t, e)->link : 0;
            if (more)
                tags_node(t, e)->link = 0;
            e &= ~TAGS_MORE;
            line_put_again(t, e >> TAGS_HASH_SHIFT & bit ? to : from, e);
            e = next;
        }
    }
}

void tags_insert(struct tags *t, struct tag_node *node, uint32_t hash) {
    if (++t->count > t->n * TAGS_LOAD)
        tags_grow(t);
    line_put(t, tags_home(t, hash), tags_entry(t, node, hash));
}

/* Where the entry of a node stands; *before: that of whoever it hangs on. */
static uint64_t *tags_find(const struct tags *t, struct tag_line *line,
                           uint64_t e, uint64_t **before) {
    uint64_t *at = line->e;
    *before = NULL;
    while ((*at & ~TAGS_MORE) != e && at < &line->e[TAGS_LINE - 1])
        at++;
    while ((*at & ~TAGS_MORE) != e) {
        assert(*at & TAGS_MORE);
        *before = at;
        at = &tags_node(t, *at)->link;
    }
    return at;
}

/* What the last entry of a line refers to moves up into `hole`, or goes. */
static void line_fill(const struct tags *t, struct tag_line *line,
                      uint64_t *hole) {
    uint64_t *last = &line->e[TAGS_LINE - 1];
    while (!*last)
        last--;
    uint64_t e = *last & ~TAGS_MORE, next = 0;
    if (*last & TAGS_MORE) {
        struct tag_node *n = tags_node(t, e);
        next = n->link;
        n->link = 0;
    }
    *hole = e;
    *last = next;
}

void tags_remove(struct tags *t, struct tag_node *node, uint32_t hash) {
    struct tag_line *line = tags_home(t, hash);
    uint64_t *before;
    uint64_t *at = tags_find(t, line, tags_entry(t, node, hash), &before);
    t->count--;
    if (at >= line->e && at < &line->e[TAGS_LINE - 1]) {
        line_fill(t, line, at);
        return;
    }
    bool more = (*at & TAGS_MORE) != 0;
    *at = more ? node->link : 0;
    if (!more && before)
        *before &= ~TAGS_MORE;
    node->link = 0;
}

void tags_replace(struct tags *t, struct tag_node *out, struct tag_node *in,
                  uint32_t hash) {
    uint64_t *before;
    uint64_t *at =
        tags_find(t, tags_home(t, hash), tags_entry(t, out, hash), &before);
    *at = tags_entry(t, in, hash) | (*at & TAGS_MORE);
    in->link = out->link;
    out->link = 0;
}

const uint64_t *tags_next(const struct tags *t, const uint64_t *e,
                          uint32_t hash) {
    const struct tag_line *line = tags_home(t, hash);
    if (e >= line->e && e < line->e + TAGS_LINE)
        return tags_from(t, e + 1, (unsigned)(e - line->e) + 1, hash);
    while (*e & TAGS_MORE) {
        e = &tags_node(t, *e)->link;
        if (tags_is(*e, hash))
            return e;
    }
    return NULL;
}

struct tag_node *tags_nth(const struct tags *t, size_t line, size_t place) {
    const uint64_t *e = tags_line(t, line)->e;
    for (size_t i = 0; i < TAGS_LINE; i++, e++)
        if (!*e)
            return NULL;
        else if (i == place)
            return tags_node(t, *e);
    place -= TAGS_LINE - 1;
    for (e--; place; place--) {
        if (!(*e & TAGS_MORE))
            return NULL;
        e = &tags_node(t, *e)->link;
    }
    return tags_node(t, *e);
}
