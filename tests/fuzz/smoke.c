/* SPDX-License-Identifier: BSD-2-Clause */
/* A fuzz target without the fuzzer: seeded inputs, some random, some mutations
 * of one another, so that a plain test run meets it too. TAP. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t next(uint64_t *s) {
    *s += 0x9e3779b97f4a7c15; /* splitmix64 */
    uint64_t x = *s;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

int main(int argc, char **argv) {
    enum { MAX = 1500 };
    static uint8_t input[MAX];
    unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : 3000;
    uint64_t s = 1;
    size_t size = 0;
    for (unsigned long i = 0; i < runs; i++) {
        if (i % 20 == 0) {
            size = next(&s) % MAX;
            for (size_t k = 0; k < size; k++) /* small numbers, mostly */
                input[k] = (uint8_t)(next(&s) >> (next(&s) % 8));
        }
        for (int k = 0; size && k < 4; k++)
            input[next(&s) % size] = (uint8_t)next(&s);
        LLVMFuzzerTestOneInput(input, size);
    }
    printf("1..1\nok 1 - %lu inputs\n", runs);
    return 0;
}
