/* material.c: pictures out of the store and of folders.
 *
 * Reading order: one picture (add_picture) with its changed copies, where the concept is in it (nearest_region), the views of a
 * concept, a folder of pictures, then the negatives. */
#include "train/concept/material.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "dataset/random.h"
#include "dataset/source.h"
#include "formats/json.h"
#include "image/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COPIES = 3, TEXT_BYTES = 1 << 20 };

/* ---- one picture ---- */

static void picture_free(material_picture *p)
{
    image_release(&p->pixels);
    photo_rows_release(&p->shown);
    free(p->caption);
    free(p->feature);
}

static void to_length_one(float *x, int dim)
{
    double sum = 0;

    for (int i = 0; i < dim; i++)
        sum += (double)x[i] * (double)x[i];
    for (int i = 0; i < dim && sum > 0; i++)
        x[i] = (float)((double)x[i] / sqrt(sum));
}

/* A copy as another photo of the same thing might be: mirrored, turned, in another light. */
static rap_status changed(image *out, const image *im, int which, rap_err *err)
{
    rap_status status = which == 1 ? image_rotate(out, im, 8, err) : image_copy(out, im, err);

    if (status)
        return status;
    if (which == 0)
        image_mirror(out);
    if (which == 1)
        image_color(out, 1.1, 0.95, 1.1);
    if (which == 2)
        image_color(out, 0.85, 1.1, 0.9);
    return RAP_OK;
}

/* The features of the box, and with `augment` of changed copies of it. */
static rap_status features_of_box(material_picture *p, school *s, const image *im, rap_box box,
                                  bool augment, rap_err *err)
{
    const rap_box whole = { 0, 0, 0, 0 };
    int dim = encoder_dim(s->encoder), count = augment ? 1 + COPIES : 1;
    image crop = { 0 };
    rap_status status;

    p->feature = mem_array((size_t)(count * dim), sizeof *p->feature);
    if (!p->feature)
        return err_memory(err, "encoding a picture");
    status = embed_boxes(p->feature, s->encoder, im, &box, 1, &s->profile->crop, err);
    if (!status && augment)
        status = embed_crop_box(&crop, im, box, &s->profile->crop, err);
    for (int i = 1; !status && i < count; i++) {
        image copy = { 0 };

        status = changed(&copy, &crop, i - 1, err);
        if (!status)
            status = embed_boxes(p->feature + i * dim, s->encoder, &copy, &whole, 1,
                                 &s->profile->crop, err);
        image_release(&copy);
    }
    image_release(&crop);
    for (int i = 0; i < count; i++)
        to_length_one(p->feature + i * dim, dim);
    p->features = status ? 0 : count;
    return status;
}

static rap_status features_of_regions(material_picture *p, school *s, const image *im, rap_err *err)
{
    int dim = encoder_dim(s->encoder);
    sighting seen;
    rap_status status = retriever_look(s->retriever, im, RAP_POLICY_DEFAULT, &seen, err);

    if (status)
        return status;
    p->feature = mem_copy(seen.feature, (size_t)(seen.count * dim) * sizeof *p->feature);
    p->features = p->feature ? seen.count : 0;
    for (int i = 0; i < p->features; i++)
        to_length_one(p->feature + i * dim, dim);
    sighting_release(&seen);
    return p->feature ? RAP_OK : err_memory(err, "encoding a picture");
}

static material_picture *new_picture(material *m)
{
    material_picture *grown = mem_grow(m->picture, m->pictures, &m->room, sizeof *grown);

    if (!grown)
        return NULL;
    m->picture = grown;
    grown[m->pictures] = (material_picture){ .caption = NULL };
    return &grown[m->pictures++];
}

/* What is made of a picture besides features. */
static rap_status show(material_picture *p, school *s, const image *im, const material_options *o,
                       rap_err *err)
{
    rap_status status = RAP_OK;

    if (o->shown)
        status = photo_rows_init(&p->shown, s->vlm, im, err);
    if (!status && o->keep_pixels)
        status = image_copy(&p->pixels, im, err);
    return status;
}

/* box NULL: a negative, whose regions are what counts. */
static rap_status add_picture(material *m, school *s, const image *im, const rap_box *box,
                              const char *caption, const material_options *o, rap_err *err)
{
    material_picture *p = new_picture(m);
    rap_status status;

    if (!p || (caption && !(p->caption = mem_string(caption))))
        return err_memory(err, "reading a picture");
    status = show(p, s, im, o, err);
    if (!status && o->features)
        status = box ? features_of_box(p, s, im, *box, o->augment, err)
                     : features_of_regions(p, s, im, err);
    for (int i = 0; !status && box && o->augment && (o->shown || o->keep_pixels) && i < COPIES;
         i++) {
        image copy = { 0 };

        p = new_picture(m);
        if (!p || (caption && !(p->caption = mem_string(caption))))
            status = err_memory(err, "reading a picture");
        if (!status)
            p->turned = 1;
        if (!status)
            status = changed(&copy, im, i, err);
        if (!status)
            status = show(p, s, &copy, o, err);
        image_release(&copy);
    }
    return status;
}

/* ---- the views of a concept ---- */

typedef struct viewing {
    material *m;
    school *s;
    const material_options *o;
    bool negative;
    float *first; /* [dim] the feature of the first view; NULL: not wanted */
} viewing;

static rap_status add_view(int64_t id, const store_picture *picture, void *payload, rap_err *err)
{
    viewing *v = payload;
    image im = { 0 };
    rap_status status = image_decode(&im, picture->bytes, picture->size, "a stored picture", err);

    if (!status)
        status = add_picture(v->m, v->s, &im, v->negative ? NULL : &picture->box, NULL, v->o, err);
    image_release(&im);
    return status;
}

/* ---- a folder of pictures ---- */

/* The region whose feature is nearest to the concept's first view. */
static rap_status nearest_region(rap_box *out, school *s, const image *im, const float *like,
                                 rap_err *err)
{
    int dim = encoder_dim(s->encoder);
    double best = -2;
    sighting seen;
    rap_status status = retriever_look(s->retriever, im, RAP_POLICY_DEFAULT, &seen, err);

    *out = (rap_box){ 0, 0, 0, 0 };
    for (int i = 0; !status && i < seen.count; i++) {
        float *x = seen.feature + i * dim;
        double likeness = 0;

        to_length_one(x, dim);
        for (int k = 0; k < dim; k++)
            likeness += (double)x[k] * (double)like[k];
        if (likeness > best) {
            best = likeness;
            *out = seen.region[i].box;
        }
    }
    if (!status)
        sighting_release(&seen);
    return status;
}

/* The text beside the picture, one line; NULL: there is none. */
static rap_status read_caption(char **out, const char *path, rap_err *err)
{
    size_t stem = strlen(path) - strlen(path_extension(path)), size = 0;
    buf name = BUF_INIT;
    rap_status status = RAP_OK;

    *out = NULL;
    buf_add(&name, path, stem);
    buf_puts(&name, "txt");
    if (buf_failed(&name))
        status = err_memory(err, "reading captions");
    else if (file_exists(buf_text(&name)))
        status = file_read(out, &size, buf_text(&name), TEXT_BYTES, err);
    while (size > 0 && strchr(" \r\n\t", (*out)[size - 1]))
        (*out)[--size] = '\0';
    buf_release(&name);
    return status;
}

static rap_status add_file(material *m, school *s, const char *path, const float *like,
                           const material_options *o, rap_err *err)
{
    rap_box box = { 0, 0, 0, 0 };
    char *caption = NULL;
    image im = { 0 };
    rap_status status = image_load(&im, path, err);

    if (!status && like)
        status = read_caption(&caption, path, err);
    if (!status && like && o->features)
        status = nearest_region(&box, s, &im, like, err);
    if (!status)
        status = add_picture(m, s, &im, like ? &box : NULL, caption, o, err);
    free(caption);
    image_release(&im);
    return status;
}

static rap_status tell(const material_options *o, const char *what, size_t done, size_t total,
                       rap_err *err)
{
    if (o->on_progress && o->on_progress(what, done, total, o->payload))
        return err_set(err, RAP_E_CANCELLED, "stopped while pictures were read");
    return RAP_OK;
}

static int is_taken(const char *name)
{
    return source_is_picture(name) && !source_is_mask(name);
}

/* `which` [count] or NULL: the pictures of the list that are taken. */
static rap_status add_folder(material *m, school *s, const char *folder, const float *like,
                             size_t most, const material_options *o, rap_err *err)
{
    char **list = NULL;
    size_t count = 0, kept = 0;
    draw d = draw_for(o->seed, "negatives", folder);
    rap_status status = source_list(&list, &count, folder, err);

    for (size_t i = 0; i < count; i++) /* pictures to the front */
        if (is_taken(list[i])) {
            char *name = list[i];

            list[i] = list[kept];
            list[kept++] = name;
        }
    for (size_t i = kept; kept > most && i > 1;
         i--) { /* a fair choice, the same for the same seed */
        size_t k = draw_below(&d, i);
        char *name = list[k];

        list[k] = list[i - 1];
        list[i - 1] = name;
    }
    kept = kept < most ? kept : most;
    for (size_t i = 0; !status && i < kept; i++) {
        char *path = path_join(folder, list[i]);

        status = path ? add_file(m, s, path, like, o, err) : err_memory(err, "reading pictures");
        free(path);
        if (!status && !like)
            status = tell(o, "negative pictures read", i + 1, kept, err);
    }
    source_list_free(list, count);
    return status;
}

/* qa.json: a list of {"question", "answer"}. */
static rap_status add_questions(material *m, const char *folder, rap_err *err)
{
    char *path = path_join(folder, "qa.json");
    json_t *list = NULL;
    rap_status status = path ? RAP_OK : err_memory(err, "reading questions");

    if (!status && file_exists(path))
        status = json_read_any(&list, path, TEXT_BYTES, err);
    for (size_t i = 0; !status && i < json_array_size(list); i++) {
        const char *q = json_string_value(json_object_get(json_array_get(list, i), "question"));
        const char *a = json_string_value(json_object_get(json_array_get(list, i), "answer"));
        material_question *grown =
            mem_grow(m->question, m->questions, &m->question_room, sizeof *grown);

        if (!q || !a) {
            status = err_set(err, RAP_E_FORMAT, "%s: item %zu has no \"question\" and \"answer\"",
                             path, i);
            break;
        }
        m->question = grown ? grown : m->question;
        if (!grown) {
            status = err_memory(err, "reading questions");
            break;
        }
        grown[m->questions++] = (material_question){ mem_string(q), mem_string(a) };
        if (!grown[m->questions - 1].question || !grown[m->questions - 1].answer)
            status = err_memory(err, "reading questions");
    }
    json_decref(list);
    free(path);
    return status;
}

rap_status material_of_concept(material *out, school *s, const rap_record *c,
                               const material_options *o, rap_err *err)
{
    viewing v = { out, s, o, false, NULL };
    store_evidence e = { 0, 0, NULL, NULL };
    char *folder = o->pictures ? path_join(o->pictures, c->name) : NULL;
    int dim = s->encoder ? encoder_dim(s->encoder) : 0;
    rap_status status = RAP_OK;

    *out = (material){ .picture = NULL };
    if (o->pictures && !folder)
        status = err_memory(err, "reading pictures");
    if (!status)
        status = store_each_view(s->store, c->id, add_view, &v, err);
    if (!status && folder && o->features)
        status = store_load_evidence(s->store, c->id, s->maker, dim, &e, err);
    if (!status && folder && file_is_folder(folder)) {
        float none = 0;

        if (e.views > 0)
            to_length_one(e.view, dim);
        if (o->features && e.views == 0)
            status = err_set(err, RAP_E_NOT_FOUND, "<%s>: its picture has no vector yet", c->name);
        if (!status)
            status = add_folder(out, s, folder, o->features ? e.view : &none, SIZE_MAX, o, err);
        if (!status)
            status = add_questions(out, folder, err);
    }
    store_evidence_release(&e);
    free(folder);
    if (status)
        material_release(out);
    return status;
}

/* ---- negatives ---- */

typedef struct others {
    viewing v;
    const char *except;
    size_t most;
    rap_err *err;
    rap_status status;
} others;

static int add_other(const rap_record *c, void *payload)
{
    others *o = payload;

    if (strcmp(c->name, o->except) == 0 || o->v.m->pictures >= o->most)
        return 0;
    o->status = store_each_view(o->v.s->store, c->id, add_view, &o->v, o->err);
    return o->status != RAP_OK;
}

rap_status material_negatives(material *out, school *s, const char *except,
                              const material_options *o, rap_err *err)
{
    others all = { { out, s, o, true, NULL }, except, (size_t)o->most_negatives, err, RAP_OK };
    rap_status status;

    *out = (material){ .picture = NULL };
    if (o->negatives) {
        status = add_folder(out, s, o->negatives, NULL, (size_t)o->most_negatives, o, err);
        if (!status && out->pictures == 0)
            status = err_set(err, RAP_E_NOT_FOUND, "%s: no picture there", o->negatives);
    } else {
        status = store_each(s->store, NULL, add_other, &all, err);
        status = all.status ? all.status : status;
        if (!status && out->pictures == 0)
            status = err_set(err, RAP_E_ARGUMENT,
                             "no pictures that do not show <%s>: give --negatives FOLDER, or "
                             "remember other concepts",
                             except);
    }
    if (status)
        material_release(out);
    return status;
}

void material_release(material *m)
{
    for (size_t i = 0; i < m->pictures; i++)
        picture_free(&m->picture[i]);
    for (size_t i = 0; i < m->questions; i++) {
        free(m->question[i].question);
        free(m->question[i].answer);
    }
    free(m->picture);
    free(m->question);
    *m = (material){ .picture = NULL };
}
