/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The arena: everything the core keeps lies in one mapping.
 *
 * Sizes are rounded up to classes: every 16 bytes up to 512, then eight to each
 * doubling (at most an eighth is lost). A class hands out what was freed to it,
 * most recently freed first as that is warm; else small classes cut runs of a
 * page, so that objects of a kind lie together, and large ones cut from the
 * untouched rest directly. When the rest is used up, the smallest larger free
 * block is divided. Nothing is ever merged: what a stack needs much of it needs
 * again.
 *
 * A free block's first word is the list link; untouched memory is never
 * written, so that a sparse mapping stays sparse. Under AddressSanitizer, free
 * blocks and the bytes between what was asked for and the class are poisoned.
 */
#include "base/arena.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region(p, n)
#define UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum {
    GRAIN = 16,
    FINE_MAX = 512, /* classes of every GRAIN bytes up to here */
    FINE_CLASSES = FINE_MAX / GRAIN,
    CLASSES = FINE_CLASSES + 8 * 40,
    RUN_BYTES = 4096, /* what a small class cuts at a time */
    RUN_SIZE_MAX = 1024,
    LINE = 64, /* large blocks begin at a cache line */
};

struct block {
    struct block *next;
};

struct size_class {
    struct block *free;
    uint8_t *run, *run_end; /* rest of the run it is cutting */
};

struct weir_arena {
    uint8_t *rest, *end; /* never touched yet */
    size_t size, used, peak;
    struct size_class classes[CLASSES];
};

static unsigned class_of(size_t bytes) {
    if (bytes <= FINE_MAX)
        return bytes ? (unsigned)((bytes - 1) / GRAIN) : 0;
    /* bytes - 1 lies in [2^top, 2^(top+1)): its next three bits choose. */
    unsigned top = 63 - (unsigned)__builtin_clzll(bytes - 1);
    unsigned eighth = (unsigned)((bytes - 1) >> (top - 3)) & 7;
    return FINE_CLASSES + (top - 9) * 8 + eighth;
}

static size_t class_bytes(unsigned c) {
    if (c < FINE_CLASSES)
        return (size_t)(c + 1) * GRAIN;
    unsigned top = (c - FINE_CLASSES) / 8 + 9, eighth = (c - FINE_CLASSES) % 8;
    return ((size_t)1 << top) + ((size_t)(eighth + 1) << (top - 3));
}

struct weir_arena *weir_arena_init(void *mem, size_t bytes) {
    if (!mem || (uintptr_t)mem % GRAIN || bytes < (size_t)1 << 20)
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
static void *cut(struct weir_arena *a, size_t bytes) {
    bytes = (bytes + LINE - 1) / LINE * LINE;
    if ((size_t)(a->end - a->rest) < bytes)
        return NULL;
    void *mem = a->rest;
    a->rest += bytes;
    return mem;
}

static void *pop(struct size_class *class, size_t size) {
    struct block *b = class->free;
    if (!b)
        return NULL;
    UNPOISON(b, size);
    class->free = b->next;
    return b;
}

static void push(struct size_class *class, void *mem, size_t size) {
    struct block *b = mem;
    UNPOISON(b, sizeof(*b));
    b->next = class->free;
    class->free = b;
    POISON(b, size);
}

/* Hand `bytes` (a multiple of GRAIN) to the free lists, largest class first. */
static void give(struct weir_arena *a, uint8_t *mem, size_t bytes) {
    while (bytes >= GRAIN) {
        unsigned c = class_of(bytes);
        while (class_bytes(c) > bytes)
            c--;
        push(&a->classes[c], mem, class_bytes(c));
        mem += class_bytes(c);
        bytes -= class_bytes(c);
    }
}

/* The rest is used up: divide the smallest larger free block, or what a larger
 * small class has left of its run. */
static void *divide(struct weir_arena *a, unsigned c) {
    size_t want = class_bytes(c);
    for (unsigned larger = c + 1; larger < CLASSES; larger++) {
        struct size_class *class = &a->classes[larger];
        size_t size = class_bytes(larger);
        uint8_t *mem = pop(class, size);
        if (!mem && class->run_end - class->run >= (ptrdiff_t)size) {
            mem = class->run;
            class->run += size;
        }
        if (mem) {
            give(a, mem + want, size - want);
            return mem;
        }
    }
    size_t left = (size_t)(a->end - a->rest) / GRAIN * GRAIN;
    if (left < want)
        return NULL;
    uint8_t *mem = a->rest;
    a->rest += left;
    give(a, mem + want, left - want);
    return mem;
}

void *arena_alloc(struct weir_arena *a, size_t bytes) {
    if (bytes > a->size / 2)
        return NULL;
    unsigned c = class_of(bytes);
    struct size_class *class = &a->classes[c];
    size_t size = class_bytes(c);
    void *mem = pop(class, size);
    if (!mem && size <= RUN_SIZE_MAX) {
        if (class->run_end - class->run < (ptrdiff_t)size) {
            class->run = cut(a, RUN_BYTES);
            class->run_end = class->run ? class->run + RUN_BYTES : NULL;
        }
        if (class->run) {
            mem = class->run;
            class->run += size;
        }
    } else if (!mem) {
        mem = cut(a, size);
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

void arena_free(struct weir_arena *a, void *mem, size_t bytes) {
    assert((uint8_t *)mem > (uint8_t *)a && (uint8_t *)mem < a->end);
    unsigned c = class_of(bytes);
    push(&a->classes[c], mem, class_bytes(c));
    assert(a->used >= class_bytes(c));
    a->used -= class_bytes(c);
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
