/* test_gguf_file.c: the GGUF reader and writer (src/base/gguf_*.c): round trips, then every way a file
 * can lie about itself, then seeded mutations of a good file. */
#include "base/file.h"
#include "formats/gguf_file.h"
#include "formats/gguf_types.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char work[64];  /* the test's own folder */
static char path[128]; /* the file under test */

static int make_work(void **state)
{
    /* Twenty thousand small files: in memory where that is possible, a disk would take minutes. */
    snprintf(work, sizeof work, "%s/rap-gguf-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(work))
        return 1;
    snprintf(path, sizeof path, "%s/model.gguf", work);
    return 0;
}

static int drop_work(void **state)
{
    unlink(path);
    return rmdir(work);
}

static void save_bytes(const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void write_good(void)
{
    rap_err err = { 0 };
    float floats[] = { 0.5f, -1.25f, 3.0f };
    const char *words[] = { "a", "", "café" };
    float matrix[6] = { 1, 2, 3, 4, 5, 6 };
    uint16_t halves[4] = { 0x3c00, 0xc000, 0x0001, 0x7c00 };
    uint8_t q8[34] = { 0x00, 0x38, 1, 2, 0xff }; /* scale 0.5 */
    gguf_writer *w = gguf_writer_new("clip");
    assert_non_null(w);
    gguf_put_int(w, "a.int", 77);
    gguf_put_float(w, "a.float", 0.25f);
    gguf_put_bool(w, "a.bool", true);
    gguf_put_string(w, "a.string", "x\0y", 3);
    gguf_put_floats(w, "a.floats", floats, 3);
    gguf_put_strings(w, "a.strings", words, 3);
    gguf_put_tensor(w, "matrix", GGUF_F32, 2, (int64_t[]){ 3, 2 }, matrix);
    gguf_put_tensor(w, "halves", GGUF_F16, 1, (int64_t[]){ 4 }, halves);
    gguf_put_tensor(w, "q8", GGUF_Q8_0, 2, (int64_t[]){ 32, 1 }, q8);
    assert_int_equal(gguf_writer_save(w, path, &err), RAP_OK);
    gguf_writer_free(w);
}

static void sum_of_what_was_opened(void **state)
{
    gguf_file *g;
    rap_err err = { 0 };
    char before[65], sum[65];
    write_good();
    assert_int_equal(file_sha256(before, path, &err), RAP_OK);
    assert_int_equal(gguf_file_open(&g, path, &err), RAP_OK);
    assert_int_equal(file_write(path, "another", 7, &err), RAP_OK);
    gguf_file_sha256(g, sum);
    assert_string_equal(sum, before);
    gguf_file_close(g);
}

static void round_trip_keys(void **state)
{
    gguf_file *g;
    rap_err err = { 0 };
    int64_t i;
    double d;
    bool b;
    const char *s;
    size_t n;
    write_good();
    assert_int_equal(gguf_file_open(&g, path, &err), RAP_OK);
    assert_string_equal(gguf_file_architecture(g), "clip");
    assert_string_equal(gguf_file_path(g), path);
    assert_int_equal(gguf_get_int(g, "a.int", &i, &err), RAP_OK);
    assert_int_equal(i, 77);
    assert_int_equal(gguf_get_float(g, "a.float", &d, &err), RAP_OK);
    assert_true(d == 0.25);
    assert_int_equal(gguf_get_float(g, "a.int", &d, &err), RAP_OK);
    assert_true(d == 77.0);
    assert_int_equal(gguf_get_bool(g, "a.bool", &b, &err), RAP_OK);
    assert_true(b);
    assert_int_equal(gguf_get_string(g, "a.string", &s, &n, &err), RAP_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(s, "x\0y", 3);
    assert_int_equal(gguf_array_count(g, "a.strings", &n, &err), RAP_OK);
    assert_int_equal(n, 3);
    assert_int_equal(gguf_array_string(g, "a.strings", 1, &s, &n, &err), RAP_OK);
    assert_int_equal(n, 0);
    assert_int_equal(gguf_array_string(g, "a.strings", 2, &s, &n, &err), RAP_OK);
    assert_int_equal(n, 5);
    assert_memory_equal(s, "café", 5);
    assert_int_equal(gguf_array_float(g, "a.floats", 1, &d, &err), RAP_OK);
    assert_true(d == -1.25);
    gguf_file_close(g);
}

static void wrong_questions(void **state)
{
    gguf_file *g;
    rap_err err = { 0 };
    int64_t i;
    double d;
    bool b;
    const char *s;
    size_t n;
    write_good();
    assert_int_equal(gguf_file_open(&g, path, &err), RAP_OK);
    assert_false(gguf_has(g, "b"));
    assert_int_equal(gguf_get_int(g, "missing", &i, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "missing"));
    assert_non_null(strstr(err.text, path));
    assert_int_equal(gguf_get_int(g, "a.string", &i, &err), RAP_E_FORMAT);
    assert_int_equal(gguf_get_int(g, "a.floats", &i, &err), RAP_E_FORMAT);
    assert_int_equal(gguf_get_int(g, "a.float", &i, &err), RAP_E_FORMAT);
    assert_int_equal(gguf_get_bool(g, "a.int", &b, &err), RAP_E_FORMAT);
    assert_int_equal(gguf_get_string(g, "a.strings", &s, &n, &err), RAP_E_FORMAT);
    assert_int_equal(gguf_array_string(g, "a.strings", 3, &s, &n, &err), RAP_E_FORMAT);
    assert_int_equal(gguf_array_string(g, "a.floats", 0, &s, &n, &err), RAP_E_FORMAT);
    assert_int_equal(gguf_array_int(g, "a.floats", 0, &i, &err), RAP_E_FORMAT);
    assert_int_equal(gguf_array_float(g, "a.int", 0, &d, &err), RAP_E_FORMAT);
    assert_null(gguf_find(g, "nothing"));
    assert_null(gguf_tensor_at(g, 3));
    gguf_file_close(g);
}

static void round_trip_tensors(void **state)
{
    gguf_file *g;
    rap_err err = { 0 };
    float out[32];
    write_good();
    assert_int_equal(gguf_file_open(&g, path, &err), RAP_OK);
    assert_int_equal(gguf_tensor_count(g), 3);
    const gguf_tensor *t = gguf_find(g, "matrix");
    assert_non_null(t);
    assert_int_equal(t->dims, 2);
    assert_int_equal(t->ne[0], 3);
    assert_int_equal(t->ne[1], 2);
    assert_int_equal(t->ne[2], 1);
    assert_int_equal(t->bytes, 24);
    assert_int_equal((uintptr_t)t->data % 32, 0);
    assert_int_equal(gguf_to_f32(g, t, out, &err), RAP_OK);
    assert_true(out[5] == 6.0f);
    assert_int_equal(gguf_to_f32(g, gguf_find(g, "halves"), out, &err), RAP_OK);
    assert_true(out[0] == 1.0f && out[1] == -2.0f && out[2] == 0x1p-24f && isinf(out[3]));
    assert_int_equal(gguf_to_f32(g, gguf_find(g, "q8"), out, &err), RAP_OK);
    assert_true(out[0] == 0.5f && out[1] == 1.0f && out[2] == -0.5f && out[31] == 0.0f);
    gguf_file_close(g);
}

/* Every half survives the way to float and back. */
static void halves_are_exact(void **state)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = gguf_half_to_float((uint16_t)h);
        if (isnan(f))
            assert_true((h & 0x7c00) == 0x7c00 && (h & 0x3ff));
        else
            assert_int_equal(gguf_float_to_half(f), h);
    }
    assert_int_equal(gguf_float_to_half(1.0f + 0x1p-11f), 0x3c00); /* tie to even */
    assert_int_equal(gguf_float_to_half(65520.0f), 0x7c00);
    assert_true(gguf_bfloat_to_float(0x3f80) == 1.0f);
}

/* Many at once, by whatever instruction, are what they are one by one; 7 do not fill a vector. */
static void halves_in_bulk(void **state)
{
    enum { ALL = 0x10000, ODD = 7 };
    static uint16_t half[ALL];
    static float bulk[ALL];

    for (uint32_t h = 0; h < ALL; h++)
        half[h] = (uint16_t)h;
    gguf_halves_to_floats(bulk, half, ALL);
    for (uint32_t h = 0; h < ALL; h++) {
        float one = gguf_half_to_float((uint16_t)h);
        assert_true(isnan(one) ? isnan(bulk[h]) : !memcmp(&one, &bulk[h], sizeof one));
    }
    bulk[ODD] = -1.0f;
    gguf_halves_to_floats(bulk, half + 1, ODD);
    assert_true(bulk[0] == gguf_half_to_float(1) && bulk[ODD - 1] == gguf_half_to_float(ODD));
    assert_true(bulk[ODD] == -1.0f);
}

static void open_fails(const char *reason)
{
    gguf_file *g = (gguf_file *)path;
    rap_err err = { 0 };
    rap_status status = gguf_file_open(&g, path, &err);
    assert_int_not_equal(status, RAP_OK);
    assert_null(g);
    assert_non_null(strstr(err.text, path));
    if (!strstr(err.text, reason))
        fail_msg("'%s' does not say '%s'", err.text, reason);
}

static void not_files(void **state)
{
    gguf_file *g;
    rap_err err = { 0 };
    assert_int_not_equal(gguf_file_open(&g, work, &err), RAP_OK);
    unlink(path);
    assert_int_equal(gguf_file_open(&g, path, &err), RAP_E_NOT_FOUND);
    save_bytes("", 0);
    open_fails("");
    save_bytes("GGML\3\0\0\0", 8);
    open_fails("not a GGUF file");
    save_bytes("GGUF\0\0\0\3", 8);
    open_fails("big-endian");
}

/* Padding is borne, a file that was blown up is not. */
static void too_much_behind_the_tensors(void **state)
{
    gguf_file *g = NULL;
    rap_err err = { 0 };
    char *bytes;
    size_t size;
    write_good();
    assert_int_equal(file_read(&bytes, &size, path, 1 << 20, NULL), RAP_OK);
    free(bytes);
    assert_int_equal(truncate(path, (off_t)size + (1 << 20)), 0);
    if (gguf_file_open(&g, path, &err) != RAP_OK)
        fail_msg("%s", err.text);
    gguf_file_close(g);
    assert_int_equal(truncate(path, (off_t)100 << 30), 0); /* sparse */
    open_fails("stand behind its last tensor");
    unlink(path);
}

/* Cut at every length: all fail, except that the padding after the last tensor is not needed. */
static void truncated_anywhere(void **state)
{
    char *bytes;
    size_t size;
    write_good();
    assert_int_equal(file_read(&bytes, &size, path, 1 << 20, NULL), RAP_OK);
    size_t last = size - 32 - 32 + 34; /* q8 takes 34 of the last 64 bytes */
    for (size_t n = 0; n < last; n++) {
        gguf_file *g;
        save_bytes(bytes, n);
        if (gguf_file_open(&g, path, NULL) == RAP_OK)
            fail_msg("%zu of %zu bytes open", n, size);
    }
    free(bytes);
}

/* A hand-made file: header with counts, then what the test adds. */
typedef struct made {
    uint8_t bytes[4096];
    size_t len;
} made;

static void add(made *m, const void *p, size_t n)
{
    assert_true(m->len + n <= sizeof m->bytes);
    memcpy(m->bytes + m->len, p, n);
    m->len += n;
}

static void add32(made *m, uint32_t v)
{
    add(m, &v, 4);
}

static void add64(made *m, uint64_t v)
{
    add(m, &v, 8);
}

static void add_text(made *m, const char *text)
{
    add64(m, strlen(text));
    add(m, text, strlen(text));
}

static void start(made *m, uint32_t version, uint64_t tensors, uint64_t keys)
{
    m->len = 0;
    add(m, "GGUF", 4);
    add32(m, version);
    add64(m, tensors);
    add64(m, keys);
}

static void add_tensor(made *m, const char *name, uint32_t dims, const uint64_t *ne, uint32_t type,
                       uint64_t offset)
{
    add_text(m, name);
    add32(m, dims);
    for (uint32_t i = 0; i < dims && i < 8; i++)
        add64(m, ne[i]);
    add32(m, type);
    add64(m, offset);
}

/* Ends the file with `data` zero bytes after padding. */
static void finish(made *m, size_t data)
{
    static const uint8_t zeros[1024];
    add(m, zeros, (32 - m->len % 32) % 32);
    add(m, zeros, data);
    save_bytes(m->bytes, m->len);
}

static void absurd_headers(void **state)
{
    made m;
    start(&m, 1, 0, 0), finish(&m, 0), open_fails("version 1");
    start(&m, 4, 0, 0), finish(&m, 0), open_fails("version 4");
    start(&m, 0x03000000, 0, 0), finish(&m, 0), open_fails("version");
    start(&m, 3, UINT64_MAX, 0), finish(&m, 64), open_fails("tensors");
    start(&m, 3, 1000, 0), finish(&m, 64), open_fails("tensors");
    start(&m, 3, 0, UINT64_MAX), finish(&m, 64), open_fails("keys");
    start(&m, 3, 0, 1000), finish(&m, 64), open_fails("keys");
}

static void absurd_keys(void **state)
{
    made m;
    start(&m, 3, 0, 1), add64(&m, UINT64_MAX), finish(&m, 64), open_fails("a key of");
    start(&m, 3, 0, 1), add64(&m, 0), add32(&m, 4), finish(&m, 64), open_fails("a key of");
    start(&m, 3, 0, 1), add_text(&m, "k"), add32(&m, 13), finish(&m, 64), open_fails("type 13");
    start(&m, 3, 0, 1), add_text(&m, "k"), add32(&m, 8), add64(&m, UINT64_MAX), finish(&m, 64);
    open_fails("string");
    start(&m, 3, 0, 1), add_text(&m, "k"), add32(&m, 9), add32(&m, 9), add64(&m, 1), finish(&m, 64);
    open_fails("type 9");
    start(&m, 3, 0, 1), add_text(&m, "k"), add32(&m, 9), add32(&m, 12),
        add64(&m, UINT64_MAX / 8 + 2);
    finish(&m, 64), open_fails("array");
    start(&m, 3, 0, 1), add_text(&m, "k"), add32(&m, 9), add32(&m, 8), add64(&m, 60),
        finish(&m, 64);
    open_fails("array");
    start(&m, 3, 0, 2);
    for (int i = 0; i < 2; i++)
        add_text(&m, "same"), add32(&m, 4), add32(&m, 1);
    finish(&m, 64), open_fails("occurs twice");
    start(&m, 3, 0, 1), add64(&m, 3), add(&m, "a\0b", 3), add32(&m, 4), add32(&m, 1),
        finish(&m, 64);
    open_fails("NUL");
    start(&m, 3, 0, 1), add_text(&m, "general.architecture"), add32(&m, 4), add32(&m, 1),
        finish(&m, 64);
    open_fails("not a string");
    for (uint32_t alignment = 0; alignment < 8; alignment++) {
        start(&m, 3, 0, 1), add_text(&m, "general.alignment"), add32(&m, 4), add32(&m, alignment);
        finish(&m, 64), open_fails("alignment");
    }
    start(&m, 3, 0, 1), add_text(&m, "general.alignment"), add32(&m, 4), add32(&m, 0x80000000);
    finish(&m, 64), open_fails("alignment");
}

static void absurd_tensors(void **state)
{
    made m;
    uint64_t four[] = { 4, 1, 1, 1, 1 }, zero[] = { 4, 0 }, negative[] = { UINT64_MAX, 2 };
    uint64_t huge[] = { 1ull << 32, 1ull << 31, 2, 1 }, big[] = { 1 << 20 }, odd[] = { 33 };
    start(&m, 3, 1, 0), add_tensor(&m, "t", 5, four, 0, 0), finish(&m, 64),
        open_fails("5 dimensions");
    start(&m, 3, 1, 0), add_tensor(&m, "t", 2, zero, 0, 0), finish(&m, 64), open_fails("shape");
    start(&m, 3, 1, 0), add_tensor(&m, "t", 2, negative, 0, 0), finish(&m, 64), open_fails("shape");
    start(&m, 3, 1, 0), add_tensor(&m, "t", 4, huge, 0, 0), finish(&m, 64), open_fails("shape");
    start(&m, 3, 1, 0), add_tensor(&m, "t", 1, big, 0, 0), finish(&m, 64),
        open_fails("larger than");
    start(&m, 3, 1, 0), add_tensor(&m, "t", 1, odd, 8, 0), finish(&m, 64),
        open_fails("multiple of 32");
    start(&m, 3, 1, 0), add_tensor(&m, "t", 1, four, 4, 0), finish(&m, 64),
        open_fails("unknown type 4");
    start(&m, 3, 1, 0), add_tensor(&m, "t", 1, four, UINT32_MAX, 0), finish(&m, 64),
        open_fails("unknown type");
    start(&m, 3, 1, 0), add_tensor(&m, "t", 1, four, 0, 4), finish(&m, 64),
        open_fails("misaligned");
    start(&m, 3, 1, 0), add_tensor(&m, "t", 1, four, 0, 32), finish(&m, 64), open_fails("is at 32");
    start(&m, 3, 1, 0), add_tensor(&m, "t", 1, four, 0, UINT64_MAX - 31), finish(&m, 64),
        open_fails("is at");
    start(&m, 3, 1, 0), add_tensor(&m, "t", 1, four, 0, 0), finish(&m, 15),
        open_fails("not all there");
    start(&m, 3, 2, 0), add_tensor(&m, "t", 1, four, 0, 0), add_tensor(&m, "t", 1, four, 0, 32);
    finish(&m, 64), open_fails("occurs twice");
    start(&m, 3, 2, 0), add_tensor(&m, "t", 1, four, 0, 0), add_tensor(&m, "u", 1, four, 0, 0);
    finish(&m, 64), open_fails("is at 0"); /* overlap */
    start(&m, 3, 1, 0), add_tensor(&m, "", 1, four, 0, 0), finish(&m, 64), open_fails("name");
    start(&m, 3, 1, 0);
    add_tensor(&m, "a name of sixty-four bytes which is one byte more than ggml keeps", 1, four, 0,
               0);
    finish(&m, 64), open_fails("name");
}

static void hand_made_is_fine(void **state)
{
    made m;
    gguf_file *g;
    uint64_t four[] = { 4 };
    start(&m, 2, 2, 0), add_tensor(&m, "t", 1, four, 0, 0), add_tensor(&m, "s", 0, four, 0, 32);
    finish(&m, 36);
    assert_int_equal(gguf_file_open(&g, path, NULL), RAP_OK);
    assert_string_equal(gguf_file_architecture(g), "");
    assert_int_equal(gguf_find(g, "s")->bytes, 4);
    assert_int_equal(gguf_find(g, "s")->dims, 1);
    gguf_file_close(g);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*seed >> 33);
}

static volatile char touched; /* a read that the compiler may not leave out */

/* Reads everything that an opened file offers. */
static void use_all(const gguf_file *g)
{
    float out[256];
    const char *s;
    size_t n, len;
    double d;
    const char *keys[] = { "a.int", "a.float", "a.string", "a.floats", "a.strings" };
    for (size_t k = 0; k < 5; k++) {
        gguf_get_float(g, keys[k], &d, NULL);
        if (gguf_get_string(g, keys[k], &s, &len, NULL) == RAP_OK && len)
            touched = s[len - 1];
        if (gguf_array_count(g, keys[k], &n, NULL) != RAP_OK)
            continue;
        for (size_t i = 0; i < n; i++) {
            gguf_array_float(g, keys[k], i, &d, NULL);
            if (gguf_array_string(g, keys[k], i, &s, &len, NULL) == RAP_OK && len)
                touched = s[len - 1];
        }
    }
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        int64_t count = t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
        if (count <= 256)
            gguf_to_f32(g, t, out, NULL);
    }
}

static void mutations(void **state)
{
    static const uint8_t nasty[] = { 0, 1, 0x7f, 0x80, 0xff, 9, 8, 32 };
    char *bytes;
    size_t size;
    uint64_t seed = 20250;
    int opened = 0;
    write_good();
    assert_int_equal(file_read(&bytes, &size, path, 1 << 20, NULL), RAP_OK);
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    for (int round = 0; round < 20000; round++) {
        gguf_file *g;
        memcpy(copy, bytes, size);
        uint32_t changes = 1 + next_random(&seed) % 4;
        for (uint32_t c = 0; c < changes; c++) {
            uint32_t r = next_random(&seed);
            copy[next_random(&seed) % size] =
                r & 1 ? (uint8_t)(r >> 8) : nasty[(r >> 8) % sizeof nasty];
        }
        save_bytes(copy, next_random(&seed) % 8 ? size : next_random(&seed) % size);
        if (gguf_file_open(&g, path, NULL) == RAP_OK) {
            use_all(g);
            gguf_file_close(g);
            opened++;
        }
    }
    assert_true(opened > 100 && opened < 19000); /* the loop does both */
    free(copy);
    free(bytes);
}

static void writer_refuses(void **state)
{
    rap_err err = { 0 };
    float one[4] = { 0 };
    gguf_writer *w = gguf_writer_new("vit");
    gguf_put_tensor(w, "t", GGUF_F32, 1, (int64_t[]){ 0 }, one);
    assert_int_equal(gguf_writer_save(w, path, &err), RAP_E_ARGUMENT);
    gguf_writer_free(w);
    w = gguf_writer_new("vit");
    gguf_put_tensor(w, "t", GGUF_F32, 1, (int64_t[]){ 4 }, one);
    assert_int_not_equal(gguf_writer_save(w, "/nonexistent/folder/x.gguf", &err), RAP_OK);
    gguf_writer_free(w);
    gguf_writer_free(NULL);
    gguf_file_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_keys),
        cmocka_unit_test(wrong_questions),
        cmocka_unit_test(round_trip_tensors),
        cmocka_unit_test(halves_are_exact),
        cmocka_unit_test(halves_in_bulk),
        cmocka_unit_test(not_files),
        cmocka_unit_test(too_much_behind_the_tensors),
        cmocka_unit_test(truncated_anywhere),
        cmocka_unit_test(absurd_headers),
        cmocka_unit_test(absurd_keys),
        cmocka_unit_test(absurd_tensors),
        cmocka_unit_test(hand_made_is_fine),
        cmocka_unit_test(mutations),
        cmocka_unit_test(writer_refuses),
        cmocka_unit_test(sum_of_what_was_opened),
    };
    return cmocka_run_group_tests(tests, make_work, drop_work);
}
