/* words.c: words that the vocabulary does not have, as further rows of the output matrix: with h [n, D] the normed rows and
 * w [words, D],
 *
 *     logit = h wᵀ,   dw += dlogitᵀ h,   dh += dlogit w */
#include "train/decoder_inside.h"

#include <string.h>

void decoder_words(decoder *d, const real *row, real *grad, int count)
{
    d->word = row;
    d->dword = grad;
    d->words = count < DECODER_WORDS ? count : DECODER_WORDS;
}

/* The last row first, since rows move towards the end. */
void words_run(decoder *d, int64_t n)
{
    int64_t vocab = d->shape.vocab, width = d->shape.width;

    for (int64_t i = n - 1; i >= 0; i--) {
        real *to = d->logits + i * (vocab + d->words);
        const real *h = d->heads + i * width;

        memmove(to, d->logits + i * vocab, (size_t)vocab * sizeof *to);
        for (int w = 0; w < d->words; w++) {
            real sum = 0;

            for (int64_t k = 0; k < width; k++)
                sum += h[k] * d->word[w * width + k];
            to[vocab + w] = sum;
        }
    }
}

void words_back(decoder *d, int64_t n)
{
    int64_t vocab = d->shape.vocab, width = d->shape.width;

    for (int64_t i = 0; i < n; i++) {
        const real *from = d->logits + i * (vocab + d->words), *h = d->heads + i * width;

        for (int w = 0; w < d->words; w++) {
            real g = from[vocab + w];

            d->dsaid[i * DECODER_WORDS + w] = g;
            for (int64_t k = 0; k < width; k++)
                d->dword[w * width + k] += g * h[k];
        }
        memmove(d->logits + i * vocab, from, (size_t)vocab * sizeof *from);
    }
}

void words_add(decoder *d, int64_t n)
{
    int64_t width = d->shape.width;

    for (int64_t i = 0; i < n; i++)
        for (int w = 0; w < d->words; w++) {
            real g = d->dsaid[i * DECODER_WORDS + w];

            for (int64_t k = 0; k < width; k++)
                d->heads[i * width + k] += g * d->word[w * width + k];
        }
}
