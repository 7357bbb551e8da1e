/* wrap.c: see wrap.h. */
#include "faults/wrap.h"

#include <errno.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static struct {
    long left; /* until one fails; 0: none does */
    bool lasting, failed, paused;
} plan;

static sqlite3_mem_methods plain;

void wrap_fail(long n, bool lasting)
{
    plan.left = n;
    plan.lasting = lasting;
    plan.failed = false;
}

void wrap_pause(bool paused)
{
    plan.paused = paused;
}

bool wrap_failed(void)
{
    return plan.failed;
}

static bool fails(void)
{
    if (plan.left == 0 || plan.paused)
        return false;
    if (plan.left > 1) {
        plan.left--;
        return false;
    }
    if (!plan.lasting)
        plan.left = 0;
    plan.failed = true;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

static void *sqlite_malloc(int size)
{
    return fails() ? NULL : plain.xMalloc(size);
}

static void *sqlite_realloc(void *memory, int size)
{
    return fails() ? NULL : plain.xRealloc(memory, size);
}

void wrap_start(void)
{
    sqlite3_mem_methods methods;

    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain);
    methods = plain;
    methods.xMalloc = sqlite_malloc;
    methods.xRealloc = sqlite_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    json_set_alloc_funcs(__wrap_malloc, free);
}
