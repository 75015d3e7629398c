/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handle table. Blocks of entries are added at the end and never move, so
 * growth costs one block. Freed handles rest in a queue before they are used
 * again: a late event of the old socket then meets no new one.
 */
#include "sock/sock.h"

#include <assert.h>
#include <errno.h>

static bool handles_grow(struct weir_stack *s) {
    struct handles *h = &s->handles;
    struct weir_arena *a = s->env.arena;
    if (h->nchunks == h->room) {
        uint32_t room = h->room ? h->room * 2 : 16;
        uintptr_t **chunk = arena_alloc(a, room * sizeof(*chunk));
        if (!chunk)
            return false;
        if (h->chunk) {
            memcpy(chunk, h->chunk, h->nchunks * sizeof(*chunk));
            arena_free(a, h->chunk, h->room * sizeof(*chunk));
        }
        h->chunk = chunk;
        h->room = room;
    }
    uintptr_t *block = arena_zalloc(a, HANDLE_CHUNK * sizeof(*block));
    if (!block)
        return false;
    h->chunk[h->nchunks++] = block;
    return true;
}

int handle_open(struct weir_stack *s, struct endpoint *ep) {
    struct handles *h = &s->handles;
    uint32_t handle;
    if (h->nfree > HANDLE_REST) {
        handle = h->free_head;
        h->free_head = (uint32_t)(*handle_entry(s, handle) >> 1);
        h->nfree--;
    } else {
        if (h->top == h->nchunks * HANDLE_CHUNK &&
            (h->top >= INT32_MAX - HANDLE_CHUNK || !handles_grow(s)))
            return env_fail(&s->env, ENOMEM, WEIR_NOMEM);
        handle = h->top++;
    }
    *handle_entry(s, handle) = (uintptr_t)ep;
    ep->handle = (int32_t)handle;
    return (int)handle;
}

void handle_move(struct weir_stack *s, int handle, struct endpoint *ep) {
    assert(handle_get(s, handle));
    *handle_entry(s, (uint32_t)handle) = (uintptr_t)ep;
    ep->handle = handle;
}

void handle_close(struct weir_stack *s, int handle) {
    struct handles *h = &s->handles;
    assert(handle_get(s, handle));
    *handle_entry(s, (uint32_t)handle) = 1;
    if (h->nfree++ == 0)
        h->free_head = (uint32_t)handle;
    else
        *handle_entry(s, h->free_tail) = (uintptr_t)(uint32_t)handle << 1 | 1;
    h->free_tail = (uint32_t)handle;
}

void handles_destroy(struct weir_stack *s) {
    struct handles *h = &s->handles;
    for (uint32_t i = 0; i < h->nchunks; i++)
        arena_free(s->env.arena, h->chunk[i],
                   HANDLE_CHUNK * sizeof(*h->chunk[i]));
    if (h->chunk)
        arena_free(s->env.arena, h->chunk, h->room * sizeof(*h->chunk));
}
