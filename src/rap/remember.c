/* remember.c: picture + name + info ──► store, and the calls that change what is stored. */
#include "rap/inside.h"

static rap_status remember(rap *r, const rap_concept *concept, int64_t *out_id)
{
    store_concept texts = { concept->name, concept->category, concept->info, concept->aliases };
    seen_view seen = { 0 };
    rap_status status = view_open(&seen, r, &concept->image, concept->box);

    if (status == RAP_OK)
        status = store_add(r->store, out_id, &texts, &seen.view, &seen.vector, &r->err);
    view_close(&seen);
    return status;
}

rap_status rap_remember(int64_t *out, rap *r, const rap_concept *concept)
{
    int64_t id = 0;
    rap_status status;

    if (!rap_ready(r) || !concept)
        return RAP_E_ARGUMENT;
    if (!image_given(&concept->image))
        return err_set(&r->err, RAP_E_ARGUMENT, "remembering needs a picture");
    status = remember(r, concept, &id);
    if (out)
        *out = status == RAP_OK ? id : 0;
    return status;
}

rap_status rap_update(rap *r, const char *name, const rap_concept *change)
{
    seen_view seen = { 0 };
    store_concept texts;
    int given;
    rap_status status = RAP_OK;

    if (!rap_ready(r) || !name || !change)
        return RAP_E_ARGUMENT;
    texts = (store_concept){ change->name, change->category, change->info, change->aliases };
    given = image_given(&change->image);
    if (given)
        status = view_open(&seen, r, &change->image, change->box);
    if (status == RAP_OK)
        status = store_update(r->store, name, &texts, given ? &seen.view : NULL,
                              given ? &seen.vector : NULL, &r->err);
    view_close(&seen);
    return status;
}

rap_status rap_add_view(rap *r, const char *name, const rap_image *source, rap_box box)
{
    seen_view seen = { 0 };
    rap_status status;

    if (!rap_ready(r) || !name)
        return RAP_E_ARGUMENT;
    if (!image_given(source))
        return err_set(&r->err, RAP_E_ARGUMENT, "a view needs a picture");
    status = view_open(&seen, r, source, box);
    if (status == RAP_OK)
        status = store_add_view(r->store, name, &seen.view, &seen.vector, &r->err);
    view_close(&seen);
    return status;
}

rap_status rap_correct(rap *r, const char *name, const rap_image *source, rap_box box, int is_it)
{
    seen_view seen = { 0 };
    rap_status status;

    if (is_it)
        return rap_add_view(r, name, source, box);
    if (!rap_ready(r) || !name)
        return RAP_E_ARGUMENT;
    if (!image_given(source))
        return err_set(&r->err, RAP_E_ARGUMENT, "a correction needs a picture");
    status = view_open(&seen, r, source, box);
    if (status == RAP_OK)
        status = store_add_refusal(r->store, name, &seen.view, &seen.vector, &r->err);
    view_close(&seen);
    return status;
}
