/* nn_bytes.c: linear layers in 8 bits.
 *
 *     x ≈ s (q − z)          q 0..255, s and z of each row       (dynamic: found when the row comes)
 *     w ≈ t v                v signed, t of each output
 *     x · w ≈ s t (q · v − z Σ v)
 *
 * Without VNNI two products q v are summed in 16 bits before anything else, so there v stays within ±63: then no sum
 * of two can overflow, at the price of a bit. With VNNI v uses all of ±127.
 *
 * Our kernel (AVX2): tiles of 4 rows × 16 outputs, weights packed as [panels of 16][steps of 4 inputs][16][4]. Other
 * processors run oneDNN's product of bytes on v [o, c], then the same ending. Read nn_bytes_run() first. */
#include "nn/nn_bytes.h"

#include "nn/nn_avx2.h"
#include "nn/nn_internal.h"
#include "nn/nn_tiles.h"

#include <math.h>
#include <string.h>

enum {
    ROWS = 4,
    COLUMNS = 16,
    STEP = 4,    /* inputs that one instruction multiplies */
    CHUNK = 96,  /* rows of a piece */
    DEPTH = 256, /* steps of a block of a sum: 16 KiB of weights */
    MIN_WIDTH = 64,
    MAX_WIDTH = 65536 /* 255 · 127 · this fits in 32 bits */
};

static int64_t panels_of(const nn_kernel_spec *s)
{
    return (s->o + COLUMNS - 1) / COLUMNS;
}

static int64_t steps_of(const nn_kernel_spec *s)
{
    return (s->c + STEP - 1) / STEP;
}

bool nn_bytes_suit(const nn_kernel_spec *s)
{
    return s->linear && s->c >= MIN_WIDTH && s->o >= MIN_WIDTH && s->c <= MAX_WIDTH &&
           s->operands == NN_TYPE_F32 && s->result == NN_TYPE_F32;
}

/* ---- weights ------------------------------------------------------------------------------ */

/* What nn_bytes_pack() fills: [outputs, rounded up to panels] each. */
typedef struct weights {
    float *scale; /* t */
    int32_t *sum; /* Σ v */
    int8_t *v;
} weights;

static weights weights_in(const nn_kernel_spec *s, const void *packed)
{
    int64_t o = panels_of(s) * COLUMNS;
    char *at = (char *)(uintptr_t)packed;
    return (weights){ (float *)(void *)at, (int32_t *)(void *)(at + o * 4),
                      (int8_t *)(at + o * 8) };
}

size_t nn_bytes_packed(const nn_kernel_spec *s)
{
    return (size_t)(panels_of(s) * COLUMNS * (8 + steps_of(s) * STEP));
}

typedef struct packing {
    const nn_kernel_spec *s;
    const float *plain;
    weights to;
    float limit; /* of |v| */
    bool own;
} packing;

/* Inputs first .. first + 4 of an output. */
static void pack_step(int8_t v[STEP], const packing *p, int64_t o, int64_t first, float over,
                      int32_t *sum)
{
    const nn_kernel_spec *s = p->s;
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
    const nn_kernel_spec *s = p->s;
    int64_t steps = steps_of(s), apart = p->own ? COLUMNS * STEP : STEP,
            step = s->in_out ? s->o : 1;
    int8_t *v = p->to.v + o * steps * STEP;
    if (p->own)
        v = p->to.v + (o / COLUMNS * steps * COLUMNS + o % COLUMNS) * STEP;
    const float *w = p->plain + (s->in_out ? o : o * s->c);
    float top = 0;
    int32_t sum = 0;
    for (int64_t i = 0; o < s->o && i < s->c; i++)
        top = fabsf(w[i * step]) > top ? fabsf(w[i * step]) : top;
    for (int64_t k = 0; k < steps; k++, v += apart)
        if (o < s->o)
            pack_step(v, p, o, k * STEP, top > 0 ? p->limit / top : 0, &sum);
        else
            memset(v, 0, STEP);
    p->to.scale[o] = top / p->limit;
    p->to.sum[o] = sum;
}

void nn_bytes_pack(const nn_kernel_spec *s, const float *plain, void *packed, bool own, int threads)
{
    packing p = { .s = s, .plain = plain, .to = weights_in(s, packed), .own = own };
    p.limit = nn_backend_has_vnni() && !own ? 127 : 63;
    nn_each(threads, panels_of(s) * COLUMNS, pack_output, &p);
}

/* ---- running ------------------------------------------------------------------------------ */

typedef struct job {
    const nn_kernel_spec *s;
    weights w;
    const float *bias, *src, *residual;
    float *dst;
    float *scale;   /* [n] */
    int32_t *zero;  /* [n] */
    uint8_t *q;     /* [n, depth] */
    int32_t *whole; /* [n, o], of oneDNN's product */
    int64_t depth, chunks;
} job;

size_t nn_bytes_scratch(const nn_kernel_spec *s, bool own)
{
    int64_t depth = steps_of(s) * STEP;
    return (size_t)(s->n * (8 + depth) + 64 + (own ? 0 : s->n * s->o * 4));
}

static void lay_out(job *j, char *scratch, bool own)
{
    int64_t n = j->s->n;
    j->depth = steps_of(j->s) * STEP;
    j->chunks = (n + CHUNK - 1) / CHUNK;
    j->scale = (float *)(void *)scratch;
    j->zero = (int32_t *)(void *)(scratch + n * 4);
    j->whole = own ? NULL : (int32_t *)(void *)(scratch + n * 8);
    j->q = (uint8_t *)scratch + n * 8 + (own ? 0 : n * j->s->o * 4);
}

static void quantise(void *payload, int64_t row, int lane)
{
    const job *j = payload;
    uint8_t *q = j->q + row * j->depth;
    nn_row_to_bytes(q, j->src + row * j->s->c, j->s->c, &j->scale[row], &j->zero[row]);
    memset(q + j->s->c, 0, (size_t)(j->depth - j->s->c));
}

/* Sums back into numbers, and on to the result: rows of one panel. sums rows lie `step` apart. */
static void finish(const job *j, int64_t panel, int64_t first, int64_t rows, const int32_t *sums,
                   int64_t step)
{
    float out[CHUNK * COLUMNS] __attribute__((aligned(64)));
    int64_t at = panel * COLUMNS, o = j->s->o, left = o - at < COLUMNS ? o - at : COLUMNS;
    const float *t = j->w.scale + at;
    const int32_t *total = j->w.sum + at;
    if (left < COLUMNS) /* an activation reads whole panels */
        memset(out, 0, (size_t)(rows * COLUMNS) * sizeof *out);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < left; i++)
            out[r * COLUMNS + i] = (float)(sums[r * step + i] - j->zero[first + r] * total[i]) *
                                   (j->scale[first + r] * t[i]);
    nn_tiles_finish(out, rows, COLUMNS, left, j->bias ? j->bias + at : NULL, j->s->act,
                    j->residual ? j->residual + first * o + at : NULL, j->dst + first * o + at, o);
}

#if defined(__x86_64__)
#define BEGIN(r)                                                              \
    __m256i lo##r = fresh ? _mm256_setzero_si256() : load(acc + r * COLUMNS); \
    __m256i hi##r = fresh ? _mm256_setzero_si256() : load(acc + r * COLUMNS + 8);
#define MULTIPLY(r)                                                                        \
    memcpy(&four, a[r] + k, sizeof four);                                                  \
    x = _mm256_set1_epi32(four);                                                           \
    lo##r = _mm256_add_epi32(lo##r, _mm256_madd_epi16(_mm256_maddubs_epi16(x, w0), ones)); \
    hi##r = _mm256_add_epi32(hi##r, _mm256_madd_epi16(_mm256_maddubs_epi16(x, w1), ones));
#define END(r)                       \
    store(acc + r * COLUMNS, lo##r); \
    store(acc + r * COLUMNS + 8, hi##r);

AVX2 static inline __m256i load(const void *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

AVX2 static inline void store(void *to, __m256i x)
{
    _mm256_storeu_si256((__m256i *)to, x);
}

/* acc [4, 16] += rows a [4] of `depth` bytes · weights. */
AVX2 static void tile(int32_t *acc, const uint8_t *const a[ROWS], const int8_t *w, int64_t depth,
                      bool fresh)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i x;
    int32_t four;
    FOR_4(BEGIN)
    for (int64_t k = 0; k < depth; k += STEP, w += STEP * COLUMNS) {
        __m256i w0 = load(w), w1 = load(w + 32);
        FOR_4(MULTIPLY)
    }
    FOR_4(END)
}

/* A chunk of rows and one panel. Rows that fill up the last tile repeat the last one. */
static void multiply(void *payload, int64_t i, int lane)
{
    const job *j = payload;
    int32_t acc[CHUNK * COLUMNS] __attribute__((aligned(64)));
    int64_t panel = i / j->chunks, first = i % j->chunks * CHUNK;
    int64_t rows = j->s->n - first < CHUNK ? j->s->n - first : CHUNK;
    const int8_t *w = j->w.v + panel * j->depth * COLUMNS;
    for (int64_t k = 0; k < j->depth; k += DEPTH * STEP) {
        int64_t depth = j->depth - k < DEPTH * STEP ? j->depth - k : DEPTH * STEP;
        for (int64_t r = 0; r < rows; r += ROWS) {
            const uint8_t *a[ROWS];
            for (int64_t m = 0; m < ROWS; m++)
                a[m] = j->q + (first + (r + m < rows ? r + m : rows - 1)) * j->depth + k;
            tile(acc + r * COLUMNS, a, w + k * COLUMNS, depth, k == 0);
        }
    }
    finish(j, panel, first, rows, acc, COLUMNS);
}
#else
static void multiply(void *payload, int64_t i, int lane)
{
}
#endif

static void finish_piece(void *payload, int64_t i, int lane)
{
    const job *j = payload;
    int64_t panel = i / j->chunks, first = i % j->chunks * CHUNK;
    int64_t rows = j->s->n - first < CHUNK ? j->s->n - first : CHUNK;
    finish(j, panel, first, rows, j->whole + first * j->s->o + panel * COLUMNS, j->s->o);
}

rap_status nn_bytes_run(const nn_kernel_spec *s, const void *packed, const float *bias,
                        const float *src, const float *residual, float *dst, void *scratch,
                        bool own, int threads, rap_err *err)
{
    job j = { .s = s, .w = weights_in(s, packed), .bias = bias, .src = src };
    j.residual = residual;
    j.dst = dst;
    lay_out(&j, scratch, own);
    nn_each(threads, s->n, quantise, &j);
    int64_t pieces = j.chunks * panels_of(s);
    if (own) {
        nn_each(threads, pieces, multiply, &j);
        return RAP_OK;
    }
    rap_status status = nn_matmul_bytes(j.whole, j.q, j.w.v, s->n, s->o, j.depth, err);
    if (status == RAP_OK)
        nn_each(threads, pieces, finish_piece, &j);
    return status;
}
