/* test_check.c: damaged model files are answered, never crashed on.
 *
 * A GGUF's header is walked into `spots` (each count, type, name, value, side and offset in it). A
 * seeded mutation changes one to three of them; a child process then opens the pair, encodes a picture
 * and asks a question. Whatever the statuses, the child must end by itself. RAP_FUZZ_ROUNDS and
 * RAP_FUZZ_SEED ask for more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "generate/check/check.h"
#include "generate/fixture.h"
#include "generate/session.h"

#include <fcntl.h>
#include <math.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- walking a header ---- */

typedef enum spot_kind {
    SPOT_COUNT,  /* u32 or u64: a number of things, a length            */
    SPOT_KIND,   /* u32: a value's type                                 */
    SPOT_NAME,   /* the bytes of a key's or tensor's name               */
    SPOT_VALUE,  /* a scalar value                                      */
    SPOT_ARRAY,  /* an element of an array of numbers                   */
    SPOT_TOKEN,  /* the bytes of a string in an array                   */
    SPOT_SIDE,   /* u64: one side of a tensor                           */
    SPOT_TYPE,   /* u32: a tensor's type                                */
    SPOT_OFFSET, /* u64: where a tensor's data lie                      */
    SPOT_DATA    /* 4 bytes of weights                                  */
} spot_kind;

typedef struct spot {
    spot_kind kind;
    size_t at, size;
} spot;

typedef struct gguf_bytes {
    uint8_t *data;
    size_t size, header; /* where the data begin */
    spot *spot;
    size_t spots;
} gguf_bytes;

enum { MAX_SPOTS = 8000 };

static uint64_t load(const gguf_bytes *g, size_t at, size_t size)
{
    uint64_t v = 0;

    memcpy(&v, g->data + at, size);
    return v;
}

static size_t add_spot(gguf_bytes *g, spot_kind kind, size_t at, size_t size)
{
    if (g->spots < MAX_SPOTS && size)
        g->spot[g->spots++] = (spot){ kind, at, size };
    return at + size;
}

static size_t scalar_size(uint64_t kind)
{
    static const size_t sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

    return kind < 13 ? sizes[kind] : 0;
}

static size_t walk_string(gguf_bytes *g, size_t at, spot_kind kind)
{
    size_t len = (size_t)load(g, at, 8);

    add_spot(g, SPOT_COUNT, at, 8);
    return add_spot(g, kind, at + 8, len);
}

static size_t walk_value(gguf_bytes *g, size_t at)
{
    uint64_t kind = load(g, at, 4), element, count;

    at = add_spot(g, SPOT_KIND, at, 4);
    if (kind == 8)
        return walk_string(g, at, SPOT_TOKEN);
    if (kind != 9)
        return add_spot(g, SPOT_VALUE, at, scalar_size(kind));
    element = load(g, at, 4);
    count = load(g, at + 4, 8);
    at = add_spot(g, SPOT_COUNT, add_spot(g, SPOT_KIND, at, 4), 8);
    for (uint64_t i = 0; i < count; i++)
        at = element == 8 ? walk_string(g, at, SPOT_TOKEN)
                          : add_spot(g, SPOT_ARRAY, at, scalar_size(element));
    return at;
}

static size_t walk_tensor(gguf_bytes *g, size_t at)
{
    uint64_t dims;

    at = walk_string(g, at, SPOT_NAME);
    dims = load(g, at, 4);
    at = add_spot(g, SPOT_COUNT, at, 4);
    for (uint64_t i = 0; i < dims; i++)
        at = add_spot(g, SPOT_SIDE, at, 8);
    at = add_spot(g, SPOT_TYPE, at, 4);
    return add_spot(g, SPOT_OFFSET, at, 8);
}

static void walk(gguf_bytes *g, const char *path)
{
    char *bytes = NULL;
    uint64_t tensors, keys;
    size_t at = 24;

    assert_int_equal(file_read(&bytes, &g->size, path, 1 << 26, NULL), RAP_OK);
    g->data = (uint8_t *)bytes;
    g->spot = calloc(MAX_SPOTS, sizeof *g->spot);
    assert_non_null(g->spot);
    g->spots = 0;
    add_spot(g, SPOT_COUNT, 4, 4);
    add_spot(g, SPOT_COUNT, 8, 8);
    add_spot(g, SPOT_COUNT, 16, 8);
    tensors = load(g, 8, 8);
    keys = load(g, 16, 8);
    for (uint64_t i = 0; i < keys; i++)
        at = walk_value(g, walk_string(g, at, SPOT_NAME));
    for (uint64_t i = 0; i < tensors; i++)
        at = walk_tensor(g, at);
    g->header = at;
    for (size_t i = 0; i < 64; i++)
        add_spot(g, SPOT_DATA, at + (g->size - at - 8) / 64 * i / 4 * 4, 4);
}

static void bytes_release(gguf_bytes *g)
{
    free(g->data);
    free(g->spot);
}

/* ---- mutations ---- */

static uint64_t dice_state;

static uint64_t dice(uint64_t sides)
{
    dice_state ^= dice_state << 13;
    dice_state ^= dice_state >> 7;
    dice_state ^= dice_state << 17;
    return dice_state % sides;
}

/* A spot of that kind, or any when it is not met soon (not every file has every kind). */
static const spot *pick(const gguf_bytes *g, spot_kind kind)
{
    const spot *s = &g->spot[dice(g->spots)];

    for (int i = 0; i < 1000 && s->kind != kind; i++)
        s = &g->spot[dice(g->spots)];
    return s;
}

static const uint64_t odd_numbers[] = { 0,
                                        1,
                                        2,
                                        3,
                                        5,
                                        7,
                                        16,
                                        31,
                                        32,
                                        33,
                                        64,
                                        96,
                                        97,
                                        127,
                                        129,
                                        255,
                                        256,
                                        1000,
                                        4096,
                                        65535,
                                        65536,
                                        1u << 20,
                                        0x7fffffff,
                                        0x80000000,
                                        0xfffffffe,
                                        0xffffffff,
                                        0x100000000,
                                        0x7fffffffffffffff,
                                        0x8000000000000000,
                                        0xffffffffffffffff,
                                        0x7fc00000 /* NaN */,
                                        0x7f800000 /* infinity */,
                                        0xbf800000 /* −1.0f */,
                                        0x3f800000 };

static void change_number(uint8_t *data, const spot *s)
{
    uint64_t v = 0, near = dice(3);

    memcpy(&v, data + s->at, s->size < 8 ? s->size : 8);
    if (near == 0)
        v += dice(9) - 4;
    else
        v = odd_numbers[dice(sizeof odd_numbers / sizeof *odd_numbers)];
    memcpy(data + s->at, &v, s->size < 8 ? s->size : 8);
}

static void change_letter(uint8_t *data, const spot *s)
{
    data[s->at + dice(s->size)] = (uint8_t)("x0129._"[dice(7)]);
}

/* A token or name becomes another one of the same length. */
static void copy_other(const gguf_bytes *g, uint8_t *data, const spot *s)
{
    const spot *other = pick(g, s->kind);

    for (int i = 0; i < 200 && (other->size != s->size || other == s); i++)
        other = pick(g, s->kind);
    if (other->size == s->size)
        memcpy(data + s->at, g->data + other->at, s->size);
}

static void change_spot(const gguf_bytes *g, uint8_t *data)
{
    const spot *s = pick(g, (spot_kind)dice(SPOT_DATA + 1));
    const uint64_t types[] = { 0,  1,  2,  6,  8,  9,  10, 12, 15, 16,
                               20, 24, 26, 28, 30, 34, 39, 42, 43, 255 };

    switch (s->kind) {
    case SPOT_NAME:
        dice(2) ? change_letter(data, s) : copy_other(g, data, s);
        break;
    case SPOT_TOKEN:
        dice(2) ? change_letter(data, s) : copy_other(g, data, s);
        break;
    case SPOT_KIND:
        memcpy(data + s->at, &(uint32_t){ (uint32_t)dice(14) }, 4);
        break;
    case SPOT_TYPE:
        memcpy(data + s->at, &types[dice(sizeof types / sizeof *types)], 4);
        break;
    case SPOT_SIDE:
        dice(2) ? change_number(data, s) : copy_other(g, data, s);
        break;
    default:
        change_number(data, s);
        break;
    }
}

/* A mutated copy; *out_size may be shorter. */
static uint8_t *mutate(const gguf_bytes *g, size_t *out_size, uint64_t seed)
{
    uint8_t *data = mem_copy(g->data, g->size);
    int changes = 1;

    assert_non_null(data);
    dice_state = seed * 0x9e3779b97f4a7c15u + 88172645463325252u;
    for (int i = 0; i < 8; i++)
        dice(2);
    *out_size = g->size;
    switch (dice(12)) {
    case 0:
        *out_size = dice(g->header + 4096);
        return data;
    case 1:
        data[dice(g->header)] ^= (uint8_t)(1u << dice(8));
        return data;
    case 2:
        changes = 3;
        break;
    case 3:
        changes = 2;
        break;
    }
    for (int i = 0; i < changes; i++)
        change_spot(g, data);
    return data;
}

/* ---- one try in a child ---- */

static void use_files(const char *model, const char *mmproj, const char *lora)
{
    const vlm_lora adapter = { lora, 1 };
    vlm_options o = { .model = model,
                      .mmproj = mmproj,
                      .lora = &adapter,
                      .loras = lora != NULL,
                      .style = "rap",
                      .turns = rap_turns,
                      .threads = 2,
                      .context = 256 };
    rap_err err = { 0 };
    vlm *v = NULL;
    session *s = NULL;
    session_answer a = { .text = NULL };
    image im = make_picture(40, 30, 1);
    session_picture picture = { .pixels = &im };
    session_turn turn = { .query = &picture, .question = "Who </s>?", .max_tokens = 2 };

    if (!vlm_open(&v, &o, &err) && !session_open(&s, v, &err))
        session_ask(s, &turn, &a, &err);
    session_answer_release(&a);
    session_close(s);
    vlm_close(v);
    free(im.rgb);
}

/* 0 when the child ended by itself. */
static int try_in_child(const char *model, const char *mmproj, const char *lora)
{
    int status = 0, null;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        null = open("/dev/null", O_WRONLY);
        if (null >= 0 && !getenv("RAP_FUZZ_SEED"))
            dup2(null, 2);
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        alarm(60);
        use_files(model, mmproj, lora);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

typedef enum role { MODEL, PROJECTOR, ADAPTER } role;

static void fuzz(const gguf_bytes *g, const pair *p, role part, uint64_t first, uint64_t rounds)
{
    static const char *const names[] = { "model", "projector", "adapter" };
    char path[] = "/tmp/rap-fuzz-XXXXXX";
    int fd = mkstemp(path), failed = 0;

    assert_true(fd >= 0);
    for (uint64_t seed = first; seed < first + rounds; seed++) {
        size_t size = 0;
        uint8_t *data = mutate(g, &size, seed);
        int status;

        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, data, size, 0), (ssize_t)size);
        free(data);
        status = try_in_child(part == MODEL ? path : p->model, part == PROJECTOR ? path : p->mmproj,
                              part == ADAPTER ? path : NULL);
        if (status) {
            printf("seed %llu of the %s ended with %d\n", (unsigned long long)seed, names[part],
                   status);
            fflush(stdout);
            failed++;
        }
    }
    close(fd);
    unlink(path);
    assert_int_equal(failed, 0);
}

static uint64_t number_from(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : fallback;
}

/* An adapter for the random pair. */
static void write_adapter(const char *path, float alpha)
{
    static float a[128 * 4], b[4 * 128];
    gguf_writer *w = gguf_writer_new("llama");

    for (int i = 0; i < 128 * 4; i++)
        a[i] = b[i] = (float)(i % 7 - 3);
    gguf_put_string(w, "general.type", "adapter", 7);
    gguf_put_string(w, "adapter.type", "lora", 4);
    gguf_put_float(w, "adapter.lora.alpha", alpha);
    gguf_put_tensor(w, "blk.0.attn_output.weight.lora_a", GGUF_F32, 2, (int64_t[]){ 128, 4 }, a);
    gguf_put_tensor(w, "blk.0.attn_output.weight.lora_b", GGUF_F32, 2, (int64_t[]){ 4, 128 }, b);
    gguf_put_tensor(w, "token_embd.weight.lora_a", GGUF_F32, 2, (int64_t[]){ 1, 354 }, a);
    gguf_put_tensor(w, "token_embd.weight.lora_b", GGUF_F32, 2, (int64_t[]){ 1, 128 }, b);
    assert_int_equal(gguf_writer_save(w, path, NULL), RAP_OK);
    gguf_writer_free(w);
}

static void fuzz_part(role part, uint64_t rounds)
{
    char adapter[] = "/tmp/rap-fuzz-lora-XXXXXX";
    const char *paths[] = { NULL, NULL, adapter };
    gguf_bytes g;
    pair p;

    if (!find_pair(&p, "random"))
        return;
    close(mkstemp(adapter));
    write_adapter(adapter, 4);
    paths[MODEL] = p.model;
    paths[PROJECTOR] = p.mmproj;
    walk(&g, paths[part]);
    fuzz(&g, &p, part, number_from("RAP_FUZZ_SEED", 1), number_from("RAP_FUZZ_ROUNDS", rounds));
    bytes_release(&g);
    unlink(adapter);
}

static void damaged_models_never_crash(void **state)
{
    fuzz_part(MODEL, 150);
}

static void damaged_projectors_never_crash(void **state)
{
    fuzz_part(PROJECTOR, 150);
}

static void damaged_adapters_never_crash(void **state)
{
    fuzz_part(ADAPTER, 60);
}

/* ---- what is said about them ---- */

static void good_files_pass(void **state)
{
    check_facts facts;
    rap_err err = { 0 };
    pair p;

    if (!find_pair(&p, "random"))
        return;
    assert_int_equal(check_model(&facts, p.model, &err), RAP_OK);
    assert_string_equal(facts.architecture, "llama");
    assert_int_equal(facts.width, 128);
    assert_int_equal(facts.vocab, 354);
    assert_int_equal(check_mmproj(p.mmproj, &facts, &err), RAP_OK);
    assert_int_equal(check_model(&facts, p.mmproj, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "is an image projector"));
    facts.width = 64;
    assert_int_equal(check_mmproj(p.mmproj, &facts, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "mm.2.weight"));
    assert_int_equal(check_lora(p.model, &facts, &err), RAP_E_FORMAT);
}

static void an_adapter_has_a_positive_alpha(void **state)
{
    static const struct {
        float alpha;
        rap_status status;
        const char *word;
    } tries[] = { { 4, RAP_OK, "" },
                  { 0, RAP_E_FORMAT, "adapter.lora.alpha is 0;" },
                  { -8, RAP_E_FORMAT, "adapter.lora.alpha is -8;" },
                  { NAN, RAP_E_FORMAT, "'adapter.lora.alpha' is not a finite number" } };
    const check_facts facts = { .architecture = "llama" };
    char path[] = "/tmp/rap-alpha-XXXXXX";

    close(mkstemp(path));
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        rap_err err = { 0 };

        write_adapter(path, tries[i].alpha);
        assert_int_equal(check_lora(path, &facts, &err), tries[i].status);
        assert_non_null(strstr(err.text, tries[i].word));
        assert_true(!*err.text || strncmp(err.text, path, strlen(path)) == 0);
    }
    unlink(path);
}

/* The deviation of the second colour; 0 and less are no deviations. */
static void colours_have_a_positive_deviation(void **state)
{
    static const float tries[] = { 0.5f, 0, -0.5f, NAN };
    const char *key = "clip.vision.image_std";
    char path[] = "/tmp/rap-colours-XXXXXX", *bytes = NULL, *at;
    check_facts facts;
    size_t size;
    pair p;

    if (!find_pair(&p, "tiny"))
        return;
    assert_int_equal(check_model(&facts, p.model, NULL), RAP_OK);
    assert_int_equal(file_read(&bytes, &size, p.mmproj, 1 << 26, NULL), RAP_OK);
    at = memmem(bytes, size, key, strlen(key));
    assert_non_null(at);
    at += strlen(key) + 4 + 4 + 8 + sizeof *tries; /* list, of f32, three, the first */
    close(mkstemp(path));
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        rap_err err = { 0 };

        memcpy(at, &tries[i], sizeof *tries);
        assert_int_equal(file_write(path, bytes, size, NULL), RAP_OK);
        assert_int_equal(check_mmproj(path, &facts, &err), i ? RAP_E_FORMAT : RAP_OK);
        if (i)
            assert_non_null(strstr(err.text, key));
    }
    unlink(path);
    free(bytes);
}

static void missing_files_are_named(void **state)
{
    vlm_options o = { .model = "/nowhere/model.gguf" };
    rap_err err = { 0 };
    vlm *v = NULL;

    assert_int_equal(vlm_open(&v, &o, &err), RAP_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nowhere/model.gguf"));
    assert_null(v);
    o.model = "/tmp";
    assert_int_equal(vlm_open(&v, &o, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "folder"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_models_never_crash), /* before any thread exists in this process */
        cmocka_unit_test(damaged_projectors_never_crash),
        cmocka_unit_test(damaged_adapters_never_crash),
        cmocka_unit_test(good_files_pass),
        cmocka_unit_test(an_adapter_has_a_positive_alpha),
        cmocka_unit_test(colours_have_a_positive_deviation),
        cmocka_unit_test(missing_files_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
