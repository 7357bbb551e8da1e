/* nn_bytes.c: 8-bit linear layers.
 *
 *     x ≈ s (q − z)          q 0..255, s and z per row       (dynamic: computed at run time)
 *     w ≈ t v                v signed, t per output
 *     x · w ≈ s t (q · v − z Σ v)
 *
 * Without VNNI, pairs of products q v are first summed in 16 bits, so v is limited to ±63: no pair
 * can overflow, at the cost of one bit. With VNNI, v uses the full ±127.
 *
 * Weights are packed as [panels of two vectors of outputs][steps of 4 inputs][outputs of the
 * panel][4] for the tiles of nn_loops_bytes.inc. Start reading at nn_bytes_run(). */
#include "nn/nn_bytes.h"

#include "nn/nn_internal.h"
#include "nn/nn_panel.h"

#include <math.h>
#include <string.h>

enum {
    STEP = 4, /* inputs per instruction */
    CHUNK = NN_MAX_CHUNK,
    DEPTH = 256, /* steps per block of a sum: 16 or 32 KiB of weights */
    MIN_WIDTH = 64,
    MAX_WIDTH = 65536 /* 255 · 127 · this fits in 32 bits */
};

/* Outputs per panel. */
static int64_t panel_width(const nn_layer_spec *s)
{
    return 2 * s->kernels->vector;
}

static int64_t panels_of(const nn_layer_spec *s)
{
    return (s->o + panel_width(s) - 1) / panel_width(s);
}

static int64_t steps_of(const nn_layer_spec *s)
{
    return (s->c + STEP - 1) / STEP;
}

bool nn_bytes_suit(const nn_layer_spec *s)
{
    return s->linear && s->c >= MIN_WIDTH && s->o >= MIN_WIDTH && s->c <= MAX_WIDTH &&
           s->operands == NN_TYPE_F32 && s->result == NN_TYPE_F32;
}

/* ---- weights ------------------------------------------------------------------------------ */

/* The packed weights, as filled in by nn_bytes_pack(): [outputs, rounded up to whole panels] each. */
typedef struct weights {
    float *scale; /* t */
    int32_t *sum; /* Σ v */
    int8_t *v;
} weights;

static weights weights_in(const nn_layer_spec *s, const void *packed)
{
    int64_t o = panels_of(s) * panel_width(s);
    char *at = (char *)(uintptr_t)packed;
    return (weights){ (float *)(void *)at, (int32_t *)(void *)(at + o * 4),
                      (int8_t *)(at + o * 8) };
}

size_t nn_bytes_packed(const nn_layer_spec *s)
{
    return (size_t)(panels_of(s) * panel_width(s) * (8 + steps_of(s) * STEP));
}

typedef struct packing {
    const nn_layer_spec *s;
    const float *plain;
    weights to;
    float limit; /* of |v| */
} packing;

/* Inputs first .. first + 4 of an output. */
static void pack_step(int8_t v[STEP], const packing *p, int64_t o, int64_t first, float over,
                      int32_t *sum)
{
    const nn_layer_spec *s = p->s;
    for (int64_t i = first; i < first + STEP; i++) {
        float w = i >= s->c ? 0 : s->in_out ? p->plain[i * s->o + o] : p->plain[o * s->c + i];
        float scaled = w * over;
        v[i - first] = isfinite(scaled) ? (int8_t)lrintf(scaled) : 0;
        *sum += v[i - first];
    }
}

static void pack_output(void *payload, int64_t o, int lane)
{
    const packing *p = payload;
    const nn_layer_spec *s = p->s;
    int64_t steps = steps_of(s), step = s->in_out ? s->o : 1, width = panel_width(s);
    int8_t *v = p->to.v + (o / width * steps * width + o % width) * STEP;
    const float *w = p->plain + (s->in_out ? o : o * s->c);
    float top = 0;
    int32_t sum = 0;
    for (int64_t i = 0; o < s->o && i < s->c; i++)
        top = fabsf(w[i * step]) > top ? fabsf(w[i * step]) : top;
    for (int64_t k = 0; k < steps; k++, v += width * STEP)
        if (o < s->o)
            pack_step(v, p, o, k * STEP, top > 0 ? p->limit / top : 0, &sum);
        else
            memset(v, 0, STEP);
    p->to.scale[o] = top / p->limit;
    p->to.sum[o] = sum;
}

void nn_bytes_pack(const nn_layer_spec *s, const float *plain, void *packed, int threads)
{
    packing p = { .s = s, .plain = plain, .to = weights_in(s, packed) };
    p.limit = (float)s->kernels->byte_limit;
    nn_each(threads, panels_of(s) * panel_width(s), pack_output, &p);
}

/* ---- running ------------------------------------------------------------------------------ */

typedef struct job {
    const nn_layer *l;
    const nn_layer_spec *s;
    weights w;
    float *scale;  /* [n] */
    int32_t *zero; /* [n] */
    uint8_t *q;    /* [n, depth] */
    int64_t depth, chunks;
} job;

size_t nn_bytes_scratch(const nn_layer_spec *s)
{
    return (size_t)(s->n * (8 + steps_of(s) * STEP) + 64);
}

static void quantise(void *payload, int64_t row, int lane)
{
    const job *j = payload;
    uint8_t *q = j->q + row * j->depth;
    nn_row_to_bytes(q, j->l->src + row * j->s->c, j->s->c, &j->scale[row], &j->zero[row]);
    memset(q + j->s->c, 0, (size_t)(j->depth - j->s->c));
}

/* Converts the sums of one panel's rows back to f32 and stores the results. */
static void finish(const job *j, nn_panel p, int64_t first, int64_t rows, const int32_t *sums)
{
    float out[CHUNK * 2 * NN_MAX_VECTOR] __attribute__((aligned(64)));
    for (int64_t r = 0; r < rows; r++)
        j->s->kernels->from_bytes(out + r * p.width, sums + r * p.width, j->w.sum + p.first,
                                  j->w.scale + p.first, p.width, j->zero[first + r],
                                  j->scale[first + r]);
    nn_panel_finish(j->l, p, first, rows, out);
}

/* One chunk of rows by one panel. The last tile is padded by repeating its last row. */
static void multiply(void *payload, int64_t i, int lane)
{
    const job *j = payload;
    int32_t acc[CHUNK * 2 * NN_MAX_VECTOR] __attribute__((aligned(64)));
    int64_t width = panel_width(j->s), first = i % j->chunks * CHUNK,
            tile = j->s->kernels->byte_rows;
    int64_t rows = j->s->n - first < CHUNK ? j->s->n - first : CHUNK;
    nn_panel p = { .first = i / j->chunks * width, .width = width };
    p.columns = j->s->o - p.first < width ? j->s->o - p.first : width;
    const int8_t *w = j->w.v + p.first * j->depth;
    for (int64_t k = 0; k < j->depth; k += DEPTH * STEP) {
        int64_t depth = j->depth - k < DEPTH * STEP ? j->depth - k : DEPTH * STEP;
        for (int64_t r = 0; r < rows; r += tile) {
            const uint8_t *a[NN_MAX_BYTE_ROWS];
            for (int64_t m = 0; m < tile; m++)
                a[m] = j->q + (first + (r + m < rows ? r + m : rows - 1)) * j->depth + k;
            j->s->kernels->byte_tile(acc + r * width, a, w + k * width, depth, k == 0);
        }
    }
    finish(j, p, first, rows, acc);
}

void nn_bytes_run(const nn_layer *l, void *scratch, int threads)
{
    const nn_layer_spec *s = l->s;
    job j = { .l = l, .s = s, .w = weights_in(s, l->packed), .scale = scratch };
    j.depth = steps_of(s) * STEP;
    j.chunks = (s->n + CHUNK - 1) / CHUNK;
    j.zero = (int32_t *)scratch + s->n;
    j.q = (uint8_t *)scratch + s->n * 8;
    nn_each(threads, s->n, quantise, &j);
    nn_each(threads, j.chunks * panels_of(s), multiply, &j);
}
