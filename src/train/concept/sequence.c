/* sequence.c: the prompt of generate/prompt.h with learnt rows put in, as tokens and rows.
 *
 * Learnt rows travel through the tokenizer as pictures: 0 is the photo, 1 + 2 i the word of concept i, 2 + 2 i its rows. The
 * answer is tokenised by itself, as it is when the model says it. */
#include "train/concept/sequence.h"

#include "base/mem.h"
#include "generate/picture.h"

#include <stdlib.h>
#include <string.h>

/* ---- a photo ---- */

rap_status photo_rows_init(photo_rows *out, vlm *v, const image *im, rap_err *err)
{
    picture pic = { .chunks = NULL };
    session_picture source = { .pixels = NULL };
    rap_status status;

    *out = (photo_rows){ .tokens = NULL };
    status = vlm_encode(v, im, &out->tokens, &source.floats, err);
    source.tokens = out->tokens;
    if (!status)
        status = picture_init(&pic, v, &source, err);
    if (!status)
        status = cells_of_picture(&out->cell, &out->count, &pic, err);
    out->rows = pic.rows;
    picture_release(&pic);
    if (status)
        photo_rows_release(out);
    return status;
}

void photo_rows_release(photo_rows *s)
{
    free(s->tokens);
    free(s->cell);
    *s = (photo_rows){ .tokens = NULL };
}

/* ---- segments ---- */

static rap_status add(prompt *p, prompt_kind kind, const char *text, size_t len, int number,
                      rap_err *err)
{
    prompt_segment *grown;
    char *copy = text ? mem_string_n(text, len) : NULL;

    if (text && !len) {
        free(copy);
        return RAP_OK;
    }
    grown = (text && !copy) ? NULL : realloc(p->segment, (p->count + 1) * sizeof *grown);
    if (!grown) {
        free(copy);
        return err_memory(err, "building a prompt");
    }
    p->segment = grown;
    p->segment[p->count++] = (prompt_segment){ .kind = kind, .text = copy, .image = number };
    p->cap = p->count;
    return RAP_OK;
}

static rap_status add_text(prompt *p, const char *text, rap_err *err)
{
    return add(p, PROMPT_PLAIN, text, strlen(text), 0, err);
}

/* Length of "<name>" at the beginning of the text; 0: another text. */
static size_t name_at(const char *text, const known *k)
{
    size_t len = strlen(k->name);

    return k->word >= 0 && *text == '<' && strncmp(text + 1, k->name, len) == 0 &&
                   text[len + 1] == '>'
               ? len + 2
               : 0;
}

/* Text in which a concept with a word of its own is that word. */
static rap_status add_named(prompt *p, const char *text, const known *list, int count, rap_err *err)
{
    const char *from = text;
    rap_status status = RAP_OK;

    while (!status && *text) {
        size_t len = 0;
        int i = 0;

        while (i < count && (len = name_at(text, &list[i])) == 0)
            i++;
        if (!len) {
            text++;
            continue;
        }
        status = add(p, PROMPT_PLAIN, from, (size_t)(text - from), 0, err);
        if (!status)
            status = add(p, PROMPT_IMAGE, NULL, 0, 1 + 2 * i, err);
        from = text += len;
    }
    return status ? status : add_text(p, from, err);
}

/* "[bo] is [rows]." before the question. */
static rap_status add_sentence(prompt *p, int i, const known *k, rap_err *err)
{
    rap_status status = k->word >= 0 ? add(p, PROMPT_IMAGE, NULL, 0, 1 + 2 * i, err) : RAP_OK;

    if (!status)
        status = add_text(p, " is ", err);
    if (!status)
        status = add(p, PROMPT_IMAGE, NULL, 0, 2 + 2 * i, err);
    return status ? status : add_text(p, ".\n", err);
}

/* The prompt with what was learnt in it: behind the photo, and before the question, its last plain text. */
static rap_status weave(prompt *out, const prompt *plain, const known *list, int count,
                        rap_err *err)
{
    size_t last = plain->count;
    rap_status status = RAP_OK;

    while (last > 0 && plain->segment[last - 1].kind != PROMPT_PLAIN)
        last--;
    for (size_t i = 0; !status && i < plain->count; i++) {
        const prompt_segment *s = &plain->segment[i];

        if (i + 1 == last) {
            for (int k = 0; !status && k < count; k++)
                if (!list[k].in_photo)
                    status = add_sentence(out, k, &list[k], err);
            if (!status)
                status = add_named(out, s->text, list, count, err);
            continue;
        }
        status = add(out, s->kind, s->text, s->text ? strlen(s->text) : 0, s->image, err);
        for (int k = 0; !status && s->kind == PROMPT_IMAGE && k < count; k++)
            if (list[k].in_photo)
                status = add(out, PROMPT_IMAGE, NULL, 0, 2 + 2 * k, err);
    }
    return status;
}

/* ---- rows ---- */

static rap_status add_cell(sequence *s, int32_t cell, int32_t said, rap_err *err)
{
    if (s->count == s->cap) {
        int32_t cap = s->cap ? 2 * s->cap : 256;
        int32_t *cells = realloc(s->cell, (size_t)cap * sizeof *cells), *targets = NULL;

        s->cell = cells ? cells : s->cell;
        if (cells)
            targets = realloc(s->target, (size_t)cap * sizeof *targets);
        if (!targets)
            return err_memory(err, "reading samples");
        s->target = targets;
        s->cap = cap;
    }
    if (said >= 0 && s->count > 0) {
        s->target[s->count - 1] = said;
        s->answers++;
    }
    s->cell[s->count] = cell;
    s->target[s->count++] = -1;
    return RAP_OK;
}

typedef struct adding {
    sequence *s;
    const vlm *v;
    const photo_rows *photo;
    const known *list;
    bool learnt; /* an answer */
} adding;

static rap_status add_rows(const adding *a, int number, rap_err *err)
{
    const known *k = number > 0 ? &a->list[(number - 1) / 2] : NULL;
    bool word = number % 2 == 1;
    int count = !k ? a->photo->count : word ? 1 : k->rows;
    rap_status status = RAP_OK;

    for (int i = 0; !status && i < count; i++) {
        int32_t cell = !k ? a->photo->cell[i] : word ? -2 - k->word : -2 - (k->first + i);
        int32_t said =
            a->learnt && word ? llama_vocab_n_tokens(a->v->tokens.vocab) + k->output : -1;

        status = add_cell(a->s, cell, said, err);
    }
    return status;
}

static rap_status add_prompt(const adding *a, const prompt *p, rap_err *err)
{
    token_list tokens = { .token = NULL };
    rap_status status = tokenize_prompt(&tokens, &a->v->tokens, p, err);

    for (size_t i = 0; !status && i < tokens.runs; i++) {
        const token_run *run = &tokens.run[i];

        if (run->picture >= 0)
            status = add_rows(a, run->picture, err);
        for (size_t n = run->from; !status && run->picture < 0 && n < run->from + run->count; n++)
            status = add_cell(a->s, tokens.token[n], a->learnt ? tokens.token[n] : -1, err);
    }
    token_list_release(&tokens);
    return status;
}

static rap_status add_begin(sequence *s, const vlm *v, rap_err *err)
{
    llama_token begin = llama_vocab_bos(v->tokens.vocab);

    return llama_vocab_get_add_bos(v->tokens.vocab) && begin != LLAMA_TOKEN_NULL
               ? add_cell(s, begin, -1, err)
               : RAP_OK;
}

static rap_status add_answer(adding *a, const char *answer, int count, rap_err *err)
{
    prompt p = { 0 };
    const char *end = a->v->style.turns.after_assistant;
    rap_status status = add_text(&p, cells_before_answer(a->v), err);

    if (!status)
        status = add_named(&p, answer, a->list, count, err);
    if (!status && end)
        status = add(&p, PROMPT_SPECIAL, end, strlen(end), 0, err);
    a->learnt = true;
    if (!status)
        status = add_prompt(a, &p, err);
    prompt_release(&p);
    return status;
}

rap_status sequence_build(sequence *out, const vlm *v, const photo_rows *photo, const known *list,
                          int count, const char *question, const char *answer, rap_err *err)
{
    prompt plain = { 0 }, woven = { 0 };
    adding a = { out, v, photo, list, false };
    rap_status status;

    *out = (sequence){ .photo = photo ? photo->rows : NULL };
    status = prompt_build(&plain, &v->style.turns, photo != NULL, NULL, 0, question, 1, err);
    if (!status)
        status = weave(&woven, &plain, list, count, err);
    if (!status)
        status = add_begin(out, v, err);
    if (!status)
        status = add_prompt(&a, &woven, err);
    if (!status && answer)
        status = add_answer(&a, answer, count, err);
    prompt_release(&plain);
    prompt_release(&woven);
    if (status)
        sequence_release(out);
    return status;
}

void sequence_release(sequence *s)
{
    free(s->cell);
    free(s->target);
    *s = (sequence){ .cell = NULL };
}
