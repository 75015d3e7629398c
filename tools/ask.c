/* SPDX-License-Identifier: BSD-2-Clause */
#include "tools/ask.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "run/place.h"

const char *ask_which(const char *name) {
    static char one[64];
    char other[64];
    unsigned n = 0;
    bool is_default = false, found = false;
    while (place_list(n, other, sizeof(other))) {
        n++;
        is_default |= !strcmp(other, "default");
        found |= name && !strcmp(other, name);
        memcpy(one, other, sizeof(one));
    }
    if (name && !found) {
        fprintf(stderr, "weir: no network '%s' is up", name);
        for (unsigned i = 0; place_list(i, other, sizeof(other)); i++)
            fprintf(stderr, "%s %s", i ? "," : "; there is", other);
        fputs(n ? "\n" : "; try: weir up FILE\n", stderr);
        return NULL;
    }
    if (name || n == 1)
        return name ? name : one;
    if (is_default)
        return "default";
    if (n == 0) {
        fputs("weir: no network is up; try: weir run -- CMD, or weir up FILE\n",
              stderr);
        return NULL;
    }
    fputs("weir: several networks are up; say --network with one of", stderr);
    for (unsigned i = 0; place_list(i, other, sizeof(other)); i++)
        fprintf(stderr, "%s %s", i ? "," : "", other);
    fputc('\n', stderr);
    return NULL;
}

static int reach(const char *network) {
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    char parent[64];
    int err = place_parent(parent, sizeof(parent));
    if (err)
        return err;
    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%.16s/control.sock",
             parent, network);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun))) {
        err = -errno;
        if (fd >= 0)
            close(fd);
        return err;
    }
    return fd;
}

static int read_all(int fd, struct answer *a) {
    FILE *f = open_memstream(&a->text, &a->size);
    char buf[65536];
    ssize_t n;
    if (!f)
        return -errno;
    while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
        fwrite(buf, 1, (size_t)n, f);
    int err = n < 0 ? -errno : 0;
    fclose(f);
    return err;
}

static bool failed(struct answer *a, const char *network, int err) {
    fprintf(stderr, "weir: network '%s' does not answer: %s\n", network,
            strerror(err == -EAGAIN ? ETIMEDOUT : -err));
    ask_free(a);
    return false;
}

bool ask(struct answer *a, const char *network, const char *format, ...) {
    char line[1024];
    memset(a, 0, sizeof(*a));
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(line, sizeof(line) - 1, format, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(line) - 1) {
        fputs("weir: that is too long\n", stderr);
        return false;
    }
    line[n++] = '\n';
    int fd = reach(network);
    if (fd < 0)
        return failed(a, network, fd);
    int err = send(fd, line, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -EIO;
    if (!err)
        err = read_all(fd, a);
    close(fd);
    if (err)
        return failed(a, network, err);
    char *nl = a->text ? strchr(a->text, '\n') : NULL;
    if (!nl)
        return failed(a, network, -EPROTO);
    *nl = 0;
    a->at = (size_t)(nl - a->text) + 1;
    if (!strncmp(a->text, "error ", 6)) {
        fprintf(stderr, "weir: %s\n", a->text + 6);
        ask_free(a);
        return false;
    }
    return true;
}

json_t *ask_next(struct answer *a) {
    while (a->at < a->size) {
        const char *line = a->text + a->at;
        const char *nl = memchr(line, '\n', a->size - a->at);
        size_t n = nl ? (size_t)(nl - line) : a->size - a->at;
        a->at += n + 1;
        json_t *o = json_loadb(line, n, 0, NULL);
        if (o)
            return o;
    }
    return NULL;
}

void ask_print(const struct answer *a) {
    if (a->at < a->size)
        fwrite(a->text + a->at, 1, a->size - a->at, stdout);
}

void ask_free(struct answer *a) {
    free(a->text);
    memset(a, 0, sizeof(*a));
}

const char *ask_text(const json_t *o, const char *key) {
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

long long ask_number(const json_t *o, const char *key) {
    return json_integer_value(json_object_get(o, key));
}
