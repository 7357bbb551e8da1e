/* check/parts.c: a model that was split into several files: "<name>-00001-of-0000N.gguf". */
#include "generate/check/check.h"

#include "base/file.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "-00001-of-00003.gguf" */
static void write_ending(char out[32], int64_t number, int64_t count)
{
    snprintf(out, 32, "-%05d-of-%05d.gguf", (int)number, (int)count);
}

static rap_status check_part(const char *path, int64_t number, int64_t count, rap_err *err)
{
    gguf_file *g = NULL;
    int64_t no = 0, of = 0;
    rap_status status = gguf_file_open(&g, path, err);

    if (status)
        return status;
    status = check_int(g, "split.no", 0, 65535, &no, err);
    if (!status)
        status = check_int(g, "split.count", 0, 65535, &of, err);
    if (!status && (no != number - 1 || of != count))
        status = err_set(err, RAP_E_FORMAT,
                         "%s: says that it is part %" PRId64 " of %" PRId64 ", not %" PRId64
                         " of %" PRId64,
                         path, no + 1, of, number, count);
    if (!status)
        status = check_types(g, err);
    gguf_file_close(g);
    return status;
}

rap_status check_parts(const char *path, int64_t count, rap_err *err)
{
    char ending[32];
    size_t len = strlen(path), tail;
    rap_status status = RAP_OK;
    char *part = mem_string(path);

    if (!part)
        return err_memory(err, "checking a model");
    write_ending(ending, 1, count);
    tail = strlen(ending);
    if (len < tail || strcmp(path + len - tail, ending) != 0)
        status = err_set(err, RAP_E_ARGUMENT,
                         "%s: is the first of %d parts, whose names must end in %s, and so on",
                         path, (int)count, ending);
    for (int64_t number = 2; !status && number <= count; number++) {
        write_ending(ending, number, count);
        memcpy(part + len - tail, ending, tail);
        if (!file_exists(part))
            status =
                err_set(err, RAP_E_NOT_FOUND, "%s: no such file; the model is split into %d parts",
                        part, (int)count);
        else
            status = check_part(part, number, count, err);
    }
    free(part);
    return status;
}
