/* lesson.c: samples become sequences.
 *
 * The whole conversation is one prompt of segments, so that it is tokenised as it is when the model answers. An answer begins behind
 * the tokens that what stands before it has by itself, too. */
#include "train/lesson.h"

#include "base/file.h"
#include "base/mem.h"
#include "dataset/sample.h"
#include "generate/vlm_inside.h"
#include "train/cells.h"
#include "train/linear.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the conversation as segments ---- */

/* Takes the segments out of `from`. */
static bool append(prompt *to, prompt *from)
{
    size_t count = to->count + from->count;
    prompt_segment *grown = realloc(to->segment, (count ? count : 1) * sizeof *grown);

    if (!grown)
        return false;
    to->segment = grown;
    if (from->count)
        memcpy(grown + to->count, from->segment, from->count * sizeof *grown);
    to->count = to->cap = count;
    from->count = 0;
    return true;
}

static bool append_text(prompt *to, prompt_kind kind, const char *space, const char *text)
{
    prompt_segment s = { .kind = kind };
    prompt one = { .segment = &s, .count = 1, .cap = 1 };
    buf b = BUF_INIT;

    if (!*text)
        return true;
    buf_puts(&b, space);
    buf_puts(&b, text);
    s.text = buf_detach(&b);
    if (s.text && append(to, &one))
        return true;
    free(s.text);
    return false;
}

/* Segments before each answer and behind its end: mark [2 · turns]. */
typedef struct talk {
    prompt all;
    size_t mark[2 * SAMPLE_TURNS];
} talk;

static rap_status add_turn(talk *t, const sample *s, int turn, const vlm *v, rap_err *err)
{
    prompt_style wording = v->style.turns;
    prompt_concept concept[SAMPLE_CONCEPTS];
    prompt p = { 0 };
    bool fits;
    rap_status status;

    for (int i = 0; i < s->concepts; i++)
    concept[i] =
        (prompt_concept){ s->concept[i].name, s->concept[i].info, *s->concept[i].picture != 0 };
    if (turn > 0)
        wording.system =
            ""; /* what ends an answer belongs to the answer here, not to the turn behind it */
    status = prompt_build(&p, &wording, turn == 0 && s->image, concept, turn == 0 ? s->concepts : 0,
                          s->turn[turn].human, 1, err);
    if (status)
        return status;
    fits = append(&t->all, &p);
    prompt_release(&p);
    t->mark[2 * turn] = t->all.count;
    fits = fits && append_text(&t->all, PROMPT_PLAIN, cells_before_answer(v), s->turn[turn].gpt) &&
           append_text(&t->all, PROMPT_SPECIAL, "", wording.after_assistant);
    t->mark[2 * turn + 1] = t->all.count;
    return fits ? RAP_OK : err_memory(err, "reading samples");
}

/* ---- a sequence ---- */

typedef struct building {
    lesson l;
    int32_t cap;
} building;

static bool add_row(building *b, int32_t token, uint8_t learnt)
{
    if (b->l.count == b->cap) {
        int32_t cap = b->cap ? 2 * b->cap : 256;
        int32_t *tokens = realloc(b->l.token, (size_t)cap * sizeof *tokens);
        uint8_t *marks = tokens ? realloc(b->l.learnt, (size_t)cap) : NULL;

        b->l.token = tokens ? tokens : b->l.token;
        if (!marks)
            return false;
        b->l.learnt = marks;
        b->cap = cap;
    }
    b->l.token[b->l.count] = token;
    b->l.learnt[b->l.count++] = learnt;
    b->l.answers += learnt;
    return true;
}

/* The path of picture `number` of a prompt. */
static const char *picture_name(const sample *s, int number)
{
    return number == 0 ? s->image : s->concept[number - 1].picture;
}

static rap_status add_picture(building *b, lessons *all, const sample *s, int number,
                              const char *images, rap_err *err)
{
    char *path = path_join(images, picture_name(s, number));
    lesson_picture *grown = realloc(b->l.picture, (size_t)(b->l.pictures + 1) * sizeof *grown);
    const int32_t *cells = NULL;
    int32_t count = 0;
    bool fits = path && grown;
    rap_status status = RAP_OK;

    b->l.picture = grown ? grown : b->l.picture;
    if (fits)
        status = pictures_add(&grown[b->l.pictures].number, all->bank, path, number > 0, err);
    free(path);
    if (status)
        return status;
    if (fits) {
        cells = pictures_cells(&count, all->bank, grown[b->l.pictures].number);
        grown[b->l.pictures++].at = b->l.count;
    }
    for (int32_t i = 0; fits && i < count; i++)
        fits = add_row(b, cells[i], 0);
    return fits ? RAP_OK : err_memory(err, "reading samples");
}

static rap_status add_runs(building *b, lessons *all, const sample *s, const token_list *tokens,
                           const uint8_t *learnt, const char *images, rap_err *err)
{
    rap_status status = RAP_OK;

    for (size_t i = 0; !status && i < tokens->runs; i++) {
        const token_run *run = &tokens->run[i];

        if (run->picture >= 0) {
            status = add_picture(b, all, s, run->picture, images, err);
            continue;
        }
        for (size_t n = run->from; !status && n < run->from + run->count; n++)
            if (!add_row(b, tokens->token[n], learnt[n]))
                status = err_memory(err, "reading samples");
    }
    return status;
}

static rap_status add_begin(building *b, const token_list *tokens, const vlm *v, rap_err *err)
{
    llama_token begin = llama_vocab_bos(v->tokens.vocab);
    bool there =
        tokens->count && tokens->runs && tokens->run[0].picture < 0 && tokens->token[0] == begin;

    if (!llama_vocab_get_add_bos(v->tokens.vocab) || begin == LLAMA_TOKEN_NULL || there)
        return RAP_OK;
    return add_row(b, begin, 0) ? RAP_OK : err_memory(err, "reading samples");
}

static void lesson_release(lesson *l)
{
    free(l->id);
    free(l->token);
    free(l->learnt);
    free(l->picture);
    *l = (lesson){ .id = NULL };
}

static rap_status build(building *b, lessons *all, const sample *s, vlm *v, const char *images,
                        rap_err *err)
{
    talk t = { .all = { 0 } };
    token_list tokens = { .token = NULL };
    size_t edge[2 * SAMPLE_TURNS];
    uint8_t *learnt = NULL;
    rap_status status = RAP_OK;

    *b = (building){ .l = { .id = mem_string(s->id) } };
    for (int i = 0; !status && i < s->turns; i++)
        status = add_turn(&t, s, i, v, err);
    if (!status)
        status = tokenize_prompt_marks(&tokens, edge, t.mark, 2 * (size_t)s->turns, &v->tokens,
                                       &t.all, err);
    learnt = mem_array(tokens.count + 1, 1);
    if (!status && (!learnt || !b->l.id))
        status = err_memory(err, "reading samples");
    for (int i = 0; !status && i < s->turns; i++)
        for (size_t n = edge[2 * i]; n < edge[2 * i + 1]; n++)
            learnt[n] = 1;
    if (!status)
        status = add_begin(b, &tokens, v, err);
    if (!status)
        status = add_runs(b, all, s, &tokens, learnt, images, err);
    free(learnt);
    token_list_release(&tokens);
    prompt_release(&t.all);
    return status;
}

/* ---- all of them ---- */

static bool keep(lessons *all, lesson *l)
{
    if (all->count == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 256;
        lesson *grown = realloc(all->item, cap * sizeof *grown);

        if (!grown)
            return false;
        all->item = grown;
        all->cap = cap;
    }
    all->item[all->count++] = *l;
    all->tokens += (uint64_t)l->count;
    all->answers += (uint64_t)l->answers;
    all->longest = l->count > all->longest ? l->count : all->longest;
    *l = (lesson){ .id = NULL };
    return true;
}

static rap_status take_sample(lessons *all, const sample *s, vlm *v, const lesson_options *o,
                              const char *images, rap_err *err)
{
    building b;
    rap_err why = { 0 };
    rap_status status;

    if (s->concepts > o->max_concepts) {
        all->many_concepts++;
        return RAP_OK;
    }
    status = build(&b, all, s, v, images, &why);
    if (status)
        err_set(err, status, "sample %s: %s", s->id, why.text);
    else if (b.l.count > o->max_tokens) {
        if (!all->too_long++)
            snprintf(all->first_long, sizeof all->first_long, "%s", s->id);
    } else if (!b.l.answers)
        all->no_answer++;
    else if (!keep(all, &b.l))
        status = err_memory(err, "reading samples");
    lesson_release(&b.l);
    return status;
}

rap_status lesson_file(char **out, const char *data, rap_err *err)
{
    static const char *const name[] = { "train.json", "train.jsonl" };

    if (!file_is_folder(data)) {
        *out = mem_string(data);
        return *out ? RAP_OK : err_memory(err, "reading samples");
    }
    for (int i = 0; i < 2; i++) {
        *out = path_join(data, name[i]);
        if (*out && file_exists(*out))
            return RAP_OK;
        free(*out);
    }
    *out = NULL;
    return err_set(err, RAP_E_NOT_FOUND,
                   "%s: no train.json or train.jsonl there; `rap dataset build` makes one", data);
}

static rap_status read_file(lessons *out, vlm *v, const char *path, const char *images,
                            const lesson_options *o, rap_err *err)
{
    sample_file *f = NULL;
    uint64_t done = 0;
    bool more = true;
    rap_status status = sample_file_open(&f, path, err);

    while (!status && more) {
        sample s;

        status = sample_file_next(&s, &more, f, err);
        if (status || !more)
            break;
        status = take_sample(out, &s, v, o, images, err);
        sample_release(&s);
        if (!status && o->on_progress && o->on_progress("samples read", ++done, 0, o->payload))
            status = err_set(err, RAP_E_CANCELLED, "stopped while samples were read");
    }
    sample_file_close(f);
    return status;
}

static rap_status check_some(const lessons *out, const char *path, const lesson_options *o,
                             rap_err *err)
{
    return out->count ? RAP_OK
                      : err_set(err, RAP_E_ARGUMENT,
                                "%s: no sample is left to train on (%llu with more than %d "
                                "concepts, %llu longer than "
                                "%d tokens, %llu without an answer)",
                                path, (unsigned long long)out->many_concepts, o->max_concepts,
                                (unsigned long long)out->too_long, o->max_tokens,
                                (unsigned long long)out->no_answer);
}

rap_status lessons_read(lessons *out, vlm *v, const lesson_options *o, rap_err *err)
{
    char *path = NULL, *folder = NULL, *images = NULL;
    rap_status status;

    *out = (lessons){ .item = NULL };
    if (v->mtmd && (mtmd_decode_use_non_causal(v->mtmd, NULL) || mtmd_decode_use_mrope(v->mtmd)))
        return err_set(
            err, RAP_E_UNSUPPORTED,
            "%s: its pictures are not read like text, one row after the other; such models are not "
            "trained",
            v->mmproj_path);
    status = lesson_file(&path, o->data, err);
    folder = status ? NULL : path_folder(path);
    images = folder ? path_join(folder, "images") : NULL;
    if (!status && !images)
        status = err_memory(err, "reading samples");
    if (!status)
        status = pictures_open(&out->bank, v, o->folder, o->before_projector, err);
    if (!status)
        status = read_file(out, v, path, images, o, err);
    if (!status)
        status = check_some(out, path, o, err);
    free(path);
    free(folder);
    free(images);
    if (status)
        lessons_release(out);
    return status;
}

/* ---- held out ---- */

rap_status lessons_read_validation(lessons *out, lessons *train, vlm *v, const lesson_options *o,
                                   rap_err *err)
{
    char *path = file_is_folder(o->data) ? sample_data_file(o->data, "validation") : NULL, *images;
    rap_status status;

    *out = (lessons){ .item = NULL };
    if (!path)
        return RAP_OK;
    images = path_join(o->data, "images");
    out->bank = train->bank;
    status = images ? read_file(out, v, path, images, o, err) : err_memory(err, "reading samples");
    out->bank = NULL;
    free(path);
    free(images);
    if (status)
        lessons_release(out);
    return status;
}

/* Lesson i: its place in a fair draw. */
static double drawn(uint64_t seed, size_t i)
{
    return uniform_at(seed, 0x76616c6964u, i);
}

rap_status lessons_hold_out(lessons *out, lessons *train, double share, uint64_t seed, rap_err *err)
{
    lessons left = { .item = NULL };
    size_t least = 0;
    bool fits = true;

    *out = (lessons){ .item = NULL };
    if (train->count < 2)
        return err_set(err, RAP_E_ARGUMENT,
                       "one sample cannot be both trained on and held out; leave out --validation");
    for (size_t i = 1; i < train->count; i++)
        least = drawn(seed, i) < drawn(seed, least) ? i : least;
    for (size_t i = 0; fits && i < train->count; i++) {
        bool held = i == least || drawn(seed, i) < share;

        fits = keep(held ? out : &left, &train->item[i]);
    }
    if (!fits || !left.count) {
        lessons_release(&left);
        lessons_release(out);
        return fits ? err_set(err, RAP_E_ARGUMENT,
                              "a share of %g held out leaves no sample to train on", share)
                    : err_memory(err, "holding samples out");
    }
    free(train->item);
    train->item = left.item;
    train->count = left.count;
    train->cap = left.cap;
    train->tokens = left.tokens;
    train->answers = left.answers;
    train->longest = left.longest;
    return RAP_OK;
}

void lessons_release(lessons *l)
{
    for (size_t i = 0; i < l->count; i++)
        lesson_release(&l->item[i]);
    free(l->item);
    pictures_close(l->bank);
    *l = (lessons){ .item = NULL };
}

/* ---- what counts how much ---- */

static real weight_in(int32_t tokens, loss_reduction reduction)
{
    return reduction == REDUCTION_TOKEN    ? 1
           : reduction == REDUCTION_ANSWER ? 1 / (real)tokens
                                           : 1 / (real)sqrt((double)tokens);
}

double lesson_weights(real *out, const lesson *l, loss_reduction reduction)
{
    double sum = 0;

    for (int32_t i = 0, end; i < l->count; i = end) {
        real weight;

        for (end = i + 1; end < l->count && l->learnt[end] == l->learnt[i];)
            end++;
        weight = l->learnt[i] ? weight_in(end - i, reduction) : 0;
        sum += (double)weight * (end - i);
        for (int32_t k = i; out && k < end; k++)
            out[k] = weight;
    }
    return sum;
}
