/* planar.h: made-up vectors that lie close to a plane, as an encoder's features do, for tests of searching. */
#ifndef RAP_TESTS_RETRIEVE_PLANAR_H
#define RAP_TESTS_RETRIEVE_PLANAR_H

#include <stdint.h>
#include <stdlib.h>

enum { PLANAR_DIRECTIONS = 40, PLANAR_MOST_DIM = 512 };

static uint64_t planar_seed = 88172645463325252u;

static float planar_noise(void) /* −1..1, the same in every run */
{
    planar_seed ^= planar_seed << 13;
    planar_seed ^= planar_seed >> 7;
    planar_seed ^= planar_seed << 17;
    return (float)(planar_seed >> 40) / (1 << 23) - 1;
}

/* out [count, dim]: sums of a few fixed directions, each weaker than the one before, and `off` of noise. */
static void planar_fill(float *out, size_t count, int dim, float off)
{
    static float direction[PLANAR_DIRECTIONS][PLANAR_MOST_DIM];
    static int made;

    if (!made)
        for (int i = 0; i < PLANAR_DIRECTIONS; i++)
            for (int d = 0; d < PLANAR_MOST_DIM; d++)
                direction[i][d] = planar_noise();
    made = 1;
    for (size_t row = 0; row < count; row++) {
        float *to = out + row * (size_t)dim;

        for (int d = 0; d < dim; d++)
            to[d] = direction[0][d] + off * planar_noise();
        for (int i = 1; i < PLANAR_DIRECTIONS; i++) {
            float along = 2 * planar_noise() / (1 + 0.1f * (float)i);

            for (int d = 0; d < dim; d++)
                to[d] += along * direction[i][d];
        }
    }
}

#endif
