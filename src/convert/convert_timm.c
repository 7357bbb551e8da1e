/* convert_timm.c: what timm's config.json tells beyond the tensors: how pictures are prepared, and what
 * timm's own code knows by a model's name. Without the file timm's standard ViT is assumed. */
#include "convert/convert_inside.h"
#include "formats/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *text(conversion *c, const char *field, const char *fallback)
{
    convert_config_string(c, field, &fallback);
    return fallback;
}

/* [3, side, side] */
static void read_size(conversion *c, picture_recipe *r)
{
    const json_t *array = json_at(c->config, "pretrained_cfg.input_size");
    if (!array)
        return;
    json_int_t side = json_integer_value(json_array_get(array, 1));
    if (json_array_size(array) != 3 || json_integer_value(json_array_get(array, 0)) != 3 ||
        side != json_integer_value(json_array_get(array, 2)) || side < 1 || side > 1024) {
        convert_fail(
            c, RAP_E_UNSUPPORTED,
            "config.json: pretrained_cfg.input_size is not 3 planes of a square up to 1024");
        return;
    }
    r->size = (int)side;
    r->resize = (int)side;
}

static void read_crop(conversion *c, picture_recipe *r)
{
    const json_t *part = json_at(c->config, "pretrained_cfg.crop_pct");
    const char *mode = text(c, "pretrained_cfg.crop_mode", "center");
    if (part) {
        double share = json_number_value(part);
        if (!(share >= 0.5 && share <= 1))
            convert_fail(c, RAP_E_FORMAT, "config.json: pretrained_cfg.crop_pct is not 0.5 to 1");
        else
            r->resize = (int)floor(r->size / share), r->share = share;
    }
    r->squash = !strcmp(mode, "squash");
    if (!r->squash && strcmp(mode, "center"))
        convert_fail(c, RAP_E_UNSUPPORTED, "config.json: unknown crop_mode '%.40s'", mode);
}

void convert_timm_recipe(conversion *c, picture_recipe *r)
{
    if (!json_is_object(json_object_get(c->config, "pretrained_cfg")))
        return;
    r->interpolation = text(c, "pretrained_cfg.interpolation", r->interpolation);
    if (strcmp(r->interpolation, "bicubic") && strcmp(r->interpolation, "bilinear"))
        convert_fail(c, RAP_E_UNSUPPORTED, "config.json: unknown interpolation '%.40s'",
                     r->interpolation);
    read_size(c, r);
    read_crop(c, r);
    convert_json_triple(c, c->config, "config.json", "pretrained_cfg.mean", -10, r->mean);
    convert_json_triple(c, c->config, "config.json", "pretrained_cfg.std", 1e-3f, r->std);
}

/* Heads are 64 wide, but in the models of these widths. */
static int64_t usual_heads(const char *name, int64_t width)
{
    switch (width) {
    case 1152:
    case 1280:
    case 1408:
    case 1664:
        return 16;
    case 1536:
        return strstr(name, "siglip") ? 16 : 24;
    default:
        return width / 64;
    }
}

int convert_timm_heads(conversion *c, int64_t width)
{
    int heads = (int)usual_heads(text(c, "architecture", ""), width);
    convert_config_int(c, "model_args.num_heads", 1, 256, &heads);
    return heads;
}

const char *convert_timm_act(conversion *c)
{
    static const char *const with_tanh[] = {
        "base_patch32_siglip",   "large_patch16_siglip_512", "large_patch16_siglip_gap_512",
        "so400m_patch16_siglip", "giantopt_patch16_siglip",
    };
    const char *name = text(c, "architecture", ""), *fallback = "gelu";
    if (strstr(name, "quickgelu"))
        fallback = "quick_gelu";
    for (size_t i = 0; i < sizeof with_tanh / sizeof *with_tanh; i++)
        if (strstr(name, with_tanh[i]))
            fallback = "gelu_tanh";
    return convert_config_act(c, "model_args.act_layer", fallback);
}
