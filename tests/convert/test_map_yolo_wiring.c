/* test_map_yolo_wiring.c: the checkpoint of tests/data with one thing changed in its pickle: another kind
 * of model, another setting, a missing tensor, or a program to run. Each is refused with one line. */
#include "base/buf.h"
#include "base/file.h"
#include "convert/convert.h"
#include "convert/made_models.h"
#include "formats/torch_zip.h"

#include <unistd.h>

static char work[] = "/tmp/rap-wiring-XXXXXX", in[64], out[64], source[1024];
static torch_zip *fixture;

static int set_up(void **state)
{
    const char *tests = getenv("RAP_TESTS");
    snprintf(source, sizeof source, "%s/data/yolo_world.pt", tests ? tests : "tests");
    if (!mkdtemp(work))
        return 1;
    snprintf(in, sizeof in, "%s/changed.pt", work);
    snprintf(out, sizeof out, "%s/out.gguf", work);
    return torch_zip_open(&fixture, source, NULL) == RAP_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    torch_zip_close(fixture);
    unlink(in);
    unlink(out);
    return rmdir(work);
}

/* ---- changing ----------------------------------------------------------------------------- */

typedef struct change {
    const char *what, *reason;
    const char *find, *put; /* the first place in the pickle, and what stands there instead */
    size_t find_len, put_len;
} change;
#define CHANGE(what, find, put, reason)                            \
    {                                                              \
        what, reason, find, put, sizeof(find) - 1, sizeof(put) - 1 \
    }

static buf changed_pickle(const change *c)
{
    const uint8_t *pickle;
    size_t size;
    buf b = BUF_INIT;
    assert_int_equal(torch_zip_read(fixture, "data.pkl", SIZE_MAX, &pickle, &size, NULL), RAP_OK);
    const uint8_t *at = c->find_len ? memmem(pickle, size, c->find, c->find_len) : pickle;
    if (!at)
        fail_msg("%s: not in the pickle", c->what);
    buf_add(&b, pickle, (size_t)(at - pickle));
    buf_add(&b, c->put, c->put_len);
    buf_add(&b, at + c->find_len, size - (size_t)(at - pickle) - c->find_len);
    return b;
}

static void write_changed(const change *c)
{
    buf pickle = changed_pickle(c);
    made_zip z = { 0 };
    made_entry e = { .name = "net/data.pkl", .bytes = pickle.data, .size = pickle.len };
    char name[32];
    zip_add(&z, &e);
    for (int i = 0;; i++) {
        snprintf(name, sizeof name, "net/data/%d", i);
        e.name = name;
        if (!torch_zip_has(fixture, name + 4))
            break;
        assert_int_equal(
            torch_zip_read(fixture, name + 4, SIZE_MAX, (const uint8_t **)&e.bytes, &e.size, NULL),
            RAP_OK);
        zip_add(&z, &e);
    }
    zip_end(&z);
    save_as(in, &z.file);
    zip_release(&z);
    buf_release(&pickle);
}

static void refused(const change *c)
{
    rap_err err = { 0 };
    write_changed(c);
    rap_status status = convert_file(in, out, &(convert_options){ 0 }, &err);
    print_message("%s: %s\n", c->what, err.text);
    assert_int_not_equal(status, RAP_OK);
    if (!strstr(err.text, c->reason) || !strstr(err.text, in) || strchr(err.text, '\n'))
        fail_msg("%s: '%s' does not say '%s'", c->what, err.text, c->reason);
    assert_false(file_exists(out));
}

/* ---- tests -------------------------------------------------------------------------------- */

#define WORLD "a YOLO-World v2 is needed"
#define SILU "ctorch.nn.modules.activation\nSiLU\n"

static const change changes[] = {
    CHANGE("a YOLOE", "head\nWorldDetect", "head\nYOLOEDetect", "head 'YOLOEDetect'; " WORLD),
    CHANGE("a YOLOv8", "head\nWorldDetect", "head\nDetect", "head 'Detect'; " WORLD),
    CHANGE("version 1's head", "X\4\0\0\0norm", "X\4\0\0\0morm", "without norm; " WORLD),
    CHANGE("another class", "block\nSPPF", "block\nSPPG", "'model.9' has another class"),
    CHANGE("another activation", "activation\nSiLU", "activation\nReLU", "another activation"),
    CHANGE("another convolution", "conv\nConv2d", "conv\nConv1d", "another class"),
    CHANGE("another norm", "BatchNorm2d", "InstanceNorm", "another norm"),
    CHANGE("another stride", "K\2K\2\x86", "K\1K\1\x86", "'model.0' has another stride"),
    CHANGE("another shortcut", "X\3\0\0\0add", "X\3\0\0\0sum", "another shortcut"),
    CHANGE("another source", "(J\xff\xff\xff\xffK\6e", "(J\xff\xff\xff\xffK\4e",
           "'model.11' has another source"),
    CHANGE("tiny pictures", "K@X\3\0\0\0lr0", "K\1X\3\0\0\0lr0", "pictures of 1 pixels"),
    CHANGE("another resampling", "nearest", "bicubic", "'model.10' has another scale"),
    CHANGE("an impossible epsilon", "G\x3f\x50\x62\x4d\xd2\xf1\xa9\xfc", "G\x40\0\0\0\0\0\0\0",
           "'model.0.bn' has an impossible epsilon"),
    CHANGE("no tensor", "running_mean", "running_meen", "no tensor 'model.0.bn.running_mean'"),
    CHANGE("no guide", "X\2\0\0\0gl", "X\2\0\0\0gk", "'model.12.attn.gl.weight'"),
    CHANGE("no attention", "X\4\0\0\0attn", "X\4\0\0\0attm", "no tensor 'model.12.attn.gl.weight'"),
    CHANGE("a turned convolution", "(K\10K\3K\3K\3t", "(K\10K\1K\11K\3t",
           "'model.0.conv.weight' has an unexpected shape"),
    CHANGE("a shape beyond its bytes", "(K\10K\3K\3K\3t", "(K\11K\3K\3K\3t",
           "does not fit its storage"),
    CHANGE("os.system", SILU, "cos\nsystem\n", "refuses to load 'os.system'"),
    CHANGE("eval in a layer", SILU, "c__builtin__\neval\nX\4\0\0\0id()\x85R",
           "refuses to load '__builtin__.eval'"),
    CHANGE("a library's function", SILU,
           "cultralytics.utils.checks\ncheck_requirements\nX\1\0\0\0x\x85R",
           "something that is not a class"), /* its result is inert, and no layer */
    CHANGE("a file to open", SILU, "cio\nopen\n", "refuses to load 'io.open'"),
};

static void each_change_is_refused(void **state)
{
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        refused(&changes[i]);
}

static void unchanged_is_converted(void **state)
{
    rap_err err = { 0 };
    write_changed(&(change){ .what = "nothing", .find = "", .put = "" });
    if (convert_file(in, out, &(convert_options){ 0 }, &err) != RAP_OK)
        fail_msg("%s", err.text);
    unlink(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unchanged_is_converted),
        cmocka_unit_test(each_change_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
