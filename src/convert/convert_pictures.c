/* convert_pictures.c: how pictures are prepared, from the preprocessor_config.json beside a checkpoint.
 *
 * What it says is bounded; what we do not do is refused with its name, never passed over. */
#include "convert/convert_inside.h"
#include "formats/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_SIDE = 1024, MAX_RESIZE = 2048 };

static const char FILE_NAME[] = "preprocessor_config.json", WHOLE_NAME[] = "processor_config.json";

/* What errors call it. */
static const char *called(char out[512], const conversion *c)
{
    snprintf(out, 512, "%s: %s", state_dict_path(c->in), FILE_NAME);
    return out;
}

static void refuse(conversion *c, const char *what)
{
    convert_fail(c, RAP_E_UNSUPPORTED, "%s: %s", FILE_NAME, what);
}

static bool read_bool(conversion *c, const json_t *j, const char *field, bool fallback)
{
    char file[512];
    bool value = fallback;
    if (c->status == RAP_OK)
        c->status = json_get_bool(&value, j, field, called(file, c), c->err);
    return value;
}

static int read_int(conversion *c, const json_t *j, const char *field, int fallback, int high)
{
    char file[512];
    int value = fallback;
    if (c->status == RAP_OK)
        c->status = json_get_int(&value, j, field, 1, high, called(file, c), c->err);
    return value;
}

/* A number, or a height and width that are the same; 0 when it is neither. */
static int read_square(conversion *c, const json_t *j, const char *field)
{
    char name[64];
    if (json_is_integer(json_at(j, field)))
        return read_int(c, j, field, 0, MAX_RESIZE);
    snprintf(name, sizeof name, "%s.height", field);
    int height = read_int(c, j, name, 0, MAX_RESIZE);
    snprintf(name, sizeof name, "%s.width", field);
    if (height != read_int(c, j, name, 0, MAX_RESIZE))
        refuse(c, "pictures that are not square are not prepared");
    return height;
}

static void read_sizes(conversion *c, const json_t *j, picture_recipe *r)
{
    if (!read_bool(c, j, "do_resize", true))
        refuse(c, "pictures must be scaled (do_resize)");
    if (json_at(j, "size.longest_edge"))
        refuse(c, "pictures are not fitted into a longest_edge");
    if (json_at(j, "size.shortest_edge") || json_is_integer(json_at(j, "size"))) {
        bool plain = json_is_integer(json_at(j, "size")); /* as early files have it */
        r->resize = read_int(c, j, plain ? "size" : "size.shortest_edge", 0, MAX_RESIZE);
        r->squash = plain && r->squash;
    } else if (json_at(j, "size")) {
        r->resize = read_square(c, j, "size");
        r->squash = true;
    }
    if (read_bool(c, j, "do_center_crop", !r->squash))
        r->size = json_at(j, "crop_size") ? read_square(c, j, "crop_size")
                                          : (r->squash ? r->resize : r->size);
    else if (r->squash)
        r->size = r->resize;
    else
        refuse(c, "pictures must be cut to a square (do_center_crop)");
    r->floor = true;
    if (r->size < 1 || r->size > MAX_SIDE || r->resize < r->size)
        refuse(c, "its sizes are impossible");
}

void convert_json_triple(conversion *c, const json_t *root, const char *file, const char *field,
                         float low, float out[3])
{
    const json_t *array = json_at(root, field);
    for (size_t i = 0; array && i < 3; i++) {
        const json_t *number = json_array_get(array, i);
        float value = (float)json_number_value(number);
        if (json_array_size(array) != 3 || !json_is_number(number) || !(value >= low) || value > 10)
            convert_fail(c, RAP_E_FORMAT, "%s: %s is not three sensible numbers", file, field);
        else
            out[i] = value;
    }
}

static void read_colours(conversion *c, const json_t *j, picture_recipe *r)
{
    char file[512];
    float factor = 1 / 255.0f;
    if (c->status == RAP_OK)
        c->status = json_get_float(&factor, j, "rescale_factor", 0, 1, called(file, c), c->err);
    if (!read_bool(c, j, "do_rescale", true) || fabsf(factor * 255 - 1) > 1e-3f)
        refuse(c, "colours must be divided by 255 (do_rescale, rescale_factor)");
    convert_json_triple(c, j, FILE_NAME, "image_mean", -10, r->mean);
    convert_json_triple(c, j, FILE_NAME, "image_std", 1e-3f, r->std);
    if (!read_bool(c, j, "do_normalize", true))
        for (int i = 0; i < 3; i++)
            r->mean[i] = 0, r->std[i] = 1;
}

/* The recipe as JSON: a file of its own, or a part of what newer libraries save for a whole processor.
 * NULL: neither is there. */
static json_t *open_recipe(conversion *c)
{
    json_t *j = NULL, *whole = NULL;
    if (c->status == RAP_OK)
        c->status = state_dict_beside_json(c->in, FILE_NAME, &j, c->err);
    if (c->status == RAP_OK && !j)
        c->status = state_dict_beside_json(c->in, WHOLE_NAME, &whole, c->err);
    if (json_is_object(json_at(whole, "image_processor")))
        j = json_incref(json_at(whole, "image_processor"));
    json_decref(whole);
    return j;
}

bool convert_has_recipe(conversion *c)
{
    json_t *j = open_recipe(c);
    bool found = j != NULL;
    json_decref(j);
    return found;
}

bool convert_read_recipe(conversion *c, bool needed, picture_recipe *r)
{
    enum { BILINEAR = 2, BICUBIC = 3 }; /* Pillow's numbers */
    json_t *j = open_recipe(c);
    bool found = j != NULL;
    if (needed && !j)
        convert_fail(c, RAP_E_ARGUMENT,
                     "needs the %s (or %s) that is published with it, in the same folder",
                     FILE_NAME, WHOLE_NAME);
    if (c->status == RAP_OK && j) {
        int filter = read_int(c, j, "resample", strcmp(r->interpolation, "bilinear") ? 3 : 2, 9);
        if (filter != BILINEAR && filter != BICUBIC)
            refuse(c, "its resampling is neither bilinear nor bicubic");
        r->interpolation = filter == BILINEAR ? "bilinear" : "bicubic";
        read_sizes(c, j, r);
        read_colours(c, j, r);
        if (read_bool(c, j, "do_pad", false))
            refuse(c, "pictures are not padded (do_pad)");
    }
    json_decref(j);
    return found;
}

const char *convert_recipe_text(char out[200], const picture_recipe *r)
{
    snprintf(out, 200,
             "mean %.3g %.3g %.3g and deviation %.3g %.3g %.3g of the colours, pictures scaled to "
             "%d and cropped to %d pixels",
             (double)r->mean[0], (double)r->mean[1], (double)r->mean[2], (double)r->std[0],
             (double)r->std[1], (double)r->std[2], r->resize, r->size);
    return out;
}

static void put_text(conversion *c, const char *keys, const char *name, const char *text)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", keys, name);
    gguf_put_string(c->out, key, text, strlen(text));
}

bool convert_colours_given(const conversion *c)
{
    return c->options->std[0] > 0;
}

void convert_put_recipe(conversion *c, const char *keys, const picture_recipe *r)
{
    char key[96];
    bool given = convert_colours_given(c);
    snprintf(key, sizeof key, "%s.image_size", keys);
    gguf_put_int(c->out, key, (uint32_t)r->size);
    snprintf(key, sizeof key, "%s.image_mean", keys);
    gguf_put_floats(c->out, key, given ? c->options->mean : r->mean, 3);
    snprintf(key, sizeof key, "%s.image_std", keys);
    gguf_put_floats(c->out, key, given ? c->options->std : r->std, 3);
    put_text(c, keys, "resize", r->squash ? "squash" : "shortest");
    snprintf(key, sizeof key, "%s.resize_size", keys);
    gguf_put_int(c->out, key, (uint32_t)r->resize);
    put_text(c, keys, "interpolation", r->interpolation);
    put_text(c, keys, "crop", r->floor ? "center_floor" : "center");
}
