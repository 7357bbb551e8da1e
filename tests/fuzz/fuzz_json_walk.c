/* fuzz_json_walk.c: large JSON read piece by piece. A walk over everything ends, and agrees with jansson on what
 * it accepts. */
#include "formats/json_walk.h"
#include "fuzz/fuzz.h"

#include <string.h>

static rap_status visit(json_walk *w, int depth, unsigned *choice, rap_err *err)
{
    const char *key = NULL;
    bool more = true;
    char kind = 0;
    json_t *value = NULL;
    rap_status status = json_walk_peek(&kind, w, err);

    *choice = *choice * 1103515245u + 12345u;
    if (status != RAP_OK)
        return status;
    if ((kind != '{' && kind != '[') || depth > 20 || (*choice >> 16) % 4 == 0) {
        if ((*choice >> 20) % 2)
            return json_walk_skip(w, err);
        status = json_walk_value(&value, w, err);
        json_decref(value);
        return status;
    }
    status = json_walk_enter(w, kind, err);
    while (status == RAP_OK && more) {
        status = kind == '{' ? json_walk_key(&key, &more, w, err) : json_walk_item(&more, w, err);
        if (status == RAP_OK && more)
            status = visit(w, depth + 1, choice, err);
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    int fd = fuzz_file(path, data, size);
    json_walk *w = NULL;
    json_t *whole = NULL;
    rap_err err = { 0 };
    unsigned choice = size ? data[0] : 0;

    if (json_walk_open(&w, path, &err) == RAP_OK) {
        rap_status status = visit(w, 0, &choice, &err);

        if (status == RAP_OK)
            status = json_walk_end(w, &err);
        if (status != RAP_OK && (!*err.text || strchr(err.text, '\n')))
            abort();
        whole = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
        if (whole && status != RAP_OK && !strstr(err.text, "nested") &&
            !strstr(err.text, "duplicate") && !memchr(data, 0, size))
            abort(); /* jansson reads it, so must we; but it steps over a NUL byte, which we refuse */
        json_decref(whole);
        json_walk_close(w);
    }
    close(fd);
    return 0;
}
