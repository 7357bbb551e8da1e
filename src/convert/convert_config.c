/* convert_config.c: what the config.json beside a checkpoint says. It is used only where the tensors
 * cannot tell (heads, activation, epsilon); where they can, both must agree. */
#include "convert/convert_inside.h"
#include "formats/json.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

bool convert_config_is(const conversion *c, const char *field, const char *text)
{
    const json_t *value = json_at(c->config, field);
    return json_is_string(value) && !strcmp(json_string_value(value), text);
}

void convert_config_int(conversion *c, const char *field, int low, int high, int *out)
{
    if (c->status == RAP_OK && c->config)
        c->status = json_get_int(out, c->config, field, low, high, c->config_path, c->err);
}

void convert_config_float(conversion *c, const char *field, float low, float high, float *out)
{
    if (c->status == RAP_OK && c->config)
        c->status = json_get_float(out, c->config, field, low, high, c->config_path, c->err);
}

void convert_config_string(conversion *c, const char *field, const char **out)
{
    if (c->status == RAP_OK && c->config)
        c->status = json_get_string(out, c->config, field, c->config_path, c->err);
}

void convert_config_agrees(conversion *c, const char *field, int64_t tensors_say)
{
    int said = (int)tensors_say;
    convert_config_int(c, field, INT_MIN, INT_MAX, &said);
    if (c->status == RAP_OK && said != tensors_say)
        c->status = err_set(c->err, RAP_E_FORMAT, "%s: \"%s\" is %d, but the tensors say %" PRId64,
                            c->config_path, field, said, tensors_say);
}

const char *convert_config_act(conversion *c, const char *field, const char *fallback)
{
    static const char *const known[][2] = {
        { "gelu", "gelu" },
        { "gelu_pytorch_tanh", "gelu_tanh" },
        { "gelu_new", "gelu_tanh" },
        { "gelu_tanh", "gelu_tanh" },
        { "quick_gelu", "quick_gelu" },
        { "silu", "silu" },
    };
    const char *name = fallback;
    convert_config_string(c, field, &name);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(name, known[i][0]))
            return known[i][1];
    if (c->status == RAP_OK)
        c->status = err_set(c->err, RAP_E_UNSUPPORTED, "%s: unknown activation '%.40s'",
                            c->config_path, name);
    return fallback;
}
