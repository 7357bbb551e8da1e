/* words.c: words that the vocabulary does not have, as further rows of the output matrix: with h [n, D] the normed rows and
 * w [words, D],
 *
 *     logit = h wᵀ,   dw += dlogitᵀ h,   dh += dlogit w
 *
 * Their logits, and later the gradients by them, lie behind those of the vocabulary: [n, words]. */
#include "train/decoder_inside.h"

void decoder_words(decoder *d, const real *row, real *grad, int count)
{
    d->word = row;
    d->dword = grad;
    d->words = count < DECODER_WORDS ? count : DECODER_WORDS;
}

static real *of_words(const decoder *d, int64_t n)
{
    return d->logits + n * d->shape.vocab;
}

void words_run(decoder *d, int64_t n)
{
    real *to = of_words(d, n);

    for (int64_t i = 0; i < n; i++)
        for (int w = 0; w < d->words; w++) {
            const real *h = d->heads + i * d->shape.width, *row = d->word + w * d->shape.width;
            real sum = 0;

            for (int64_t k = 0; k < d->shape.width; k++)
                sum += h[k] * row[k];
            to[i * d->words + w] = sum;
        }
}

void words_back(decoder *d, int64_t n)
{
    const real *grad = of_words(d, n);

    for (int64_t i = 0; i < n; i++)
        for (int w = 0; w < d->words; w++) {
            const real *h = d->heads + i * d->shape.width;
            const real g = grad[i * d->words + w];

            for (int64_t k = 0; k < d->shape.width; k++)
                d->dword[w * d->shape.width + k] += g * h[k];
        }
}

void words_add(decoder *d, int64_t n)
{
    const real *grad = of_words(d, n);

    for (int64_t i = 0; i < n; i++)
        for (int w = 0; w < d->words; w++) {
            real *dh = d->heads + i * d->shape.width;
            const real g = grad[i * d->words + w];

            for (int64_t k = 0; k < d->shape.width; k++)
                dh[k] += g * d->word[w * d->shape.width + k];
        }
}
