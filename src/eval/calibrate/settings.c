/* settings.c: reads and writes the retrieval settings of a profile.json. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/profile.h"
#include "eval/calibrate/calibrate.h"
#include "formats/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS_LIMIT (1u << 20) /* bytes of a profile.json */
#define SETTINGS_DIGITS 15        /* that survive a round trip through a double */
#define SETTINGS_CENTER "\"@center@\""
#define SETTINGS_SCATTER "\"@scatter@\""

rap_status calibrate_profile_read(calibrate_fit *out, char **out_path, int *out_k,
                                  const calibrate_models *models, rap_err *err)
{
    profile *p = NULL;
    rap_status status = profile_open(&p, models->profile, err);

    memset(out, 0, sizeof *out);
    *out_path = NULL;
    if (status != RAP_OK)
        return status;
    *out_k = p->k;
    out->inner = p->crop.inner;
    out->crops = embed_crops(&p->crop);
    out->threshold = p->threshold;
    out->crowding = p->crowding;
    out->ambiguity = p->ambiguity;
    out->dim = p->center ? p->center_dim : p->scatter_dim;
    *out_path = mem_string(p->file);
    if (p->center)
        out->center = mem_copy(p->center, (size_t)p->center_dim * sizeof *p->center);
    if (p->scatter)
        out->scatter =
            mem_copy(p->scatter, (size_t)p->axes * (size_t)p->scatter_dim * sizeof *p->scatter);
    out->axes = p->axes;
    if (!*out_path || (p->center && !out->center) || (p->scatter && !out->scatter))
        status = err_memory(err, "reading a profile");
    profile_close(p);
    return status;
}

rap_status calibrate_spare(const char *out, const char *profile_name, rap_err *err)
{
    profile *p = NULL;
    rap_status status = out ? profile_open(&p, profile_name, err) : RAP_OK;

    if (status == RAP_OK && out)
        status = profile_spare(p, out, err);
    profile_close(p);
    return status;
}

static json_t *rounded(double value, double steps)
{
    return json_real(round(value * steps) / steps);
}

/* A field that is unchanged keeps its digits; 0, the default, is left out. */
static int put(json_t *object, const char *field, float value)
{
    if ((float)json_number_value(json_object_get(object, field)) == value && value > 0)
        return 0;
    if (value > 0)
        return json_object_set_new(object, field, rounded((double)value, 1e4));
    json_object_del(object, field);
    return 0;
}

/* The list of numbers on one line. */
static void put_numbers(buf *text, const float *x, int count)
{
    buf_putc(text, '[');
    for (int i = 0; i < count; i++)
        buf_printf(text, "%s%.5g", i ? ", " : "", round((double)x[i] * 1e5) / 1e5);
    buf_putc(text, ']');
}

static void put_rows(buf *text, const float *x, int rows, int count)
{
    buf_putc(text, '[');
    for (int i = 0; i < rows; i++) {
        buf_puts(text, i ? ",\n      " : "\n      ");
        put_numbers(text, x + (size_t)i * (size_t)count, count);
    }
    buf_puts(text, "\n    ]");
}

static int put_all(json_t *retrieval, const calibrate_fit *fit)
{
    int bad = json_object_set_new(retrieval, "threshold", rounded((double)fit->threshold, 1e4));

    bad |= put(retrieval, "crowding", fit->crowding);
    bad |= put(retrieval, "inner_crop", fit->crops > 1 ? fit->inner : 0);
    json_object_del(retrieval, "inner_cuts"); /* its name in older profiles */
    if (fit->crops > 2)
        bad |= json_object_set_new(retrieval, "inner_crop_count", json_integer(fit->crops - 1));
    else
        json_object_del(retrieval, "inner_crop_count");
    json_object_del(retrieval, "center");
    json_object_del(retrieval, "spread");
    if (fit->center)
        bad |= json_object_set_new(retrieval, "center", json_string("@center@"));
    if (fit->scatter)
        bad |= json_object_set_new(retrieval, "spread", json_string("@scatter@"));
    return bad;
}

/* Adds the text up to the mark and returns what follows it, or returns the text if there is no mark. */
static const char *put_up_to(buf *out, const char *text, const char *mark)
{
    const char *at = strstr(text, mark);

    if (!at)
        return text;
    buf_add(out, text, (size_t)(at - text));
    return at + strlen(mark);
}

/* The document as text, with the vectors in place of their marks, which are the last fields, in this order. */
static rap_status write_text(const char *to, json_t *root, const calibrate_fit *fit, rap_err *err)
{
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(SETTINGS_DIGITS));
    const char *rest = text;
    buf out = BUF_INIT;
    rap_status status;

    if (!text)
        return err_memory(err, "writing a profile");
    if (fit->center) {
        rest = put_up_to(&out, rest, SETTINGS_CENTER);
        put_numbers(&out, fit->center, fit->dim);
    }
    if (fit->scatter) {
        rest = put_up_to(&out, rest, SETTINGS_SCATTER);
        put_rows(&out, fit->scatter, fit->axes, fit->dim);
    }
    buf_puts(&out, rest);
    buf_putc(&out, '\n');
    status = buf_failed(&out) ? err_memory(err, "writing a profile")
                              : file_write(to, out.data, out.len, err);
    buf_release(&out);
    free(text);
    return status;
}

rap_status calibrate_profile_write(const calibrate_fit *fit, const calibrate_verified *verified,
                                   const char *from, const char *to, rap_err *err)
{
    json_t *root = NULL, *retrieval;
    rap_status status = json_read(&root, from, SETTINGS_LIMIT, err);

    if (status != RAP_OK)
        return status;
    retrieval = json_object_get(root, "retrieval");
    if (!json_is_object(retrieval)) {
        retrieval = json_object();
        json_object_set_new(root, "retrieval", retrieval);
    }
    if (verified && retrieval) /* 0 is not its default */
        json_object_set_new(retrieval, "verify_threshold",
                            rounded((double)verified->threshold, 1e4));
    status = retrieval && put_all(retrieval, fit) == 0 ? write_text(to, root, fit, err)
                                                       : err_memory(err, "writing a profile");
    json_decref(root);
    return status;
}
