/* test_sentencepiece.c: vocabularies of SentencePiece made by hand, honest and damaged. */
#include "convert/made_llava.h"
#include "formats/sentencepiece.h"

#include <math.h>
#include <unistd.h>

static rap_status parse(spm_model **out, const buf *b, rap_err *err)
{
    uint8_t *copy = malloc(b->len ? b->len : 1); /* its end is watched by the sanitizer */
    memcpy(copy, b->data, b->len);
    rap_status status = spm_parse(out, copy, b->len, "tokenizer.model", err);
    free(copy);
    return status;
}

static void honest(void **state)
{
    buf b = BUF_INIT;
    spm_model *m = NULL;
    spm_make(&b, 2);
    put(&b, 9 << 3 | 1, 1); /* an unknown field of each kind is passed over */
    put(&b, 77, 8);
    put(&b, 9 << 3 | 5, 1);
    put(&b, 77, 4);
    put(&b, 9 << 3, 1);
    put(&b, 0x7f80, 2);
    spm_bytes(&b, 9, "future", 6);
    assert_int_equal(parse(&m, &b, NULL), RAP_OK);
    assert_int_equal(m->count, LV_PIECES);
    assert_true(m->merges);
    assert_string_equal(m->piece[0].text, "<unk>");
    assert_int_equal(m->piece[0].type, SPM_UNKNOWN);
    assert_int_equal(m->piece[2].type, SPM_CONTROL);
    assert_string_equal(m->piece[3 + 255].text, "<0xFF>");
    assert_int_equal(m->piece[3 + 255].type, SPM_BYTE);
    assert_string_equal(m->piece[260].text, "he");
    assert_true(m->piece[260].score == -1);
    assert_int_equal(m->piece[260].type, SPM_NORMAL);
    spm_close(m);
    buf_clear(&b);
    spm_make(&b, 1);
    assert_int_equal(parse(&m, &b, NULL), RAP_OK);
    assert_false(m->merges);
    spm_close(m);
    buf_release(&b);
}

static void truncated(void **state)
{
    buf b = BUF_INIT;
    int good = 0;
    spm_make(&b, 2);
    for (size_t len = 0; len < b.len; len++) {
        const buf part = { b.data, len, 0, false };
        spm_model *m = NULL;
        rap_err err = { 0 };
        if (parse(&m, &part, &err) == RAP_OK)
            good++; /* between two fields */
        else
            assert_non_null(strstr(err.text, "tokenizer.model: "));
        spm_close(m);
    }
    assert_int_equal(good, LV_PIECES); /* behind each piece; the trainer's field is the end */
    buf_release(&b);
}

static void is_damaged(buf *b)
{
    spm_model *m = NULL;
    rap_err err = { 0 };
    assert_int_equal(parse(&m, b, &err), RAP_E_FORMAT);
    assert_null(m);
    assert_non_null(strstr(err.text, "tokenizer.model: "));
    buf_clear(b);
}

static void raw_piece(buf *b, const void *bytes, size_t size)
{
    spm_add_piece(b, "first", 0, 1);
    spm_bytes(b, 1, bytes, size);
}

static void damaged_pieces(void **state)
{
    buf b = BUF_INIT;
    raw_piece(&b, "", 0); /* no text */
    is_damaged(&b);
    raw_piece(&b, "\x0a\x00", 2); /* an empty one */
    is_damaged(&b);
    raw_piece(&b, "\x0a\x02\xff\xfe", 4); /* no UTF-8 */
    is_damaged(&b);
    raw_piece(&b,
              "\x0a\x03"
              "a\0b",
              5);
    is_damaged(&b);
    raw_piece(&b,
              "\x0a\x05"
              "ab",
              4); /* longer than the message */
    is_damaged(&b);
    raw_piece(&b,
              "\x0a\x01"
              "a\x18\x07",
              5); /* no such type */
    is_damaged(&b);
    raw_piece(&b,
              "\x0a\x01"
              "a\x18\x00",
              5);
    is_damaged(&b);
    raw_piece(&b,
              "\x0a\x01"
              "a\x15\x00\x00\xc0\x7f",
              8); /* a score that is no number */
    is_damaged(&b);
    raw_piece(&b,
              "\x0a\x01"
              "a\x10\x01",
              5); /* a score of another kind */
    is_damaged(&b);
    raw_piece(&b, "\x08\x01", 2); /* a text of another kind */
    is_damaged(&b);
    raw_piece(&b,
              "\x0a\x01"
              "a\x0b",
              4); /* a group */
    is_damaged(&b);
    raw_piece(&b,
              "\x0a\x01"
              "a\x02\x00",
              5); /* field 0 */
    is_damaged(&b);
    buf_release(&b);
}

static void damaged_numbers(void **state)
{
    buf b = BUF_INIT;
    spm_add_piece(&b, "first", 0, 1);
    buf_add(&b, "\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            12); /* eleven bytes of a varint */
    is_damaged(&b);
    spm_add_piece(&b, "first", 0, 1);
    buf_add(&b, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11); /* 2⁶⁴ − 1 bytes of a piece */
    is_damaged(&b);
    buf_puts(&b, "<html>");
    is_damaged(&b);
    is_damaged(&b); /* empty */
    buf_release(&b);
}

static void files(void **state)
{
    spm_model *m = NULL;
    rap_err err = { 0 };
    assert_int_equal(spm_open(&m, "/nowhere/tokenizer.model", &err), RAP_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nowhere/tokenizer.model"));
    assert_int_equal(spm_open(&m, "/tmp", &err), RAP_E_ARGUMENT);
    spm_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest),         cmocka_unit_test(truncated),
        cmocka_unit_test(damaged_pieces), cmocka_unit_test(damaged_numbers),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
