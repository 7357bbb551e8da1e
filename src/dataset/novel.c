/* novel.c: asks for the views, measures them, writes the samples that show them. */
#include "dataset/novel.h"

#include "base/file.h"
#include "base/mem.h"
#include "dataset/annotate_folder.h"
#include "dataset/annotate_log.h"
#include "dataset/random.h"
#include "dataset/templates.h"
#include "image/augment.h"
#include "rap.h"
#include "remote/img2img.h"
#include "remote/picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { IN_A_ROW = 3, MOST_VIEWS = 16, LARGEST = 2048, QUALITY = 92 };

typedef struct view {                 /* one that is wanted */
    char key[ANNOTATE_KEY], name[64]; /* name: below the folder of pictures */
    int64_t seed;
    buf prompt;
} view;

typedef struct run {
    novel_options set; /* with its defaults */
    novel_result *out;
    annotate_folder folder;
    char *log_path;
    annotate_log *log;
    endpoint *service; /* NULL: nothing is asked any more */
    rap *encoder;
    int in_a_row;
    double sum;
    bool cancelled;
} run;

/* ---- what is wanted ---- */

static rap_status view_of(view *out, const run *r, const sample_concept *c, int number,
                          rap_err *err)
{
    const novel_options *o = &r->set;
    char purpose[32], settings[160];
    const char *parts[5] = { "novel", c->picture, NULL, settings, NULL };
    char name[256];
    template_values values = { .name = name,
                               .category = *c->category ? c->category : "object",
                               .info = c->info };
    draw d;

    *out = (view){ .prompt = BUF_INIT };
    snprintf(name, sizeof name, "<%s>", c->name);
    snprintf(purpose, sizeof purpose, "novel %d", number);
    d = draw_for(o->seed, purpose, c->picture);
    out->seed = (int64_t)(draw_bits(&d) & 0x7fffffff);
    template_put(&out->prompt, o->prompt, &values);
    snprintf(settings, sizeof settings, "%.6f %d %d %lld %.80s", o->strength, o->steps, o->side,
             (long long)out->seed, o->profile ? o->profile : "");
    parts[2] = buf_text(&out->prompt);
    parts[4] = o->negative;
    annotate_key(out->key, parts, 5);
    snprintf(out->name, sizeof out->name, "novel/%s.jpg", out->key);
    return buf_failed(&out->prompt) ? err_memory(err, "asking for a picture") : RAP_OK;
}

/* Is the view's picture where the log says it is? */
static bool is_there(const run *r, const view *v)
{
    char *path = path_join(r->folder.images, v->name);
    bool there = path && annotate_log_has(r->log, v->key) && file_exists(path);

    free(path);
    return there;
}

/* ---- the encoder ---- */

static rap_status open_encoder(run *r, rap_err *err)
{
    rap_options options = RAP_OPTIONS_INIT;
    rap_status status;

    if (r->encoder)
        return RAP_OK;
    options.profile = r->set.profile;
    options.threads = r->set.threads;
    options.store_use = RAP_STORE_EMPTY;
    status = rap_open(&r->encoder, &options);
    return status == RAP_OK ? RAP_OK
                            : err_set(err, status, "%s", r->encoder ? rap_error(r->encoder) : "");
}

static double cosine(const rap_embedding *a, const rap_embedding *b)
{
    double dot = 0, aa = 0, bb = 0;

    if (a->dim != b->dim)
        return 0;
    for (int i = 0; i < a->dim; i++) {
        dot += (double)a->feature[i] * (double)b->feature[i];
        aa += (double)a->feature[i] * (double)a->feature[i];
        bb += (double)b->feature[i] * (double)b->feature[i];
    }
    return aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : 0;
}

static rap_status compare(double *out, run *r, const char *original, const char *path, rap_err *err)
{
    rap_embedding *a = NULL, *b = NULL;
    rap_image one = { .path = original }, other = { .path = path };
    rap_status status = open_encoder(r, err);

    if (status != RAP_OK)
        return status;
    status = rap_embed(&a, r->encoder, &one, NULL);
    if (status == RAP_OK)
        status = rap_embed(&b, r->encoder, &other, NULL);
    if (status == RAP_OK)
        *out = cosine(a, b);
    else
        err_set(err, status, "%s", rap_error(r->encoder));
    rap_embedding_free(a);
    rap_embedding_free(b);
    return status;
}

/* ---- the service ---- */

static int is_cancelled(void *payload)
{
    run *r = payload;

    if (!r->cancelled && r->set.on_progress)
        r->cancelled =
            r->set.on_progress("making views", r->out->known + r->out->made + r->out->failed,
                               r->out->views, r->set.payload) != 0;
    return r->cancelled;
}

static rap_status cancelled(rap_err *err)
{
    return err_set(err, RAP_E_CANCELLED,
                   "cancelled; the views so far are kept, and the same command goes on");
}

/* Nothing more is asked; the rest goes on. */
static void stop_asking(run *r, const char *why)
{
    endpoint_close(r->service);
    r->service = NULL;
    if (!*r->out->why)
        snprintf(r->out->why, sizeof r->out->why, "%s", why);
}

static void open_service(run *r)
{
    const novel_options *o = &r->set;
    endpoint_settings set = { .url = o->endpoint,
                              .silence_seconds = o->silence_seconds,
                              .attempts = o->attempts,
                              .first_pause_ms = o->first_pause_ms,
                              .cancelled = is_cancelled,
                              .payload = r };
    rap_err why = { 0 };

    if (!o->endpoint)
        stop_asking(r,
                    "no endpoint is given (--endpoint URL; in a configuration \"novel.endpoint\"): "
                    "no views are made, those that are "
                    "there are used");
    else if (img2img_open(&r->service, &set, &why) != RAP_OK)
        stop_asking(r, why.text);
}

/* A multiple of 8, as these models want it. */
static int rounded(int pixels)
{
    return pixels < 64 ? 64 : pixels / 8 * 8;
}

/* Writes the picture that came as a JPEG of ours. One that is larger than what was asked for is a lie. */
static rap_status save_view(const char *path, const buf *bytes, rap_err *err)
{
    image im = { 0 };
    rap_status status = image_decode(&im, bytes->data, bytes->len, "the picture that came", err);

    if (status == RAP_OK && (image_full_width(&im) > LARGEST || image_full_height(&im) > LARGEST))
        status =
            err_set(err, RAP_E_LIMIT, "the picture that came has %d x %d pixels; %d is the most",
                    image_full_width(&im), image_full_height(&im), (int)LARGEST);
    if (status == RAP_OK)
        status = image_save_jpeg(&im, path, QUALITY, err);
    image_release(&im);
    return status;
}

static rap_status ask(const char *path, run *r, const view *v, const char *original, rap_err *err)
{
    remote_picture p = { .jpeg = BUF_INIT };
    buf came = BUF_INIT;
    rap_status status = remote_picture_load(&p, original, r->set.side, QUALITY, err);
    img2img_request q = { .picture = p.jpeg.data,
                          .size = p.jpeg.len,
                          .width = rounded(p.width),
                          .height = rounded(p.height),
                          .prompt = buf_text(&v->prompt),
                          .negative = r->set.negative,
                          .strength = r->set.strength,
                          .seed = v->seed,
                          .steps = r->set.steps };

    if (status == RAP_OK) {
        r->in_a_row++;
        status = img2img_ask(&came, r->service, &q, err);
    }
    if (status == RAP_OK) {
        r->in_a_row = 0;
        status = save_view(path, &came, err);
    }
    buf_release(&came);
    remote_picture_release(&p);
    return status;
}

static rap_status keep(run *r, const view *v, const sample_concept *c, double likeness,
                       rap_err *err)
{
    char when[32] = "";
    time_t now = time(NULL);
    struct tm parts;
    json_t *entry;

    if (gmtime_r(&now, &parts))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    entry = json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:I, s:i, s:f}", "picture", c->picture,
                      "view", v->name, "time", when, "prompt", buf_text(&v->prompt), "negative",
                      r->set.negative, "strength", r->set.strength, "seed", (json_int_t)v->seed,
                      "steps", r->set.steps, "cosine", likeness);
    return entry ? annotate_log_add(r->log, v->key, entry, err) : err_memory(err, "keeping a view");
}

/* Is the failure the machine's? Then it ends the run; a picture's or the service's is counted. */
static bool is_ours(rap_status status, const rap_err *why, const char *path)
{
    return status == RAP_E_MEMORY ||
           (status == RAP_E_IO && strncmp(why->text, path, strlen(path)) == 0);
}

static rap_status make_view(run *r, const view *v, const sample_concept *c, rap_err *err)
{
    char *original = path_join(r->folder.images, c->picture);
    char *path = path_join(r->folder.images, v->name);
    double likeness = 0;
    rap_err why = { 0 };
    rap_status status = original && path ? ask(path, r, v, original, &why)
                                         : err_memory(&why, "asking for a picture");

    if (status == RAP_OK && (status = compare(&likeness, r, original, path, &why)) != RAP_OK)
        status = err_set(err, status, "%s", why.text); /* no encoder, no filter */
    else if (status == RAP_OK && (status = keep(r, v, c, likeness, err)) == RAP_OK)
        r->out->made++;
    else if (r->cancelled)
        status = cancelled(err);
    else if (why.status != RAP_OK && (!path || is_ours(status, &why, path)))
        status = err_set(err, status, "%s", why.text);
    else if (why.status != RAP_OK) {
        if (r->out->failed++ == 0)
            snprintf(r->out->first_failure, sizeof r->out->first_failure, "%s", why.text);
        if (r->in_a_row >= IN_A_ROW || why.status == RAP_E_ARGUMENT ||
            (r->in_a_row > 0 && why.status == RAP_E_NOT_FOUND))
            stop_asking(r, why.text);
        status = RAP_OK;
    }
    free(original);
    free(path);
    return status;
}

/* ---- asking for all ---- */

typedef rap_status on_view(run *r, const view *v, const sample_concept *c, rap_err *err);

/* Each view of the training set's concepts, whose pictures are in their folder. */
static rap_status each_view(run *r, const sample *s, int stage, on_view *what, rap_err *err)
{
    rap_status status = RAP_OK;

    for (int i = 0; i < s->concepts; i++)
        for (int n = 0; status == RAP_OK && n < r->set.views; n++) {
            view v;

            status = view_of(&v, r, &s->concept[i], n, err);
            if (status == RAP_OK && path_stays(s->concept[i].picture) &&
                annotate_log_claim(r->log, v.key, stage))
                status = what(r, &v, &s->concept[i], err);
            buf_release(&v.prompt);
        }
    return status;
}

static rap_status count_view(run *r, const view *v, const sample_concept *c, rap_err *err)
{
    (void)c, (void)err;
    r->out->views++;
    r->out->known += is_there(r, v);
    return RAP_OK;
}

static rap_status count_sample(const sample *s, int side, void *payload, rap_err *err)
{
    return side == 0 ? each_view(payload, s, 1, count_view, err) : RAP_OK;
}

static rap_status want_view(run *r, const view *v, const sample_concept *c, rap_err *err)
{
    if (is_cancelled(r))
        return cancelled(err);
    return r->service && !is_there(r, v) ? make_view(r, v, c, err) : RAP_OK;
}

static rap_status want_sample(const sample *s, int side, void *payload, rap_err *err)
{
    return side == 0 ? each_view(payload, s, 2, want_view, err) : RAP_OK;
}

/* ---- writing ---- */

/* How like the original a view is; negative: it is not there. */
static rap_status likeness_of(double *out, run *r, const view *v, rap_err *err)
{
    json_t *entry = NULL;
    rap_status status = RAP_OK;

    *out = -2;
    if (is_there(r, v))
        status = annotate_log_get(&entry, r->log, v->key, err);
    if (entry)
        *out = json_number_value(json_object_get(entry, "cosine"));
    json_decref(entry);
    return status;
}

static void count_likeness(run *r, double likeness)
{
    uint64_t before = r->out->kept + r->out->dropped;

    if (likeness >= r->set.threshold)
        r->out->kept++;
    else
        r->out->dropped++;
    r->sum += likeness;
    r->out->least = before == 0 || likeness < r->out->least ? likeness : r->out->least;
    r->out->mean = r->sum / (double)(before + 1);
}

/* One of the concept's good views, drawn by the sample; 0: there is none. */
static rap_status choose_view(char out[64], run *r, const sample *s, int concept, rap_err *err)
{
    const sample_concept *c = &s->concept[concept];
    draw d = draw_for(r->set.seed, "view", s->id);
    char good[MOST_VIEWS][64];
    size_t count = 0;
    rap_status status = RAP_OK;

    out[0] = '\0';
    for (int n = 0; status == RAP_OK && n < r->set.views; n++) {
        double likeness;
        view v;

        status = view_of(&v, r, c, n, err);
        if (status == RAP_OK)
            status = likeness_of(&likeness, r, &v, err);
        if (status == RAP_OK && likeness > -2) {
            if (annotate_log_claim(r->log, v.key, 3))
                count_likeness(r, likeness);
            if (likeness >= r->set.threshold)
                memcpy(good[count++], v.name, sizeof good[0]);
        }
        buf_release(&v.prompt);
    }
    if (count > 0)
        memcpy(out, good[draw_below(&d, count)], 64);
    return status;
}

/* The sample, and beside it one that shows the views. */
static rap_status rewrite(buf *lines, const sample *s, int side, void *payload, rap_err *err)
{
    run *r = payload;
    sample other = *s;
    char picture[SAMPLE_CONCEPTS][64];
    buf id = BUF_INIT;
    bool any = false;
    rap_status status = sample_write(lines, s, err);

    buf_putc(lines, '\n');
    r->out->samples++;
    for (int i = 0; side == 0 && status == RAP_OK && i < s->concepts; i++) {
        status = choose_view(picture[i], r, s, i, err);
        if (status != RAP_OK || !*picture[i])
            continue;
        other.concept[i].picture = picture[i];
        any = true;
    }
    if (status == RAP_OK && any) {
        buf_printf(&id, "%s/novel", s->id);
        other.id = buf_text(&id);
        status = sample_write(lines, &other, err);
        buf_putc(lines, '\n');
        r->out->samples++;
        r->out->added++;
    }
    buf_release(&id);
    return status;
}

/* ---- all of it ---- */

static rap_status set_options(run *r, const novel_options *o, rap_err *err)
{
    novel_options *s = &r->set;

    *s = *o;
    s->prompt = o->prompt ? o->prompt : NOVEL_PROMPT;
    s->negative = o->negative ? o->negative : "";
    s->strength = o->strength != 0 ? o->strength : 0.5;
    s->steps = o->steps != 0 ? o->steps : 20;
    s->views = o->views != 0 ? o->views : 1;
    s->side = o->side != 0 ? o->side : 512;
    s->threshold = o->threshold != 0 ? o->threshold : NOVEL_THRESHOLD;
    if (!(s->strength > 0 && s->strength <= 1))
        return err_set(err, RAP_E_ARGUMENT, "a strength of %g: above 0 to 1 is possible",
                       s->strength);
    if (!(s->threshold >= -1 && s->threshold <= 1))
        return err_set(err, RAP_E_ARGUMENT, "a threshold of %g: cosines are -1 to 1", s->threshold);
    if (s->steps < 1 || s->steps > 1000 || s->views < 1 || s->views > MOST_VIEWS || s->side < 64 ||
        s->side > LARGEST)
        return err_set(err, RAP_E_ARGUMENT,
                       "1 to 1000 steps, 1 to %d views and sides of 64 to %d pixels are possible",
                       (int)MOST_VIEWS, (int)LARGEST);
    return RAP_OK;
}

/* A source of that name has its pictures there, by a link: nothing of ours is put among them. */
static rap_status make_folder(const char *views, rap_err *err)
{
    char target[16];

    if (readlink(views, target, sizeof target) >= 0)
        return err_set(err, RAP_E_EXISTS,
                       "%s: leads to the pictures of a source; give that source another name",
                       views);
    return file_make_folders(views, err);
}

static rap_status open_folder(run *r, rap_err *err)
{
    char *views = NULL;
    rap_status status = annotate_folder_open(&r->folder, r->set.folder, "novel", err);

    if (status != RAP_OK)
        return status;
    snprintf(r->out->out, sizeof r->out->out, "%s", r->folder.result);
    views = path_join(r->folder.images, "novel");
    r->log_path = path_join(r->set.folder, "novel.jsonl");
    status = views && r->log_path ? make_folder(views, err) : err_memory(err, "making views");
    if (status == RAP_OK)
        status = annotate_log_open(&r->log, r->log_path, true, err);
    free(views);
    return status;
}

rap_status novel(novel_result *out, const novel_options *options, rap_err *err)
{
    run r = { .out = out };
    rap_status status;

    memset(out, 0, sizeof *out);
    status = set_options(&r, options, err);
    if (status == RAP_OK)
        status = open_folder(&r, err);
    if (status == RAP_OK)
        status = annotate_walk(&r.folder, count_sample, &r, err);
    if (status == RAP_OK && out->known < out->views) {
        open_service(&r);
        status = annotate_walk(&r.folder, want_sample, &r, err);
    }
    if (status == RAP_OK)
        status = annotate_rewrite(&r.folder, rewrite, &r, err);
    endpoint_close(r.service);
    rap_close(r.encoder);
    annotate_log_close(r.log);
    annotate_folder_release(&r.folder);
    free(r.log_path);
    return status;
}
