/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The arena: everything the core keeps lies in one mapping.
 *
 * Sizes are rounded up to classes: every 16 bytes up to 512, then eight to each
 * doubling (at most an eighth is lost). A class hands out what was freed to it,
 * most recently freed first as that is warm; else small classes cut runs
 * of a page, so that objects of a kind lie together, and large ones cut
 * from the untouched rest directly. When the rest is used up, the smallest
 * larger free block is divided. Nothing is ever merged: what a stack needs much
 * of it needs again.
 *
 * A free block's first word is the list link; untouched memory is never
 * written, so that a sparse mapping stays sparse. Under AddressSanitizer, free
 * blocks and the bytes between what was asked for and the class are poisoned.
 */
#include "base/arena.h"

#include <string.h>

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region(p, n)
#define UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum {
    RUN_BYTES = 4096, /* what a small class cuts at a time */
    RUN_SIZE_MAX = 1024,
    LINE = 64, /* large blocks begin at a cache line */
};

struct weir_arena *weir_arena_init(void *mem, size_t bytes) {
    if (!mem || (uintptr_t)mem % ARENA_GRAIN || bytes < (size_t)1 << 20)
        return NULL;
    struct weir_arena *a = mem;
    UNPOISON(a, sizeof(*a));
    memset(a, 0, sizeof(*a));
    a->end = (uint8_t *)mem + bytes;
    uintptr_t first = (uintptr_t)mem + sizeof(*a);
    a->rest =
        (uint8_t *)mem + ((first + LINE - 1) / LINE * LINE - (uintptr_t)mem);
    a->size = bytes;
    return a;
}

/* Cut from the untouched rest. */
static void *arena_cut(struct weir_arena *a, size_t bytes) {
    bytes = (bytes + LINE - 1) / LINE * LINE;
    if ((size_t)(a->end - a->rest) < bytes)
        return NULL;
    void *mem = a->rest;
    a->rest += bytes;
    return mem;
}

static void *pop(struct arena_class *class, size_t size) {
    struct arena_block *b = class->free;
    if (!b)
        return NULL;
    UNPOISON(b, size);
    class->free = b->next;
    return b;
}

static void push(struct arena_class *class, void *mem, size_t size) {
    struct arena_block *b = mem;
    UNPOISON(b, sizeof(*b));
    b->next = class->free;
    class->free = b;
    POISON(b, size);
}

/* Hand `bytes` (a multiple of ARENA_GRAIN) to the free lists, largest class
 * first. */
static void arena_give(struct weir_arena *a, uint8_t *mem, size_t bytes) {
    while (bytes >= ARENA_GRAIN) {
        unsigned c = arena_class_of(bytes);
        while (arena_class_bytes(c) > bytes)
            c--;
        push(&a->classes[c], mem, arena_class_bytes(c));
        mem += arena_class_bytes(c);
        bytes -= arena_class_bytes(c);
    }
}

/* The rest is used up: divide the smallest larger free block, or what a larger
 * small class has left of its run. */
static void *divide(struct weir_arena *a, unsigned c) {
    size_t want = arena_class_bytes(c);
    for (unsigned larger = c + 1; larger < ARENA_CLASSES; larger++) {
        struct arena_class *class = &a->classes[larger];
        size_t size = arena_class_bytes(larger);
        uint8_t *mem = pop(class, size);
        if (!mem && class->run_end - class->run >= (ptrdiff_t)size) {
            mem = class->run;
            class->run += size;
        }
        if (mem) {
            arena_give(a, mem + want, size - want);
            return mem;
        }
    }
    size_t left = (size_t)(a->end - a->rest) / ARENA_GRAIN * ARENA_GRAIN;
    if (left < want)
        return NULL;
    uint8_t *mem = a->rest;
    a->rest += left;
    arena_give(a, mem + want, left - want);
    return mem;
}

void *arena_alloc_more(struct weir_arena *a, size_t bytes) {
    if (bytes > a->size / 2)
        return NULL;
    unsigned c = arena_class_of(bytes);
    struct arena_class *class = &a->classes[c];
    size_t size = arena_class_bytes(c);
    void *mem = pop(class, size);
    if (!mem && size <= RUN_SIZE_MAX) {
        if (class->run_end - class->run < (ptrdiff_t)size) {
            class->run = arena_cut(a, RUN_BYTES);
            class->run_end = class->run ? class->run + RUN_BYTES : NULL;
        }
        if (class->run) {
            mem = class->run;
            class->run += size;
        }
    } else if (!mem) {
        mem = arena_cut(a, size);
    }
    if (!mem)
        mem = divide(a, c);
    if (!mem)
        return NULL;
    a->used += size;
    if (a->used > a->peak)
        a->peak = a->used;
    UNPOISON(mem, size);
    POISON((uint8_t *)mem + bytes, size - bytes);
    return mem;
}

void *arena_zalloc(struct weir_arena *a, size_t bytes) {
    void *mem = arena_alloc(a, bytes);
    return mem ? memset(mem, 0, bytes) : NULL;
}

void arena_free_poisoned(struct weir_arena *a, void *mem, size_t bytes) {
    unsigned c = arena_class_of(bytes);
    push(&a->classes[c], mem, arena_class_bytes(c));
    a->used -= arena_class_bytes(c);
}

void arena_set_cpu(struct weir_arena *a, uint32_t cpu) {
    a->cpu = cpu;
}

uint32_t arena_cpu(const struct weir_arena *a) {
    return a->cpu;
}

size_t weir_arena_used(const struct weir_arena *a) {
    return a->used;
}

size_t weir_arena_peak(const struct weir_arena *a) {
    return a->peak;
}

size_t weir_arena_bytes(const struct weir_arena *a) {
    return a->size;
}
