/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_LIST_H
#define WEIR_CORE_BASE_LIST_H
/*
 * Intrusive doubly-linked circular list: the head is a link like any other, so
 * that removing needs no head and no case is special.
 */
#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

/* The object that embeds `member` at `ptr`. */
#define container_of(ptr, type, member)                                        \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct list *head) {
    head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head) {
    return head->next == head;
}

static inline void list_insert_after(struct list *at, struct list *link) {
    link->next = at->next;
    link->prev = at;
    at->next->prev = link;
    at->next = link;
}

static inline void list_push_front(struct list *head, struct list *link) {
    list_insert_after(head, link);
}

static inline void list_push_back(struct list *head, struct list *link) {
    list_insert_after(head->prev, link);
}

/* Out of its list; afterwards the link is a list of its own, so that removing
 * it again does no harm. */
static inline void list_remove(struct list *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* The current link may be removed in the body. */
#define LIST_EACH(head, at)                                                    \
    for (struct list *at = (head)->next, *at##_next = at->next; at != (head);  \
         at = at##_next, at##_next = at->next)

#endif
