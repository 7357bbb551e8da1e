/* fuzz_sample.c: data files in the RAP format. What is read is written again and then reads the same. */
#include "dataset/sample.h"
#include "fuzz/fuzz.h"

#include <string.h>

static void must_be_same(const sample *a, const sample *b)
{
    bool same = strcmp(a->id, b->id) == 0 && strcmp(a->type, b->type) == 0 &&
                !a->image == !b->image && (!a->image || strcmp(a->image, b->image) == 0) &&
                a->turns == b->turns && a->concepts == b->concepts;

    for (int i = 0; same && i < a->turns; i++)
        same = strcmp(a->turn[i].human, b->turn[i].human) == 0 &&
               strcmp(a->turn[i].gpt, b->turn[i].gpt) == 0;
    for (int i = 0; same && i < a->concepts; i++)
        same = strcmp(a->concept[i].picture, b->concept[i].picture) == 0 &&
               strcmp(a->concept[i].name, b->concept[i].name) == 0 &&
               strcmp(a->concept[i].info, b->concept[i].info) == 0 &&
               strcmp(a->concept[i].category, b->concept[i].category) == 0;
    if (!same)
        abort();
}

static void write_and_read(const sample *s)
{
    buf line = BUF_INIT;
    sample again;
    json_t *json;

    if (sample_write(&line, s, NULL) != RAP_OK)
        abort(); /* what jansson read is UTF-8 */
    json = json_loadb(line.data, line.len, 0, NULL);
    if (!json || sample_read(&again, json, "again", NULL) != RAP_OK)
        abort();
    must_be_same(s, &again);
    sample_release(&again);
    json_decref(json);
    buf_release(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    int fd = fuzz_file(path, data, size);
    sample_file *f = NULL;
    sample s;
    rap_err err = { 0 };
    bool more = true;
    rap_status status = sample_file_open(&f, path, &err);

    while (status == RAP_OK && more) {
        status = sample_file_next(&s, &more, f, &err);
        if (status == RAP_OK && more) {
            write_and_read(&s);
            sample_release(&s);
        }
    }
    if (status != RAP_OK && (!*err.text || strchr(err.text, '\n')))
        abort();
    sample_file_close(f);
    close(fd);
    return 0;
}
