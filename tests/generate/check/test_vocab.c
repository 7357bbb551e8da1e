/* test_check_vocab.c: the tokens of a model file, honest and made to be slow to tell apart. */
#include "generate/check/check.h"

#include "formats/gguf_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { COUNT = 1000, SLOTS = 2048 };

static char path[] = "/tmp/rap-vocab-XXXXXX";

static int set_up(void **state)
{
    int f = mkstemp(path);
    return f < 0 ? 1 : close(f);
}

static int tear_down(void **state)
{
    return unlink(path);
}

static rap_status check(char words[COUNT][16], rap_err *err)
{
    const char *tokens[COUNT];
    gguf_writer *w = gguf_writer_new("llama");
    gguf_file *g = NULL;
    int64_t count;
    float one = 1;
    for (int i = 0; i < COUNT; i++)
        tokens[i] = words[i];
    gguf_put_strings(w, "tokenizer.ggml.tokens", tokens, COUNT);
    gguf_put_tensor(w, "weight", GGUF_F32, 1, (int64_t[4]){ 1, 1, 1, 1 }, &one);
    assert_int_equal(gguf_writer_save(w, path, NULL), RAP_OK);
    gguf_writer_free(w);
    assert_int_equal(gguf_file_open(&g, path, NULL), RAP_OK);
    rap_status status = check_vocab(g, &count, err);
    gguf_file_close(g);
    return status;
}

static void honest_and_twice(void **state)
{
    char words[COUNT][16];
    rap_err err = { 0 };
    for (int i = 0; i < COUNT; i++)
        snprintf(words[i], sizeof words[0], "w%d", i);
    assert_int_equal(check(words, &err), RAP_OK);
    snprintf(words[COUNT - 1], sizeof words[0], "w3");
    assert_int_equal(check(words, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "token 999 occurs twice"));
}

/* FNV-1a as check_vocab.c has it: words of one place in its table. */
static void all_in_one_place(void **state)
{
    char words[COUNT][16];
    rap_err err = { 0 };
    unsigned next = 0;
    for (int i = 0; i < COUNT; next++) {
        uint64_t h = 1469598103934665603u;
        snprintf(words[i], sizeof words[0], "w%u", next);
        for (const char *c = words[i]; *c; c++)
            h = (h ^ (unsigned char)*c) * 1099511628211u;
        i += ((h ^ (h >> 32)) & (SLOTS - 1)) == 7;
    }
    assert_int_equal(check(words, &err), RAP_E_LIMIT);
    assert_non_null(strstr(err.text, "slow to tell apart"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_and_twice),
        cmocka_unit_test(all_in_one_place),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
