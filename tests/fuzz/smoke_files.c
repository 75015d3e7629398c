/* SPDX-License-Identifier: BSD-2-Clause */
/* A fuzz target over files: every *.yaml under a folder, whole, cut short at
 * seeded places, and with seeded bytes changed. TAP. */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned files, runs;
static uint64_t seed = 1;

static uint32_t draw(uint32_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static void harm(uint8_t *data, size_t n) {
    for (int i = 0; i < 40; i++, runs++)
        LLVMFuzzerTestOneInput(data, draw((uint32_t)n));
    for (int i = 0; i < 40; i++, runs++) {
        size_t at = draw((uint32_t)n);
        uint8_t was = data[at];
        data[at] = (uint8_t)draw(256);
        LLVMFuzzerTestOneInput(data, n);
        data[at] = was;
    }
}

static int visit(const char *path, const struct stat *st, int type,
                 struct FTW *where) {
    (void)where;
    size_t len = strlen(path);
    if (type != FTW_F || len < 5 || strcmp(path + len - 5, ".yaml") ||
        st->st_size <= 0)
        return 0;
    uint8_t *data = malloc((size_t)st->st_size);
    FILE *f = fopen(path, "re");
    size_t n = f && data ? fread(data, 1, (size_t)st->st_size, f) : 0;
    if (f)
        fclose(f);
    files++;
    if (n) {
        LLVMFuzzerTestOneInput(data, n);
        harm(data, n);
    }
    free(data);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2 || nftw(argv[1], visit, 16, FTW_PHYS) || !files)
        return 1;
    printf("1..1\nok 1 - %u files, %u harmed ones\n", files, runs);
    return 0;
}
