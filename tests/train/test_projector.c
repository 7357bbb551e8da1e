/* test_projector.c: the projector that LLaVA's training leaves, in a torch file made here, put into a mmproj. */
#include "convert/made.h"

#include "base/file.h"
#include "formats/gguf_file.h"
#include "train/lora_files.h"

#include <math.h>
#include <unistd.h>

enum { IN = 5, INNER = 7, OUT = 3, PARTS = 4 };

static const struct {
    const char *mmproj, *torch;
    int64_t rows, width; /* rows 0: a vector */
} part[PARTS] = { { "mm.0.weight", "mm_projector.0.weight", INNER, IN },
                  { "mm.0.bias", "mm_projector.0.bias", 0, INNER },
                  { "mm.2.weight", "mm_projector.2.weight", OUT, INNER },
                  { "mm.2.bias", "mm_projector.2.bias", 0, OUT } };

static char work[] = "/tmp/rap-projector-XXXXXX";

static const char *in(const char *name)
{
    static char path[4][256];
    static int turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", work, name);
    return path[turn];
}

static int start(void **state)
{
    return mkdtemp(work) ? 0 : 1;
}

static int end(void **state)
{
    char command[300];

    snprintf(command, sizeof command, "rm -rf '%s'", work);
    return system(command);
}

static int64_t elements(int i)
{
    return (part[i].rows ? part[i].rows : 1) * part[i].width;
}

/* The number at place k of part i: exact in f16 and bf16. */
static float number(int i, int64_t k)
{
    return (float)(i + 1) + (float)k / 16;
}

/* A mmproj with other numbers; weights are f16, as llama.cpp writes them. */
static void make_mmproj(const char *path)
{
    static const uint16_t half[INNER * INNER];
    static const float single[INNER * INNER];
    static const float patch[4] = { 4, 3, 2, 1 };
    const int64_t four[1] = { 4 };
    gguf_writer *w = gguf_writer_new("clip");

    gguf_put_string(w, "clip.projector_type", "mlp", 3);
    gguf_put_tensor(w, "v.class_embd", GGUF_F32, 1, four, patch);
    for (int i = 0; i < PARTS; i++) {
        const int64_t ne[2] = { part[i].width, part[i].rows };

        gguf_put_tensor(w, part[i].mmproj, part[i].rows ? GGUF_F16 : GGUF_F32, part[i].rows ? 2 : 1,
                        ne, part[i].rows ? (void *)half : (void *)single);
    }
    assert_int_equal(gguf_writer_save(w, path, NULL), RAP_OK);
    gguf_writer_free(w);
}

/* bf16 as LLaVA trains, or f32; with `turned` the weights are transposed views of their storage. */
static void make_torch(const char *path, const char *prefix, bool brain, bool turned, int parts)
{
    static uint32_t store[PARTS][INNER * INNER];
    char name[PARTS + 1][128], key[PARTS][16], entry[PARTS][32];
    made_tensor tensors[PARTS + 1] = { { .name = NULL } };
    made_zip z = { 0 };
    buf pickle = BUF_INIT;

    for (int i = 0; i < parts; i++) {
        made_tensor *t = &tensors[i];
        int64_t rows = part[i].rows, width = part[i].width;

        snprintf(name[i], sizeof name[i], "%s%s", prefix, part[i].torch);
        snprintf(key[i], sizeof key[i], "%d", i);
        *t = (made_tensor){ .name = name[i],
                            .storage = brain ? "BFloat16Storage" : "FloatStorage",
                            .key = key[i],
                            .elements = elements(i),
                            .dims = rows ? 2 : 1,
                            .size = { rows ? rows : width, width },
                            .stride = { rows ? width : 1, 1 } };
        if (rows && turned) {
            t->stride[0] = 1;
            t->stride[1] = rows;
        }
        for (int64_t k = 0; k < elements(i); k++) {
            int64_t at = rows && turned ? k % width * rows + k / width : k;
            float x = number(i, k);
            uint32_t bits;

            memcpy(&bits, &x, sizeof bits);
            if (brain)
                memcpy((char *)store[i] + 2 * at, (char *)&bits + 2, 2);
            else
                store[i][at] = bits;
        }
    }
    pickle_dict_of(&pickle, tensors, parts);
    zip_add(&z,
            &(made_entry){ .name = "trained/data.pkl", .bytes = pickle.data, .size = pickle.len });
    for (int i = 0; i < parts; i++) {
        snprintf(entry[i], sizeof entry[i], "trained/data/%d", i);
        zip_add(&z, &(made_entry){ .name = entry[i],
                                   .bytes = store[i],
                                   .size = (size_t)elements(i) * (brain ? 2 : 4) });
    }
    zip_end(&z);
    save_as(path, &z.file);
    zip_release(&z);
    buf_release(&pickle);
}

static void assert_projected(const char *path)
{
    static const float patch[4] = { 4, 3, 2, 1 };
    gguf_file *g = NULL;
    float *x = malloc(INNER * INNER * sizeof *x);

    assert_int_equal(gguf_file_open(&g, path, NULL), RAP_OK);
    for (int i = 0; i < PARTS; i++) {
        const gguf_tensor *t = gguf_find(g, part[i].mmproj);

        assert_non_null(t);
        assert_int_equal(t->type, part[i].rows ? GGUF_F16 : GGUF_F32);
        assert_int_equal(gguf_to_f32(g, t, x, NULL), RAP_OK);
        for (int64_t k = 0; k < elements(i); k++)
            assert_true(x[k] == number(i, k));
    }
    assert_memory_equal(gguf_find(g, "v.class_embd")->data, patch, sizeof patch);
    free(x);
    gguf_file_close(g);
}

static void numbers_come_through(void **state)
{
    static const char *const prefix[] = { "", "model.", "base_model.model.model." };
    lora_files f = { .model = strdup(in("mmproj.gguf")), .from = strdup(in("trained.bin")) };

    make_mmproj(f.model);
    f.out = strdup(in("out.gguf"));
    for (int i = 0; i < 12; i++) {
        rap_err err = { 0 };

        make_torch(f.from, prefix[i % 3], i & 4, i & 8, PARTS);
        if (lora_files_projector(&f, &err))
            fail_msg("%s", err.text);
        assert_projected(f.out);
        unlink(f.out);
    }
    free((char *)f.model);
    free((char *)f.from);
    free((char *)f.out);
}

static void refused(const lora_files *f, const char *word)
{
    rap_err err = { 0 };

    assert_int_not_equal(lora_files_projector(f, &err), RAP_OK);
    if (!strstr(err.text, word))
        fail_msg("'%s' is not in: %s", word, err.text);
    assert_false(file_exists(f->out));
}

static void what_does_not_fit_is_refused(void **state)
{
    lora_files f = { .model = strdup(in("mmproj.gguf")), .from = strdup(in("part.bin")) };
    char text[] = "no torch file";

    make_mmproj(f.model);
    f.out = strdup(in("no.gguf"));
    make_torch(f.from, "model.", false, false, PARTS - 1);
    refused(&f, "part.bin: has no projector tensor for 'mm.2.bias'");
    assert_int_equal(file_write(f.from, text, sizeof text, NULL), RAP_OK);
    refused(&f, "part.bin");
    unlink(f.from);
    refused(&f, "part.bin");
    make_torch(f.from, "model.", false, false, PARTS);
    free((char *)f.model);
    f.model = strdup(in("other.gguf"));
    {
        const int64_t ne[2] = { INNER, IN };
        const float zero[INNER * IN] = { 0 };
        gguf_writer *w = gguf_writer_new("clip");

        gguf_put_tensor(w, "mm.0.weight", GGUF_F32, 2, ne, zero);
        assert_int_equal(gguf_writer_save(w, f.model, NULL), RAP_OK);
        gguf_writer_free(w);
    }
    refused(&f, "is not of the shape of 'mm.0.weight'");
    free((char *)f.model);
    free((char *)f.from);
    free((char *)f.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_through),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, start, end);
}
