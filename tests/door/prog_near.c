/* SPDX-License-Identifier: BSD-2-Clause */
/* Two processes that wait for each other may run where they always could: when
 * they ask, when a child asks, and by the kernel's own account afterwards. */
#include "prog.h"

#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#define BORN 10

static double now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void talk(int fd, double seconds) {
    char byte = 'x';
    for (double end = now() + seconds; now() < end;)
        if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
            die("talk");
}

static void serve(int l) {
    int fd = accept(l, NULL, NULL);
    char byte;
    while (read(fd, &byte, 1) == 1)
        if (write(fd, &byte, 1) != 1)
            die("answer");
    _exit(0);
}

static cpu_set_t mine(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set))
        die("sched_getaffinity");
    return set;
}

/* Without asking: what the kernel says of a process. */
static void listed(pid_t pid, char out[256]) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(out, 256, f))
        if (!strncmp(out, "Cpus_allowed_list:", 18))
            break;
    if (f)
        fclose(f);
}

int main(void) {
    int port, status, l = listener(&port);
    int c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char before[256] = "", after[256] = "";
    cpu_set_t all = mine(),
              *childs = mmap(NULL, sizeof(*childs), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    listed(getpid(), before);
    pid_t server = fork();
    if (server == 0) {
        close(c);
        serve(l);
    }
    if (call_to(c, port))
        die("connect");
    talk(c, 0.2);
    cpu_set_t then = mine();
    printf("asked meanwhile: %d\n", CPU_EQUAL(&then, &all));
    talk(c, 0.2);
    pid_t child = fork();
    if (child == 0) {
        *childs = mine();
        _exit(0);
    }
    waitpid(child, &status, 0);
    printf("its child asked: %d\n", CPU_EQUAL(childs, &all));
    pid_t silent[BORN];
    for (int i = 0; i < BORN; i++) { /* who do not ask */
        talk(c, 0.05);
        silent[i] = fork();
        if (silent[i] == 0) {
            pause();
            _exit(0);
        }
    }
    usleep(100000);
    listed(getpid(), after);
    printf("itself: %d\n", strcmp(before, after));
    listed(server, after);
    printf("the other: %d\n", strcmp(before, after));
    for (int i = 0; i < BORN; i++) {
        listed(silent[i], after);
        printf("its child: %d\n", strcmp(before, after));
        kill(silent[i], SIGKILL);
        waitpid(silent[i], &status, 0);
    }
    close(c);
    waitpid(server, &status, 0);
    return 0;
}
