/* remember.c: picture + name + info ──► store, and the calls that change what is stored. */
#include "rap/view.h"

#include "base/mem.h"

#include <stdlib.h>

typedef struct seen_views { /* [count], the avatar first */
    seen_view *seen;
    store_view *view;
    store_vector *vector;
    size_t count;
} seen_views;

static void views_close(seen_views *v)
{
    for (size_t i = 0; i < v->count; i++)
        view_close(&v->seen[i]);
    free(v->seen);
    free(v->view);
    free(v->vector);
}

/* Keeps the bytes and the vectors; the pixels of one picture at a time. */
static rap_status views_open(seen_views *out, rap *r, const rap_concept *concept)
{
    const rap_box whole = { 0, 0, 0, 0 };
    size_t count = (size_t) concept->view_count + 1;
    rap_status status = RAP_OK;

    out->seen = mem_array(count, sizeof *out->seen);
    out->view = mem_array(count, sizeof *out->view);
    out->vector = mem_array(count, sizeof *out->vector);
    if (!out->seen || !out->view || !out->vector)
        return err_memory(&r->err, "remembering a concept");
    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        seen_view *one = &out->seen[out->count++];

        status = i == 0 ? view_open(one, r, &concept->image, concept->box)
                        : view_open(one, r, &concept->views[i - 1], whole);
        image_release(&one->picture.pixels);
        out->view[i] = one->view;
        out->vector[i] = one->vector;
    }
    return status;
}

static rap_status remember(rap *r, const rap_concept *concept, int64_t *out_id)
{
    const store_concept texts = { concept->name, concept->category, concept->info, concept->aliases,
                                  concept->automatic };
    seen_views views = { .count = 0 };
    rap_status status = views_open(&views, r, concept);

    if (status == RAP_OK)
        status = store_add_views(r->store, out_id, &texts, views.view, views.vector, views.count,
                                 &r->err);
    views_close(&views);
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
    if (concept->view_count < 0 || (concept->view_count > 0 && !concept->views))
        return err_set(&r->err, RAP_E_ARGUMENT, "%d further pictures make no sense",
                       concept->view_count);
    if (concept->view_count >= STORE_MAX_VIEWS)
        return err_set(&r->err, RAP_E_LIMIT,
                       "a concept is remembered with at most %d pictures, got %d", STORE_MAX_VIEWS,
                       concept->view_count + 1);
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
                           .automatic = change->automatic,
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
