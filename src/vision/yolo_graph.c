/* yolo_graph.c: YOLO-World v2 as one graph for pictures of S × S: CSP backbone, text-guided neck,
 * and the head up to where names are compared. Layers are numbered as in the published
 * configuration; widths and depths come from the file's tensors. MODELS.md has a diagram. */
#include "vision/yolo_inside.h"

#define MAX_DEPTH 12 /* bottlenecks per stage; the largest published model has 6 */

/* Weight and bias are "<name>.weight" and "<name>.bias". Kernels must be square, so that maps stay
 * square. */
static nn_tensor *square_conv(yolo_world *y, nn_graph *g, nn_tensor *x, const char *name,
                              nn_conv_options options)
{
    nn_shape k;
    const char *weight = name ? nn_name(g, "%s.weight", name) : NULL;
    if (weight && nn_weight_shape(y->n, weight, &k, NULL) == RAP_OK && k.d[2] != k.d[3])
        return nn_fail(g, RAP_E_FORMAT, "%s: the kernel of '%s' is %lld × %lld, not square",
                       gguf_file_path(y->file), weight, (long long)k.d[2], (long long)k.d[3]);
    return weight ? nn_conv(g, x, weight, nn_name(g, "%s.bias", name), options) : NULL;
}

/* A convolution with its norm folded in, then SiLU. `name` is without ".conv". */
static nn_tensor *conv(yolo_world *y, nn_graph *g, nn_tensor *x, const char *name, int stride,
                       int pad)
{
    return square_conv(y, g, x, name ? nn_name(g, "%s.conv", name) : NULL,
                       (nn_conv_options){ .stride = stride, .pad = pad, .act = NN_SILU });
}

static nn_tensor *conv3(yolo_world *y, nn_graph *g, nn_tensor *x, const char *name, int stride)
{
    return conv(y, g, x, name, stride, 1);
}

static nn_tensor *conv1(yolo_world *y, nn_graph *g, nn_tensor *x, const char *name)
{
    return conv(y, g, x, name, 1, 0);
}

static nn_tensor *plain_conv(yolo_world *y, nn_graph *g, nn_tensor *x, const char *name, int pad)
{
    return square_conv(y, g, x, name, (nn_conv_options){ .pad = pad });
}

static nn_tensor *bottleneck(yolo_world *y, nn_graph *g, nn_tensor *x, int layer, int i,
                             bool shortcut)
{
    nn_tensor *h = conv3(y, g, x, nn_name(g, "model.%d.m.%d.cv1", layer, i), 1);
    return square_conv(
        y, g, h, nn_name(g, "model.%d.m.%d.cv2.conv", layer, i),
        (nn_conv_options){ .pad = 1, .act = NN_SILU, .residual = shortcut ? x : NULL });
}

static int depth_of(yolo_world *y, nn_graph *g, int layer)
{
    int depth = 0;
    while (depth <= MAX_DEPTH) {
        const char *name = nn_name(g, "model.%d.m.%d.cv1.conv.weight", layer, depth);
        if (!name || !nn_has_weight(y->n, name))
            break;
        depth++;
    }
    return depth;
}

static nn_tensor *attend(yolo_world *y, nn_graph *g, nn_tensor *x, int layer, int which);

/* C2f, or C2fAttn with `attention` ≥ 0: the map is split into two halves by channels, bottlenecks
 * are applied to the second half in sequence, and all pieces are concatenated. x [1, H, W, C] →
 * [1, H, W, O]. */
static nn_tensor *c2f(yolo_world *y, nn_graph *g, nn_tensor *x, int layer, bool shortcut,
                      int attention)
{
    nn_tensor *parts[MAX_DEPTH + 3];
    nn_tensor *both = conv1(y, g, x, nn_name(g, "model.%d.cv1", layer));
    int depth = depth_of(y, g, layer), count = 0;
    int64_t half = nn_shape_of(both).d[3] / 2;
    if (!both)
        return NULL;
    if (depth > MAX_DEPTH)
        return nn_fail(g, RAP_E_FORMAT, "%s: layer %d has more than %d bottlenecks",
                       gguf_file_path(y->file), layer, MAX_DEPTH);
    parts[count++] = nn_slice(g, both, 3, 0, half);
    parts[count++] = nn_slice(g, both, 3, half, half);
    for (int i = 0; i < depth; i++, count++)
        parts[count] = bottleneck(y, g, parts[count - 1], layer, i, shortcut);
    if (attention >= 0) {
        parts[count] = attend(y, g, parts[count - 1], layer, attention);
        count++;
    }
    x = nn_concat(g, parts, count, 3);
    return conv1(y, g, x, nn_name(g, "model.%d.cv2", layer));
}

static bool same_map(nn_shape a, nn_shape b)
{
    return a.d[1] == b.d[1] && a.d[2] == b.d[2];
}

static nn_tensor *attend(yolo_world *y, nn_graph *g, nn_tensor *x, int layer, int which)
{
    yolo_attention *a = &y->attention[which];
    nn_tensor *in[2] = { x, NULL };
    const char *ec = nn_name(g, "model.%d.attn.ec.conv.weight", layer);
    if (!x || !ec)
        return NULL;
    if (nn_has_weight(y->n, ec))
        in[0] = plain_conv(y, g, x, nn_name(g, "model.%d.attn.ec.conv", layer), 0);
    in[1] = plain_conv(y, g, x, nn_name(g, "model.%d.attn.proj_conv.conv", layer), 1);
    if (!in[0] || !in[1])
        return NULL;
    nn_shape e = nn_shape_of(in[0]), v = nn_shape_of(in[1]);
    if (!same_map(e, v) || e.d[3] != v.d[3] || e.d[3] % y->heads[which])
        return nn_fail(
            g, RAP_E_FORMAT,
            "%s: layer %d attends with a map of %lld × %lld × %lld to one of %lld × %lld "
            "× %lld in %d heads",
            gguf_file_path(y->file), layer, (long long)e.d[1], (long long)e.d[2], (long long)e.d[3],
            (long long)v.d[1], (long long)v.d[2], (long long)v.d[3], y->heads[which]);
    a->places = v.d[1] * v.d[2];
    a->width = v.d[3];
    a->heads = y->heads[which];
    a->index = which;
    a->run = &y->run;
    return nn_custom(g, yolo_attend, a, in, 2, v);
}

/* SPPF: three poolings in sequence, which see 5, 9 and 13 positions. */
static nn_tensor *sppf(yolo_world *y, nn_graph *g, nn_tensor *x)
{
    nn_tensor *parts[4];
    parts[0] = conv1(y, g, x, "model.9.cv1");
    for (int i = 1; i < 4; i++)
        parts[i] = nn_max_pool(g, parts[i - 1], 5, 1, 2);
    return conv1(y, g, nn_concat(g, parts, 4, 3), "model.9.cv2");
}

static nn_tensor *join(nn_graph *g, nn_tensor *a, nn_tensor *b)
{
    nn_tensor *parts[] = { a, b };
    return nn_concat(g, parts, 2, 3);
}

/* The two branches of one level: box sides, and features to compare with names. */
static void head(yolo_world *y, nn_graph *g, nn_tensor *x, int i)
{
    yolo_level *level = &y->level[i];
    nn_tensor *sides = conv3(y, g, x, nn_name(g, "model.22.cv2.%d.0", i), 1);
    sides = conv3(y, g, sides, nn_name(g, "model.22.cv2.%d.1", i), 1);
    sides = plain_conv(y, g, sides, nn_name(g, "model.22.cv2.%d.2", i), 0);
    nn_tensor *features = conv3(y, g, x, nn_name(g, "model.22.cv3.%d.0", i), 1);
    features = conv3(y, g, features, nn_name(g, "model.22.cv3.%d.1", i), 1);
    nn_shape s = nn_shape_of(sides), f = nn_shape_of(features);
    if (!sides || !features)
        return;
    level->stride = 8 << i;
    level->side = y->size / level->stride;
    level->width = f.d[3];
    nn_shape map = NN_SHAPE(1, level->side, level->side, 4 * y->bins);
    if (!same_map(s, map) || !same_map(f, map) || s.d[3] != map.d[3])
        nn_fail(g, RAP_E_FORMAT,
                "%s: level %d of the head gives maps of %lld × %lld × %lld and %lld × %lld where "
                "%d × %d × %d is needed",
                gguf_file_path(y->file), i, (long long)s.d[1], (long long)s.d[2], (long long)s.d[3],
                (long long)f.d[1], (long long)f.d[2], level->side, level->side, 4 * y->bins);
    nn_output(g, sides);
    nn_output(g, features);
}

static void describe(yolo_world *y, nn_graph *g)
{
    nn_tensor *x = nn_input(g, NN_SHAPE(1, y->size, y->size, 3));
    x = conv3(y, g, x, "model.0", 2);
    x = conv3(y, g, x, "model.1", 2);
    x = c2f(y, g, x, 2, true, -1);
    x = conv3(y, g, x, "model.3", 2);
    nn_tensor *p3 = c2f(y, g, x, 4, true, -1); /* stride 8 */
    x = conv3(y, g, p3, "model.5", 2);
    nn_tensor *p4 = c2f(y, g, x, 6, true, -1); /* stride 16 */
    x = conv3(y, g, p4, "model.7", 2);
    x = c2f(y, g, x, 8, true, -1);
    nn_tensor *p5 = sppf(y, g, x); /* stride 32 */

    nn_tensor *n4 = c2f(y, g, join(g, nn_upsample_nearest(g, p5, 2), p4), 12, false, 0);
    nn_tensor *o3 = c2f(y, g, join(g, nn_upsample_nearest(g, n4, 2), p3), 15, false, 1);
    nn_tensor *o4 = c2f(y, g, join(g, conv3(y, g, o3, "model.16", 2), n4), 18, false, 2);
    nn_tensor *o5 = c2f(y, g, join(g, conv3(y, g, o4, "model.19", 2), p5), 21, false, 3);
    head(y, g, o3, 0);
    head(y, g, o4, 1);
    head(y, g, o5, 2);
}

rap_status yolo_build(yolo_world *y, rap_err *err)
{
    static const int layers[YOLO_ATTENTIONS] = { 12, 15, 18, 21 };
    rap_status status = nn_graph_new(&y->graph, y->n, err);
    if (status != RAP_OK)
        return status;
    describe(y, y->graph);
    status = nn_graph_compile(y->graph, err);
    for (int i = 0; status == RAP_OK && i < YOLO_ATTENTIONS; i++)
        status = yolo_read_attention(y, i, layers[i], err);
    for (int i = 0; status == RAP_OK && i < YOLO_LEVELS; i++)
        status = yolo_read_head(y, i, err);
    return status;
}
