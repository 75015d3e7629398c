/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scenario files: any bytes are either a scenario or one message that says
 * where and why. The bytes lie in a memfd, because files are read by name.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int fd = memfd_create("scenario", MFD_CLOEXEC);
    char name[40], error[512] = "";
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        return 0;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    struct scenario *s = scenario_read(name, error);
    assert(s || (error[0] && memchr(error, 0, sizeof(error))));
    if (s)
        scenario_free(s);
    close(fd);
    return 0;
}
