/* test_pickle.c: what the pickle reader makes of pickles, and everything that it refuses. */
#include "convert/made.h"
#include "formats/pickle.h"

#include <unistd.h>

static rap_status read_buf(unpickled **out, const buf *b, rap_err *err)
{
    /* An exact copy, so that the sanitizer sees a read past the end. */
    uint8_t *copy = malloc(b->len ? b->len : 1);
    memcpy(copy, b->data, b->len);
    rap_status status = unpickle(out, copy, b->len, "evil.pt", err);
    if (status != RAP_OK)
        free(copy);
    return status;
}

static void refuses(buf *b, const char *reason)
{
    unpickled *u = (unpickled *)b;
    rap_err err = { 0 };
    assert_int_not_equal(read_buf(&u, b, &err), RAP_OK);
    assert_null(u);
    assert_non_null(strstr(err.text, "evil.pt"));
    if (!strstr(err.text, reason))
        fail_msg("'%s' does not say '%s'", err.text, reason);
    buf_release(b);
}

static void refuses_bytes(const char *bytes, size_t size, const char *reason)
{
    buf b = BUF_INIT;
    pickle_start(&b);
    buf_add(&b, bytes, size);
    refuses(&b, reason);
}
#define REFUSES(literal, reason) refuses_bytes(literal, sizeof literal - 1, reason)

static const made_tensor honest = { "w", "HalfStorage", "0", 12, 2, 2, { 2, 3 }, { 3, 1 } };

#define CONV "cultralytics.nn.modules.conv\nConv\n"

static void reads_a_tensor(void **state)
{
    buf b = BUF_INIT;
    unpickled *u;
    rap_err err = { 0 };
    pickle_dict_of(&b, &honest, 1);
    assert_int_equal(unpickle(&u, (uint8_t *)b.data, b.len, "good.pt", &err), RAP_OK);
    const pickle_value *v = pickle_get(unpickle_root(u), "w");
    assert_non_null(v);
    assert_int_equal(v->kind, PICKLE_TENSOR);
    assert_int_equal(v->as.tensor->storage->type, DTYPE_F16);
    assert_int_equal(v->as.tensor->elements, 6);
    assert_int_equal(v->as.tensor->offset, 2);
    assert_int_equal(v->as.tensor->size[1], 3);
    assert_true(pickle_text_is(v->as.tensor->storage->key, "0"));
    assert_null(pickle_get(unpickle_root(u), "v"));
    unpickle_free(u);
    buf_release(&b);
}

/* Protocol 4 with frames, memo, attributes on the dict, numbers of every kind. */
static void reads_plain_values(void **state)
{
    static const char bytes[] = "\x80\x04\x95\0\0\0\0\0\0\0\0}\x94(\x8c\1a\x94K\7\x8c\1bM\0\1"
                                "\x8c\1cJ\xff\xff\xff\xff\x8c\1d\x8a\1\x80\x8c\1eG?\xe0\0\0\0\0\0\0"
                                "\x8c\1fN\x8c\1g](h\1\x88\x89\x65\x8c\1hh\1u}b.";
    unpickled *u;
    rap_err err = { 0 };
    if (unpickle(&u, (const uint8_t *)bytes, sizeof bytes - 1, "good.pt", &err) != RAP_OK)
        fail_msg("%s", err.text);
    const pickle_value *root = unpickle_root(u);
    assert_int_equal(pickle_get(root, "a")->as.integer, 7);
    assert_int_equal(pickle_get(root, "b")->as.integer, 256);
    assert_int_equal(pickle_get(root, "c")->as.integer, -1);
    assert_int_equal(pickle_get(root, "d")->as.integer, -128);
    assert_true(pickle_get(root, "e")->as.real == 0.5);
    assert_int_equal(pickle_get(root, "f")->kind, PICKLE_NONE);
    assert_int_equal(pickle_get(root, "g")->as.list.count, 3);
    assert_true(pickle_text_is(pickle_get(root, "h"), "a"));
    unpickle_free(u);
}

/* A module with attributes, one of them a method of itself, and a namespace called without arguments. */
static void reads_objects(void **state)
{
    static const char bytes[] =
        "\x80\x02" CONV ")\x81q\1}(\x8c\1sK\2\x8c\7forward"
        "c__builtin__\ngetattr\nh\1\x8c\14forward_fuse\x86R\x8c\4save"
        "c__builtin__\nset\n]\x85R\x8c\4args"
        "cultralytics.utils\nIterableSimpleNamespace\n)R}\x8c\5imgszM\x80\2sbub.";
    unpickled *u;
    rap_err err = { 0 };
    if (unpickle(&u, (const uint8_t *)bytes, sizeof bytes - 1, "good.pt", &err) != RAP_OK)
        fail_msg("%s", err.text);
    const pickle_value *root = unpickle_root(u);
    assert_true(pickle_is_a(root, "Conv"));
    assert_false(pickle_is_a(root, "Con"));
    assert_int_equal(pickle_get(root, "s")->as.integer, 2);
    assert_true(pickle_is_a(pickle_get(root, "forward"), "getattr"));
    assert_true(pickle_is_a(pickle_get(root, "save"), "set"));
    assert_int_equal(pickle_get(pickle_get(root, "args"), "imgsz")->as.integer, 640);
    assert_null(pickle_get(pickle_get(root, "save"), "x"));
    unpickle_free(u);
}

static void refuses_wrong_objects(void **state)
{
    REFUSES("N)\x81.", "not a class");
    REFUSES(CONV "N\x81.", "not a class");
    REFUSES("ctorch\nFloatStorage\n)\x81.", "not a class");
    REFUSES("c__builtin__\ngetattr\n)\x81.", "not a class");
    REFUSES("\x81.", "more values than the stack");
    REFUSES("N)N\x92.", "not a class");
    REFUSES("(o.", "more values than the stack");
    REFUSES("(No.", "not a class");
    REFUSES("(iargparse\n", "cut short");
}

/* Names that run code end the reading, however the pickle mentions them. */
static void refuses_code(void **state)
{
    static const char *const names[][2] = {
        { "os", "system" },        { "os", "execvp" },      { "posix", "system" },
        { "builtins", "eval" },    { "builtins", "exec" },  { "__builtin__", "execfile" },
        { "subprocess", "Popen" }, { "runpy", "run_path" },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char expected[128];
        buf b = BUF_INIT;
        pickle_start(&b);
        pickle_global_name(&b, names[i][0], names[i][1]);
        buf_putc(&b, '(');
        pickle_text(&b, "touch /tmp/owned");
        buf_puts(&b, "tR.");
        snprintf(expected, sizeof expected, "refuses to load '%s.%s', which runs code", names[i][0],
                 names[i][1]);
        refuses(&b, expected);
    }
    REFUSES("\x8c\2os\x8c\6system\x93(\x8c\2idtR.", "refuses to load 'os.system'");
    REFUSES("(S'id'\nios\nsystem\n.", "refuses to load 'os.system'");
    REFUSES("(cos\nsystem\nS'id'\no.", "refuses to load 'os.system'");
}

/* Opcodes that nothing needs. */
static void refuses_other_opcodes(void **state)
{
    REFUSES("\x82\1.", "0x82"); /* EXT1 */
    REFUSES("P1\n.", "0x50");   /* PERSID */
    REFUSES("\x97.", "0x97");   /* NEXT_BUFFER */
    REFUSES("\xff.", "0xff");
}

static unpickled *read_good(const char *bytes, size_t size)
{
    unpickled *u;
    rap_err err = { 0 };
    if (unpickle(&u, (const uint8_t *)bytes, size, "good.pt", &err) != RAP_OK)
        fail_msg("%s", err.text);
    return u;
}
#define READ(literal) read_good(literal, sizeof literal - 1)

/* A value and whatever it was made by are inert: nothing is refused for standing beside the weights. */
static void whatever_else_is_inert(void **state)
{
    unpickled *u = READ("\x80\x02}(U\4argscargparse\nNamespace\n)\x81}U\2lrK\3sb"
                        "U\4dictccollections\ndefaultdict\nc__builtin__\nlist\n\x85RU\1aK\1s"
                        "U\5arraycnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
                        "K\0\x85U\1b\x87R(K\1K\2\x85U\5bytestb"
                        "U\7composectorchvision.transforms.transforms\nCompose\n)\x81}b"
                        "U\7partialcfunctools\npartial\ncmath\nsqrt\n\x85R(Ntb"
                        "U\4listcmmcv\nConfigList\n)\x81K\7au.");
    const pickle_value *root = unpickle_root(u), *args = pickle_get(root, "args");
    assert_true(pickle_is_a(args, "Namespace"));
    assert_int_equal(pickle_get(args, "lr")->as.integer, 3);
    assert_int_equal(pickle_get(pickle_get(root, "dict"), "a")->as.integer, 1);
    assert_true(pickle_is_a(pickle_get(root, "array"), "_reconstruct"));
    assert_true(pickle_is_a(pickle_get(root, "compose"), "Compose"));
    assert_true(pickle_is_a(pickle_get(root, "partial"), "partial"));
    assert_int_equal(pickle_get(root, "list")->as.object.content->as.list.count, 1);
    unpickle_free(u);
}

/* A class of dicts: the items count where there is no such attribute. */
static void objects_that_are_dicts_have_items(void **state)
{
    unpickled *u = READ("\x80\x02"
                        "ceasydict\nEasyDict\n)\x81}U\1xK\1sbU\1yK\2s.");
    assert_int_equal(pickle_get(unpickle_root(u), "x")->as.integer, 1);
    assert_int_equal(pickle_get(unpickle_root(u), "y")->as.integer, 2);
    assert_non_null(pickle_dict(unpickle_root(u)));
    unpickle_free(u);
}

/* Protocol 0, as Python 2 wrote annotations: a list of dicts, numbers and texts as lines. */
static void reads_protocol_0(void **state)
{
    unpickled *u =
        READ("(lp0\n(dp1\nS'ref_id'\np2\nI7\nsS'sent'\np3\nV\\u00e9t\\ud83d\\ude00\xe9\np4\n"
             "sS'it\\'s\\n\\x41'\nL12345678901234567890123L\nsS'box'\n(lp5\nF1.5\naI01\naL-5L\na"
             "sag2\n0.");
    const pickle_value *root = unpickle_root(u);
    assert_int_equal(root->kind, PICKLE_LIST);
    const pickle_value *one = root->as.list.items[0];
    assert_int_equal(pickle_get(one, "ref_id")->as.integer, 7);
    assert_true(pickle_text_is(pickle_get(one, "sent"), "\xc3\xa9t\xf0\x9f\x98\x80\xc3\xa9"));
    assert_int_equal(pickle_get(one, "it's\nA")->kind, PICKLE_BIG);
    const pickle_value *box = pickle_get(one, "box");
    assert_true(box->as.list.items[0]->as.real == 1.5);
    assert_int_equal(box->as.list.items[1]->kind, PICKLE_BOOL);
    assert_int_equal(box->as.list.items[2]->as.integer, -5);
    unpickle_free(u);
}

/* A file, read whole, within the caller's bound. */
static void reads_a_file(void **state)
{
    char path[] = "/tmp/rap-pickle-XXXXXX";
    unpickled *u = NULL;
    rap_err err = { 0 };
    buf b = BUF_INIT;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    buf_puts(&b, "(lp0\n(dS'ref_id'\nI7\nsa.");
    save_as(path, &b);
    assert_int_equal(unpickle_file(&u, path, 1000, &err), RAP_OK);
    assert_int_equal(pickle_get(unpickle_root(u)->as.list.items[0], "ref_id")->as.integer, 7);
    assert_int_equal(unpickle_size(u), b.len);
    unpickle_free(u);
    assert_int_equal(unpickle_file(&u, path, 5, &err), RAP_E_LIMIT);
    assert_null(u);
    assert_non_null(strstr(err.text, path));
    unlink(path);
    assert_int_equal(unpickle_file(&u, path, 5, &err), RAP_E_NOT_FOUND);
    buf_release(&b);
}

/* Objects of protocols 0 and 1, sets, bytes and integers of any size. */
static void reads_the_other_opcodes(void **state)
{
    unpickled *u = READ("\x80\x05((S'a'\niargparse\nNamespace\n(dS'x'\nI2\nsb"
                        "(cm\nC\nNo"
                        "ccopy_reg\n_reconstructor\n(cm\nD\nNNtR"
                        "\x8f(K\1K\2\x90"
                        "(K\1\x91"
                        "C\3abcB\1\0\0\0z"
                        "\x8b\2\0\0\0\1\1\x8a\x09\1\1\1\1\1\1\1\1\1"
                        "cm\nE\n)}\x92"
                        "K\6"
                        "2"
                        "0"
                        "(K\1K\2"
                        "1t.");
    pickle_value **item = unpickle_root(u)->as.list.items;
    static const pickle_kind kinds[] = { PICKLE_OBJECT, PICKLE_OBJECT, PICKLE_OBJECT, PICKLE_SET,
                                         PICKLE_SET,    PICKLE_BYTES,  PICKLE_BYTES,  PICKLE_INT,
                                         PICKLE_BIG,    PICKLE_OBJECT, PICKLE_INT };
    assert_int_equal(unpickle_root(u)->as.list.count, sizeof kinds / sizeof *kinds);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        assert_int_equal(item[i]->kind, kinds[i]);
    assert_int_equal(pickle_get(item[0], "x")->as.integer, 2);
    assert_true(pickle_is_a(item[1], "C"));
    assert_true(pickle_is_a(item[2], "D"));
    assert_int_equal(item[3]->as.list.count, 2);
    assert_int_equal(item[7]->as.integer, 257);
    assert_int_equal(item[10]->as.integer, 6);
    unpickle_free(u);
}

static void refuses_wrong_lines(void **state)
{
    REFUSES("I12", "cut short");
    REFUSES("Ix\n.", "a number is not valid");
    REFUSES("I\n.", "a number is not valid");
    REFUSES("L-L\n.", "a number is not valid");
    REFUSES("F1.5x\n.", "a number is not valid");
    REFUSES("S'abc\n.", "is not quoted");
    REFUSES("S'abc\\\n.", "is not quoted");
    REFUSES("S\n.", "is not quoted");
    REFUSES("S'\\x4'\n.", "is not quoted");
    REFUSES("g-1\n.", "never written");
    REFUSES("gx\n.", "never written");
    REFUSES("Np99999999999999999999\n.", "too large");
    REFUSES("0.", "more values than the stack");
    REFUSES("1.", "never set");
    REFUSES("2.", "more values than the stack");
    REFUSES("(Nd.", "without a value");
}

/* The tensor inside a parameter, of a subclass, and one of numbers that are not read. */
static void reads_wrapped_tensors(void **state)
{
#define STORAGE(type)           \
    "(U\7storagec" type "\nU\1" \
    "0U\3cpuK\6tQ"
#define TENSOR(type) "ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE(type) "K\0K\3\x85K\1\x85\x89NtR"
    unpickled *u = READ("\x80\x02}(U\1pctorch._utils\n_rebuild_parameter_with_state\n(" TENSOR(
        "torch\nFloatStorage") "\x89N}tR"
                               "U\1sctorch._tensor\n_rebuild_from_type_v2\n("
                               "ctorch._utils\n_rebuild_tensor_v2\ncm\nC\n(" STORAGE(
                                   "torch.cuda\nHalfStorage") "K\0K\3\x85K\1\x85\x89Nt}tR"
                                                              "U\1c" TENSOR("torch\nComplexFloatSto"
                                                                            "rage") "u.");
    const pickle_value *root = unpickle_root(u);
    assert_int_equal(pickle_get(root, "p")->kind, PICKLE_TENSOR);
    assert_int_equal(pickle_get(root, "s")->kind, PICKLE_TENSOR);
    assert_int_equal(pickle_get(root, "s")->as.tensor->storage->type, DTYPE_F16);
    assert_int_equal(pickle_get(root, "c")->kind, PICKLE_OBJECT);
    unpickle_free(u);
}

/* Old files have a sixth value: a view of another storage. */
static void reads_views(void **state)
{
#define VIEW(first, count)                                                  \
    "ctorch._utils\n_rebuild_tensor\n((U\7storagectorch\nFloatStorage\nU\1" \
    "0U\3cpuK\12U\1v" first count "\x87tQK\1K\2\x85K\1\x85tR."
    unpickled *u = READ("\x80\x02" VIEW("K\3", "K\4"));
    assert_int_equal(unpickle_root(u)->as.tensor->offset, 4);
    assert_int_equal(unpickle_root(u)->as.tensor->storage->whole, 10);
    unpickle_free(u);
    u = READ("\x80\2(U\6modulecm\nNet\nU\1fU\1stQ)\x81}b."); /* a class with its source */
    assert_true(pickle_is_a(unpickle_root(u), "Net"));
    unpickle_free(u);
    REFUSES(VIEW("K\7", "K\4"), "is outside the storage");
    REFUSES(VIEW("J\xff\xff\xff\xff", "K\4"), "is outside the storage");
    REFUSES(VIEW("K\3", "K\2"), "does not fit");
}

static void refuses_wrong_calls(void **state)
{
    REFUSES("}"
            "b.",
            "more values than the stack");
    REFUSES("K\1}b.", "sets attributes");
    REFUSES("ctorch\nFloatStorage\n)R.", "storage class");
    REFUSES("ccollections\nOrderedDict\n(](K\1etR.", "OrderedDict");
    REFUSES("ccollections\nOrderedDict\nK\1R.", "not a function");
    REFUSES("K\1)R.", "not a function");
    REFUSES("ctorch._utils\n_rebuild_tensor_v2\n)R.", "makes no sense");
    REFUSES("ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR.", "makes no sense");
    REFUSES(")Q.", "five or six values");
    REFUSES("NQ.", "five or six values");
    REFUSES("(\x8c\7storageccollections\nOrderedDict\n\x8c\1"
            "0\x8c\3cpuK\1tQ.",
            "no sense");
    REFUSES("(\x8c\7storagectorch\nHalfStorage\n\x8c\1"
            "0\x8c\3cpuJ\xff\xff\xff\xfftQ.",
            "no sense");
    REFUSES("NN\x93.", "not text");
}

static void refuses_wrong_stacks(void **state)
{
    REFUSES("", "cut short");
    REFUSES("N", "cut short");
    REFUSES(".", "does not end with one value");
    REFUSES("NN.", "does not end with one value");
    REFUSES("(N.", "does not end with one value");
    REFUSES("t.", "never set");
    REFUSES("u.", "never set");
    REFUSES("\x85.", "more values than the stack");
    REFUSES("N(\x85.", "more values than the stack");
    REFUSES("R.", "more values than the stack");
    REFUSES("a.", "more values than the stack");
    REFUSES("s.", "more values than the stack");
    REFUSES("Q.", "more values than the stack");
    REFUSES("\x94.", "more values than the stack");
    REFUSES("NNa.", "not a container");
    REFUSES("}(Nu.", "not a container"); /* a key without a value */
    REFUSES("](NNu.", "not a container");
    REFUSES("h\0.", "never written");
    REFUSES("j\xff\xff\xff\xff.", "never written");
    REFUSES("Nr\xff\xff\xff\xff.", "too large");
    REFUSES("X\xff\xff\xff\xffhello.", "cut short");
    REFUSES("\x8d\xff\xff\xff\xff\xff\xff\xff\xffhello.", "cut short");
    REFUSES("\x8a\x09\1\1", "cut short");
    REFUSES("\x8b\xff\xff\xff\xff\1.", "cut short");
    REFUSES("cos", "cut short");
    REFUSES("\x80\6N.", "protocol");
}

static void tensor_refused(made_tensor t, const char *reason)
{
    buf b = BUF_INIT;
    pickle_dict_of(&b, &t, 1);
    refuses(&b, reason);
}

static void refuses_wrong_tensors(void **state)
{
    made_tensor t = honest;
    t.offset = 7, tensor_refused(t, "does not fit");
    t = honest, t.offset = -1, tensor_refused(t, "does not fit");
    t = honest, t.offset = INT64_MAX, tensor_refused(t, "does not fit");
    t = honest, t.size[0] = -2, tensor_refused(t, "does not fit");
    t = honest, t.size[0] = 5, tensor_refused(t, "does not fit");
    t = honest, t.size[0] = INT64_MAX, tensor_refused(t, "does not fit");
    t = honest, t.stride[0] = -3, tensor_refused(t, "does not fit");
    t = honest, t.stride[0] = INT64_MAX, tensor_refused(t, "does not fit");
    t = honest, t.size[0] = 1 << 30, t.stride[0] = 0, tensor_refused(t, "does not fit");
    t = honest, t.elements = -1, tensor_refused(t, "no sense");
    t = honest, t.dims = 9, tensor_refused(t, "dimensions");
}

/* Deep nesting, growth by doubling, and sheer numbers. */
static void refuses_bombs(void **state)
{
    buf b = BUF_INIT;
    pickle_start(&b);
    for (int i = 0; i < 100000; i++)
        buf_putc(&b, '(');
    refuses(&b, "nests too deep");

    pickle_start(&b);
    for (int i = 0; i < (1 << 23) + 10; i++)
        buf_puts(&b, "N0");
    refuses(&b, "more values");

    pickle_start(&b); /* one value, recalled without end */
    buf_puts(&b, "Nq\1");
    for (int i = 0; i < 1100000; i++)
        buf_add(&b, "h\1", 2);
    refuses(&b, "too many values");
}

/* One list of a million and more, out of one number. */
static void refuses_long_lists(void **state)
{
    enum { PART = 600000 };
    buf b = BUF_INIT;
    pickle_start(&b);
    buf_puts(&b, "]K\1q\1a");
    for (int part = 0; part < 2; part++) {
        buf_putc(&b, '(');
        for (int i = 0; i < PART; i++)
            buf_puts(&b, "h\1");
        buf_putc(&b, 'e');
    }
    buf_putc(&b, '.');
    refuses(&b, "more items than a checkpoint needs");
}

/* Lists of lists, each holding the one before twice, and a list that holds itself: read in no time,
 * because values are shared and nobody walks them. */
static void shared_values_are_cheap(void **state)
{
    buf b = BUF_INIT;
    unpickled *u;
    rap_err err = { 0 };
    pickle_start(&b);
    buf_puts(&b, "]q");
    buf_putc(&b, 0);
    for (int i = 0; i < 200; i++) {
        buf_puts(&b, "h");
        buf_putc(&b, (char)i);
        buf_puts(&b, "h");
        buf_putc(&b, (char)i);
        buf_puts(&b, "\x86q");
        buf_putc(&b, (char)(i + 1));
        buf_puts(&b, "a]q"); /* into the list below, then a fresh list to hold the next */
        buf_putc(&b, (char)(i + 1));
    }
    buf_puts(&b, "h\xc8"
                 "a");
    for (int i = 0; i < 200; i++)
        buf_puts(&b, "a");
    buf_puts(&b, ".");
    if (unpickle(&u, (uint8_t *)b.data, b.len, "odd.pt", &err) != RAP_OK)
        fail_msg("%s", err.text);
    unpickle_free(u);
    buf_release(&b);
}

static void mutations(void **state)
{
    static const char ops[] =
        "()tuRbQNX.aesdlioISVLFgp012UTBC}]\x85\x86\x87\x88\x89\x93\x94hqrjcKMJ";
    buf good = BUF_INIT;
    made_tensor two[2] = { honest, honest };
    uint64_t seed = 7;
    int read = 0;
    two[1].name = "v";
    pickle_dict_of(&good, two, 2);
    for (int round = 0; round < 60000; round++) {
        size_t size = next_random(&seed) % 8 ? good.len : next_random(&seed) % good.len;
        uint8_t *copy = malloc(size ? size : 1);
        unpickled *u;
        memcpy(copy, good.data, size);
        for (uint32_t i = 0; size && i < 1 + round % 5u; i++) {
            uint32_t r = next_random(&seed);
            copy[next_random(&seed) % size] =
                r & 1 ? (uint8_t)(r >> 8) : (uint8_t)ops[(r >> 8) % (sizeof ops - 1)];
        }
        if (unpickle(&u, copy, size, "mutated.pt", NULL) == RAP_OK) {
            read++;
            unpickle_free(u);
        }
        free(copy);
    }
    printf("%d of 60000 mutations read\n", read);
    assert_true(read > 100 && read < 59000); /* the loop does both */
    buf_release(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_tensor),
        cmocka_unit_test(reads_plain_values),
        cmocka_unit_test(reads_objects),
        cmocka_unit_test(refuses_wrong_objects),
        cmocka_unit_test(whatever_else_is_inert),
        cmocka_unit_test(objects_that_are_dicts_have_items),
        cmocka_unit_test(reads_protocol_0),
        cmocka_unit_test(reads_a_file),
        cmocka_unit_test(reads_the_other_opcodes),
        cmocka_unit_test(refuses_wrong_lines),
        cmocka_unit_test(reads_wrapped_tensors),
        cmocka_unit_test(reads_views),
        cmocka_unit_test(refuses_code),
        cmocka_unit_test(refuses_other_opcodes),
        cmocka_unit_test(refuses_wrong_calls),
        cmocka_unit_test(refuses_wrong_stacks),
        cmocka_unit_test(refuses_wrong_tensors),
        cmocka_unit_test(refuses_bombs),
        cmocka_unit_test(shared_values_are_cheap),
        cmocka_unit_test(mutations),
        cmocka_unit_test(refuses_long_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
