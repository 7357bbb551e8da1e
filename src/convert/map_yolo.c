/* map_yolo.c: YOLO-World v2, as Ultralytics publishes it: a pickled module, or its state dict.
 *
 * The wiring is fixed (src/vision/MODELS.md draws it), so yolo_convert() follows it from the picture to
 * the head and takes widths and depths from the tensors on the way. Each convolution's batch norm is
 * folded into it, unless that was done before the file was saved. map_yolo_wiring.c compares what a
 * module says of itself with that same drawing. */
#include "convert/map_yolo.h"
#include "base/mem.h"
#include "convert/convert_inside.h"
#include "formats/module_tree.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 128, MAX_DEPTH = 12, MAX_CHANNELS = 8192, LEVELS = 3, ATTENTIONS = 4 };
#define NORM_EPS 1e-3 /* of every batch norm of the published models, and of ours */
enum { MAX_IMAGE = 2048, USUAL_IMAGE = 640, COARSEST = 32 };

/* A name made for one expression: at("model.%d.cv1", layer).text */
typedef struct made_name {
    char text[MAX_NAME];
} made_name;

__attribute__((format(printf, 1, 2))) static made_name at(const char *format, ...)
{
    made_name name;
    va_list args;
    va_start(args, format);
    vsnprintf(name.text, sizeof name.text, format, args);
    va_end(args);
    return name;
}

/* ---- tensors ------------------------------------------------------------------------------ */

/* Our names are those of the checkpoint. */
static void same(conversion *c, made_name name, convert_shape shape)
{
    convert_tensor(c, name.text, name.text, shape);
}

/* The ε of a batch norm: the module says it, a state dict does not. */
static double epsilon(conversion *c, const char *norm)
{
    const pickle_value *eps = pickle_get(module_find(state_dict_module(c->in), norm), "eps");
    if (!eps)
        return NORM_EPS;
    if (eps->kind != PICKLE_FLOAT || !(eps->as.real > 0 && eps->as.real < 1))
        convert_fail(c, RAP_E_FORMAT, "the norm '%s' has an impossible epsilon", norm);
    return eps->as.real;
}

/* weight · gain and bias = shift − mean · gain, where gain = scale / √(variance + ε). */
static void fold(conversion *c, const char *base, float *weight, float *bias, int64_t out,
                 int64_t each)
{
    const convert_shape one = { 1, { out } };
    float *scale = convert_read(c, at("%s.bn.weight", base).text, one),
          *shift = convert_read(c, at("%s.bn.bias", base).text, one);
    float *mean = convert_read(c, at("%s.bn.running_mean", base).text, one);
    float *variance = convert_read(c, at("%s.bn.running_var", base).text, one);
    double eps = epsilon(c, at("%s.bn", base).text);
    for (int64_t o = 0; c->status == RAP_OK && o < out; o++) {
        double gain = scale[o] / sqrt(variance[o] + eps);
        if (!isfinite(gain))
            convert_fail(c, RAP_E_FORMAT, "the norm '%s.bn' has no finite scale", base);
        for (int64_t i = 0; i < each; i++)
            weight[o * each + i] = (float)(weight[o * each + i] * gain);
        bias[o] = (float)(shift[o] - mean[o] * gain);
    }
    convert_ignore(c, at("%s.bn.num_batches_tracked", base).text);
    free(scale);
    free(shift);
    free(mean);
    free(variance);
}

/* The norm goes into the convolution, whose numbers are then computed ones. */
static void conv_with_norm(conversion *c, const char *base, convert_shape shape)
{
    const int64_t out = shape.d[0], each = shape.d[1] * shape.d[2] * shape.d[3];
    float *weight = convert_read(c, at("%s.conv.weight", base).text, shape);
    float *bias = weight ? mem_array((size_t)out, sizeof *bias) : NULL;
    if (weight && !bias)
        c->status = err_memory(c->err, "converting");
    if (bias)
        fold(c, base, weight, bias, out, each);
    if (c->status == RAP_OK) {
        convert_floats(c, at("%s.conv.weight", base).text, shape, weight);
        convert_floats(c, at("%s.conv.bias", base).text, (convert_shape){ 1, { out } }, bias);
    }
    free(weight);
    free(bias);
}

/* A convolution of k × k with its norm, or with its bias. Gives its channels, 0 after a failure. */
static int64_t conv(conversion *c, const char *base, int64_t in, int64_t k)
{
    int64_t out = convert_size(c, at("%s.conv.weight", base).text, 3);
    const convert_shape shape = { 4, { out, in, k, k } };
    if (out > MAX_CHANNELS)
        convert_fail(c, RAP_E_LIMIT, "'%s' has %lld channels", base, (long long)out);
    if (convert_has(c, at("%s.bn.weight", base).text)) {
        conv_with_norm(c, base, shape);
    } else {
        same(c, at("%s.conv.weight", base), shape);
        same(c, at("%s.conv.bias", base), (convert_shape){ 1, { out } });
    }
    return c->status == RAP_OK ? out : 0;
}

/* A convolution of 1 × 1 that always had a bias and no norm. */
static int64_t plain(conversion *c, const char *base, int64_t in)
{
    int64_t out = convert_size(c, at("%s.weight", base).text, 3);
    same(c, at("%s.weight", base), (convert_shape){ 4, { out, in, 1, 1 } });
    same(c, at("%s.bias", base), (convert_shape){ 1, { out } });
    return out;
}

/* ---- layers ------------------------------------------------------------------------------- */

static int64_t top_conv(conversion *c, int layer, int64_t in)
{
    return conv(c, at("model.%d", layer).text, in, 3);
}

/* The bottlenecks of a C2f, each from `half` channels to as many. */
static int bottlenecks(conversion *c, int layer, int64_t half)
{
    int depth = 0;
    while (c->status == RAP_OK &&
           convert_has(c, at("model.%d.m.%d.cv1.conv.weight", layer, depth).text)) {
        if (depth == MAX_DEPTH)
            convert_fail(c, RAP_E_LIMIT, "layer %d is more than %d bottlenecks deep", layer, depth);
        for (int i = 1; i <= 2; i++)
            if (conv(c, at("model.%d.m.%d.cv%d", layer, depth, i).text, half, 3) != half)
                convert_fail(c, RAP_E_UNSUPPORTED, "layer %d has bottlenecks of several widths",
                             layer);
        depth++;
    }
    return depth;
}

/* The attention of a C2fAttn over `width` channels; gives its number of heads. */
static uint32_t attention(conversion *c, int layer, int64_t width, int64_t text)
{
    const made_name base = at("model.%d.attn", layer);
    int64_t heads = convert_size(c, at("%s.bias", base.text).text, 0);
    same(c, at("%s.gl.weight", base.text), (convert_shape){ 2, { width, text } });
    same(c, at("%s.gl.bias", base.text), (convert_shape){ 1, { width } });
    same(c, at("%s.bias", base.text), (convert_shape){ 1, { heads } });
    if (c->status == RAP_OK && width % heads)
        convert_fail(c, RAP_E_FORMAT, "layer %d attends with %lld channels in %lld heads", layer,
                     (long long)width, (long long)heads);
    if (convert_has(c, at("%s.ec.conv.weight", base.text).text) &&
        conv(c, at("%s.ec", base.text).text, width, 1) != width)
        convert_fail(c, RAP_E_UNSUPPORTED, "layer %d attends in several widths", layer);
    if (conv(c, at("%s.proj_conv", base.text).text, width, 3) != width)
        convert_fail(c, RAP_E_UNSUPPORTED, "layer %d attends to several widths", layer);
    return (uint32_t)heads;
}

/* C2f, and with `out_heads` C2fAttn: one piece more. */
static int64_t c2f(conversion *c, int layer, int64_t in, int64_t text, uint32_t *out_heads)
{
    int64_t both = conv(c, at("model.%d.cv1", layer).text, in, 1), half = both / 2;
    if (both % 2)
        convert_fail(c, RAP_E_FORMAT, "layer %d has %lld channels, which are no two halves", layer,
                     (long long)both);
    int pieces = 2 + bottlenecks(c, layer, half);
    if (out_heads) {
        *out_heads = attention(c, layer, half, text);
        pieces++;
    }
    return conv(c, at("model.%d.cv2", layer).text, pieces * half, 1);
}

static int64_t sppf(conversion *c, int64_t in)
{
    int64_t half = conv(c, "model.9.cv1", in, 1);
    return conv(c, "model.9.cv2", 4 * half, 1);
}

/* ---- head --------------------------------------------------------------------------------- */

/* Boxes are expected values over bins 0, 1, …: nothing to keep, but it must be so. Gives the bins. */
static int64_t bins(conversion *c)
{
    const char *name = "model.22.dfl.conv.weight";
    int64_t count = convert_size(c, name, 2);
    float *bin = convert_read(c, name, (convert_shape){ 4, { 1, count, 1, 1 } });
    for (int64_t i = 0; bin && i < count; i++)
        if (bin[i] != (float)i)
            convert_fail(c, RAP_E_UNSUPPORTED, "'%s' does not count from 0 up", name);
    free(bin);
    return c->status == RAP_OK ? count : 0;
}

/* Our ε is fixed, so a norm with another one gets its variance moved by the difference. */
static void contrast_variance(conversion *c, int level, convert_shape one)
{
    const made_name name = at("model.22.cv4.%d.norm.running_var", level);
    double more = epsilon(c, at("model.22.cv4.%d.norm", level).text) - NORM_EPS;
    float *variance = fabs(more) > 1e-9 ? convert_read(c, name.text, one) : NULL;
    if (!variance) {
        same(c, name, one);
        return;
    }
    for (int64_t i = 0; i < one.d[0]; i++)
        if ((variance[i] += (float)more) < 0)
            convert_fail(c, RAP_E_UNSUPPORTED, "'%s' is smaller than its epsilon", name.text);
    convert_floats(c, name.text, one, variance);
    free(variance);
}

static void contrast(conversion *c, int level, int64_t text)
{
    static const char *const norm[] = { "weight", "bias", "running_mean" };
    const convert_shape one = { 1, { text } };
    for (int i = 0; i < 3; i++)
        same(c, at("model.22.cv4.%d.norm.%s", level, norm[i]), one);
    contrast_variance(c, level, one);
    same(c, at("model.22.cv4.%d.bias", level), (convert_shape){ 1, { 1 } });
    same(c, at("model.22.cv4.%d.logit_scale", level), (convert_shape){ 1, { 1 } });
    convert_ignore(c, at("model.22.cv4.%d.norm.num_batches_tracked", level).text);
}

static void head(conversion *c, int level, int64_t in, int64_t bin_count, int64_t text)
{
    for (int branch = 2; branch <= 3; branch++) {
        int64_t width = in, want = branch == 2 ? 4 * bin_count : text;
        for (int i = 0; i < 2; i++)
            width = conv(c, at("model.22.cv%d.%d.%d", branch, level, i).text, width, 3);
        int64_t got = plain(c, at("model.22.cv%d.%d.2", branch, level).text, width);
        if (got != want)
            convert_fail(c, RAP_E_FORMAT,
                         "'model.22.cv%d.%d.2' gives %lld numbers where %lld are needed", branch,
                         level, (long long)got, (long long)want);
    }
    contrast(c, level, text);
}

/* ---- the whole ---------------------------------------------------------------------------- */

static int64_t number_or(const pickle_value *v, int64_t otherwise)
{
    return v && v->kind == PICKLE_INT ? v->as.integer : otherwise;
}

/* The side that it was trained with, which is also what Ultralytics shows it pictures at. */
static uint32_t image_size(conversion *c)
{
    const pickle_value *args = pickle_get(state_dict_saved(c->in), "train_args");
    int64_t side = number_or(pickle_get(args, "imgsz"), 0);
    if (!side) {
        side = USUAL_IMAGE;
        convert_remark(c,
                       "does not say for which pictures it was trained: taken as %d pixels a side",
                       USUAL_IMAGE);
    }
    if (side < COARSEST || side > MAX_IMAGE) {
        convert_fail(c, RAP_E_UNSUPPORTED, "was trained with pictures of %lld pixels a side",
                     (long long)side);
        return 0;
    }
    return (uint32_t)((side + COARSEST - 1) / COARSEST * COARSEST);
}

static void put_text(conversion *c, const char *key, const pickle_value *v, const char *otherwise)
{
    if (v && v->kind == PICKLE_TEXT && v->as.text.len <= 100)
        gguf_put_string(c->out, key, v->as.text.bytes, v->as.text.len);
    else if (otherwise)
        gguf_put_string(c->out, key, otherwise, strlen(otherwise));
}

static void put_keys(conversion *c, int64_t bin_count, int64_t text, const uint32_t *heads)
{
    const pickle_value *module = state_dict_module(c->in);
    put_text(c, "general.license", pickle_get(state_dict_saved(c->in), "license"), NULL);
    put_text(c, "general.size_label", pickle_get(pickle_get(module, "yaml"), "scale"), NULL);
    gguf_put_string(c->out, "yolo-world.variant", "v2", 2);
    gguf_put_int(c->out, "yolo-world.image_size", image_size(c));
    gguf_put_int(c->out, "yolo-world.text_dim", (uint32_t)text);
    gguf_put_int(c->out, "yolo-world.embed_dim", (uint32_t)text);
    gguf_put_int(c->out, "yolo-world.reg_max", (uint32_t)bin_count);
    gguf_put_ints(c->out, "yolo-world.num_heads", heads, ATTENTIONS);
}

void yolo_convert(conversion *c)
{
    uint32_t heads[ATTENTIONS];
    int64_t width[23] = { 0 }, *w = width;
    if (c->options->image_size) {
        convert_fail(
            c, RAP_E_ARGUMENT,
            "another size of pictures (--image-size) is for image encoders, this is a detector");
        return;
    }
    yolo_check_kind(c);
    int64_t text = convert_size(c, "model.12.attn.gl.weight", 0), bin_count = bins(c);
    w[0] = top_conv(c, 0, 3);
    w[1] = top_conv(c, 1, w[0]);
    w[2] = c2f(c, 2, w[1], 0, NULL);
    w[3] = top_conv(c, 3, w[2]);
    w[4] = c2f(c, 4, w[3], 0, NULL);
    w[5] = top_conv(c, 5, w[4]);
    w[6] = c2f(c, 6, w[5], 0, NULL);
    w[7] = top_conv(c, 7, w[6]);
    w[8] = c2f(c, 8, w[7], 0, NULL);
    w[9] = sppf(c, w[8]);
    w[12] = c2f(c, 12, w[9] + w[6], text, &heads[0]);
    w[15] = c2f(c, 15, w[12] + w[4], text, &heads[1]);
    w[16] = top_conv(c, 16, w[15]);
    w[18] = c2f(c, 18, w[16] + w[12], text, &heads[2]);
    w[19] = top_conv(c, 19, w[18]);
    w[21] = c2f(c, 21, w[19] + w[9], text, &heads[3]);
    for (int i = 0; i < LEVELS; i++)
        head(c, i, w[15 + 3 * i], bin_count, text);
    convert_ignore(c, "txt_feats"); /* of the names it was saved with */
    convert_ignore(c, "clip_model.*");
    put_keys(c, bin_count, text, heads);
    yolo_check_wiring(c);
}
