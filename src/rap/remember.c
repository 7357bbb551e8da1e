/* remember.c: picture + name + info ──► store, and the calls that change what is stored. */
#include "rap/view.h"

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
        return err_set(&r->err, RAP_E_ARGUMENT, "rap_remember() needs a picture");
    status = remember(r, concept, &id);
    if (out)
        *out = status == RAP_OK ? id : 0;
    return status;
}

/* A picture of the change, if one is given. */
static rap_status open_given(seen_view *out, rap *r, const rap_image *source, rap_box box)
{
    return image_given(source) ? view_open(out, r, source, box) : RAP_OK;
}

rap_status rap_update(rap *r, const char *name, const rap_change *change)
{
    seen_view avatar = { 0 }, view = { 0 };
    store_change into;
    rap_status status;

    if (!rap_ready(r) || !name || !change)
        return RAP_E_ARGUMENT;
    into = (store_change){ .name = change->name,
                           .category = change->category,
                           .info = change->info,
                           .aliases = change->aliases,
                           .add_alias = change->add_aliases,
                           .remove_alias = change->remove_aliases };
    status = open_given(&avatar, r, &change->avatar, change->avatar_box);
    if (status == RAP_OK)
        status = open_given(&view, r, &change->view, change->view_box);
    if (image_given(&change->avatar)) {
        into.avatar = &avatar.view;
        into.avatar_vector = &avatar.vector;
    }
    if (image_given(&change->view)) {
        into.view = &view.view;
        into.view_vector = &view.vector;
    }
    if (status == RAP_OK)
        status = handle_changed(r, store_update(r->store, name, &into, &r->err));
    view_close(&avatar);
    view_close(&view);
    return status;
}

rap_status rap_add_view(rap *r, const char *name, const rap_image *source, rap_box box)
{
    seen_view seen = { 0 };
    rap_status status;

    if (!rap_ready(r) || !name)
        return RAP_E_ARGUMENT;
    if (!image_given(source))
        return err_set(&r->err, RAP_E_ARGUMENT, "rap_add_view() needs a picture");
    status = view_open(&seen, r, source, box);
    if (status == RAP_OK)
        status = store_add_view(r->store, name, &seen.view, &seen.vector, &r->err);
    view_close(&seen);
    return status;
}
