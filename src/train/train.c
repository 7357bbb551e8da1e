/* train.c: a training from start to end.
 *
 * Reading order: what it needs (prepare), where it begins (begin_at), one step (step), the loss of held-out samples (evaluate), all of them (run_steps), what it leaves
 * (finish). */
#include "train/train.h"

#include "base/available.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"
#include "engine/engine.h"
#include "generate/vlm_inside.h"
#include "train/adapter.h"
#include "train/base_adapters.h"
#include "train/batch.h"
#include "train/checkpoint.h"
#include "train/optimiser.h"
#include "train/projector_part.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_BYTES ((size_t)2 << 30) /* of unpacked weights */

typedef struct training {
    const train_options *o;
    train_result *result;
    profile *profile;
    vlm *vlm;
    gguf_file *file;
    base_adapters adapters; /* the profile's */
    decoder *decoder;
    lessons lessons, held; /* held: only evaluated, pictures in the bank of the others */
    bool stopping;         /* asked for while samples were evaluated */
    projector_part projector;
    batch batch;
    real *m, *v;
    size_t *order;
    int epoch; /* that `order` is of; −1: none */
    int64_t steps, per_epoch, step;
    int64_t rows; /* tokens that are ever computed together */
    int part;     /* of the step */
    buf settings;
    char *checkpoint, *adapter, *best, *losses, *png;
    char *mmproj, *best_mmproj;
    record record;
    double start; /* milliseconds */
    uint64_t tokens_done;
} training;

/* ---- what it needs ---- */

static rap_status check_options(const train_options *o, rap_err *err)
{
    const struct {
        const char *name;
        double value, low, high;
    } bounds[] = { { "rank", o->rank, 1, 4096 },
                   { "alpha", o->alpha, 1e-6, 1e6 },
                   { "dropout", o->dropout, 0, 0.95 },
                   { "learning rate", o->lr, 1e-12, 10 },
                   { "learning rate of the projector", o->projector_lr, 1e-12, 10 },
                   { "warm-up", o->warmup, 0, 1 },
                   { "clipping", o->clip, 0, 1e9 },
                   { "number of epochs", o->epochs, 1, 1000000 },
                   { "batch", o->batch, 1, 65536 },
                   { "number of tokens", o->max_tokens, 8, 1 << 20 },
                   { "number of concepts", o->max_concepts, 0, 16 },
                   { "number of steps between evaluations", o->validate_every, 0, 1 << 30 },
                   { "patience", o->patience, 0, 1 << 30 },
                   { "number of steps between checkpoints", o->save_every, 1, 1 << 30 } };

    if (!o->data || !*o->data || !o->folder || !*o->folder)
        return err_set(err, RAP_E_ARGUMENT, "training takes DATA and --out FOLDER");
    if (o->validation != -1 && !(o->validation >= 0 && o->validation <= 0.9))
        return err_set(err, RAP_E_ARGUMENT, "a validation share of %g; 0 to 0.9 is possible",
                       o->validation);
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        if (!(bounds[i].value >= bounds[i].low && bounds[i].value <= bounds[i].high))
            return err_set(err, RAP_E_ARGUMENT, "a %s of %g; %g to %g is possible", bounds[i].name,
                           bounds[i].value, bounds[i].low, bounds[i].high);
    return RAP_OK;
}

static rap_status open_models(training *t, rap_err *err)
{
    const profile *p;
    vlm_options options = { .threads = t->o->threads };
    vlm_lora worn[VLM_LORAS];
    rap_status status = profile_open(&t->profile, t->o->profile, err);

    if (!status)
        status = profile_wear(t->profile, t->o->lora, err);
    if (status)
        return status;
    p = t->profile;
    status = profile_need(p, &p->llm, "llm", "rap train", err);
    if (!status)
        status = gguf_file_open(&t->file, p->llm.path, err);
    if (!status)
        status = base_adapters_open(&t->adapters, p, t->file, err);
    if (status)
        return status;
    t->result->adapters = t->adapters.count;
    engine_language(&options, worn, p);
    options.loras = 0; /* it only reads texts and pictures */
    return vlm_open(&t->vlm, &options, err);
}

/* Tokens that a batch holds at most. */
static int64_t batch_room(const training *t)
{
    int64_t room = t->o->rows > 0 ? t->o->rows : t->o->max_tokens, all = (int64_t)t->lessons.tokens;

    room = room < all ? room : all; /* a small set needs no more */
    room = room < t->held.longest ? t->held.longest : room;
    return room < t->lessons.longest ? t->lessons.longest : room;
}

/* The fullest batch of all epochs: lessons are never split, so few batches are full to the last row. */
static rap_status count_rows(training *t, rap_err *err)
{
    size_t count = t->lessons.count, *order = mem_array(count, sizeof *order);
    int64_t room = batch_room(t);

    if (!order)
        return err_memory(err, "preparing a training");
    for (int epoch = 0; epoch < t->o->epochs && t->rows < room; epoch++) {
        int64_t filled = 0;

        batch_order(order, count, t->o->seed, epoch);
        for (size_t i = 0; i < count; i++) {
            int64_t more = t->lessons.item[order[i]].count;

            filled = i % (size_t)t->o->batch == 0 || filled + more > room ? more : filled + more;
            t->rows = filled > t->rows ? filled : t->rows;
        }
    }
    free(order);
    t->rows = t->rows < t->held.longest ? t->held.longest : t->rows;
    return RAP_OK;
}

static decoder_options decoder_options_of(const training *t)
{
    const train_options *o = t->o;

    return (decoder_options){ .rank = o->rank,
                              .alpha = o->alpha,
                              .dropout = o->dropout,
                              .seed = o->seed,
                              .threads = o->threads > 0 ? o->threads : threads_available(),
                              .rows = (int)t->rows,
                              .recompute = o->recompute,
                              .bf16 = o->bf16,
                              .keep = KEEP_BYTES,
                              .adapter = t->adapters.lora,
                              .adapter_scale = t->adapters.scale,
                              .adapters = t->adapters.count };
}

/* The file's pages that are in memory at once: of packed weights one tensor's. */
static double file_bytes(const gguf_file *g, bool packed)
{
    size_t all = 0, largest = 0;

    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        size_t bytes = gguf_tensor_at(g, i)->bytes;

        all += bytes;
        largest = bytes > largest ? bytes : largest;
    }
    return (double)(packed ? largest : all);
}

static rap_status estimate(training *t, rap_err *err)
{
    decoder_options options = decoder_options_of(t);
    shape s;
    size_t numbers = 0;
    rap_status status = shape_read(&s, t->file, err);

    if (status)
        return status;
    if (s.width != t->vlm->width)
        return err_set(err, RAP_E_UNSUPPORTED, "%s: pictures are %d numbers wide, the decoder %lld",
                       t->profile->file, t->vlm->width, (long long)s.width);
    for (int i = 0; i < LINEAR_KINDS; i++) {
        int64_t in, out;

        shape_linear(&out, &in, &s, (linear_kind)i);
        numbers +=
            shape_has(&s, (linear_kind)i) ? (size_t)((in + out) * options.rank * s.layers) : 0;
    }
    t->result->trained = numbers;
    t->result->projector =
        t->projector.mmproj ? (uint64_t)projector_numbers(t->projector.mmproj) : 0;
    t->result->more = (double)decoder_bytes(&s, &options) +
                      (double)batch_bytes(batch_room(t), pictures_width(t->lessons.bank)) +
                      projector_part_bytes(&t->projector, t->rows) +
                      2.0 * (double)numbers * sizeof(real); /* Adam's */
    t->result->more += file_bytes(t->file, decoder_keeps(&s, &options));
    t->result->bytes = (double)memory_resident() + t->result->more;
    return RAP_OK;
}

/* Training that swaps takes days, and one that is killed for its memory leaves no line. */
static rap_status check_memory(const training *t, rap_err *err)
{
    double there = t->o->memory ? (double)t->o->memory : (double)memory_available();

    if (t->o->force || t->result->more <= there)
        return RAP_OK;
    return err_set(err, RAP_E_MEMORY,
                   "training takes %.2f GB of memory more and %.2f GB are free; try --recompute, "
                   "fewer --rows or a lower --rank, or --force to begin all the same",
                   t->result->more / 1e9, there / 1e9);
}

static rap_status read_lessons(training *t, rap_err *err)
{
    lesson_options options = { .data = t->o->data,
                               .folder = t->o->dry_run ? NULL : t->o->folder,
                               .before_projector = t->projector.mmproj != NULL,
                               .max_concepts = t->o->max_concepts,
                               .max_tokens = t->o->max_tokens,
                               .on_progress = t->o->on_progress,
                               .payload = t->o->payload };
    train_result *r = t->result;
    rap_status status = lessons_read(&t->lessons, t->vlm, &options, err);
    const lessons *l = &t->lessons;

    if (!status && t->o->validation > 0)
        status = lessons_hold_out(&t->held, &t->lessons, t->o->validation, t->o->seed, err);
    else if (!status && t->o->validation < 0)
        status = lessons_read_validation(&t->held, &t->lessons, t->vlm, &options, err);
    if (!status && t->o->patience && !t->held.count)
        status = err_set(err, RAP_E_ARGUMENT,
                         "%s: no samples are held out, which stopping early takes; give "
                         "--validation SHARE or leave out --patience",
                         t->o->data);
    if (status)
        return status;
    r->held_out = t->held.count;
    r->samples = l->count;
    r->tokens = l->tokens;
    r->answers = l->answers;
    r->pictures = pictures_count(l->bank);
    r->from_cache = pictures_from_cache(l->bank);
    if (!r->pictures) {
        projector_part_close(&t->projector);
        *r->why_not = '\0';
    }
    r->many_concepts = l->many_concepts;
    r->too_long = l->too_long;
    r->no_answer = l->no_answer;
    r->longest = l->longest;
    snprintf(r->first_long, sizeof r->first_long, "%s", l->first_long);
    t->per_epoch = (int64_t)((l->count + (size_t)t->o->batch - 1) / (size_t)t->o->batch);
    r->steps = t->steps = t->per_epoch * t->o->epochs;
    return count_rows(t, err);
}

/* What must be the same for a training to go on. */
static rap_status write_settings(training *t, rap_err *err)
{
    const train_options *o = t->o;
    char *path = NULL, sum[65] = "", adapters[65], from[65] = "";
    rap_status status = lesson_file(&path, o->data, err);

    if (!status)
        status = file_sha256(sum, path, err);
    if (!status)
        status = base_adapters_name(adapters, t->profile, err);
    if (!status && o->from)
        status = file_sha256(from, o->from, err);
    free(path);
    if (status)
        return status;
    buf_printf(&t->settings,
               "rank %d, alpha %g, dropout %g, lr %g, warmup %g, clip %g, epochs %d, batch %d, "
               "max-tokens %d, "
               "max-concepts %d, rows %d, seed %llu, data %.12s, model %.12s",
               o->rank, o->alpha, o->dropout, o->lr, o->warmup, o->clip, o->epochs, o->batch,
               o->max_tokens, o->max_concepts, o->rows, (unsigned long long)o->seed, sum,
               vlm_fingerprint(t->vlm));
    if (t->projector.mmproj)
        buf_printf(&t->settings, ", projector %g", o->projector_lr);
    if (*adapters)
        buf_printf(&t->settings, ", adapters %.12s", adapters);
    if (o->from)
        buf_printf(&t->settings, ", from %.12s", from);
    if (o->bf16)
        buf_puts(&t->settings, ", bf16");
    if (o->reduction != REDUCTION_TOKEN)
        buf_puts(&t->settings, o->reduction == REDUCTION_ANSWER ? ", loss-reduction answer"
                                                                : ", loss-reduction square");
    if (o->validation > 0)
        buf_printf(&t->settings, ", validation %g", o->validation);
    if (t->held.count && o->validate_every)
        buf_printf(&t->settings, ", validate-every %d", o->validate_every);
    return buf_failed(&t->settings) ? err_memory(err, "preparing a training") : RAP_OK;
}

static rap_status make_room(training *t, rap_err *err)
{
    decoder_options options = decoder_options_of(t);
    rap_status status = decoder_open(&t->decoder, t->file, &options, err);

    if (!status)
        status = projector_part_open(&t->projector, t->rows, options.threads, err);
    if (!status)
        status = batch_init(&t->batch, batch_room(t), decoder_shape(t->decoder)->width,
                            pictures_width(t->lessons.bank), t->projector.p.result, err);
    if (status)
        return status;
    t->m = mem_array(decoder_params(t->decoder), sizeof *t->m);
    t->v = mem_array(decoder_params(t->decoder), sizeof *t->v);
    t->order = mem_array(t->lessons.count, sizeof *t->order);
    t->checkpoint = path_join(t->o->folder, "checkpoint.gguf");
    t->adapter = path_join(t->o->folder, "adapter.gguf");
    t->best = path_join(t->o->folder, "adapter-best.gguf");
    t->mmproj = path_join(t->o->folder, "mmproj.gguf");
    t->best_mmproj = path_join(t->o->folder, "mmproj-best.gguf");
    t->losses = path_join(t->o->folder, "loss.jsonl");
    t->png = path_join(t->o->folder, "loss.png");
    t->epoch = -1;
    if (!t->mmproj || !t->best_mmproj || !t->m || !t->v || !t->order || !t->checkpoint ||
        !t->adapter || !t->best || !t->losses || !t->png)
        return err_memory(err, "preparing a training");
    return RAP_OK;
}

/* ---- where it begins and stops ---- */

static rap_status check_from(const training *t, const lora *l, rap_err *err)
{
    const train_options *o = t->o;
    rap_status status = lora_check(l, o->from, t->file, err);

    if (status)
        return status;
    if (l->alpha != o->alpha)
        return err_set(err, RAP_E_ARGUMENT, "%s: its alpha is %g: --alpha %g goes on from it",
                       o->from, l->alpha, l->alpha);
    for (size_t i = 0; i < l->count; i++)
        if (l->pair[i].rank != o->rank)
            return err_set(err, RAP_E_ARGUMENT, "%s: its rank is %lld: --rank %lld goes on from it",
                           o->from, (long long)l->pair[i].rank, (long long)l->pair[i].rank);
    return RAP_OK;
}

/* The numbers of another adapter, in place of those that are drawn. */
static rap_status begin_from(const training *t, rap_err *err)
{
    lora l = { .pair = NULL };
    const linear *layer;
    rap_status status = lora_read(&l, t->o->from, err);

    if (!status)
        status = check_from(t, &l, err);
    for (size_t i = 0; !status && (layer = decoder_linear(t->decoder, i)) != NULL; i++) {
        const lora_pair *p = lora_find(&l, layer->w.tensor->name);

        if (!p)
            status = err_set(err, RAP_E_MODEL, "%s: has nothing for '%s', which is trained",
                             t->o->from, layer->w.tensor->name);
        for (int64_t k = 0; p && k < p->rank * p->in; k++)
            layer->a[k] = p->a[k];
        for (int64_t k = 0; p && k < p->rank * p->out; k++)
            layer->b[k] = p->b[k];
    }
    lora_release(&l);
    return status;
}

static checkpoint state_of(const training *t)
{
    return (checkpoint){ .step = t->step,
                         .settings = buf_text(&t->settings),
                         .param = decoder_param(t->decoder),
                         .m = t->m,
                         .v = t->v,
                         .count = decoder_params(t->decoder),
                         .projector = t->projector.p.param,
                         .projector_m = t->projector.m,
                         .projector_v = t->projector.v,
                         .projector_count = t->projector.p.params };
}

static rap_status begin_at(training *t, rap_err *err)
{
    checkpoint c = state_of(t);
    rap_status status = checkpoint_read(&c, t->checkpoint, err);

    if (!status && c.step == 0 && t->o->from)
        status = begin_from(t, err);
    if (status)
        return status;
    t->result->from_step = t->step = c.step;
    return record_open(&t->record, t->losses, t->step, err);
}

static rap_status save(const training *t, rap_err *err)
{
    checkpoint c = state_of(t);

    return checkpoint_write(t->checkpoint, &c, err);
}

/* ---- one step ---- */

/* The lessons of a step: out [count] of the order of its epoch. */
static const size_t *lessons_of(training *t, size_t *out_count)
{
    int epoch = (int)(t->step / t->per_epoch);
    size_t first = (size_t)(t->step % t->per_epoch) * (size_t)t->o->batch;
    size_t left = t->lessons.count - first;

    if (epoch != t->epoch)
        batch_order(t->order, t->lessons.count, t->o->seed, epoch);
    t->epoch = epoch;
    *out_count = left < (size_t)t->o->batch ? left : (size_t)t->o->batch;
    return t->order + first;
}

/* Names the first lesson whose loss is no number. */
static rap_status blame(training *t, const size_t *which, size_t count, rap_err *err)
{
    const char *id = "unknown";

    for (size_t i = 0; i < count; i++) {
        const lesson *l = &t->lessons.item[which[i]];
        double loss = 0;
        rap_status status;

        batch_clear(&t->batch);
        status = batch_add(&t->batch, l, t->o->reduction, t->lessons.bank, err);
        if (!status) {
            projector_part_run(&t->projector, &t->batch);
            status = decoder_loss(&loss, t->decoder, &t->batch.rows, 0, err);
        }
        if (status)
            return status;
        if (!isfinite(loss)) {
            id = l->id;
            break;
        }
    }
    return err_set(
        err, RAP_E_MODEL,
        "step %lld: the loss or its gradient is no number (sample '%.60s'); %s holds the last good "
        "checkpoint; try a lower --lr",
        (long long)t->step + 1, id, t->o->folder);
}

static bool stopped(training *t)
{
    double seconds = (clock_ms() - t->start) / 1000,
           done = (double)(t->step - t->result->from_step);
    double speed = seconds > 0 ? (double)t->tokens_done / seconds : 0, left = 0;
    char line[128], held[40] = "";

    if (!t->o->on_progress)
        return false;
    left = done > 0 ? seconds / done * (double)(t->steps - t->step) : 0;
    if (isfinite(t->record.validation))
        snprintf(held, sizeof held, "validation %.4g, ", t->record.validation);
    snprintf(line, sizeof line, "loss %.4g, %s%.0f tokens/s, %.0f min %02d s left",
             t->record.count ? t->record.loss[t->record.count - 1] : 0, held, speed,
             floor(left / 60), (int)fmod(left, 60));
    return t->o->on_progress(line, (uint64_t)t->step, (uint64_t)t->steps, t->o->payload) != 0;
}

/* What is in the batch; its loss joins `loss`. */
static rap_status learn(training *t, double *loss, double scale, rap_err *err)
{
    uint64_t key = (t->o->seed << 40) + (uint64_t)t->step * 65536 + (uint64_t)++t->part;
    double part = 0;
    rap_status status;

    if (t->batch.rows.count == 0)
        return RAP_OK;
    projector_part_run(&t->projector, &t->batch);
    status = decoder_learn(&part, t->decoder, &t->batch.rows, scale, key, err);
    if (!status)
        projector_part_back(&t->projector, &t->batch, decoder_input_gradient(t->decoder));
    *loss += part * scale;
    t->tokens_done += (uint64_t)t->batch.rows.count;
    batch_clear(&t->batch);
    if (!status && stopped(t))
        status =
            err_set(err, RAP_E_CANCELLED, "stopped at step %lld of %lld; the same command goes on",
                    (long long)t->step, (long long)t->steps);
    return status;
}

static rap_status learn_all(training *t, double *loss, const size_t *which, size_t count,
                            rap_err *err)
{
    double answers = 0;
    rap_status status = RAP_OK;

    for (size_t i = 0; i < count; i++)
        answers += lesson_weights(NULL, &t->lessons.item[which[i]], t->o->reduction);
    t->part = 0;
    batch_clear(&t->batch);
    for (size_t i = 0; !status && i < count; i++) {
        const lesson *l = &t->lessons.item[which[i]];

        if (!batch_fits(&t->batch, l))
            status = learn(t, loss, 1 / answers, err);
        if (!status)
            status = batch_add(&t->batch, l, t->o->reduction, t->lessons.bank, err);
    }
    return status ? status : learn(t, loss, 1 / answers, err);
}

/* ---- held-out samples ---- */

static bool validation_is_due(const training *t)
{
    int64_t every = t->o->validate_every ? t->o->validate_every : t->per_epoch;

    return t->held.count && (t->step % every == 0 || t->step == t->steps);
}

/* The batch's loss joins `loss`. A wish to stop waits until all are evaluated: a step is recorded with its evaluation. */
static rap_status evaluate_batch(training *t, double *loss, rap_err *err)
{
    double part = 0;
    rap_status status = RAP_OK;

    projector_part_run(&t->projector, &t->batch);
    if (t->batch.rows.count)
        status = decoder_loss(&part, t->decoder, &t->batch.rows, 0, err);

    *loss += part;
    batch_clear(&t->batch);
    t->stopping = t->stopping || stopped(t);
    return status;
}

/* The mean loss of the answers' tokens, without dropout. */
static rap_status evaluate(training *t, double *out, rap_err *err)
{
    double loss = 0;
    rap_status status = RAP_OK;

    batch_clear(&t->batch);
    for (size_t i = 0; !status && i < t->held.count; i++) {
        const lesson *l = &t->held.item[i];

        if (t->batch.rows.count + l->count > t->rows)
            status = evaluate_batch(t, &loss, err);
        if (!status)
            status = batch_add(&t->batch, l, REDUCTION_TOKEN, t->lessons.bank, err);
    }
    if (!status)
        status = evaluate_batch(t, &loss, err);
    *out = loss / (double)t->held.answers;
    if (!status && record_is_best(&t->record, *out))
        status = adapter_write(t->best, t->decoder, t->o->rank, t->o->alpha, t->o->half, err);
    if (!status && record_is_best(&t->record, *out))
        status = projector_part_write(&t->projector, t->best_mmproj, err);
    return status;
}

static bool is_hopeless(const training *t)
{
    return t->o->patience > 0 && t->record.since >= t->o->patience;
}

/* ---- a whole step ---- */

static rap_status step(training *t, rap_err *err)
{
    size_t count, params = decoder_params(t->decoder);
    const size_t *which = lessons_of(t, &count);
    double loss = 0, validation = NAN, norm, scale,
           lr = learning_rate(t->o->lr, t->step, t->steps, t->o->warmup), seconds;
    int threads = decoder_options_of(t).threads;
    rap_status status = learn_all(t, &loss, which, count, err);

    if (status)
        return status;
    norm = hypot(gradient_norm(decoder_grad(t->decoder), params, threads),
                 projector_part_norm(&t->projector, threads));
    if (!isfinite(loss) || !isfinite(norm))
        return blame(t, which, count, err);
    scale = t->o->clip > 0 && norm > t->o->clip ? t->o->clip / norm : 1;
    adam_step(&(adam){ .param = decoder_param(t->decoder),
                       .grad = decoder_grad(t->decoder),
                       .m = t->m,
                       .v = t->v,
                       .count = params,
                       .t = t->step + 1,
                       .lr = lr,
                       .scale = scale },
              threads);
    projector_part_step(&t->projector, t->step + 1,
                        learning_rate(t->o->projector_lr, t->step, t->steps, t->o->warmup), scale,
                        threads);
    t->step++;
    if (validation_is_due(t))
        status = evaluate(t, &validation, err);
    if (status)
        return status;
    seconds = (clock_ms() - t->start) / 1000;
    t->result->last_loss = loss;
    return record_add(&t->record, loss, validation, lr, norm,
                      seconds > 0 ? (double)t->tokens_done / seconds : 0, err);
}

/* ---- all of them ---- */

static rap_status run_steps(training *t, rap_err *err)
{
    rap_status status = RAP_OK, saved;
    rap_err second = { 0 };

    t->start = clock_ms();
    while (!status && t->step < t->steps && !is_hopeless(t)) {
        status = step(t, err);
        if (!status && t->step % t->o->save_every == 0 && t->step < t->steps)
            status = save(t, err);
        if (!status && t->stopping && t->step < t->steps)
            status = err_set(err, RAP_E_CANCELLED,
                             "stopped at step %lld of %lld; the same command goes on",
                             (long long)t->step, (long long)t->steps);
    }
    t->result->stopped_early = !status && t->step < t->steps;
    if (status == RAP_E_CANCELLED && t->step > t->result->from_step) {
        saved = save(t, &second);
        status = saved ? err_set(err, saved, "%s", second.text) : status;
    }
    return status;
}

static rap_status finish(training *t, rap_err *err)
{
    train_result *r = t->result;
    rap_status status =
        adapter_write(t->adapter, t->decoder, t->o->rank, t->o->alpha, t->o->half, err);

    if (!status)
        status = projector_part_write(&t->projector, t->mmproj, err);
    if (!status)
        status = save(t, err);
    decoder_close(t->decoder); /* so that drawing, which loads fonts, adds nothing to the peak */
    t->decoder = NULL;
    if (!status)
        status = record_draw(&t->record, t->png, err);
    r->seconds = (clock_ms() - t->start) / 1000;
    r->tokens_per_second = r->seconds > 0 ? (double)t->tokens_done / r->seconds : 0;
    r->validation = t->record.validation;
    r->best = t->record.best;
    r->best_step = t->record.best_step;
    r->first_loss = t->record.count ? t->record.loss[0] : 0;
    r->last_loss = t->record.count ? t->record.loss[t->record.count - 1] : 0;
    return status;
}

static void release(training *t)
{
    record_close(&t->record);
    batch_release(&t->batch);
    projector_part_close(&t->projector);
    lessons_release(&t->held);
    lessons_release(&t->lessons);
    decoder_close(t->decoder);
    base_adapters_close(&t->adapters);
    gguf_file_close(t->file);
    vlm_close(t->vlm);
    profile_close(t->profile);
    buf_release(&t->settings);
    free(t->m);
    free(t->v);
    free(t->order);
    free(t->checkpoint);
    free(t->adapter);
    free(t->best);
    free(t->mmproj);
    free(t->best_mmproj);
    free(t->losses);
    free(t->png);
}

rap_status train_run(train_result *out, const train_options *o, rap_err *err)
{
    training t = { .o = o, .result = out };
    shape known;
    rap_status status = check_options(o, err);

    *out = (train_result){ .samples = 0 };
    if (!status)
        status = open_models(&t, err);
    if (!status)
        status = shape_read(&known, t.file, err);
    if (!status && !o->dry_run)
        status = file_make_folders(o->folder, err);
    if (!status && o->projector != TRAIN_PROJECTOR_OFF)
        status = projector_part_choose(&t.projector, o->projector == TRAIN_PROJECTOR_ON, t.vlm,
                                       out->why_not, err);
    if (!status)
        status = read_lessons(&t, err);
    if (!status)
        status = estimate(&t, err);
    if (status || o->dry_run)
        goto cleanup;
    status = check_memory(&t, err);
    if (!status)
        status = write_settings(&t, err);
    if (!status)
        status = make_room(&t, err);
    if (!status)
        status = begin_at(&t, err);
    if (!status)
        status = run_steps(&t, err);
    if (!status)
        status = finish(&t, err);
cleanup:
    release(&t);
    return status;
}
