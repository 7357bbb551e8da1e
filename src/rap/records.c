/* records.c: the calls that only use the store: find, list, aliases, forget. */
#include "rap/handle.h"

#include "base/mem.h"

#include <stdlib.h>

rap_status rap_add_alias(rap *r, const char *name, const char *alias)
{
    if (!rap_ready(r) || !name || !alias)
        return RAP_E_ARGUMENT;
    return store_add_alias(r->store, name, alias, &r->err);
}

rap_status rap_remove_alias(rap *r, const char *name, const char *alias)
{
    if (!rap_ready(r) || !name || !alias)
        return RAP_E_ARGUMENT;
    return store_remove_alias(r->store, name, alias, &r->err);
}

rap_status rap_forget(rap *r, const char *name)
{
    if (!rap_ready(r) || !name)
        return RAP_E_ARGUMENT;
    return handle_changed(r, store_forget(r->store, name, &r->err));
}

rap_status rap_forget_all(rap *r, const char *const *wanted)
{
    if (!rap_ready(r) || !wanted)
        return RAP_E_ARGUMENT;
    return handle_changed(r, store_forget_all(r->store, wanted, &r->err));
}

rap_status rap_find(rap_record **out, rap *r, const char *name)
{
    if (out)
        *out = NULL;
    if (!rap_ready(r) || !name || !out)
        return RAP_E_ARGUMENT;
    return store_find(r->store, name, out, &r->err);
}

void rap_record_free(rap_record *record)
{
    if (record)
        store_record_free(record);
}

rap_status rap_each(rap *r, const char *search, rap_on_record *on_record, void *payload)
{
    return rap_each_after(r, NULL, search, on_record, payload);
}

rap_status rap_each_after(rap *r, const char *after, const char *search, rap_on_record *on_record,
                          void *payload)
{
    if (!rap_ready(r) || !on_record)
        return RAP_E_ARGUMENT;
    return store_each_after(r->store, after, search, on_record, payload, &r->err);
}

rap_status rap_avatar(void **out, size_t *out_size, rap *r, const char *name)
{
    store_picture avatar = { 0 };
    rap_record *record = NULL;
    rap_status status;

    if (out)
        *out = NULL;
    if (!rap_ready(r) || !name || !out || !out_size)
        return RAP_E_ARGUMENT;
    *out_size = 0;
    status = store_find(r->store, name, &record, &r->err);
    if (status == RAP_OK)
        status = store_avatar(r->store, record->id, &avatar, &r->err);
    if (status == RAP_OK) {
        *out = avatar.bytes; /* moved */
        *out_size = avatar.size;
    }
    rap_record_free(record);
    return status;
}
