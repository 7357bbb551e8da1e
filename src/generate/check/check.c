/* check.c: the checks that every kind of model file shares: one tensor, one number, all types. */
#include "generate/check/check.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

enum { TYPE_F32 = 0, TYPE_F16 = 1, TYPE_Q8_1 = 9, TYPE_Q8_K = 15, TYPE_I8 = 24, TYPE_F64 = 28 };

/* Types that only hold intermediate results or whole numbers cannot be a product's weight. */
static bool is_computable(int type)
{
    return type != TYPE_Q8_1 && type != TYPE_Q8_K && (type < TYPE_I8 || type > TYPE_F64);
}

static bool fits_role(const gguf_tensor *t, check_role role)
{
    switch (role) {
    case CHECK_VECTOR:
        return t->type == TYPE_F32;
    case CHECK_KERNEL:
        return t->type == TYPE_F32 || t->type == TYPE_F16;
    default:
        return is_computable(t->type);
    }
}

static bool fits_shape(const gguf_tensor *t, int dims, const int64_t *ne)
{
    for (int i = 0; i < 4; i++) {
        int64_t want = i < dims ? ne[i] : 1;

        if (want != CHECK_ANY && t->ne[i] != want)
            return false;
    }
    return true;
}

/* "[96, 37]", with a star for a free side. */
static void write_shape(char *out, size_t size, int dims, const int64_t *ne)
{
    size_t at = 0;

    for (int i = 0; i < dims && at < size; i++) {
        const char *before = i ? ", " : "[";
        int n = ne[i] == CHECK_ANY ? snprintf(out + at, size - at, "%s*", before)
                                   : snprintf(out + at, size - at, "%s%" PRId64, before, ne[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    if (at < size)
        snprintf(out + at, size - at, "]");
}

rap_status check_optional(const gguf_file *g, const char *name, check_role role, int dims,
                          const int64_t *ne, rap_err *err)
{
    const gguf_tensor *t = gguf_find(g, name);
    char is[112], want[112];

    if (!t)
        return RAP_OK;
    if (!fits_shape(t, dims, ne)) {
        write_shape(is, sizeof is, t->dims, t->ne);
        write_shape(want, sizeof want, dims, ne);
        return err_set(err, RAP_E_FORMAT, "%s: tensor '%s' is %s, its header asks for %s",
                       gguf_file_path(g), name, is, want);
    }
    if (!fits_role(t, role))
        return err_set(err, RAP_E_FORMAT, "%s: tensor '%s' has type %d, which cannot be used there",
                       gguf_file_path(g), name, t->type);
    return RAP_OK;
}

rap_status check_tensor(const gguf_file *g, const char *name, check_role role, int dims,
                        const int64_t *ne, rap_err *err)
{
    if (!gguf_find(g, name))
        return err_set(err, RAP_E_FORMAT, "%s: has no tensor '%s'", gguf_file_path(g), name);
    return check_optional(g, name, role, dims, ne, err);
}

rap_status check_types(const gguf_file *g, rap_err *err)
{
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);

        if (!fits_role(t, t->dims == 1 ? CHECK_VECTOR : CHECK_MATRIX))
            return err_set(err, RAP_E_FORMAT,
                           "%s: tensor '%s' has type %d, which cannot be used there",
                           gguf_file_path(g), t->name, t->type);
    }
    return RAP_OK;
}

rap_status check_int(const gguf_file *g, const char *key, int64_t low, int64_t high, int64_t *out,
                     rap_err *err)
{
    rap_status status = gguf_get_int(g, key, out, err);

    if (status)
        return status;
    if (*out < low || *out > high)
        return err_set(err, RAP_E_FORMAT,
                       "%s: '%s' is %" PRId64 ", which is not between %" PRId64 " and %" PRId64,
                       gguf_file_path(g), key, *out, low, high);
    return RAP_OK;
}

rap_status check_int_or(const gguf_file *g, const char *key, int64_t fallback, int64_t low,
                        int64_t high, int64_t *out, rap_err *err)
{
    *out = fallback;
    return gguf_has(g, key) ? check_int(g, key, low, high, out, err) : RAP_OK;
}
