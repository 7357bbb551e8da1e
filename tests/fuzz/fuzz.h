/* fuzz.h: what the harnesses share. Each fuzz_<name>.c is a libFuzzer harness; with another compiler
 * standalone.c runs it over the files of tests/fuzz/corpus/<name>, which is what the tests do. */
#ifndef RAP_TESTS_FUZZ_FUZZ_H
#define RAP_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes as a file without a disk: opens `fd` and names its path. */
static inline int fuzz_file(char path[32], const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

#endif
