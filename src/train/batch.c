/* batch.c: see batch.h. */
#include "train/batch.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

rap_status batch_init(batch *out, int64_t cap, int64_t width, int64_t feature_width,
                      real *projected, rap_err *err)
{
    size_t n = (size_t)cap;

    *out = (batch){
        .cap = cap, .width = width, .feature_width = feature_width, .projected = projected
    };
    out->token = mem_array(n, sizeof *out->token);
    out->target = mem_array(n, sizeof *out->target);
    out->weight = mem_array(n, sizeof *out->weight);
    out->begin = mem_array(n + 1, sizeof *out->begin);
    out->picture = mem_array(n, sizeof *out->picture);
    out->pixels = mem_array(n * (size_t)feature_width, sizeof *out->pixels);
    if (!out->token || !out->target || !out->weight || !out->begin || !out->picture ||
        !out->pixels) {
        batch_release(out);
        return err_memory(err, "making room for a batch");
    }
    batch_clear(out);
    return RAP_OK;
}

void batch_release(batch *b)
{
    free(b->token);
    free(b->target);
    free(b->weight);
    free(b->begin);
    free(b->picture);
    free(b->pixels);
    *b = (batch){ .token = NULL };
}

size_t batch_bytes(int64_t cap, int64_t feature_width)
{
    return (size_t)cap * ((size_t)feature_width * sizeof(float) + 3 * sizeof(int32_t) +
                          sizeof(real) + sizeof(float *));
}

void batch_clear(batch *b)
{
    b->pixel_rows = 0;
    b->begin[0] = 0;
    b->rows = (rows){ .token = b->token,
                      .picture = b->picture,
                      .target = b->target,
                      .weight = b->weight,
                      .spans = { b->begin, 0 } };
}

bool batch_fits(const batch *b, const lesson *l)
{
    return b->rows.count + l->count <= b->cap;
}

/* A row learns the token behind it. */
rap_status batch_add(batch *b, const lesson *l, loss_reduction reduction, const pictures *bank,
                     rap_err *err)
{
    int64_t at = b->rows.count;
    rap_status status = RAP_OK;

    memcpy(b->token + at, l->token, (size_t)l->count * sizeof *b->token);
    for (int32_t i = 0; i < l->count; i++)
        b->target[at + i] = i + 1 < l->count && l->learnt[i + 1] ? l->token[i + 1] : -1;
    lesson_weights(b->weight + at, l, reduction); /* of tokens; a row has that of the next one */
    memmove(b->weight + at, b->weight + at + 1, (size_t)(l->count - 1) * sizeof *b->weight);
    for (int i = 0; !status && i < l->pictures; i++) {
        const lesson_picture *p = &l->picture[i];
        float *data = b->pixels + b->pixel_rows * b->feature_width;
        int32_t count;
        const int32_t *cells = pictures_cells(&count, bank, p->number);

        status = pictures_read(data, bank, p->number, err);
        for (int32_t k = 0; k < count; k++)
            if (cells[k] < 0) {
                b->picture[at + p->at + k] =
                    (b->projected ? b->projected : b->pixels) + b->pixel_rows++ * b->width;
            }
    }
    b->rows.count += l->count;
    b->begin[++b->rows.spans.count] = (int32_t)b->rows.count;
    return status;
}

void batch_order(size_t *out, size_t count, uint64_t seed, int epoch)
{
    for (size_t i = 0; i < count; i++)
        out[i] = i;
    for (size_t i = count; i > 1; i--) {
        size_t k = (size_t)(uniform_at(seed, 0x6f72646572u + (uint64_t)epoch, i) * (double)i),
               kept = out[i - 1];

        out[i - 1] = out[k];
        out[k] = kept;
    }
}
