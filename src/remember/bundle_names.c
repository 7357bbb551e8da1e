/* bundle_names.c: see bundle_names.h. */
#include "remember/bundle_names.h"

#include "base/mem.h"
#include "base/text_fold.h"
#include "remember/refold.h"
#include "remember/schema.h"

#include <stdlib.h>

void bundle_names_init(bundle_names *out)
{
    *out = (bundle_names){ .seen = NULL };
}

rap_status bundle_names_start(bundle_names *n, db *from, rap_err *err)
{
    int64_t version = 0;
    rap_status status = db_int(&version, NULL, from, err, "PRAGMA user_version", "");

    if (status != RAP_OK || version >= SCHEMA_FOLDED)
        return status;
    n->seen = json_object();
    return n->seen ? RAP_OK : err_memory(err, "reading names");
}

static void clear(bundle_names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->text[i]);
    free(n->text);
    free((void *)n->aliases);
    n->text = NULL;
    n->aliases = NULL;
    n->count = 0;
}

void bundle_names_release(bundle_names *n)
{
    clear(n);
    json_decref(n->seen);
    n->seen = NULL;
}

static rap_status taken_by_another(bool *out, const char *folded, void *payload, rap_err *err)
{
    const bundle_names *n = payload;
    const json_t *owner = json_object_get(n->seen, folded);

    (void)err;
    *out = owner && json_integer_value(owner) != n->number;
    return RAP_OK;
}

/* *out is NULL if the concept itself already has this name. */
static rap_status settle_one(const char **out, bundle_names *n, const char *text, rap_err *err)
{
    char *plain = NULL, *folded = NULL;
    rap_status status = refold_free_name(&plain, &folded, text, taken_by_another, n, err);

    *out = NULL;
    if (status != RAP_OK)
        return status;
    if (json_object_get(n->seen, folded)) {
        free(plain);
    } else {
        *out = n->text[n->count++] = plain;
        if (json_object_set_new(n->seen, folded, json_integer(n->number)) != 0)
            status = err_memory(err, "reading names");
    }
    free(folded);
    return status;
}

rap_status bundle_names_settle(bundle_names *n, store_concept *c, rap_err *err)
{
    size_t count = 0, kept = 0;
    rap_status status;

    if (!n->seen)
        return RAP_OK;
    clear(n);
    n->number++;
    while (c->aliases && c->aliases[count])
        count++;
    n->text = mem_array(count + 1, sizeof *n->text);
    n->aliases = mem_array(count + 1, sizeof *n->aliases);
    if (!n->text || !n->aliases)
        return err_memory(err, "reading names");
    status = settle_one(&c->name, n, c->name, err);
    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        status = settle_one(&n->aliases[kept], n, c->aliases[i], err);
        kept += n->aliases[kept] != NULL;
    }
    c->aliases = n->aliases;
    return status;
}
