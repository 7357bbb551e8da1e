/* available.c: memory as Linux tells it: free on the machine and in the control group (a container), and this process's. */
#include "base/available.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The number behind `key` in a file of "key: number kB" lines. */
static uint64_t read_field(const char *path, const char *key, uint64_t fallback)
{
    FILE *f = fopen(path, "re");
    char line[256];
    uint64_t found = fallback;

    if (!f)
        return fallback;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':' &&
            sscanf(line + strlen(key) + 1, "%" SCNu64, &found) == 1)
            break;
    fclose(f);
    return found;
}

/* The number that a file holds; "max" is none. */
static uint64_t read_number(const char *path, uint64_t fallback)
{
    FILE *f = fopen(path, "re");
    uint64_t number = 0;
    int fields;

    if (!f)
        return fallback;
    fields = fscanf(f, "%" SCNu64, &number);
    fclose(f);
    return fields == 1 ? number : fallback;
}

size_t memory_available(void)
{
    uint64_t kib = read_field("/proc/meminfo", "MemAvailable", UINT64_MAX / 1024);
    uint64_t limit = read_number("/sys/fs/cgroup/memory.max", UINT64_MAX);
    uint64_t used = read_number("/sys/fs/cgroup/memory.current", 0);
    uint64_t left = limit > used ? limit - used : 0, free_bytes = kib * 1024;

    free_bytes = free_bytes < left ? free_bytes : left;
    return free_bytes < SIZE_MAX ? (size_t)free_bytes : SIZE_MAX;
}

size_t memory_resident(void)
{
    return (size_t)read_field("/proc/self/status", "VmRSS", 0) * 1024;
}
