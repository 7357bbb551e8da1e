/* map_yolo_wiring.c: what an Ultralytics module says of itself: which kind of model it is, which layer
 * follows which, and how each is set. Tensors alone do not show a stride, a shortcut or an activation, so
 * a model with our names and other wiring would convert into nonsense. */
#include "convert/map_yolo.h"
#include "formats/module_tree.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LAYERS = 23, SOURCES = 3, BACKBONE = 10, MAX_NAME = 64 };

/* ---- which kind --------------------------------------------------------------------------- */

static bool from_ultralytics(const pickle_value *module)
{
    if (!module)
        return false;
    pickle_chars m = module->as.object.type->as.global->module;
    return m.len >= 12 && !memcmp(m.bytes, "ultralytics.", 12);
}

bool yolo_recognise(const conversion *c)
{
    return from_ultralytics(state_dict_module(c->in)) ||
           (convert_has(c, "model.0.conv.weight") && (convert_has(c, "model.22.dfl.conv.weight") ||
                                                      convert_has(c, "model.23.dfl.conv.weight")));
}

/* The class of a module's last layer, which is its head; the module's own where there are no layers. */
static pickle_chars head_class(const pickle_value *module)
{
    const pickle_value *last = module, *layer;
    char name[MAX_NAME];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "model.%d", i);
        if (!(layer = module_find(module, name)))
            break;
        last = layer;
    }
    return last->as.object.type->as.global->name;
}

void yolo_check_kind(conversion *c)
{
    const pickle_value *module = state_dict_module(c->in);
    static const char needed[] = "a YOLO-World v2 is needed (yolov8s-worldv2.pt or its m, l, x)";
    if (convert_has(c, "model.16.query.0.weight"))
        convert_fail(c, RAP_E_UNSUPPORTED, "is YOLO-World v1, whose names see the picture; %s",
                     needed);
    if (module && !pickle_is_a(module_find(module, "model.22"), "WorldDetect")) {
        pickle_chars name = head_class(module);
        convert_fail(c, RAP_E_UNSUPPORTED, "is an Ultralytics model with the head '%.*s'; %s",
                     name.len < 80 ? (int)name.len : 80, name.bytes, needed);
    }
    if (!convert_has(c, "model.22.cv4.0.logit_scale"))
        convert_fail(c, RAP_E_UNSUPPORTED, "is a YOLO whose head compares with no names; %s",
                     needed);
    if (!convert_has(c, "model.22.cv4.0.norm.weight"))
        convert_fail(c, RAP_E_UNSUPPORTED, "has a contrastive head without norm; %s", needed);
}

/* ---- how a layer is set ------------------------------------------------------------------- */

/* A number, a truth value, or a pair of equal numbers. */
static bool is_number(const pickle_value *v, double want)
{
    if (!v)
        return false;
    if (v->kind == PICKLE_TUPLE)
        return v->as.list.count == 2 && v->as.list.items[0]->kind != PICKLE_TUPLE &&
               v->as.list.items[1]->kind != PICKLE_TUPLE && is_number(v->as.list.items[0], want) &&
               is_number(v->as.list.items[1], want);
    if (v->kind == PICKLE_FLOAT)
        return fabs(v->as.real - want) <= 1e-9 * fabs(want);
    return (v->kind == PICKLE_INT || v->kind == PICKLE_BOOL) && (double)v->as.integer == want;
}

/* Absent is as good as `want` when the attribute came with later versions. */
static bool is_number_or_absent(const pickle_value *module, const char *key, double want)
{
    const pickle_value *v = pickle_get(module, key);
    return !v || is_number(v, want);
}

static void expect(conversion *c, bool good, const char *name, const char *what)
{
    if (!good)
        convert_fail(c, RAP_E_UNSUPPORTED, "layer '%s' has another %s than YOLO-World v2", name,
                     what);
}

static void check_conv2d(conversion *c, const pickle_value *conv, const char *name, int stride)
{
    const pickle_value *size = pickle_get(conv, "kernel_size");
    int k = is_number(size, 3) ? 3 : 1;
    expect(c, pickle_is_a(conv, "Conv2d"), name, "class");
    expect(c, is_number(size, k), name, "kernel");
    expect(c, is_number(pickle_get(conv, "stride"), stride), name, "stride");
    expect(c, is_number(pickle_get(conv, "padding"), k / 2), name, "padding");
    expect(c, is_number(pickle_get(conv, "dilation"), 1), name, "dilation");
    expect(c, is_number(pickle_get(conv, "groups"), 1), name, "number of groups");
}

/* Conv: convolution, norm unless folded in, activation. */
static void check_conv(conversion *c, const pickle_value *layer, const char *name, int stride)
{
    size_t len = strlen(name);
    bool linear = (len > 8 && !strcmp(name + len - 8, ".attn.ec")) ||
                  (len > 15 && !strcmp(name + len - 15, ".attn.proj_conv"));
    check_conv2d(c, module_child(layer, "conv"), name, stride);
    expect(c, !module_child(layer, "bn") || pickle_is_a(module_child(layer, "bn"), "BatchNorm2d"),
           name, "norm");
    expect(c, pickle_is_a(module_child(layer, "act"), linear ? "Identity" : "SiLU"), name,
           "activation");
}

/* What stands at `name`, at any depth below layer `number`. */
static void check_one(conversion *c, const pickle_value *layer, const char *name, int number)
{
    if (pickle_is_a(layer, "Conv")) {
        char top[MAX_NAME];
        snprintf(top, sizeof top, "model.%d", number);
        check_conv(c, layer, name, strcmp(name, top) ? 1 : 2);
    } else if (pickle_is_a(layer, "Bottleneck")) {
        expect(c, is_number(pickle_get(layer, "add"), number < BACKBONE), name, "shortcut");
    } else if (pickle_is_a(layer, "SPPF")) {
        const pickle_value *pool = module_child(layer, "m");
        expect(c, pickle_is_a(pool, "MaxPool2d") && is_number(pickle_get(pool, "kernel_size"), 5),
               name, "pooling");
        expect(c, is_number_or_absent(layer, "n", 3) && is_number_or_absent(layer, "add", 0), name,
               "pooling");
    } else if (pickle_is_a(layer, "MaxSigmoidAttnBlock")) {
        expect(c, is_number_or_absent(layer, "scale", 1), name, "scale");
    } else if (pickle_is_a(layer, "BNContrastiveHead")) {
        expect(c, pickle_is_a(module_child(layer, "norm"), "BatchNorm2d"), name, "norm");
    } else if (pickle_is_a(layer, "Upsample")) {
        const pickle_value *mode = pickle_get(layer, "mode");
        expect(c,
               is_number(pickle_get(layer, "scale_factor"), 2) && mode &&
                   pickle_text_is(mode, "nearest"),
               name, "scale");
    }
}

/* ---- which follows which ------------------------------------------------------------------ */

typedef struct wiring {
    const char *name;
    int from[SOURCES]; /* -1: the one before; 0 ends the list */
} wiring;

static const wiring layers[LAYERS] = {
    { "Conv", { -1 } },
    { "Conv", { -1 } },
    { "C2f", { -1 } },
    { "Conv", { -1 } },
    { "C2f", { -1 } },
    { "Conv", { -1 } },
    { "C2f", { -1 } },
    { "Conv", { -1 } },
    { "C2f", { -1 } },
    { "SPPF", { -1 } },
    { "Upsample", { -1 } },
    { "Concat", { -1, 6 } },
    { "C2fAttn", { -1 } },
    { "Upsample", { -1 } },
    { "Concat", { -1, 4 } },
    { "C2fAttn", { -1 } },
    { "Conv", { 15 } },
    { "Concat", { -1, 12 } },
    { "C2fAttn", { -1 } },
    { "Conv", { -1 } },
    { "Concat", { -1, 9 } },
    { "C2fAttn", { -1 } },
    { "WorldDetect", { 15, 18, 21 } },
};

/* The list of sources, which is one number where it has one entry. */
static bool same_sources(const pickle_value *from, const int want[SOURCES])
{
    size_t count = 0;
    while (count < SOURCES && want[count])
        count++;
    if (!from || from->kind != PICKLE_LIST)
        return count == 1 && is_number(from, want[0]);
    bool same = from->as.list.count == count;
    for (size_t i = 0; same && i < count; i++)
        same = is_number(from->as.list.items[i], want[i]);
    return same;
}

/* The walk that listed the tensors has bounded depth and number of layers. */
static void check_below(conversion *c, const pickle_value *layer, const char *name, int number)
{
    const pickle_value *below = pickle_get(layer, "_modules");
    check_one(c, layer, name, number);
    for (size_t i = 0; c->status == RAP_OK && i + 1 < below->as.list.count; i += 2) {
        const pickle_value *key = below->as.list.items[i], *child = below->as.list.items[i + 1];
        char longer[256];
        if (child->kind == PICKLE_NONE)
            continue;
        snprintf(longer, sizeof longer, "%s.%.*s", name, (int)key->as.text.len, key->as.text.bytes);
        check_below(c, child, longer, number);
    }
}

void yolo_check_wiring(conversion *c)
{
    const pickle_value *module = state_dict_module(c->in);
    for (int i = 0; module && i < LAYERS && c->status == RAP_OK; i++) {
        char name[MAX_NAME];
        snprintf(name, sizeof name, "model.%d", i);
        const pickle_value *layer = module_find(module, name);
        expect(c, pickle_is_a(layer, layers[i].name), name, "class");
        expect(c, same_sources(pickle_get(layer, "f"), layers[i].from), name, "source");
        if (c->status == RAP_OK)
            check_below(c, layer, name, i);
    }
}
