/* test_parts.c: a model split into files answers as the whole one does; parts that are missing, exchanged or damaged are
 * named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "generate/check/check.h"
#include "generate/fixture.h"
#include "generate/session.h"

enum {
    PARTS = 3,
    MAX_TENSORS = 256,
    ALIGN = 32,
    TYPE_U16 = 2,
    TYPE_I32 = 5,
    TYPE_STRING = 8,
    TYPE_LIST = 9
};

typedef struct tensor {
    const char *info, *offset; /* its entry in the header, and the offset within */
    size_t info_len, size;
    const char *data;
} tensor;

typedef struct model { /* positions in the bytes of a GGUF */
    char *bytes;
    size_t size;
    const char *values, *values_end;
    uint64_t keys;
    size_t tensors;
    tensor tensor[MAX_TENSORS];
} model;

/* ---- reading ---- */

static uint64_t number(const char *at, size_t bytes)
{
    uint64_t n = 0;

    memcpy(&n, at, bytes);
    return n;
}

static const char *past_value(const char *at, uint32_t type)
{
    static const size_t sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    uint64_t count;

    if (type == TYPE_STRING)
        return at + 8 + number(at, 8);
    if (type != TYPE_LIST)
        return at + sizes[type];
    type = (uint32_t)number(at, 4);
    count = number(at + 4, 8);
    for (at += 12; count > 0; count--)
        at = past_value(at, type);
    return at;
}

static void read_model(model *out, const char *path)
{
    const char *at, *data;

    assert_int_equal(file_read(&out->bytes, &out->size, path, 1 << 26, NULL), RAP_OK);
    out->tensors = (size_t)number(out->bytes + 8, 8);
    out->keys = number(out->bytes + 16, 8);
    assert_true(out->tensors >= PARTS && out->tensors <= MAX_TENSORS);
    at = out->values = out->bytes + 24;
    for (uint64_t i = 0; i < out->keys; i++) {
        at += 8 + number(at, 8);
        at = past_value(at + 4, (uint32_t)number(at, 4));
    }
    out->values_end = at;
    for (size_t i = 0; i < out->tensors; i++) {
        tensor *t = &out->tensor[i];

        t->info = at;
        at += 8 + number(at, 8);
        t->offset = at + 4 + 8 * number(at, 4) + 4;
        at = t->offset + 8;
        t->info_len = (size_t)(at - t->info);
    }
    data = out->bytes + ((size_t)(at - out->bytes) + ALIGN - 1) / ALIGN * ALIGN;
    for (size_t i = 0; i < out->tensors; i++) {
        const char *end = i + 1 < out->tensors ? data + number(out->tensor[i + 1].offset, 8)
                                               : out->bytes + out->size;

        out->tensor[i].data = data + number(out->tensor[i].offset, 8);
        out->tensor[i].size = (size_t)(end - out->tensor[i].data);
    }
}

/* ---- writing ---- */

static void put_u16(buf *b, const char *key, uint16_t value)
{
    uint64_t len = strlen(key);

    buf_add(b, (const char *)&len, 8);
    buf_puts(b, key);
    buf_add(b, (const char *)&(uint32_t){ TYPE_U16 }, 4);
    buf_add(b, (const char *)&value, 2);
}

static void put_i32(buf *b, const char *key, int32_t value)
{
    uint64_t len = strlen(key);

    buf_add(b, (const char *)&len, 8);
    buf_puts(b, key);
    buf_add(b, (const char *)&(uint32_t){ TYPE_I32 }, 4);
    buf_add(b, (const char *)&value, 4);
}

static void pad(buf *b)
{
    while (b->len % ALIGN)
        buf_putc(b, '\0');
}

static void part_name(char *out, size_t size, const char *folder, int number_, int count)
{
    snprintf(out, size, "%s/m-%05d-of-%05d.gguf", folder, number_, count);
}

/* Part `which` (from 0) of `m`, which says that it is part `says`. */
static void write_part(const model *m, const char *folder, int which, int says)
{
    size_t from = m->tensors * (size_t)which / PARTS, to = m->tensors * (size_t)(which + 1) / PARTS;
    uint64_t offset = 0;
    char path[300];
    buf b = BUF_INIT;

    buf_add(&b, m->bytes, 8);
    buf_add(&b, (const char *)&(uint64_t){ to - from }, 8);
    buf_add(&b, (const char *)&(uint64_t){ 3 + (which == 0 ? m->keys : 0) }, 8);
    if (which == 0)
        buf_add(&b, m->values, (size_t)(m->values_end - m->values));
    put_u16(&b, "split.no", (uint16_t)says);
    put_u16(&b, "split.count", PARTS);
    put_i32(&b, "split.tensors.count", (int32_t)m->tensors);
    for (size_t i = from; i < to; i++) {
        const tensor *t = &m->tensor[i];

        buf_add(&b, t->info, t->info_len - 8);
        buf_add(&b, (const char *)&offset, 8);
        offset += (t->size + ALIGN - 1) / ALIGN * ALIGN;
    }
    pad(&b);
    for (size_t i = from; i < to; i++) {
        buf_add(&b, m->tensor[i].data, m->tensor[i].size);
        pad(&b);
    }
    part_name(path, sizeof path, folder, which + 1, PARTS);
    assert_false(buf_failed(&b));
    assert_int_equal(file_write(path, b.data, b.len, NULL), RAP_OK);
    buf_release(&b);
}

/* ---- */

static char *answer_of(const char *path)
{
    vlm_options o = {
        .model = path, .style = "rap", .turns = rap_turns, .threads = 1, .context = 256
    };
    session_turn turn = { .question = "Tell me a story.", .max_tokens = 16 };
    session_answer a = { .text = NULL };
    rap_err err = { 0 };
    session *s = NULL;
    vlm *v = NULL;

    if (vlm_open(&v, &o, &err) || session_open(&s, v, &err) || session_ask(s, &turn, &a, &err))
        fail_msg("%s", err.text);
    session_close(s);
    vlm_close(v);
    return a.text;
}

static void a_split_model_is_one_model(void **state)
{
    char folder[] = "/tmp/rap-parts-XXXXXX", first[300], second[300];
    char *whole, *split;
    check_facts facts;
    rap_err err = { 0 };
    model m;
    pair p;

    if (!find_pair(&p, "random"))
        return;
    assert_non_null(mkdtemp(folder));
    read_model(&m, p.model);
    for (int i = 0; i < PARTS; i++)
        write_part(&m, folder, i, i);
    part_name(first, sizeof first, folder, 1, PARTS);
    part_name(second, sizeof second, folder, 2, PARTS);
    whole = answer_of(p.model);
    split = answer_of(first);
    assert_string_equal(whole, split);
    free(whole);
    free(split);

    assert_int_equal(check_model(&facts, second, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "part 2 of 3"));
    write_part(&m, folder, 1, 2);
    assert_int_equal(check_model(&facts, first, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, second));
    unlink(second);
    assert_int_equal(check_model(&facts, first, &err), RAP_E_NOT_FOUND);
    assert_non_null(strstr(err.text, second));
    assert_int_equal(rename(first, second), 0); /* a name that tells nothing of the others */
    assert_int_equal(check_model(&facts, second, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "-00001-of-00003.gguf"));

    unlink(second);
    part_name(first, sizeof first, folder, 3, PARTS);
    unlink(first);
    rmdir(folder);
    free(m.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_split_model_is_one_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
