/* json.c: parsing, dotted paths, typed getters. */
#include "formats/json.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Names the file's actual kind if it is not JSON at all; otherwise reports jansson's message. */
static rap_status refuse(const char *text, size_t len, const char *name, const json_error_t *why,
                         rap_err *err)
{
    file_kind kind = file_kind_of(text, len);
    const char *phrase = file_kind_phrase(kind);
    if (!*why->text) /* jansson leaves this empty when out of memory */
        return err_memory(err, "reading JSON");
    if (phrase && kind != FILE_KIND_JSON && kind != FILE_KIND_TEXT)
        return err_set(err, RAP_E_FORMAT, "%s: not JSON: it %s", name, phrase);
    return err_set(err, RAP_E_FORMAT, "%s: not valid JSON: %s (line %d)%s", name, why->text,
                   why->line,
                   json_error_code(why) == json_error_invalid_utf8 ? "; save it as UTF-8" : "");
}

rap_status json_parse_any(json_t **out, const char *text, size_t len, const char *name,
                          rap_err *err)
{
    json_error_t why;

    size_t mark = file_kind_mark(text, len); /* some editors write one */
    text += mark;
    len -= mark;
    *out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!*out && *why.text) /* when out of memory inside a token, jansson blames the token */
        *out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    return *out ? RAP_OK : refuse(text, len, name, &why, err);
}

static rap_status object_only(json_t **root, const char *name, rap_err *err)
{
    if (json_is_object(*root))
        return RAP_OK;
    json_decref(*root);
    *root = NULL;
    return err_set(err, RAP_E_FORMAT, "%s: the JSON is not an object", name);
}

rap_status json_parse(json_t **out, const char *text, size_t len, const char *name, rap_err *err)
{
    rap_status status = json_parse_any(out, text, len, name, err);
    return status == RAP_OK ? object_only(out, name, err) : status;
}

rap_status json_read_any(json_t **out, const char *path, size_t limit, rap_err *err)
{
    char *text = NULL;
    size_t size = 0;
    rap_status status;

    *out = NULL;
    status = file_read(&text, &size, path, limit, err);
    if (status == RAP_OK)
        status = json_parse_any(out, text, size, path, err);
    free(text);
    return status;
}

rap_status json_read(json_t **out, const char *path, size_t limit, rap_err *err)
{
    rap_status status = json_read_any(out, path, limit, err);
    return status == RAP_OK ? object_only(out, path, err) : status;
}

json_t *json_at(const json_t *root, const char *field)
{
    json_t *value = (json_t *)root; /* jansson's getters do not accept const */

    while (value && *field) {
        size_t len = strcspn(field, ".");
        char key[64];

        if (len >= sizeof key)
            return NULL;
        memcpy(key, field, len);
        key[len] = '\0';
        value = json_object_get(value, key);
        field += len + (field[len] == '.');
    }
    return json_is_null(value) ? NULL : value;
}

static rap_status wrong_type(const char *file, const char *field, const char *wanted, rap_err *err)
{
    return err_set(err, RAP_E_FORMAT, "%s: \"%s\" is not %s", file, field, wanted);
}

rap_status json_get_string(const char **out, const json_t *root, const char *field,
                           const char *file, rap_err *err)
{
    json_t *value = json_at(root, field);

    if (!value)
        return RAP_OK;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return wrong_type(file, field, "a text", err);
    *out = json_string_value(value);
    return RAP_OK;
}

rap_status json_get_bool(bool *out, const json_t *root, const char *field, const char *file,
                         rap_err *err)
{
    json_t *value = json_at(root, field);

    if (!value)
        return RAP_OK;
    if (!json_is_boolean(value))
        return wrong_type(file, field, "true or false", err);
    *out = json_is_true(value);
    return RAP_OK;
}

rap_status json_get_int(int *out, const json_t *root, const char *field, int low, int high,
                        const char *file, rap_err *err)
{
    json_t *value = json_at(root, field);

    if (!value)
        return RAP_OK;
    if (!json_is_integer(value))
        return wrong_type(file, field, "a whole number", err);
    if (json_integer_value(value) < low || json_integer_value(value) > high)
        return err_set(err, RAP_E_FORMAT, "%s: \"%s\" is outside %d to %d", file, field, low, high);
    *out = (int)json_integer_value(value);
    return RAP_OK;
}

rap_status json_get_float(float *out, const json_t *root, const char *field, float low, float high,
                          const char *file, rap_err *err)
{
    json_t *value = json_at(root, field);
    double number;

    if (!value)
        return RAP_OK;
    if (!json_is_number(value))
        return wrong_type(file, field, "a number", err);
    number = json_number_value(value);
    if (!(number >= low && number <= high))
        return err_set(err, RAP_E_FORMAT, "%s: \"%s\" is outside %g to %g", file, field, low, high);
    *out = (float)number;
    return RAP_OK;
}

json_t *json_any_text(const char *text)
{
    buf b = BUF_INIT;
    json_t *value;
    unsigned code;

    if (!text)
        return json_null();
    if (text_is_utf8(text))
        return json_string(text);
    while (*text) {
        size_t used = text_decode(&code, text);

        buf_add(&b, used ? text : "\xEF\xBF\xBD", used ? used : 3);
        text += used ? used : 1;
    }
    value = buf_failed(&b) ? NULL : json_string(buf_text(&b));
    buf_release(&b);
    return value;
}

json_t *json_any_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

char *json_text(const json_t *value)
{
    return json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
}
