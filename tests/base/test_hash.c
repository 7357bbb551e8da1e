/* test_hash.c: the fast sum notices every wrong bit (src/base/hash.c). */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void every_bit_counts(void **state)
{
    for (size_t size = 0; size <= 131; size += size < 40 ? 1 : 13) {
        unsigned char bytes[131] = { 0 };
        uint64_t sum = hash_fast(bytes, size, 7);

        assert_int_equal(hash_fast(bytes, size, 7), sum);
        assert_int_not_equal(hash_fast(bytes, size, 8), sum);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            assert_int_not_equal(hash_fast(bytes, size, 7), sum);
            bytes[bit / 8] = 0;
        }
    }
}

static void length_and_order_count(void **state)
{
    const char zeros[64] = "", text[] = "abcdefghijklmnopqrstuvwxyz012345";
    char turned[sizeof text];

    for (size_t size = 1; size < sizeof zeros; size++)
        assert_int_not_equal(hash_fast(zeros, size, 0), hash_fast(zeros, size - 1, 0));
    memcpy(turned, text + 8, 8);
    memcpy(turned + 8, text, 8);
    memcpy(turned + 16, text + 16, 16);
    assert_int_not_equal(hash_fast(turned, 32, 0), hash_fast(text, 32, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(length_and_order_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
