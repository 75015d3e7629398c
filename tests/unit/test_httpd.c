/* SPDX-License-Identifier: BSD-2-Clause */
/* The example web server: its parser on every prefix of good and bad requests,
 * the whole of it over `lo`, pieces and pipelines included. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "../../examples/embed/http.h"
#include "../../examples/embed/httpd.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static const struct {
    ssize_t want; /* 1: its whole length */
    const char *text;
} heads[] = {
    {1, GET},
    {1, "\r\n\r\n" GET},
    {1, "GET /a?b=c HTTP/1.1\r\nhost:\ta \r\nX-Y!: \r\n\r\n"},
    {1, "HEAD * HTTP/1.0\r\n\r\n"},
    {1, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
    {-400, "GET / HTTP/1.1\r\n\r\n"}, /* no Host */
    {-400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
    {-400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"},
    {-400, "GET / HTTP/1.1\nHost: a\n\n"},
    {-400, "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"},
    {-400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
    {-400, "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"}, /* folded */
    {-400, "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"},
    {-400, "GET / HTTP/1.1\r\nHost: a\r\nb\r\n\r\n"},
    {-400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {-400, "GET / x HTTP/1.1\r\nHost: a\r\n\r\n"},
    {-400, "GET HTTP/1.1\r\nHost: a\r\n\r\n"},
    {-400, " / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {-400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
    {-400, "GET / http/1.1\r\nHost: a\r\n\r\n"},
    {-400, "\r\r\n"},
    {-400, "hello\r\n\r\n"},
    {-400, "GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n"},
    {-501, "POST / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {-501, "get / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {-501, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"},
    {-501, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n"},
    {-501, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {-505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
};

/* Whatever part of it has come, the verdict is none or the final one. */
static void every_prefix_of_a_head(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
        struct http_request r;
        const char *text = heads[i].text;
        size_t len = strlen(text);
        ssize_t want = heads[i].want == 1 ? (ssize_t)len : heads[i].want;
        for (size_t n = 0; n <= len; n++) {
            char *exact = malloc(n + !n); /* so that sanitizers see its end */
            memcpy(exact, text, n);
            ssize_t got = http_parse(exact, n, &r);
            free(exact);
            if (n == len ? got != want : got != 0 && (got != want || got > 0))
                fail_msg("%zd of %zu bytes of \"%s\"", got, n, text);
        }
    }
}

static void a_head_says_what_follows(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool head_only, close;
    } rows[] = {
        {GET, false, false},
        {"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", true, false},
        {"GET / HTTP/1.0\r\n\r\n", false, true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false, true},
        {"GET / HTTP/1.1\r\nHost: a\r\ncONNECTION:x, CLOSE ,y\r\n\r\n", false,
         true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", false,
         false},
        {"GET / HTTP/1.1\r\nHost: a\r\nX-Connection: close\r\n\r\n", false,
         false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct http_request r;
        assert_true(http_parse(rows[i].text, strlen(rows[i].text), &r) > 0);
        assert_int_equal(r.head_only, rows[i].head_only);
        assert_int_equal(r.close, rows[i].close);
        assert_int_equal(r.target_len, 1);
        assert_memory_equal(r.target, "/", 1);
    }
}

static void a_head_has_a_limit(void **state) {
    (void)state;
    static char text[3 * HTTP_HEAD_MAX];
    struct http_request r;
    int n = sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(text + n, 'x', sizeof(text) - (size_t)n);
    assert_int_equal(http_parse(text, HTTP_HEAD_MAX - 1, &r), 0);
    assert_int_equal(http_parse(text, HTTP_HEAD_MAX, &r), -431);
    assert_int_equal(http_parse(text, sizeof(text), &r), -431);
    memcpy(text + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(http_parse(text, sizeof(text), &r), HTTP_HEAD_MAX);
}

/* ---- the server ---- */

struct world {
    struct weir_stack *s;
    struct httpd h;
    int client;
    uint64_t now;
    void *memory;
};

static void turn(struct world *w) {
    struct weir_ready r;
    w->now += 1000000;
    weir_clock(w->s, w->now);
    weir_poll(w->s);
    while (weir_ready_next(w->s, &r))
        if (r.sock != w->client)
            httpd_ready(&w->h, &r);
    weir_poll(w->s);
}

static struct world world(void) {
    struct world w = {.now = 1, .memory = aligned_alloc(4096, 64u << 20)};
    struct weir_config config = {
        .arena = weir_arena_init(w.memory, 64u << 20), .seed = {7}, .host = 1};
    struct weir_endpoint at = {.addr = weir_addr_v4(WEIR_IP4(127, 0, 0, 1)),
                               .port = 80};
    int one = 1;
    w.s = weir_create(&config);
    assert_int_equal(httpd_open(&w.h, w.s, 80), 0);
    w.client = weir_socket(w.s, AF_INET, SOCK_STREAM, 0);
    weir_setsockopt(w.s, w.client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    assert_int_equal(weir_connect(w.s, w.client, &at), -EINPROGRESS);
    turn(&w);
    assert_true(weir_ready(w.s, w.client) & WEIR_OUT);
    return w;
}

static void put(struct world *w, const char *text, size_t n) {
    struct iovec iov = {(void *)text, n};
    assert_int_equal(weir_send(w->s, w->client, &iov, 1, 0, NULL), n);
}

/* What comes back until all is quiet; *ended: the end of the stream came. */
static size_t get(struct world *w, char *buf, size_t size, bool *ended) {
    size_t have = 0;
    *ended = false;
    for (int quiet = 0; quiet < 50 && !*ended;) {
        struct iovec iov = {buf + have, size - 1 - have};
        ssize_t n = weir_recv(w->s, w->client, &iov, 1, 0, NULL, NULL);
        assert_true(n >= 0 || n == -EAGAIN);
        *ended = n == 0;
        have += n > 0 ? (size_t)n : 0;
        turn(w);
        quiet = n > 0 ? 0 : quiet + 1;
        uint64_t due = weir_deadline(w->s);
        if (n < 0 && due != WEIR_NEVER && due > w->now)
            w->now = due; /* as after loss: its timer is what goes on */
    }
    buf[have] = 0;
    return have;
}

static unsigned count(const char *text, const char *word) {
    unsigned n = 0;
    while ((text = strstr(text, word))) {
        n++;
        text++;
    }
    return n;
}

static void end(struct world *w) {
    weir_close(w->s, w->client);
    for (int i = 0; i < 10; i++)
        turn(w);
    uint64_t cursor = 0; /* nothing but the listener has a handle left */
    struct weir_sockinfo info;
    while (weir_sockinfo_next(w->s, &cursor, &info))
        assert_true(info.sock < 0 || info.sock == w->h.listener);
    weir_destroy(w->s);
    free(w->memory);
}

static void a_pipeline_cut_anywhere(void **state) {
    (void)state;
    static const char text[] = GET "GET /no HTTP/1.1\r\nHost: a\r\n\r\n"
                                   "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET;
    for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
        struct world w = world();
        char back[4096];
        bool ended;
        put(&w, text, cut);
        turn(&w);
        put(&w, text + cut, sizeof(text) - 1 - cut);
        get(&w, back, sizeof(back), &ended);
        assert_false(ended);
        assert_int_equal(w.h.answers, 4);
        assert_int_equal(count(back, "HTTP/1.1 200 OK\r\n"), 3);
        assert_int_equal(count(back, "HTTP/1.1 404 Not Found\r\n"), 1);
        assert_int_equal(count(back, "\r\n\r\nhello\n"), 2); /* not to HEAD */
        end(&w);
    }
}

static void byte_after_byte(void **state) {
    (void)state;
    struct world w = world();
    char back[4096];
    bool ended;
    for (int k = 0; k < 3; k++)
        for (const char *p = GET; *p; p++) {
            put(&w, p, 1);
            turn(&w);
        }
    get(&w, back, sizeof(back), &ended);
    assert_int_equal(count(back, "\r\n\r\nhello\n"), 3);
    end(&w);
}

/* The client reads nothing until the server's send buffer and its own receive
 * buffer are full: no answer is lost, doubled or cut. */
static void a_client_that_does_not_read(void **state) {
    (void)state;
    enum { N = 20000 };
    struct world w = world();
    static char back[N * 100];
    bool ended;
    size_t one = strlen(GET), sent = 0, have = 0;
    while (sent < N * one) {
        size_t at = sent % one;
        struct iovec iov = {(char *)GET + at, one - at};
        ssize_t n = weir_send(w.s, w.client, &iov, 1, 0, NULL);
        sent += n > 0 ? (size_t)n : 0;
        turn(&w);
        if (n <= 0) /* stuck: now it reads */
            have += get(&w, back + have, sizeof(back) - have, &ended);
    }
    have += get(&w, back + have, sizeof(back) - have, &ended);
    assert_int_equal(w.h.answers, N);
    assert_int_equal(count(back, "HTTP/1.1 200 OK\r\n"), N);
    size_t answer = have / N; /* all are the same, in place */
    assert_int_equal(have % N, 0);
    for (size_t i = 1; i < N; i++)
        assert_memory_equal(back, back + i * answer, answer);
    end(&w);
}

static void refused_and_closed(void **state) {
    (void)state;
    static const struct {
        const char *text, *status;
    } rows[] = {
        {"nonsense\r\n\r\n" GET, "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
         "HTTP/1.1 501 "},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET,
         "HTTP/1.1 200 "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct world w = world();
        char back[4096];
        bool ended;
        put(&w, rows[i].text, strlen(rows[i].text));
        get(&w, back, sizeof(back), &ended);
        assert_true(ended);
        assert_int_equal(strncmp(back, rows[i].status, 13), 0);
        assert_int_equal(count(back, "HTTP/1.1 "), 1); /* nothing after it */
        assert_int_equal(count(back, "Connection: close\r\n"), 1);
        put(&w, GET, strlen(GET)); /* thrown away, not reset */
        turn(&w);
        end(&w);
    }
}

static void too_long(void **state) {
    (void)state;
    struct world w = world();
    static char text[HTTP_HEAD_MAX + 1000], back[4096];
    bool ended;
    int n = sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(text + n, 'x', sizeof(text) - (size_t)n);
    for (size_t at = 0; at < sizeof(text); at += 1000) {
        size_t left = sizeof(text) - at;
        put(&w, text + at, left < 1000 ? left : 1000);
        turn(&w);
    }
    get(&w, back, sizeof(back), &ended);
    assert_true(ended);
    assert_int_equal(strncmp(back, "HTTP/1.1 431 ", 13), 0);
    end(&w);
}

static void the_client_ends_first(void **state) {
    (void)state;
    const char *texts[] = {"", GET, "GET / HT"};
    for (int i = 0; i < 3; i++) {
        struct world w = world();
        char back[4096];
        bool ended;
        if (*texts[i])
            put(&w, texts[i], strlen(texts[i]));
        weir_shutdown(w.s, w.client, SHUT_WR);
        for (int k = 0; k < 3; k++)
            turn(&w);
        if (i < 2) { /* the third leaves bytes unread: it is reset */
            get(&w, back, sizeof(back), &ended);
            assert_true(ended);
            assert_int_equal(count(back, "HTTP/1.1 200 "), i);
        }
        end(&w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prefix_of_a_head),
        cmocka_unit_test(a_head_says_what_follows),
        cmocka_unit_test(a_head_has_a_limit),
        cmocka_unit_test(a_pipeline_cut_anywhere),
        cmocka_unit_test(byte_after_byte),
        cmocka_unit_test(a_client_that_does_not_read),
        cmocka_unit_test(refused_and_closed),
        cmocka_unit_test(too_long),
        cmocka_unit_test(the_client_ends_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
