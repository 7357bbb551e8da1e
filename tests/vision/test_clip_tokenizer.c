/* test_clip_tokenizer.c: the tokenizer against the reference's ids, and its behaviour on odd texts. */
#include "formats/gguf_file.h"
#include "vision/clip_clean.h"
#include "vision/clip_tokenizer.h"
#include "vision/fixture.h"

enum { CONTEXT = 77 };

static char work[64], model[128];
static clip_tokenizer *official; /* NULL: no fixtures here */
static clip_tokenizer *small;    /* five merges */

static clip_tokenizer *small_one(int64_t vocabulary, const char *const *merges, size_t count)
{
    gguf_file *g;
    clip_tokenizer *t;
    rap_err err = { 0 };
    char path[128];
    snprintf(path, sizeof path, "%s/small.gguf", work);
    gguf_writer *w = gguf_writer_new("clip");
    gguf_put_strings(w, "tokenizer.merges", merges, count);
    assert_int_equal(gguf_writer_save(w, path, &err), RAP_OK);
    gguf_writer_free(w);
    assert_int_equal(gguf_file_open(&g, path, &err), RAP_OK);
    rap_status status = clip_tokenizer_new(&t, g, vocabulary, &err);
    assert_true(status == RAP_OK ? t != NULL : t == NULL && strstr(err.text, path) != NULL);
    gguf_file_close(g);
    unlink(path);
    return t;
}

static int set_up(void **state)
{
    static const char *const merges[] = { "t h", "th e</w>", "c a", "a t</w>", "c at</w>" };
    snprintf(work, sizeof work, "/tmp/rap-token-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    small = small_one(519, merges, 5);
    snprintf(model, sizeof model, "%s/clip.gguf", work);
    if (fixture_convert(model, "fixtures/clip/clip_vit_small.pt",
                        "fixtures/clip/bpe_simple_vocab_16e6.txt.gz")) {
        gguf_file *g;
        assert_int_equal(gguf_file_open(&g, model, NULL), RAP_OK);
        assert_int_equal(clip_tokenizer_new(&official, g, 49408, NULL), RAP_OK);
        gguf_file_close(g);
    }
    return small ? 0 : 1;
}

static int tear_down(void **state)
{
    clip_tokenizer_free(official);
    clip_tokenizer_free(small);
    unlink(model);
    return rmdir(work);
}

/* Compares with ids that end in -1, start and end left out. */
static void gives(const clip_tokenizer *t, const char *text, const int32_t *ids)
{
    int32_t got[CONTEXT];
    int count = 0, wanted = 0;
    rap_err err = { 0 };
    if (clip_tokenizer_encode(t, text, CONTEXT, got, &count, &err) != RAP_OK)
        fail_msg("%s", err.text);
    while (ids[wanted] >= 0)
        wanted++;
    if (count != wanted + 2)
        fail_msg("'%s' gives %d tokens, not %d", text, count - 2, wanted);
    for (int i = 0; i < wanted; i++)
        if (got[i + 1] != ids[i])
            fail_msg("'%s': token %d is %d, not %d", text, i, got[i + 1], ids[i]);
}
#define IDS(...) ((const int32_t[]){ __VA_ARGS__, -1 })

static void fixture_tokens(void **state)
{
    json_t *reference = official ? fixture_json("fixtures/clip/clip_vit_small.json") : NULL;
    if (!reference)
        skip();
    const json_t *texts = json_object_get(reference, "texts");
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const json_t *one = json_array_get(texts, i), *want = json_object_get(one, "tokens");
        int32_t got[CONTEXT];
        int count;
        assert_int_equal(clip_tokenizer_encode(official,
                                               json_string_value(json_object_get(one, "text")),
                                               CONTEXT, got, &count, NULL),
                         RAP_OK);
        assert_int_equal(count, json_array_size(want));
        for (int j = 0; j < CONTEXT; j++)
            assert_int_equal(got[j], json_integer_value(json_array_get(want, (size_t)j)));
    }
    json_decref(reference);
}

/* The printable bytes stand in the order '!' to '~', so 't' is 't' − '!' and so on. */
static void merges_in_order(void **state)
{
    gives(small, "the", IDS(513));
    gives(small, "THE", IDS(513));
    gives(small, "th", IDS('t' - '!', 'h' - '!' + 256));
    /* "c a" comes before "a t</w>", so "cat" never gets the chance to be one token. */
    gives(small, "cat", IDS(514, 't' - '!' + 256));
    gives(small, "at the  cat\n", IDS(515, 513, 514, 't' - '!' + 256));
    gives(small, "", IDS(-1));
    gives(small, " \t ", IDS(-1));
}

static void official_words(void **state)
{
    if (!official)
        skip();
    gives(official, "a photo of a dog", IDS(320, 1125, 539, 320, 1929));
    gives(official, "a&amp;nbsp;photo&nbsp;of a&#32;&#x64;og", IDS(320, 1125, 539, 320, 1929));
    gives(official, "re\u0301sume\u0301",
          IDS(29106, 7054, 4166)); /* composed, as both references do */
    gives(official, "résumé", IDS(29106, 7054, 4166));
    gives(official, "re&#769;sume&#x301;", IDS(29106, 7054, 4166));
    gives(official, "plush\xc2\xa0\xe3\x80\x80toy", IDS(18926, 5988));
    gives(official, "x\xce\xa3\xce\x91\xce\xa3",
          IDS(87, 139, 225, 138, 109, 139, 480)); /* final sigma */
}

/* Special tokens cannot be spelt: what was written stays text. */
static void text_is_data(void **state)
{
    int32_t got[CONTEXT];
    int count;
    const clip_tokenizer *t = small;
    const char *evil = "<|startoftext|> hi <|endoftext|> there";
    assert_int_equal(clip_tokenizer_encode(t, evil, CONTEXT, got, &count, NULL), RAP_OK);
    assert_int_equal(got[0], 517);
    assert_int_equal(got[count - 1], 518);
    for (int i = 1; i < count - 1; i++)
        assert_true(got[i] < 517);
}

static void long_texts_are_cut(void **state)
{
    static char text[40000];
    int32_t got[CONTEXT];
    int count;
    rap_err err = { 0 };
    memset(text, 'a', sizeof text - 1); /* one enormous word */
    assert_int_equal(clip_tokenizer_encode(small, text, CONTEXT, got, &count, &err), RAP_OK);
    assert_int_equal(count, CONTEXT);
    assert_int_equal(got[CONTEXT - 1], 518);
    for (size_t i = 1; i < sizeof text - 1; i += 2)
        text[i] = ' ';
    assert_int_equal(clip_tokenizer_encode(small, text, 3, got, &count, &err), RAP_OK);
    assert_int_equal(count, 3);
    assert_int_equal(got[2], 518);
}

static void odd_texts(void **state)
{
    int32_t got[CONTEXT];
    int count;
    rap_err err = { 0 };
    assert_int_equal(clip_tokenizer_encode(small, "\xff\xfe", CONTEXT, got, &count, &err),
                     RAP_E_ARGUMENT);
    char *big = malloc(1 << 20);
    memset(big, 'x', (1 << 20) - 1);
    big[(1 << 20) - 1] = '\0';
    assert_int_equal(clip_tokenizer_encode(small, big, CONTEXT, got, &count, &err), RAP_E_LIMIT);
    free(big);
}

static void entities(void **state)
{
    static const char *const pairs[][2] = {
        { "&lt;b&gt; &amp; &quot;x&quot;", "<b> & \"x\"" },
        { "&lt &copy1 &eacutex &copyright", "< ©1 éx ©right" },
        { "&hearts; &hearts &apos; &apos", "♥ &hearts ' &apos" },
        { "&#65;&#x42;&#X43 &#; &#x; &", "ABC &#; &#x; &" },
        { "&#128;&#0;&#xD800;&#99999999;&#1;", "€\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
        { "&amp;lt;", "&lt;" },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char *got = clip_unescape(pairs[i][0]);
        assert_string_equal(got, pairs[i][1]);
        free(got);
    }
}

static void damaged_vocabularies(void **state)
{
    static const char *const one_piece[] = { "ab" }, *const twins[] = { "a b", "a b" };
    static const char *const strange[] = { "zz qq", "a b" };
    assert_null(small_one(515, one_piece, 1));
    assert_null(small_one(600, twins, 2)); /* not as many as the table has rows */
    clip_tokenizer *t = small_one(516, twins, 2);
    gives(t, "abc", IDS(513, 'c' - '!' + 256)); /* the later id counts */
    clip_tokenizer_free(t);
    t = small_one(516, strange, 2); /* of pieces that nothing can give */
    gives(t, "abc", IDS(513, 'c' - '!' + 256));
    clip_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixture_tokens),     cmocka_unit_test(merges_in_order),
        cmocka_unit_test(official_words),     cmocka_unit_test(text_is_data),
        cmocka_unit_test(long_texts_are_cut), cmocka_unit_test(odd_texts),
        cmocka_unit_test(entities),           cmocka_unit_test(damaged_vocabularies),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
