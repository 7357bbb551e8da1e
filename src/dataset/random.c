/* random.c: SplitMix64 (Steele, Lea, Flood 2014) from a hash of seed, purpose and key. */
#include "dataset/random.h"

#include "base/hash.h"

#include <string.h>

draw draw_for(uint64_t seed, const char *purpose, const char *key)
{
    return (draw){ hash_fast(key, strlen(key), hash_fast(purpose, strlen(purpose), seed)) };
}

uint64_t draw_bits(draw *d)
{
    uint64_t z = d->state += 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

double draw_share(draw *d)
{
    return (double)(draw_bits(d) >> 11) * 0x1p-53;
}

double draw_between(draw *d, double low, double high)
{
    return low + (high - low) * draw_share(d);
}

size_t draw_below(draw *d, size_t count)
{
    return (size_t)(draw_share(d) * (double)count);
}
